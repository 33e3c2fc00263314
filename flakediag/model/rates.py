"""Fractions that say how sure they are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Metric(StrEnum):
    """What the flaky rate is a share of."""

    TESTS = "tests"
    RUNS = "runs"
    EXECUTIONS = "executions"


@dataclass(frozen=True, slots=True)
class Rate:
    """A fraction with its 95 % interval: `count` of `of`. `value` is the plain quotient, 0.0 where `of` is 0."""

    count: int
    of: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class SuiteRates:
    """The three figures that `gate` can look at."""

    flaky_tests: Rate
    flaky_runs: Rate
    flaky_executions: Rate
