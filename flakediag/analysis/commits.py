"""What a test did commit by commit, and the figures of the model by which its verdict is found (see `verdict`)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import inf, lgamma, log
from typing import NamedTuple

from flakediag.analysis.weights import weights

CLEAN, FAILING, FLAKY = range(3)


class CommitOutcomes(NamedTuple):
    """What happened to one test on one commit: `failed` of `tried` attempts (retries that recovered count twice).

    `runs` and `failed_runs` count runs, for showing.
    """

    failed: int
    tried: int
    runs: int
    failed_runs: int


class Stretches(NamedTuple):
    """Commits that are alike, one after the other, as one each; at which commit each starts; how many boundaries
    between commits each has swallowed."""

    outcomes: list[CommitOutcomes]
    starts: list[int]
    gaps: list[int]


def stretches_of(history: Sequence[CommitOutcomes]) -> Stretches:
    """Runs of commits that are all clean or all failing, as one each: the best cut lies at one of their ends."""
    merged: list[CommitOutcomes] = []
    starts: list[int] = []
    gaps: list[int] = []
    for index, commit in enumerate(history):
        same = bool(merged) and (
            (not merged[-1].failed and not commit.failed)
            or (merged[-1].failed == merged[-1].tried and commit.failed == commit.tried)
        )
        if same:
            last = merged[-1]
            merged[-1] = CommitOutcomes(
                last.failed + commit.failed,
                last.tried + commit.tried,
                last.runs + commit.runs,
                last.failed_runs + commit.failed_runs,
            )
            gaps[-1] += 1
        else:
            merged.append(commit)
            starts.append(index)
            gaps.append(0)
    return Stretches(merged, starts, gaps)


class Chances(NamedTuple):
    """The prior of a segmentation, in logs: of a change at a boundary and of none, of the first kind, and of each kind
    after each other one."""

    change: float
    stay: float
    first: tuple[float, ...]
    follow: tuple[tuple[float, ...], ...]


def chances() -> Chances:
    figures = weights("verdict")
    return Chances(
        log(figures["change"]),
        log(1 - figures["change"]),
        tuple(map(_log, figures["start"])),
        tuple(tuple(map(_log, row)) for row in figures["follow"]),
    )


def _log(chance: float) -> float:
    return log(chance) if chance else -inf


class FlakyTables(NamedTuple):
    """ln Γ(i + a), ln Γ(i + b) and ln Γ(i + a + b) by i, and ln B(a, b): the log marginal likelihood of k failures in n
    tries, in one given order, at a rate drawn from Beta(a, b) is failed[k] + passed[n - k] - tried[n] - whole."""

    failed: list[float]
    passed: list[float]
    tried: list[float]
    whole: float


def flaky_tables(tried: int) -> FlakyTables:
    """For at least so many tries."""
    return _tables(1 << tried.bit_length(), *weights("verdict")["flaky_prior"])  # few sizes, made once


@lru_cache(maxsize=32)
def _tables(most: int, a: float, b: float) -> FlakyTables:
    return FlakyTables(
        [lgamma(i + a) for i in range(most + 1)],
        [lgamma(i + b) for i in range(most + 1)],
        [lgamma(i + a + b) for i in range(most + 1)],
        lgamma(a) + lgamma(b) - lgamma(a + b),
    )
