"""Whether a suite's flaky rate is acceptable: pass, trip, or not enough evidence. Never a silent pass."""

from __future__ import annotations

from collections.abc import Set

from flakediag.analysis.rates import rate_of
from flakediag.model import GateDecision, GateStatus, Metric, Rate, Report, Verdict


def decide(
    report: Report,
    *,
    metric: Metric,
    threshold: float,
    min_runs: int,
    baseline: str | None = None,
    flaky_before: Set[str] = frozenset(),
) -> GateDecision:
    """Compare the metric's plain rate with `threshold` (a fraction).

    With a `baseline` (a branch's name) only tests outside `flaky_before`, the ids flaky there, count; the metric must
    then be `Metric.TESTS`. Fewer than `min_runs` runs, or none in which a test executed, are not enough evidence.
    Raises ValueError for a baseline with another metric.
    """
    if baseline is not None and metric is not Metric.TESTS:
        raise ValueError("a baseline compares tests: the other metrics have no new part")
    offenders = tuple(t for t in report.tests if t.verdict is Verdict.FLAKY and t.id not in flaky_before)
    rate = _rate(report, metric)
    if baseline is not None:
        rate = rate_of(min(len(offenders), rate.of), rate.of)
    runs = report.history.runs
    status, reason = _judge(rate, threshold, runs, min_runs)
    return GateDecision(
        status=status,
        metric=metric,
        threshold=threshold,
        rate=rate,
        runs=runs,
        min_runs=min_runs,
        reason=reason,
        offenders=offenders,
        baseline=baseline,
    )


def _rate(report: Report, metric: Metric) -> Rate:
    rates = report.rates
    return {
        Metric.TESTS: rates.flaky_tests,
        Metric.RUNS: rates.flaky_runs,
        Metric.EXECUTIONS: rates.flaky_executions,
    }[metric]


def _judge(rate: Rate, threshold: float, runs: int, min_runs: int) -> tuple[GateStatus, str]:
    if runs == 0:
        return GateStatus.NOT_ENOUGH_EVIDENCE, "the history holds no run of this project and branch"
    if runs < min_runs:
        return GateStatus.NOT_ENOUGH_EVIDENCE, "the history is too short to judge"
    if rate.of == 0:
        return GateStatus.NOT_ENOUGH_EVIDENCE, "no test was executed in these runs"
    if rate.value > threshold:
        return GateStatus.TRIPPED, "the rate is above the threshold"
    return GateStatus.PASSED, "the rate is not above the threshold"
