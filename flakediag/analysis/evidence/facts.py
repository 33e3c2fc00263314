"""The facts that runs carry, as predicates: where it ran, when, with how many workers, and what other failures printed.

A result of its own carries nothing more here: what it says by its duration, its place in the order and its retries is
looked at by `timing` and `order`.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.evidence.parallel import parallel_runs
from flakediag.analysis.window import Window
from flakediag.model import Run

MOST_VALUES = 30  # of one fact: the commonest ones are tested
MOST_FACTS = 40
LEAST_RUNS = 2  # for which a value holds: what was there once is an identifier
WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")

Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Predicate:
    """A fact that holds for some runs and not for others. `where_words` completes "fails …"; `key` names its weights.

    where: bool[R] the runs for which it holds; known: bool[R] the runs that say whether it does.
    occasion: int[R]: runs of one number are one occasion (a day, a week), and `occasions` the number of different ones
    on which a test must have failed there: a bad day is no rule about Mondays.
    carrier: the test whose output the fact is, None for facts of the run.
    """

    key: str
    fact: str
    value: str
    where_words: str
    where: Flags
    known: Flags
    occasion: NDArray[np.int64] | None = None
    occasions: int = 1
    carrier: int | None = None


def predicates(window: Window) -> list[Predicate]:
    """All facts of the window's runs that hold for some of the runs that know them, and not for others."""
    found = [*_named(window.runs), *_clock(window.runs), *_workers(window), *_output(window)]
    return [p for p in found if (p.where & p.known).any() and (p.known & ~p.where).any()]


def _always(runs: Sequence[Run]) -> Flags:
    return np.ones(len(runs), dtype=np.bool_)


# --- where: host, shard, job, branch, producer, attempt, properties ----------------------------------------------


def _named(runs: Sequence[Run]) -> Iterator[Predicate]:
    facts: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for n, run in enumerate(runs):
        for fact in ("host", "shard", "job", "branch", "producer", "attempt"):
            value = getattr(run, fact)
            if value is not None:
                facts[fact, fact][n] = str(value)
        for name, value in run.properties.items():
            facts["property", name][n] = str(value)
    varied = [(name, values) for name, values in facts.items() if len(set(values.values())) > 1]
    for (key, fact), values in varied[:MOST_FACTS]:
        if len(values) < len(runs) / 2:
            continue
        known = np.array([n in values for n in range(len(runs))], dtype=np.bool_)
        common = Counter(values.values()).most_common(MOST_VALUES)
        for value in sorted(value for value, count in common if count >= LEAST_RUNS):
            where = np.array([values.get(n) == value for n in range(len(runs))], dtype=np.bool_)
            yield Predicate(
                key=key, fact=fact, value=value, where_words=_words(key, fact, value), where=where, known=known
            )
        yield from _from_a_number_on(key, fact, values, known)


def _words(key: str, fact: str, value: str) -> str:
    value = value if len(value) <= 60 else f"{value[:59]}…"
    if key == "property":
        return f"where {fact[:60]} is {value}"
    if key == "attempt":
        return "in the first attempt of a job" if value == "1" else f"in attempt {value} of a job"
    return {"host": f"on {value}", "branch": f"on branch {value}"}.get(key, f"in {fact} {value}")


def _from_a_number_on(key: str, fact: str, values: Mapping[int, str], known: Flags) -> Iterator[Predicate]:
    """For numbers (workers, versions of one part): "4 or more". A seed is a number only by its looks."""
    if key not in ("property", "attempt") or "seed" in fact.lower():
        return
    if not all(re.fullmatch(r"\d{1,9}(?:\.\d{1,6})?", value) for value in values.values()):
        return
    numbers = {n: float(value) for n, value in values.items()}
    different = sorted(set(numbers.values()))
    steps = different[1:] if len(different) <= 4 else [different[len(different) * q // 4] for q in (1, 2, 3)]
    for step in steps[1:] if len(different) == 2 else steps:
        where = np.array([numbers.get(n, -1.0) >= step for n in range(len(known))], dtype=np.bool_)
        words = (
            f"where {fact[:60]} is {step:g} or more" if key == "property" else f"in attempt {step:g} of a job or later"
        )
        yield Predicate(key=key, fact=fact, value=f">= {step:g}", where_words=words, where=where, known=known)


# --- when: hours, weekdays, ends of months -----------------------------------------------------------------------


def _clock(runs: Sequence[Run]) -> Iterator[Predicate]:
    """Hours in windows of 2, 4 and 8 hours, weekdays, month ends; in UTC.

    Only over histories of three days or more: within one session the hour is a proxy for whatever was done in it.
    """
    days = {run.started_at.date() for run in runs}
    if len(days) < 3:
        return
    known = _always(runs)
    date = np.array([run.started_at.toordinal() for run in runs], dtype=np.int64)
    hours = np.array([run.started_at.hour for run in runs])
    for width in (2, 4, 8):
        for start in range(0, 24, width // 2):
            inside = (hours - start) % 24 < width
            end = (start + width) % 24
            words = f"between {start:02}:00 and {end:02}:00 UTC"
            yield Predicate(
                key="hour",
                fact="hour",
                value=f"{start}-{end}",
                where_words=words,
                where=inside,
                known=known,
                occasion=date,
                occasions=3,
            )
    if len(days) >= 14:
        weekdays = np.array([run.started_at.weekday() for run in runs])
        week = (date - 1) // 7  # ordinal 1 was a Monday
        for n, name in enumerate(WEEKDAYS):
            yield _calendar("weekday", name, f"on {name}", weekdays == n, week, 3)
        yield _calendar("weekday", "weekend", "on weekends", weekdays >= 5, week, 3)
    if len(days) >= 28:
        month = np.array([run.started_at.year * 12 + run.started_at.month for run in runs], dtype=np.int64)
        last = np.array(
            [run.started_at.day >= monthrange(run.started_at.year, run.started_at.month)[1] - 1 for run in runs]
        )
        yield _calendar("month", "end", "at the end of the month", last, month, 2)
        first = np.array([run.started_at.day == 1 for run in runs])
        yield _calendar("month", "first", "on the first of the month", first, month, 2)


def _calendar(
    fact: str, value: str, words: str, where: Flags, occasion: NDArray[np.int64], occasions: int
) -> Predicate:
    return Predicate(
        key="calendar",
        fact=fact,
        value=value,
        where_words=words,
        where=where,
        known=np.ones(len(where), dtype=np.bool_),
        occasion=occasion,
        occasions=occasions,
    )


# --- with whom: workers ------------------------------------------------------------------------------------------


def _workers(window: Window) -> Iterator[Predicate]:
    """Parallel runs, and about how many workers they had, from the sum of the test times over the wall time."""
    known = _always(window.runs)
    parallel = parallel_runs(window)
    yield Predicate(
        key="parallel", fact="parallel", value="yes", where_words="in parallel runs", where=parallel, known=known
    )
    ratios = np.array([run.parallelism or np.nan for run in window.runs])
    for workers in (3, 6, 12):
        # k workers that are never idle make a ratio of k; they are idle now and then.
        where = ratios >= 0.75 * workers
        words = f"in runs with about {workers} workers or more"
        yield Predicate(
            key="parallel",
            fact="workers",
            value=f">= {workers}",
            where_words=words,
            where=where,
            known=~np.isnan(ratios),
        )


# --- what others printed -----------------------------------------------------------------------------------------

LEAST_OUTPUTS = 6  # runs in which a test failed and printed something, from which its lines are looked at
MOST_OF_ONE = 60  # outputs of one test that are read, the latest ones
MOST_OUTPUTS = 600  # of all, those of the tests that fail most; reading more would take seconds
MOST_LINES = 60  # of one test, and of the head and the tail of one output
_VOLATILE = re.compile(r"\d+(?:[.:,]\d+)+|0x[0-9a-f]+|\b[0-9a-f-]*\d[0-9a-f-]{7,}\b|\d{3,}", re.IGNORECASE)


def _output(window: Window) -> Iterator[Predicate]:
    """Lines that a failing test printed in some of its failures and not in others ("connected to replica-2").

    What a passing test printed is in no history. So a line is a fact of the runs in which its test failed, and says
    something about the other tests only. Lines of one test that always come together are one fact.
    """
    for test, by_run in _printed(window).items():
        known = np.zeros(len(window.runs), dtype=np.bool_)
        known[list(by_run)] = True
        counts = Counter(line for lines in by_run.values() for line in lines)
        seen: set[bytes] = set()
        common = [line for line, count in sorted(counts.items()) if 3 <= count <= len(by_run) - 3]
        for line in sorted(common, key=lambda line: abs(counts[line] - len(by_run) / 2))[:MOST_LINES]:
            where = np.array([line in by_run[n] if n in by_run else False for n in range(len(known))], dtype=np.bool_)
            if where.tobytes() in seen:
                continue
            seen.add(where.tobytes())
            shown = line if len(line) <= 80 else f"{line[:79]}…"
            words = f"where {window.tests[test].id} prints “{shown}”"
            yield Predicate(
                key="output", fact="output", value=line, where_words=words, where=where, known=known, carrier=test
            )


def _printed(window: Window) -> dict[int, dict[int, set[str]]]:
    """For each test that printed often enough, the lines by run, volatile parts masked."""
    speaking = [f for f in window.failures if f.detail.output]
    count = Counter(test for test, _ in {(f.test, f.run) for f in speaking})
    often = [test for test, runs in count.most_common() if runs >= LEAST_OUTPUTS]
    of_test = window.failures_of
    latest = [f for test in often for f in [f for f in of_test[test] if f.detail.output][-MOST_OF_ONE:]]
    printed: dict[int, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for failure in latest[:MOST_OUTPUTS]:
        lines = failure.detail.output[:20_000].splitlines()
        for line in dict.fromkeys((*lines[:MOST_LINES], *lines[-MOST_LINES:])):
            text = _VOLATILE.sub("#", " ".join(line[:300].split()))[:200]
            if len(text) >= 8:
                printed[failure.test][failure.run].add(text)
    return {test: dict(by_run) for test, by_run in printed.items() if len(by_run) >= LEAST_OUTPUTS}
