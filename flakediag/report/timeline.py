"""The life of a test as rows of symbols, oldest run first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from flakediag.model import Outcome, TimelineEntry

SYMBOLS = {Outcome.PASSED: ".", Outcome.FAILED: "F", Outcome.ERROR: "E", Outcome.SKIPPED: "s"}
RETRIED = "r"
LEGEND = {".": "passed", "F": "failed", "E": "error", "r": "passed on a retry", "s": "skipped", "|": "new commit"}


def symbol(entry: TimelineEntry) -> str:
    if entry.outcome is Outcome.PASSED and entry.attempts > 1:
        return RETRIED
    return SYMBOLS[entry.outcome]


def by_commit(entries: Sequence[TimelineEntry]) -> list[tuple[str | None, list[TimelineEntry]]]:
    """Consecutive runs of one commit together, oldest first."""
    return [(commit, list(group)) for commit, group in groupby(entries, key=lambda entry: entry.run.commit)]


def one_row(entries: Sequence[TimelineEntry]) -> str:
    """All runs in one row, a bar where the commit changes. Without any commit known there are no bars."""
    return "|".join("".join(symbol(entry) for entry in group) for _, group in by_commit(entries))


def legend(row: str) -> str:
    """What the symbols in `row` mean."""
    return "  ".join(f"{sign} {meaning}" for sign, meaning in LEGEND.items() if sign in row)
