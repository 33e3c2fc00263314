"""The boundary of the system under test at which a failure showed, and what can be lifted out of it.

Both help to find the place: a failure at the database with its SQLSTATE goes to other people than one at a queue with
its topic. Neither is evidence for a cause.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

from flakediag import tables
from flakediag.analysis.evidence.phrases import Phrases
from flakediag.analysis.evidence.text import said
from flakediag.model import Artefact, Boundary, FailureDetail

MOST = 8  # artefacts of one failure
LENGTH = 200  # characters of one artefact
LEAST = 2  # points below which no boundary is named


@cache
def _catalogue() -> tuple[dict[Boundary, list[Phrases]], list[tuple[str, Phrases]]]:
    """The boundaries with their patterns, and the kinds of artefact with theirs."""
    table = tables.read("analysis/boundary.toml")
    boundaries = {Boundary(name): [Phrases([p]) for p in patterns] for name, patterns in table["boundaries"].items()}
    artefacts = [(kind, Phrases([p], re.IGNORECASE)) for kind, patterns in table["artefacts"].items() for p in patterns]
    return boundaries, artefacts


def boundary_of(detail: FailureDetail) -> Boundary | None:
    """The boundary that a failure shows, None where it shows none.

    The exception's type counts most, then the message, then the rest; the order of the catalogue breaks ties.
    """
    words = said(detail)
    places = (words.type.lower(), words.message.lower(), words.text.lower())
    points = {boundary: _points(patterns, *places) for boundary, patterns in _catalogue()[0].items()}
    best = max(points, key=lambda boundary: points[boundary])
    return best if points[best] >= LEAST else None


def _points(patterns: Sequence[Phrases], kind: str, message: str, text: str) -> int:
    points = 0
    for pattern in patterns:
        if pattern.search(kind):
            points += 3
        if pattern.search(message):
            points += 2
        elif pattern.search(text):
            points += 1
    return points


def artefacts_of(detail: FailureDetail) -> tuple[Artefact, ...]:
    """What a failure holds that helps to find the place, each once, at most eight."""
    words = said(detail)
    text = "\n".join((words.message, words.text, words.output))
    found = tuple(dict.fromkeys(_lifted(text)))
    return tuple(one for one in found if not any(_says_more(other, one) for other in found))[:MOST]


def _says_more(one: Artefact, other: Artefact) -> bool:
    """`other` is only a part of it."""
    return one.kind == other.kind and len(one.value) > len(other.value) and other.value.strip("\"'") in one.value


def _lifted(text: str) -> Iterator[Artefact]:
    for kind, pattern in _catalogue()[1]:
        for n, match in enumerate(pattern.finditer(text)):
            value = " ".join(next(group for group in match.groups() if group).split())[:LENGTH]
            value = "".join(c for c in value if c.isprintable())
            if value:
                yield Artefact(kind, value)
            if n == 1:
                break
