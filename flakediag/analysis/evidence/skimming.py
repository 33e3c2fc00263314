"""Which of many failures are worth reading for a few phrases: those with a line that holds a word of them.

The failures of a suite share most of their lines, its stacks above all. So the distinct lines of all of them are
looked through once, joined, instead of each failure's text by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from flakediag.analysis.evidence.phrases import Phrases
from flakediag.model import FailureDetail


def speaking(details: Sequence[FailureDetail], phrases: Iterable[Phrases]) -> Iterator[FailureDetail]:
    """Those of the failures that can match one of the phrases, in order; a few that do not match are among them.

    Whatever `text.read` makes of a failure is made of parts of its lines. So a failure without a line that holds one of
    the words that the phrases cannot match without is left out rightly.
    """
    asked = tuple(phrases)
    if any(each.always for each in asked):
        yield from details
        return
    lines: set[str] = set()
    for detail in details:
        lines.update(_lines(detail))
    telling = _with_words(lines, dict.fromkeys(word for each in asked for word in each.words))
    if telling:
        yield from (detail for detail in details if not telling.isdisjoint(_lines(detail)))


def _lines(detail: FailureDetail) -> list[str]:
    return "\n".join(detail).split("\n")


def _with_words(lines: Iterable[str], words: Iterable[str]) -> set[str]:
    """The lines that hold, in lower case, one of the words."""
    apart = list(lines)
    joined = "\n".join(apart).lower()
    present = [word for word in words if word in joined]
    lowered = joined.split("\n") if present else []
    return {line for word in present for line, low in zip(apart, lowered, strict=True) if word in low}
