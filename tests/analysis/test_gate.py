"""The gate: three answers, never a silent pass."""

from datetime import UTC, datetime

import pytest

from flakediag.analysis.gate import decide
from flakediag.analysis.rates import rate_of
from flakediag.model import (
    Finding,
    GateStatus,
    HistorySummary,
    Identity,
    Metric,
    Report,
    SuiteRates,
    Verdict,
)


def report(flaky: int = 2, of: int = 100, runs: int = 30) -> Report:
    tests = [
        Finding(
            test=Identity("c", f"t{i}"),
            verdict=Verdict.FLAKY,
            runs=runs,
            failures=1,
            rate=rate_of(1, 9),
            framework="go",
        )
        for i in range(flaky)
    ]
    broken = Finding(
        test=Identity("c", "b"), verdict=Verdict.BROKEN, runs=runs, failures=9, rate=rate_of(9, 9), framework="go"
    )
    return Report(
        generated_at=datetime(2026, 1, 1, tzinfo=UTC),
        project="p",
        branch=None,
        history=HistorySummary(runs, of, runs * of, None, None),
        rates=SuiteRates(rate_of(flaky, of), rate_of(6, 30), rate_of(3, 3000)),
        tests=(*tests, broken),
    )


@pytest.mark.parametrize(
    ("metric", "threshold", "status"),
    [
        (Metric.TESTS, 0.01, GateStatus.TRIPPED),
        (Metric.TESTS, 0.02, GateStatus.PASSED),  # at the threshold is not above it
        (Metric.RUNS, 0.1, GateStatus.TRIPPED),
        (Metric.EXECUTIONS, 0.01, GateStatus.PASSED),
        (Metric.EXECUTIONS, 0.0, GateStatus.TRIPPED),
    ],
)
def test_the_metric_is_held_against_the_threshold(metric: Metric, threshold: float, status: GateStatus) -> None:
    assert decide(report(), metric=metric, threshold=threshold, min_runs=10).status is status


@pytest.mark.parametrize("subject", [report(runs=0, of=0, flaky=0), report(runs=9), report(of=0, flaky=0)])
def test_too_little_history_is_not_a_pass(subject: Report) -> None:
    decision = decide(subject, metric=Metric.TESTS, threshold=0.5, min_runs=10)
    assert decision.status is GateStatus.NOT_ENOUGH_EVIDENCE


def test_only_flaky_tests_are_offenders_and_a_baseline_excuses_the_known_ones() -> None:
    decision = decide(report(), metric=Metric.TESTS, threshold=0.0, min_runs=1, baseline="main", flaky_before={"c::t0"})
    assert [t.id for t in decision.offenders] == ["c::t1"]
    assert (decision.rate.count, decision.status) == (1, GateStatus.TRIPPED)


def test_a_baseline_needs_the_tests_metric() -> None:
    with pytest.raises(ValueError, match="baseline"):
        decide(report(), metric=Metric.RUNS, threshold=0.1, min_runs=1, baseline="main")
