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


# What hints have in common: where it is missing, none of them needs to be looked for.
_STEMS = ("-", "gh", "key", "sess", "k_live_", "k_test_", "shp", "pass")


def hinted(lowered: str) -> list[tuple[str, Pattern]]:
    """The hints that a text in small letters holds, and the pattern of each."""
    held = [hint for stem, alike in _hints_by_stem() if stem in lowered for hint in alike if hint in lowered]
    return [(hint, pattern) for hint in held for pattern in _patterns_by_hint()[hint]]


@cache
def _patterns_by_hint() -> dict[str, list[Pattern]]:
    found: dict[str, list[Pattern]] = {}
    for place, row in enumerate(table()):
        pattern = Pattern(row["name"], row["pattern"], place=place, hints=tuple(row["hints"]))
        for hint in pattern.hints:
            found.setdefault(hint, []).append(pattern)
    return found


@cache
def _hints_by_stem() -> list[tuple[str, list[str]]]:
    """A stem and the hints that have it; a hint that has none is its own."""
    found: dict[str, list[str]] = {}
    for hint in _patterns_by_hint():
        found.setdefault(next((stem for stem in _STEMS if stem in hint), hint), []).append(hint)
    return list(found.items())
