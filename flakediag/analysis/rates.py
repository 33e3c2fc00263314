"""Rates with their intervals, and what a number of clean runs can rule out."""

from __future__ import annotations

from math import ceil, log, log1p, sqrt
from typing import TYPE_CHECKING

from flakediag.model import Rate, SuiteRates

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from flakediag.analysis.outcomes import Outcomes

Z_95 = 1.959963984540054  # the 97.5 % quantile of the normal distribution: two-sided 95 %


def rate_of(count: int, of: int) -> Rate:
    """`count` of `of` with the Wilson score interval at 95 % (Wilson 1927, J. Am. Stat. Assoc. 22, 209–212).

    Nothing observed means nothing known: 0 of 0 is 0.0 with the interval 0 to 1.
    """
    if of == 0:
        return Rate(0, 0, 0.0, 0.0, 1.0)
    value, z2 = count / of, Z_95**2
    centre = (value + z2 / (2 * of)) / (1 + z2 / of)
    half = Z_95 * sqrt(value * (1 - value) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    # At the ends the interval closes on the value exactly; rounding must not push it past.
    low = 0.0 if count == 0 else max(0.0, centre - half)
    high = 1.0 if count == of else min(1.0, centre + half)
    return Rate(count, of, value, low, high)


def clean_runs_needed(rate: float, doubt: float = 0.05) -> int:
    """The fewest clean runs after which a test that fails at `rate` would look clean with less than `doubt`.

    Solves (1 - rate)^n < doubt for n. Raises ValueError unless 0 < rate <= 1.
    """
    if not 0 < rate <= 1:
        raise ValueError(f"a rate must lie above 0 and at most at 1, not {rate}")
    return 1 if rate == 1 else max(1, ceil(log(doubt) / log1p(-rate)))


def suite_rates(
    whole: Outcomes, flaky: NDArray[np.bool_], counted: NDArray[np.bool_], among: NDArray[np.bool_] | None = None
) -> SuiteRates:
    """The three figures of the gate.

    flaky: bool[T], tests whose verdict is flaky; counted: bool[R], runs that count (outages do not); among: bool[T],
    the part of the suite that is looked at as if it were all (then `flaky_runs` is of the runs in which it executed).
    A run is red where a test ended failed; it is red only by flakes where every test that ended failed is flaky.
    """
    parts = (whole.executed, whole.ended_failed, whole.failed)
    executed, ended_failed, failed = parts if counted.all() else (part[counted] for part in parts)
    runs = int(counted.sum())
    if among is not None:
        executed, ended_failed, failed = (part[:, among] for part in (executed, ended_failed, failed))
        flaky = flaky[among]
        runs = int(executed.any(axis=1).sum())
    return rates_of(executed, ended_failed, failed, flaky, runs)


def rates_of(
    executed: NDArray[np.bool_],
    ended_failed: NDArray[np.bool_],
    attempt_failed: NDArray[np.bool_],
    flaky: NDArray[np.bool_],
    runs: int,
) -> SuiteRates:
    """The three figures from bool[R, T] of the runs that count and bool[T]; the red runs are a share of `runs`."""
    import numpy as np  # who asks for a verdict alone need not wait for it

    active = executed.any(axis=0)
    red = ended_failed.any(axis=1)
    red_otherwise = (ended_failed & ~flaky).any(axis=1)
    return SuiteRates(
        flaky_tests=rate_of(int((flaky & active).sum()), int(active.sum())),
        flaky_runs=rate_of(int((red & ~red_otherwise).sum()), runs),
        flaky_executions=rate_of(
            int((attempt_failed[:, flaky] & executed[:, flaky]).sum()), int(np.count_nonzero(executed))
        ),
    )
