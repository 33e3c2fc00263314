"""What failing goes with: host, shard, job, branch, properties of the run, workers, hour, weekday, end of month.

Every fact that the runs carry is a predicate over runs; the association of each with each subject's failures is tested
(Fisher, one-sided), and false discoveries are controlled over all of them together. The few that hold are what turns
"unknown" into "fails on runner-2 only".
"""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.evidence.fisher import discoveries, hypergeometric_tail
from flakediag.analysis.evidence.parallel import parallel_runs
from flakediag.analysis.weights import weights
from flakediag.analysis.window import Subject, Window
from flakediag.model import Category, Evidence, Run

MOST_VALUES = 30  # a fact with more values than this is an identifier
MOST_FACTS = 40
WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


@dataclass(frozen=True)
class Predicate:
    """A fact that holds for some runs. `where`: bool[R]; `where_words` completes "fails …"; `key` names its weights."""

    key: str
    fact: str
    value: str
    where_words: str
    where: NDArray[np.bool_]


def find(window: Window, subjects: Sequence[Subject]) -> list[list[Evidence]]:
    """Evidence of kind "environment-…" for the associations that hold."""
    table = weights("environment")
    found: list[list[Evidence]] = [[] for _ in subjects]
    facts = predicates(window)
    tests = list(_tested(facts, subjects))
    held = discoveries([chance for _, _, _, chance in tests], table["false_discovery_rate"])
    best: dict[tuple[int, str], tuple[float, Predicate, tuple[int, int, int, int]]] = {}
    for (n, predicate, counts, chance), holds in zip(tests, held, strict=True):
        known = best.get((n, predicate.key))
        if holds and (known is None or chance < known[0]):
            best[n, predicate.key] = chance, predicate, counts
    for (n, _), (chance, predicate, counts) in best.items():
        found[n].extend(_evidence(predicate, counts, chance))
    return found


def _tested(
    facts: Sequence[Predicate], subjects: Sequence[Subject]
) -> Iterator[tuple[int, Predicate, tuple[int, int, int, int], float]]:
    """(subject, predicate, (failures there, runs there, failures, runs), chance) of all pairs that can say something.

    The counts are matrix products; only pairs with more failures there than expected are worth the exact test, but all
    of them count as tests made.
    """
    if not facts or not subjects:
        return
    where = np.array([p.where for p in facts], dtype=np.float64)
    failed = np.array([s.failed == 1 for s in subjects], dtype=np.float64)
    seen = np.array([s.failed >= 0 for s in subjects], dtype=np.float64)
    hits, inside = (failed @ where.T).astype(int), (seen @ where.T).astype(int)
    failures, total = failed.sum(axis=1).astype(int), seen.sum(axis=1).astype(int)
    for n in range(len(subjects)):
        if failures[n] < 3:
            continue
        for k, predicate in enumerate(facts):
            counts = (int(hits[n, k]), int(inside[n, k]), int(failures[n]), int(total[n]))
            if not 0 < inside[n, k] < total[n]:
                continue
            if counts[0] < 3 or counts[0] * counts[3] <= counts[1] * counts[2]:
                yield n, predicate, counts, 1.0
            else:
                yield n, predicate, counts, hypergeometric_tail(counts[0], counts[3], counts[1], counts[2])


def _evidence(predicate: Predicate, counts: tuple[int, int, int, int], chance: float) -> Iterator[Evidence]:
    table = weights("environment")
    here, runs_here, failures, runs = counts
    elsewhere, runs_elsewhere = failures - here, runs - runs_here
    # How much likelier a failure is there, shrunk towards no difference.
    lift = log((here + 0.5) / (runs_here + 1)) - log((elsewhere + 0.5) / (runs_elsewhere + 1))
    if lift < table["least_lift"]:
        return
    only = " only" if elsewhere == 0 else ""
    counted = f"{here} of {runs_here} runs there, {elsewhere} of {runs_elsewhere} elsewhere"
    summary = f"fails {predicate.where_words}{only}: {counted}"
    data = {"fact": predicate.fact, "value": predicate.value, "counts": list(counts), "chance": chance, "lift": lift}
    strength = min(1.0, lift / 3.0) * min(1.0, -log(max(chance, 1e-12)) / 9.0)
    for category, weight in table[predicate.key].items():
        yield Evidence(f"environment-{predicate.key}", Category(category), weight * strength, summary, data)


def predicates(window: Window) -> list[Predicate]:
    """All facts of the window's runs that hold for some runs and not for others."""
    found = [*_named(window.runs), *_clock(window.runs)]
    parallel = parallel_runs(window)
    found.append(Predicate("parallel", "parallel", "yes", "in parallel runs", parallel))
    return [p for p in found if p.where.any() and not p.where.all()]


def _named(runs: Sequence[Run]) -> Iterator[Predicate]:
    facts: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for n, run in enumerate(runs):
        for fact in ("host", "shard", "job", "branch", "producer"):
            value = getattr(run, fact)
            if value is not None:
                facts[fact, fact][n] = str(value)
        for name, value in run.properties.items():
            facts["property", name][n] = str(value)
    for (key, fact), values in list(facts.items())[:MOST_FACTS]:
        different = set(values.values())
        if len(different) > MOST_VALUES or len(values) < len(runs) / 2:
            continue
        for value in sorted(different):
            where = np.array([values.get(n) == value for n in range(len(runs))], dtype=np.bool_)
            if where.sum() >= 2:
                yield Predicate(key, fact, value, _words(key, fact, value), where)


def _words(key: str, fact: str, value: str) -> str:
    value = value if len(value) <= 60 else f"{value[:59]}…"
    if key == "property":
        return f"where {fact[:60]} is {value}"
    return {"host": f"on {value}", "branch": f"on branch {value}"}.get(key, f"in {fact} {value}")


def _clock(runs: Sequence[Run]) -> Iterator[Predicate]:
    """Hours in windows of 2, 4 and 8 hours, weekdays, month ends; in UTC.

    Only over histories of three days or more: within one session the hour is a proxy for whatever was done in it.
    """
    days = {run.started_at.date() for run in runs}
    if len(days) < 3:
        return
    hours = np.array([run.started_at.hour for run in runs])
    for width in (2, 4, 8):
        for start in range(0, 24, width // 2):
            inside = (hours - start) % 24 < width
            if len({run.started_at.date() for run, here in zip(runs, inside, strict=True) if here}) >= 2:
                end = (start + width) % 24
                yield Predicate("hour", "hour", f"{start}-{end}", f"between {start:02}:00 and {end:02}:00 UTC", inside)
    if len(days) >= 14:
        weekdays = np.array([run.started_at.weekday() for run in runs])
        for n, name in enumerate(WEEKDAYS):
            yield Predicate("calendar", "weekday", name, f"on {name}", weekdays == n)
        yield Predicate("calendar", "weekday", "weekend", "on weekends", weekdays >= 5)
    if len(days) >= 28:
        last = np.array(
            [run.started_at.day >= monthrange(run.started_at.year, run.started_at.month)[1] - 1 for run in runs]
        )
        yield Predicate("calendar", "month", "end", "at the end of the month", last)
        first = np.array([run.started_at.day == 1 for run in runs])
        yield Predicate("calendar", "month", "first", "on the first of the month", first)
