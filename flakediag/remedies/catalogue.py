"""The catalogue of remedies: data files, read once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache

from flakediag import tables
from flakediag.model import Category

FILES = ("order", "timing", "port", "others")


@dataclass(frozen=True)
class Remedy:
    """One entry. `words` and `unless` are searched in what a failure says; no `words` fits every failure.

    `role` is the partner's, None for any. `needs` names a placeholder without a value for which the entry does not fit.
    `like` names the entry whose code serves where `code` has none for the framework.
    """

    name: str
    cause: Category
    summary: str
    steps: tuple[str, ...]
    role: str | None = None
    needs: str | None = None
    like: str | None = None
    words: re.Pattern[str] | None = None
    unless: re.Pattern[str] | None = None
    code: dict[str, str] = field(default_factory=dict)

    def fits(self, said: str, role: str | None, known: frozenset[str]) -> bool:
        if self.role and self.role != role:
            return False
        if self.needs and self.needs not in known:
            return False
        if self.unless and self.unless.search(said):
            return False
        return self.words is None or bool(self.words.search(said))


@cache
def remedies() -> tuple[Remedy, ...]:
    """All entries, in the order in which they are tried."""
    return tuple(
        Remedy(
            name=entry["name"],
            cause=Category(entry["cause"]),
            summary=entry["summary"],
            steps=tuple(entry["steps"]),
            role=entry.get("role"),
            needs=entry.get("needs"),
            like=entry.get("like"),
            words=_pattern(entry["words"]),
            unless=_pattern(entry.get("unless", [])),
            code={framework: code.strip("\n") + "\n" for framework, code in entry.get("code", {}).items()},
        )
        for name in FILES
        for entry in tables.read(f"remedies/catalogue/{name}.toml")["remedy"]
    )


def _pattern(words: list[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(f"(?:{word})" for word in words), re.IGNORECASE) if words else None


def code_for(remedy: Remedy, framework: str) -> str | None:
    """The example for `framework`, None where there is none. Vitest speaks Jest's language under the name `vi`."""
    for entry in (remedy, *(other for other in remedies() if other.name == remedy.like)):
        if framework in entry.code:
            return entry.code[framework]
        if framework == "vitest" and "jest" in entry.code:
            return re.sub(r"\bjest\.", "vi.", entry.code["jest"])
    return None
