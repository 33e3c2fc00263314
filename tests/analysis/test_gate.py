"""The gate: three answers, never a silent pass."""

from datetime import date

import numpy as np
import pytest

from flakediag.analysis.flaky import Flakes
from flakediag.analysis.gate import Part, beyond_doubt, decide, tightened
from flakediag.analysis.rates import rate_of
from flakediag.model import (
    Finding,
    GateDecision,
    GatePolicy,
    GateRule,
    GateStatus,
    HistorySummary,
    Identity,
    Metric,
    Ratchet,
    SuiteRates,
    Verdict,
)


def flakes(flaky: int = 2, of: int = 100, runs: int = 30) -> Flakes:
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
    return Flakes(
        summary=HistorySummary(runs, of, runs * of, None, None),
        rates=SuiteRates(rate_of(flaky, of), rate_of(6, 30), rate_of(3, 3000)),
        tests=tuple(tests),
        counted=np.ones(runs, dtype=np.bool_),
        flaky=np.arange(of) < flaky,
    )


def policy(limit: float, metric: Metric = Metric.TESTS, **more: object) -> GatePolicy:
    return GatePolicy(rules=(GateRule(metric=metric, limit=limit),), **more)  # type: ignore[arg-type]


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
def test_a_strict_gate_holds_the_rate_itself_against_the_threshold(
    metric: Metric, threshold: float, status: GateStatus
) -> None:
    assert decide(flakes(), policy(threshold, metric, strict=True)).status is status


@pytest.mark.parametrize(
    ("flaky", "of", "threshold", "status"),
    [
        (15, 125, 0.01, GateStatus.TRIPPED),
        (2, 100, 0.01, GateStatus.PASSED),  # the interval begins at 0.55 %
        (5, 100, 0.01, GateStatus.TRIPPED),
        (1, 100, 0.0, GateStatus.TRIPPED),  # no flaky test at all: one is beyond doubt
    ],
)
def test_without_strict_the_interval_must_lie_above_the_threshold(
    flaky: int, of: int, threshold: float, status: GateStatus
) -> None:
    assert decide(flakes(flaky, of), policy(threshold)).status is status


def test_a_pass_by_the_benefit_of_the_doubt_says_so() -> None:
    reason = decide(flakes(), policy(0.01)).reason
    assert reason == (
        "above the limit, but not beyond doubt: at least 0.55 % by the interval, and it takes 3 of 100 to trip; "
        "--strict would trip"
    )
    assert decide(flakes(3), policy(0.01)).status is GateStatus.TRIPPED


@pytest.mark.parametrize(("of", "limit"), [(100, 0.01), (9360, 0.03), (7, 0.5), (1, 0.0), (3, 0.99)])
def test_what_it_takes_to_trip_is_the_smallest_count_that_does(of: int, limit: float) -> None:
    count = beyond_doubt(of, limit)
    assert rate_of(count, of).low > limit or count == of
    assert count == 0 or rate_of(count - 1, of).low <= limit


@pytest.mark.parametrize("subject", [flakes(runs=0, of=0, flaky=0), flakes(runs=9), flakes(of=0, flaky=0)])
def test_too_little_history_is_not_a_pass(subject: Flakes) -> None:
    assert decide(subject, policy(0.5)).status is GateStatus.NOT_ENOUGH_EVIDENCE


def test_only_flaky_tests_are_offenders_and_a_baseline_excuses_the_known_ones() -> None:
    decision = decide(flakes(), policy(0.0, min_runs=1, baseline="main"), flaky_before={"c::t0"})
    assert [t.id for t in decision.offenders] == ["c::t1"]
    assert (decision.rate.count, decision.status) == (1, GateStatus.TRIPPED)


def test_a_baseline_needs_the_tests_metric() -> None:
    with pytest.raises(ValueError, match="baseline"):
        decide(flakes(), policy(0.1, Metric.RUNS, baseline="main"))


# --- several rules ---------------------------------------------------------------------------------------------

API = GateRule(metric=Metric.TESTS, limit=0.1, path="tests/api/**")


def several(part: Part, *, whole: float = 0.5) -> GateDecision:
    rules = (GateRule(metric=Metric.TESTS, limit=whole), API)
    return decide(flakes(10), GatePolicy(rules=rules), parts={API: part})


def test_every_rule_has_its_result_and_any_of_them_trips_the_gate() -> None:
    decision = several(Part(SuiteRates(rate_of(3, 5), rate_of(0, 30), rate_of(0, 150)), {"c::t1", "c::t2", "c::t3"}))
    assert [r.status for r in decision.results] == [GateStatus.PASSED, GateStatus.TRIPPED]
    assert (decision.status, decision.rate.of) == (GateStatus.TRIPPED, 5)
    assert [t.id for t in decision.offenders] == ["c::t1", "c::t2", "c::t3"]


def test_a_rule_that_looks_at_nothing_does_not_pass_silently() -> None:
    decision = several(Part(SuiteRates(rate_of(0, 0), rate_of(0, 0), rate_of(0, 0)), set()))
    assert decision.status is GateStatus.NOT_ENOUGH_EVIDENCE
    assert decision.reason == "no executed test is known to belong to it"


# --- the ratchet -----------------------------------------------------------------------------------------------


def held(count: int, of: int = 100, flaky: int | None = None) -> Ratchet:
    names = frozenset(f"c::t{i}" for i in range(count if flaky is None else flaky))
    return Ratchet(rates={Metric.TESTS: rate_of(count, of)}, flaky=names, updated=date(2026, 1, 1))


@pytest.mark.parametrize(
    ("stored", "status", "offenders"),
    [
        (held(2), GateStatus.PASSED, []),
        (held(5), GateStatus.PASSED, []),  # better
        (held(0, flaky=2), GateStatus.TRIPPED, []),  # the rate is worse, though the names are known
        (held(2, flaky=1), GateStatus.TRIPPED, ["c::t1"]),  # the same rate, but another test
    ],
)
def test_the_ratchet_trips_on_a_worse_rate_and_on_a_new_flaky_test(
    stored: Ratchet, status: GateStatus, offenders: list[str]
) -> None:
    decision = decide(flakes(), GatePolicy(rules=(), ratchet=stored))
    assert decision.status is status
    assert [f.id for f in decision.offenders] == offenders


def test_a_ratchet_only_tightens() -> None:
    now = Ratchet(
        rates={Metric.TESTS: rate_of(1, 100), Metric.RUNS: rate_of(9, 30)},
        flaky=frozenset({"c::t1", "c::new"}),
        updated=date(2026, 2, 1),
    )
    better = tightened(held(2), now)
    assert (better.rates, better.flaky) == ({Metric.TESTS: rate_of(1, 100)}, {"c::t1"})
    assert better.updated == date(2026, 2, 1)
    assert tightened(better, held(2)) == better
