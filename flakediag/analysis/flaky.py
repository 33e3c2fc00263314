"""Which tests are flaky, without asking why: what `gate` and `ingest` want to know."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from flakediag.analysis.frameworks import framework_of
from flakediag.analysis.outage import outages
from flakediag.analysis.rates import rate_of, suite_rates
from flakediag.analysis.records import Records
from flakediag.model import Finding, HistorySummary, SuiteRates, Verdict

if TYPE_CHECKING:
    from flakediag.analysis.outcomes import Flags, Outcomes
    from flakediag.analysis.verdict import Judgement


@dataclass(frozen=True, slots=True)
class Flakes:
    """The flaky tests of a suite, most failures first, without causes, and the rates. counted: bool[R], the runs that
    are no outages; flaky: bool[T]."""

    summary: HistorySummary
    rates: SuiteRates
    tests: tuple[Finding, ...]
    counted: Flags
    flaky: Flags


def verdicts_of(outcomes: Outcomes, counted: Flags) -> dict[int, Judgement]:
    """The verdict on each test that failed in a run that counts; the others are stable and not listed."""
    records = Records(outcomes)
    failed = outcomes.failed if counted.all() else outcomes.failed[counted]
    tests = np.flatnonzero(failed.any(axis=0)).tolist()
    judged = ((test, records.judge(test, counted)) for test in tests)
    return {test: judgement for test, judgement in judged if judgement is not None}


def flaky_tests(outcomes: Outcomes) -> frozenset[str]:
    """The ids of the flaky tests."""
    judged = verdicts_of(outcomes, ~outages(outcomes))
    return frozenset(outcomes.tests[t].id for t, judgement in judged.items() if judgement.verdict is Verdict.FLAKY)


def flakes_of(outcomes: Outcomes) -> Flakes:
    counted = ~outages(outcomes)
    judged = verdicts_of(outcomes, counted)
    found = {test: judgement for test, judgement in judged.items() if judgement.verdict is Verdict.FLAKY}
    flaky = np.zeros(len(outcomes.tests), dtype=np.bool_)
    flaky[list(found)] = True
    tests = sorted(
        (_finding(outcomes, test, judgement, counted) for test, judgement in found.items()),
        key=lambda finding: (-finding.failures, finding.id, finding.test),
    )
    return Flakes(
        summary=summary_of(outcomes),
        rates=suite_rates(outcomes, flaky, counted),
        tests=tuple(replace(finding, rank=rank) for rank, finding in enumerate(tests, start=1)),
        counted=counted,
        flaky=flaky,
    )


def _finding(outcomes: Outcomes, test: int, judgement: Judgement, counted: Flags) -> Finding:
    ran = np.flatnonzero(outcomes.executed[:, test] & counted)
    failed = np.flatnonzero(outcomes.failed[:, test] & counted)
    return Finding(
        test=outcomes.tests[test],
        verdict=judgement.verdict,
        runs=len(ran),
        failures=len(failed),
        rate=rate_of(len(failed), len(ran)),
        framework=framework_of(outcomes.runs[ran[-1]].producer),
        reason=judgement.reason,
        first_seen=outcomes.runs[ran[0]].started_at,
        last_failed=max((outcomes.runs[run].started_at for run in failed.tolist()), default=None),
    )


def summary_of(outcomes: Outcomes) -> HistorySummary:
    """What the window holds."""
    moments = [run.started_at for run in outcomes.runs]
    return HistorySummary(
        runs=len(outcomes.runs),
        tests=int(outcomes.executed.any(axis=0).sum()),
        results=outcomes.results,
        first_run=min(moments) if moments else None,
        last_run=max(moments) if moments else None,
    )
