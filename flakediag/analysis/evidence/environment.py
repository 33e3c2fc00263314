"""What failing goes with: host, shard, job, branch, attempt, properties, workers, hour, weekday, end of month, output.

Every fact that the runs carry is a predicate over runs (`facts`); the association of each with each subject's failures
is tested (Fisher, one-sided), and false discoveries are controlled over all of them together. The few that hold are
what turns "unknown" into "fails on runner-2 only".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.evidence.facts import Predicate, predicates
from flakediag.analysis.evidence.fisher import discoveries, hypergeometric_tail
from flakediag.analysis.weights import weights
from flakediag.analysis.window import Subject, Window
from flakediag.model import Category, Evidence

Ints = NDArray[np.int64]

LEAST_FAILURES = 3  # where a fact holds, before it is worth a word


class Counts(NamedTuple):
    """Failures and runs where a fact holds, and in all runs that know it."""

    here: int
    runs_here: int
    failures: int
    runs: int


def find(window: Window, subjects: Sequence[Subject]) -> list[list[Evidence]]:
    """Evidence of kind "environment-…" for the associations that hold."""
    table = weights("environment")
    found: list[list[Evidence]] = [[] for _ in subjects]
    tests, made = _tested(predicates(window), subjects)
    chances = [chance for _, _, _, chance in tests] + [1.0] * (made - len(tests))
    held = discoveries(chances, table["false_discovery_rate"])[: len(tests)]
    best: dict[tuple[int, str], tuple[float, Predicate, Counts]] = {}
    for (n, predicate, counts, chance), holds in zip(tests, held, strict=True):
        known = best.get((n, predicate.key))
        if holds and (known is None or chance < known[0]):
            best[n, predicate.key] = chance, predicate, counts
    for (n, _), (chance, predicate, counts) in best.items():
        found[n].extend(_evidence(predicate, counts, chance))
    return found


def _tested(
    facts: Sequence[Predicate], subjects: Sequence[Subject]
) -> tuple[list[tuple[int, Predicate, Counts, float]], int]:
    """(subject, predicate, counts, chance) of the pairs that are worth a test, and how many pairs could have been.

    The counts are matrix products; only pairs with clearly more failures there than elsewhere are worth the exact test,
    but all of them count as tests made.
    """
    if not facts or not subjects:
        return [], 0
    known = np.array([p.known for p in facts], dtype=np.float64).T
    where = np.array([p.where & p.known for p in facts], dtype=np.float64).T
    failed = np.array([s.failed == 1 for s in subjects], dtype=np.float64)
    seen = np.array([s.failed >= 0 for s in subjects], dtype=np.float64)
    here, runs_here = (failed @ where).astype(int), (seen @ where).astype(int)
    failures, runs = (failed @ known).astype(int), (seen @ known).astype(int)
    carrier = np.array([-1 if p.carrier is None else p.carrier for p in facts])
    own = carrier[None, :] == np.array([s.test for s in subjects])[:, None]
    made = (failures >= LEAST_FAILURES) & (runs_here > 0) & (runs_here < runs) & ~own
    lift = _lift(here, runs_here, failures, runs)
    worth = made & (here >= LEAST_FAILURES) & (lift >= weights("environment")["least_lift"])
    found = []
    for n, k in zip(*np.nonzero(worth), strict=True):
        counts = Counts(int(here[n, k]), int(runs_here[n, k]), int(failures[n, k]), int(runs[n, k]))
        found.append((int(n), facts[k], counts, _chance(facts[k], counts, subjects[n].failed == 1)))
    return found, int(made.sum())


def _lift(here: Ints, runs_here: Ints, failures: Ints, runs: Ints) -> NDArray[np.float64]:
    """How much likelier a failure is where the fact holds, in nats; shrunk towards no difference."""
    there = np.log((here + 0.5) / (runs_here + 1))
    elsewhere = np.log((failures - here + 0.5) / (runs - runs_here + 1))
    return np.asarray(there - elsewhere, dtype=np.float64)


def _chance(predicate: Predicate, counts: Counts, failed: NDArray[np.bool_]) -> float:
    """The chance that so many failures fall where the fact holds, were it of no account; 1 on too few occasions."""
    if predicate.occasion is not None and len(set(predicate.occasion[failed & predicate.where])) < predicate.occasions:
        return 1.0
    return hypergeometric_tail(counts.here, counts.runs, counts.runs_here, counts.failures)


def _evidence(predicate: Predicate, counts: Counts, chance: float) -> Iterator[Evidence]:
    table = weights("environment")
    here, runs_here = counts.here, counts.runs_here
    elsewhere, runs_elsewhere = counts.failures - here, counts.runs - runs_here
    lift = float(_lift(*map(np.asarray, counts)))
    only = " only" if elsewhere == 0 else ""
    counted = f"{here} of {runs_here} runs there, {elsewhere} of {runs_elsewhere} elsewhere"
    summary = f"fails {predicate.where_words}{only}: {counted}"
    data = {"fact": predicate.fact, "value": predicate.value, "counts": list(counts), "chance": chance, "lift": lift}
    strength = min(1.0, lift / 3.0) * min(1.0, -log(max(chance, 1e-12)) / 9.0)
    for category, weight in table[predicate.key].items():
        yield Evidence(f"environment-{predicate.key}", Category(category), weight * strength, summary, data)
