"""How many tests ran at a time, as far as the times in a report tell."""

from __future__ import annotations

from typing import NamedTuple

from flakediag.junit.document import Document, Suite
from flakediag.junit.numbers import moment, seconds

PARALLEL = 1.1  # above this, several workers ran: the sum of the test times is more than the time that passed


class Load(NamedTuple):
    """How much was run, and in how much time, both in seconds; None where the report does not say.

    More was run than there was time for only where the difference exceeds `tolerance`: suites state times of less than
    their tests took when these are short, or tried again.
    """

    busy: float | None
    wall: float | None
    tolerance: float = 0.2

    @property
    def parallelism(self) -> float | None:
        """About how many tests ran at a time, None where that is not known."""
        if self.busy is None or not self.wall:
            return None
        ratio = self.busy / self.wall
        if ratio > PARALLEL and self.busy - self.wall <= self.tolerance:
            return None
        return round(ratio, 3)


def _tests(document: Document) -> float | None:
    durations = document.cases.durations
    return None if all(duration is None for duration in durations) else sum(filter(None, durations))


def _time(suite: Suite) -> float | None:
    return seconds(suite.attributes.get("time"))


def load_by_suite(document: Document) -> Load:
    """The time of a suite is the time that passed; several suites ran one after the other."""
    holding = sorted(set(document.cases.suites))
    times = [_time(document.suites[index]) for index in holding]
    known = [time for time in times if time is not None]
    return Load(_tests(document), sum(known) if known and len(known) == len(times) else None)


def load_by_root(document: Document) -> Load:
    """The time of the root element is the time that passed, however the suites overlap."""
    return Load(_tests(document), _time(document.root))


def load_by_moments(document: Document) -> Load:
    """Suites ran when their timestamps say, for as long as their times say."""
    spans = []
    coarse = False
    for index in set(document.cases.suites):
        suite = document.suites[index]
        began, _ = moment(suite.attributes.get("timestamp"))
        lasted = _time(suite)
        if began is None or lasted is None:
            return Load(_tests(document), None)
        coarse = coarse or not began.microsecond
        spans.append((began.timestamp(), lasted))
    if not spans:
        return Load(None, None)
    if len(spans) == 1:
        return Load(_tests(document), spans[0][1])
    wall = max(began + lasted for began, lasted in spans) - min(began for began, _ in spans)
    # Timestamps cut to the second: the run may have taken up to a second longer than they show.
    return Load(sum(lasted for _, lasted in spans), wall + coarse, tolerance=0.0)


def load_unknown(document: Document) -> Load:
    """Times that are not those of the tests: nothing can be told of workers."""
    return Load(None, None)
