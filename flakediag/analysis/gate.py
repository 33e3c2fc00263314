"""Whether a suite's flaky rate is acceptable: pass, trip, or not enough evidence. Never a silent pass."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from math import ceil, floor
from typing import TYPE_CHECKING

from flakediag.analysis.rates import rate_of
from flakediag.model import (
    Finding,
    GateDecision,
    GatePolicy,
    GateResult,
    GateRule,
    GateStatus,
    Metric,
    Ratchet,
    Rate,
    SuiteRates,
)

if TYPE_CHECKING:
    from flakediag.analysis.flaky import Flakes

RANKED = (GateStatus.TRIPPED, GateStatus.NOT_ENOUGH_EVIDENCE, GateStatus.PASSED)


@dataclass(frozen=True, slots=True)
class Part:
    """What a rule looks at, where that is not the whole suite: its rates, and the ids of its flaky tests."""

    rates: SuiteRates
    flaky: Set[str]


def decide(
    flakes: Flakes,
    policy: GatePolicy,
    *,
    flaky_before: Set[str] = frozenset(),
    parts: Mapping[GateRule, Part] | None = None,
    unplaced: int = 0,
) -> GateDecision:
    """Hold every rule of the policy against its rate; the gate trips if any rule does.

    Under a baseline (a branch) only tests outside `flaky_before`, the ids flaky there, count. `parts` says what the
    rules for a path or an owner look at; `unplaced` tests belong to no part for want of a file. Fewer runs than the
    policy needs, or none in which a test executed, are not enough evidence. Raises ValueError for a policy without
    rules, and for a baseline with another metric than tests.
    """
    rules = (*policy.rules, *_ratcheted(policy))
    if not rules:
        raise ValueError("a gate needs a rule")
    if policy.baseline is not None and any(rule.metric is not Metric.TESTS for rule in rules):
        raise ValueError("a baseline compares tests: the other metrics have no new part")
    whole = Part(flakes.rates, frozenset(f.id for f in flakes.tests))
    results = [
        _result(
            flakes, policy, rule, (parts or {}).get(rule, whole) if rule.path or rule.owner else whole, flaky_before
        )
        for rule in rules
    ]
    first = min(results, key=lambda result: RANKED.index(result.status))
    return GateDecision(
        status=first.status,
        metric=first.rule.metric,
        threshold=first.rule.limit,
        rate=first.rate,
        runs=flakes.summary.runs,
        min_runs=policy.min_runs,
        reason=first.reason,
        offenders=first.offenders,
        baseline=policy.baseline,
        strict=policy.strict,
        results=tuple(results),
        unplaced=unplaced,
    )


def rate_in(rates: SuiteRates, metric: Metric) -> Rate:
    return {
        Metric.TESTS: rates.flaky_tests,
        Metric.RUNS: rates.flaky_runs,
        Metric.EXECUTIONS: rates.flaky_executions,
    }[metric]


def judge(rate: Rate, limit: float, *, runs: int, min_runs: int, strict: bool) -> tuple[GateStatus, str]:
    """One rate against one limit, and the reason. Between the interval's lower end and the rate lies doubt, and the
    suite has its benefit unless the gate is strict."""
    if runs == 0:
        return GateStatus.NOT_ENOUGH_EVIDENCE, "no run of this project and branch is in the window"
    if runs < min_runs:
        return GateStatus.NOT_ENOUGH_EVIDENCE, "the history is too short to judge"
    if rate.of == 0:
        return GateStatus.NOT_ENOUGH_EVIDENCE, "no test was executed in these runs"
    if rate.value <= limit:
        return GateStatus.PASSED, "the rate is not above the threshold"
    if strict:
        return GateStatus.TRIPPED, "the rate is above the threshold"
    if rate.low > limit:
        return GateStatus.TRIPPED, "the rate is above the threshold, beyond doubt"
    at_least = f"at least {floor(1e4 * rate.low) / 100:g} % by the interval"  # rounded down, to stay true
    takes = f"it takes {beyond_doubt(rate.of, limit)} of {rate.of} to trip"
    reason = f"above the limit, but not beyond doubt: {at_least}, and {takes}; --strict would trip"
    return GateStatus.PASSED, reason


def beyond_doubt(of: int, limit: float) -> int:
    """The smallest count of so many whose interval lies above the limit; `of` itself where none does."""
    low, high = ceil(limit * of), of
    while low < high:  # the lower end rises with the count
        middle = (low + high) // 2
        low, high = (low, middle) if rate_of(middle, of).low > limit else (middle + 1, high)
    return low


def _ratcheted(policy: GatePolicy) -> tuple[GateRule, ...]:
    if policy.ratchet is None:
        return ()
    return tuple(
        GateRule(metric=metric, limit=rate.value, ratchet=True) for metric, rate in policy.ratchet.rates.items()
    )


def _result(flakes: Flakes, policy: GatePolicy, rule: GateRule, part: Part, flaky_before: Set[str]) -> GateResult:
    offenders = tuple(f for f in flakes.tests if f.id in part.flaky and f.id not in flaky_before)
    rate = rate_in(part.rates, rule.metric)
    if policy.baseline is not None:
        rate = rate_of(min(len(offenders), rate.of), rate.of)
    runs = flakes.summary.runs
    status, reason = judge(rate, rule.limit, runs=runs, min_runs=policy.min_runs, strict=policy.strict)
    if rule.ratchet and policy.ratchet is not None:
        return _held(
            policy.ratchet, GateResult(rule=rule, status=status, rate=rate, reason=reason, offenders=offenders)
        )
    if status is GateStatus.NOT_ENOUGH_EVIDENCE and (rule.path or rule.owner) and rate.of == 0 and runs:
        reason = "no executed test is known to belong to it"
    return GateResult(rule=rule, status=status, rate=rate, reason=reason, offenders=offenders)


def _held(ratchet: Ratchet, result: GateResult) -> GateResult:
    """The result of a rule of the ratchet: flaky tests that were not flaky before make it worse, whatever the rate."""
    new: tuple[Finding, ...] = tuple(f for f in result.offenders if f.id not in ratchet.flaky)
    status, reason = result.status, result.reason
    if status is GateStatus.PASSED:
        reason = "not worse than the stored baseline" if result.rate.value <= result.rule.limit else reason
        if new and result.rule.metric is Metric.TESTS:
            status = GateStatus.TRIPPED
            reason = f"{len(new)} flaky test{'s are' if len(new) > 1 else ' is'} not in the stored baseline"
    elif status is GateStatus.TRIPPED:
        reason = "worse than the stored baseline"
    return GateResult(rule=result.rule, status=status, rate=result.rate, reason=reason, offenders=new)


def measured(rates: SuiteRates) -> dict[Metric, Rate]:
    """The three rates by metric."""
    return {metric: rate_in(rates, metric) for metric in Metric}


def tightened(stored: Ratchet, measured: Ratchet) -> Ratchet:
    """What is to be held from now on: the better of both in each metric, and only tests that are still flaky.

    A metric that was not stored stays out, so that what is held does not grow by itself.
    """
    rates = {
        metric: min(rate, measured.rates[metric], key=lambda r: r.value) if metric in measured.rates else rate
        for metric, rate in stored.rates.items()
    }
    flaky = stored.flaky & measured.flaky
    changed = rates != dict(stored.rates) or flaky != stored.flaky
    return Ratchet(rates=rates, flaky=flaky, updated=measured.updated if changed else stored.updated)
