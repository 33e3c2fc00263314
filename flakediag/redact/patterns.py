"""The kinds of secrets that are known, from the one data file that holds them all."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from flakediag import tables


@dataclass(eq=False, slots=True)
class Pattern:
    """One kind of secret. Where the expression has a group `secret`, only that is masked.

    `hints` are words of which it needs one, in small letters; none where nothing is known. Compiled when it is first
    needed: most reports hold no secret at all.
    """

    name: str
    expression: str
    _compiled: re.Pattern[str] | None = None
    place: int = 0
    hints: tuple[str, ...] = ()
    _mask: str = field(init=False)

    def __post_init__(self) -> None:
        self._mask = f"<redacted:{self.name}>"

    def mask(self, text: str, masked: Counter[str]) -> str:
        """The text without these secrets; how many there were is added to `masked`."""
        if self._compiled is None:
            self._compiled = re.compile(self.expression)
        new, count = self._compiled.subn(self._of_group if "secret" in self._compiled.groupindex else self._mask, text)
        if count:
            masked[self.name] += count
        return new

    def _of_group(self, match: re.Match[str]) -> str:
        if match["secret"] is None:  # the group stands in another alternative
            return self._mask
        began = match.start()
        return match[0][: match.start("secret") - began] + self._mask + match[0][match.end("secret") - began :]


def table() -> list[dict[str, Any]]:
    """The rows of `secrets.toml`, in the order in which they are to be looked for."""
    rows: list[dict[str, Any]] = tables.read("redact/secrets.toml")["secret"]
    return rows


@cache
def hints() -> list[tuple[str, Pattern]]:
    """(a word without which a pattern cannot match, in small letters, the pattern)"""
    found = []
    for place, row in enumerate(table()):
        pattern = Pattern(row["name"], row["pattern"], place=place, hints=tuple(row["hints"]))
        found += [(hint, pattern) for hint in pattern.hints]
    return found
