"""What pictures are drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flakediag.model.rates import SuiteRates
    from flakediag.model.runs import Run


@dataclass(frozen=True, slots=True)
class RunPoint:
    """One run of the window in numbers of tests: that ran, that failed in some attempt, and of these the flaky ones."""

    run: Run
    executed: int
    failed: int
    flaky: int
    outage: bool


@dataclass(frozen=True, slots=True)
class RatePoint:
    """The flaky rates of a stretch of neighbouring runs, `first` and `last` included (places in `Series.runs`).

    Outages are left out of `runs` and of the rates. `rates.flaky_tests` counts the flaky tests that failed in the
    stretch, of the tests that ran in it.
    """

    first: int
    last: int
    runs: int
    rates: SuiteRates


@dataclass(frozen=True, slots=True)
class RanBefore:
    """How another test stood to a flaky one in the runs whose order is known.

    `role` is its role as a partner, None for a test that only often ran directly before. `failing` and `passing` are
    (runs in which it ran before the flaky test, runs in which both ran). `gaps` has one entry per shown run: how many
    places before the flaky test it ran (negative: after it), None where it did not run.
    """

    id: str
    role: str | None
    failing: tuple[int, int]
    passing: tuple[int, int]
    gaps: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class OrderSample:
    """Who ran before a flaky test. `runs` are places in `Series.runs`: the latest failing ones, then passing ones."""

    runs: tuple[int, ...]
    failing: int  # how many of `runs`
    others: tuple[RanBefore, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """What pictures are drawn from. `runs` is the whole window, oldest first; `orders` is by the id of a flaky test."""

    runs: tuple[RunPoint, ...]
    rates: tuple[RatePoint, ...]
    orders: Mapping[str, OrderSample]
