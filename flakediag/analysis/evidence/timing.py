"""Timing: what the durations say, whatever the failure's words are.

Four looks, each silent where there is too little to look at: failing durations that pile up at a constant (a timeout
ran out), failing against passing durations, failing in slow runs, and recovery on an immediate retry. Failures that
end early, as most failed assertions do, are no evidence: only what lasted longer speaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import erf, log, sqrt

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.medians import median, middles
from flakediag.analysis.weights import weights
from flakediag.analysis.window import Subject, Window
from flakediag.model import Category, Evidence, Outcome

ROUND: tuple[float, ...] = (
    *(0.1, 0.2, 0.25, 0.3, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 45, 60, 90, 100, 120),
    *(150, 180, 240, 300, 600, 900, 1200, 1800, 3600),
)
"""Seconds that people choose as timeouts."""

NEW_PROCESS = frozenset({"gotestsum", "go-junit-report", "go test", "nextest", "playwright", "gradle", "ctest"})
"""Producers whose retry runs in another process, where nothing that another test left can be met again."""

AT_ONCE = 1024  # tests whose durations are ranked together

Seconds = NDArray[np.float64]


def find(window: Window, subjects: Sequence[Subject]) -> list[list[Evidence]]:
    """Evidence of kinds "timing-plateau", "timing-duration", "timing-slow-runs" and "timing-retry"."""
    if not subjects:
        return []
    slowdown = slowdowns(window)
    retried = _retried(window)
    found = []
    for subject in subjects:
        failing, passing = durations(window, subject)
        evidence = plateau(failing, passing) or contrast(failing, passing)
        found.append([*evidence, *_slow_runs(window, subject, slowdown), *_retry(subject, retried)])
    return found


def slowdowns(window: Window) -> Seconds:
    """float64[R]: how slow each run was, 1 for a usual one: the median over its tests of duration / the test's median.

    Tests that take less than 10 ms are left out (their durations are mostly rounding), and so are failures. NaN for a
    run with fewer than `slow_min_tests` such tests, or when there are fewer than four runs.
    """
    least = weights("timing")["slow_min_tests"]
    usual = _usual(window)
    asked = np.flatnonzero(usual >= 0.01)
    usual = usual[asked]
    found = np.full(len(window.runs), np.nan)
    for run, (outcomes, durations) in enumerate(zip(window.outcomes, window.durations, strict=True)):
        ratios = durations.take(asked) / usual
        ratios = ratios[(outcomes.take(asked) == Outcome.PASSED) & ~np.isnan(ratios)]
        if len(ratios) >= least:
            found[run] = median(ratios)
    return found


def _usual(window: Window) -> Seconds:
    """float64[T]: the median duration of each test where it passed, NaN where fewer than four are known.

    Some tests at a time, so that nothing is made that is as large as the window.
    """
    found = np.full(len(window.tests), np.nan)
    for start in range(0, len(window.tests), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        passed = window.outcomes[:, some].T == Outcome.PASSED
        seconds = np.where(passed, window.durations[:, some].T, np.float32(np.nan))
        enough = (~np.isnan(seconds)).sum(axis=1) >= 4
        low, high = middles(seconds)
        found[some] = np.where(enough, (low.astype(np.float64) + high) / 2, np.nan)
    return found


def plateau(failing: Seconds, passing: Seconds) -> list[Evidence]:
    """Failing durations at a constant that passing ones stay below: a timeout ran out.

    A constant is a value that two failures share within 3 % (or 50 ms), at 0.5 s or more, and well above the passing
    median; it weighs more when it is one that people choose.
    """
    table = weights("timing")
    if len(failing) < 2:
        return []
    centre, members = _mode(failing)
    usual = median(passing) if len(passing) else 0.0
    if len(members) < 2 or centre < 0.5 or centre < 1.5 * usual + 0.2:
        return []
    share = len(members) / len(failing)
    reached = float((passing >= 0.97 * centre).mean()) if len(passing) else 0.0
    if share < 0.5 or reached > 0.1:
        return []
    near = _round_below(median(members))
    weight = table["plateau"] + (table["plateau_round"] if near else 0.0)
    weight += table["plateau_each"] * min(len(members) - 2, 4)
    shown = near or round(centre, 2)
    named = f"{shown:.1f}" if shown == round(shown, 1) else f"{shown:g}"
    summary = f"fails at {named} s, {len(members)} of {len(failing)}; passes in {usual:.2g} s"
    data = {
        "seconds": shown,
        "at": len(members),
        "of": len(failing),
        "passing_median": round(usual, 4),
        "round": bool(near),
    }
    return [Evidence("timing-plateau", Category.TIMING, weight * share, summary, data)]


def _mode(failing: Seconds) -> tuple[float, Seconds]:
    """The value that most durations lie within 3 % (or 50 ms) above, and those durations."""
    ordered = np.sort(failing)
    ends = np.searchsorted(ordered, ordered + np.maximum(0.03 * ordered, 0.05), side="right")
    start = int(np.argmax(ends - np.arange(len(ordered))))
    members = ordered[start : ends[start]]
    return median(members), members


def _round_below(seconds: float) -> float | None:
    """The timeout that a duration is just above (set-up and tear-down come on top), None where there is none."""
    for value in ROUND:
        if -0.005 * value <= seconds - value <= max(0.03 * value, 0.03):
            return float(value)
    return None


def contrast(failing: Seconds, passing: Seconds) -> list[Evidence]:
    """Failing runs that last longer than passing ones; or, with many of both, no difference in time at all.

    The rank test of Mann and Whitney, with the normal approximation and continuity correction: z of the number of
    (failing, passing) pairs in which the failing one lasted longer. The log-odds grow with z and with the ratio of the
    medians, and are capped: a failure that merely ends sooner says nothing.
    """
    table = weights("timing")
    n, m = len(failing), len(passing)
    if n < 3 or m < 5:
        return []
    slow, usual = median(failing), median(passing)
    if max(slow, usual) < 0.02:
        return []
    z = (_above(failing, passing) - n * m / 2 - 0.5) / sqrt(n * m * (n + m + 1) / 12)
    chance = 0.5 * (1 - erf(z / sqrt(2)))
    ratio = slow / max(usual, 0.001)
    data = {"failing_median": round(slow, 4), "passing_median": round(usual, 4), "z": round(z, 2)}
    if ratio >= 1.3 and slow - usual >= 0.05 and chance < 0.01:
        weight = min(table["longer_cap"], table["longer"] * log(ratio) + table["longer_z"] * (z - 2.3))
        summary = f"lasts {slow:.2g} s when it fails and {usual:.2g} s when it passes"
        return [Evidence("timing-duration", Category.TIMING, weight, summary, data)]
    if n >= 8 and m >= 8 and slow < 0.8 * usual and z < -3:
        summary = f"fails early, after {slow:.2g} s; it passes in {usual:.2g} s"
        return [Evidence("timing-duration", Category.TIMING, table["shorter"], summary, data)]
    return []


def _above(some: Seconds, others: Seconds) -> float:
    """The number of pairs of which the first is above the second, and half of those that are equal."""
    ranked = np.sort(others)
    below, up_to = (int(np.searchsorted(ranked, some, side).sum()) for side in ("left", "right"))
    return below + 0.5 * (up_to - below)


def _slow_runs(window: Window, subject: Subject, slowdown: Seconds) -> list[Evidence]:
    """Failing in slow runs: the mean rank of the failing runs' slowdowns among all (Mann and Whitney again).

    Only over runs of the same kind (serial with serial): a parallel run is slower per test and differs in much else.
    """
    table = weights("timing")
    comparable = ~np.isnan(slowdown) & (subject.failed >= 0)
    serial = window.serial
    failed_serial = (subject.failed == 1) & serial
    comparable &= serial if failed_serial.sum() * 2 >= (subject.failed == 1).sum() else ~serial
    bad, good = slowdown[comparable & (subject.failed == 1)], slowdown[comparable & (subject.failed == 0)]
    n, m = len(bad), len(good)
    if n < 3 or m < 6:
        return []
    z = (_above(bad, good) - n * m / 2) / sqrt(n * m * (n + m + 1) / 12)
    slow, usual = median(bad), median(good)
    ratio = float(np.divide(slow, usual))
    data = {"failing": round(slow, 3), "passing": round(usual, 3), "z": round(z, 2)}
    if z >= 2.6 and ratio >= 1.15:
        weight = min(table["slow_cap"], table["slow_z"] * z)
        summary = f"fails in slow runs: everything took {ratio:.2g} times as long when it failed"
        return [Evidence("timing-slow-runs", Category.TIMING, weight, summary, data)]
    return []


def _retried(window: Window) -> dict[tuple[int, int], tuple[int, bool]]:
    """(run, test) → attempts and whether the last one passed, where there was a retry in the same process."""
    same = np.array([run.producer not in NEW_PROCESS for run in window.runs], dtype=np.bool_)
    columns = (column.tolist() for column in window.retried[:4])
    return {
        (run, test): (attempts, outcome == Outcome.PASSED)
        for run, test, outcome, attempts in zip(*columns, strict=True)
        if same[run]
    }


def _retry(subject: Subject, retried: dict[tuple[int, int], tuple[int, bool]]) -> list[Evidence]:
    """Recovery on an immediate retry in the same process: whatever it was, it did not last.

    State that another test left behind would still be there; so would a taken port, mostly. Persisting through every
    retry says the opposite.
    """
    table = weights("timing")
    runs = {f.run for f in subject.failures if (f.run, subject.test) in retried}
    if len(runs) < 2:
        return []
    recovered = sum(retried[run, subject.test][1] for run in runs)
    share = recovered / len(runs)
    data = {"recovered": int(recovered), "of": len(runs)}
    strength = min(1.0, len(runs) / 4)
    if share >= 0.8:
        summary = f"an immediate retry passed, {recovered} of {len(runs)}"
        return [
            Evidence("timing-retry", Category.TIMING, table["recovers"] * strength, summary, data),
            Evidence("timing-retry", Category.ORDER, table["recovers_order"] * strength, summary, data),
        ]
    if share <= 0.2 and len(runs) >= 3:
        summary = f"an immediate retry failed again, {len(runs) - recovered} of {len(runs)}"
        return [Evidence("timing-retry", Category.TIMING, table["persists"] * strength, summary, data)]
    return []


def durations(window: Window, subject: Subject) -> tuple[Seconds, Seconds]:
    """The known durations of the failing and of the passing runs; runs with retries left out (their times add up)."""
    seconds = window.durations[:, subject.test].astype(np.float64)
    known = ~np.isnan(seconds)
    last_failed = window.ended_failed[:, subject.test]
    failing: Seconds = seconds[known & (subject.failed == 1) & last_failed]
    passing: Seconds = seconds[known & (subject.failed == 0)]
    return failing, passing
