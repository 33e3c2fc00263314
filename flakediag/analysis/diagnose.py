"""The way through the analysis: from a window of history to findings, clusters and rates.

Verdicts first; then, for the flaky tests only, subjects, evidence, causes, clusters; then the ranking.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.boundary import artefacts_of, boundary_of
from flakediag.analysis.cluster import Member, Ticket, tickets_of
from flakediag.analysis.combine import combine, combine_test
from flakediag.analysis.commits import CommitOutcomes
from flakediag.analysis.evidence import FINDERS, silence
from flakediag.analysis.flaky import summary_of, verdicts_of
from flakediag.analysis.frameworks import framework_of
from flakediag.analysis.outage import commits, outages
from flakediag.analysis.rank import impacts
from flakediag.analysis.rates import rate_of, suite_rates
from flakediag.analysis.savings import fixes_of
from flakediag.analysis.settle import record_of, settled, settled_test
from flakediag.analysis.subjects import subjects_of
from flakediag.analysis.verdict import Judgement, judge
from flakediag.analysis.window import Subject, Window
from flakediag.model import (
    Cluster,
    Diagnosis,
    Evidence,
    Finding,
    FixStep,
    HistorySummary,
    Impact,
    Order,
    Outage,
    Outcome,
    SignatureFinding,
    SuiteRates,
    TimelineEntry,
    Verdict,
)

OUTCOMES = {int(outcome): outcome for outcome in Outcome}
RANKED = (Verdict.FLAKY, Verdict.BROKEN, Verdict.NEW, Verdict.INSUFFICIENT, Verdict.FIXED, Verdict.STABLE)


@dataclass(frozen=True, slots=True)
class Findings:
    """What a window says. `tests` are those whose verdict is not stable, ranked; fixes are added later."""

    summary: HistorySummary
    rates: SuiteRates
    tests: tuple[Finding, ...]
    clusters: tuple[Cluster, ...]
    fixes: tuple[FixStep, ...]
    outages: tuple[Outage, ...]
    notes: tuple[str, ...]


def diagnose(window: Window, *, also: Sequence[int] = ()) -> Findings:
    """Everything that the window says about its tests; `also` names tests (indices) to report though they are stable.

    Such a test must have executed in the window.
    """
    down = outages(window)
    counted = ~down
    failed = window.failed
    verdicts = verdicts_of(window, counted)
    quiet = {test: judge([_quiet(window, test)], is_new=False) for test in also if test not in verdicts}
    flaky = [test for test, judgement in verdicts.items() if judgement.verdict is Verdict.FLAKY]
    is_flaky = np.zeros(len(window.tests), dtype=np.bool_)
    is_flaky[flaky] = True
    judged = verdicts | quiet
    signatures, causes, members = _causes(window, flaky, counted)
    # What a test says that is not flaky is worth showing too; the cause of a flake is not asked.
    for subject in subjects_of(window, (test for test in judged if test not in causes), counted):
        signatures[subject.test].append(_signature(window, subject, combine([])))
    costs = impacts(window, counted)
    unranked = [
        _finding(
            window, test, judgement, failed[:, test] & counted, counted, signatures[test], causes.get(test), costs[test]
        )
        for test, judgement in judged.items()
    ]
    ranked = sorted(unranked, key=lambda f: (RANKED.index(f.verdict), -f.impact.score, -f.failures, f.id))
    tickets = tickets_of(members)
    fixes = fixes_of(window, tickets, counted, costs)
    of_test = {id: step for step in reversed(_by_failures(tickets, fixes)) for id in step.tests}
    return Findings(
        summary=summary_of(window),
        rates=suite_rates(window, is_flaky, counted),
        tests=tuple(_with_ticket(replace(f, rank=i), of_test.get(f.id)) for i, f in enumerate(ranked, start=1)),
        clusters=_clusters(fixes),
        fixes=tuple(fixes),
        outages=tuple(
            Outage(window.runs[r], int(failed[r].sum()), int(window.executed[r].sum())) for r in np.flatnonzero(down)
        ),
        notes=_notes(window, bool(flaky)),
    )


def _quiet(window: Window, test: int) -> CommitOutcomes:
    """The history of a test that did not fail in a run that counts."""
    runs = int(window.executed[:, test].sum())
    return CommitOutcomes(0, runs, runs, 0)


def _causes(
    window: Window, flaky: Sequence[int], counted: NDArray[np.bool_]
) -> tuple[defaultdict[int, list[SignatureFinding]], dict[int, Diagnosis], list[Member]]:
    """For each flaky test its signatures with their causes, and the cause of the whole; and what is to be clustered."""
    subjects = subjects_of(window, flaky, counted)
    evidence: list[list[Evidence]] = [[] for _ in subjects]
    for find in FINDERS:
        for mine, found in zip(evidence, find(window, subjects), strict=True):
            mine.extend(found)
    for mine, unsaid in zip(evidence, silence.find(window, subjects, evidence), strict=True):
        mine.extend(unsaid)
    signatures: defaultdict[int, list[SignatureFinding]] = defaultdict(list)
    for subject, mine in zip(subjects, evidence, strict=True):
        diagnosis = settled(combine(mine), mine, record_of(window, subject))
        signatures[subject.test].append(_signature(window, subject, diagnosis))
    causes = {
        test: settled_test(
            combine_test([(signature.failures, signature.diagnosis) for signature in mine]),
            [signature.diagnosis for signature in sorted(mine, key=lambda s: -s.failures)],
        )
        for test, mine in signatures.items()
    }
    members = [
        Member(subject.test, window.tests[subject.test].id, signature.diagnosis, subject.signature, subject.failed == 1)
        for subject, signature in zip(subjects, (s for mine in signatures.values() for s in mine), strict=True)
    ]
    return signatures, causes, members


def _signature(window: Window, subject: Subject, diagnosis: Diagnosis) -> SignatureFinding:
    latest = max(subject.failures, key=lambda f: (f.run, f.attempt))
    moments = [window.runs[f.run].started_at for f in subject.failures]
    return SignatureFinding(
        text=subject.signature,
        failures=len({f.run for f in subject.failures}),
        diagnosis=diagnosis,
        first_seen=min(moments),
        last_seen=max(moments),
        boundary=boundary_of(latest.detail),
        artefacts=artefacts_of(latest.detail),
        example=latest.detail,
    )


def _finding(
    window: Window,
    test: int,
    judgement: Judgement,
    failed: NDArray[np.bool_],
    counted: NDArray[np.bool_],
    signatures: Sequence[SignatureFinding],
    cause: Diagnosis | None,
    impact: Impact,
) -> Finding:
    ran = np.flatnonzero(window.executed[:, test] & (counted if failed.any() else True))
    moments = [window.runs[r].started_at for r in np.flatnonzero(failed)]
    lead = signatures[0] if signatures else None
    since = None
    if judgement.verdict in (Verdict.BROKEN, Verdict.FIXED):
        since = _commit_at(window, test, judgement.since, counted)
    return Finding(
        test=window.tests[test],
        verdict=judgement.verdict,
        runs=len(ran),
        failures=int(failed.sum()),
        rate=rate_of(int(failed.sum()), len(ran)),
        framework=framework_of(window.runs[ran[-1]].producer),
        reason=judgement.reason,
        cause=cause,
        signatures=tuple(signatures),
        boundary=lead.boundary if lead else None,
        artefacts=lead.artefacts if lead else (),
        impact=impact,
        first_seen=window.runs[ran[0]].started_at,
        last_failed=max(moments, default=None),
        since_commit=since,
        timeline=_timeline(window, test),
    )


def _commit_at(window: Window, test: int, index: int, counted: NDArray[np.bool_]) -> str | None:
    """The commit with this index among those on which the test executed."""
    executed = window.executed[:, test] & counted
    ran = [runs[executed[runs]] for runs in commits(window.runs)]
    first = [runs[0] for runs in ran if len(runs)][index]
    return window.runs[int(first)].commit


def _timeline(window: Window, test: int) -> tuple[TimelineEntry, ...]:
    said = {failure.run: failure.signature for failure in window.failures_of.get(test, ())}
    present = np.flatnonzero(window.positions[:, test] >= 0)
    tables = (window.outcomes, window.tries, window.durations, window.positions)
    outcomes, tries, durations, positions = (table[:, test].take(present).tolist() for table in tables)
    runs = present.tolist()
    return tuple(
        map(
            TimelineEntry,
            map(window.runs.__getitem__, runs),
            map(OUTCOMES.__getitem__, outcomes),
            tries,
            [None if isnan(duration) else duration for duration in durations],
            positions,
            map(said.get, runs),
        )
    )


def _by_failures(tickets: Sequence[Ticket], fixes: Sequence[FixStep]) -> list[FixStep]:
    """The steps, clusters first and in the order of their failures: where a test stands on several, its first."""
    place = {(ticket.tests, ticket.cluster, ticket.summary): n for n, ticket in enumerate(tickets)}
    return sorted(fixes, key=lambda step: place[step.tests, step.cluster, step.summary])


def _with_ticket(finding: Finding, step: FixStep | None) -> Finding:
    return replace(finding, cluster=step.cluster, saves=step.saves) if step else finding


def _clusters(fixes: Sequence[FixStep]) -> tuple[Cluster, ...]:
    found = [Cluster(f.cluster, f.tests, f.category, f.summary, f.saves) for f in fixes if f.cluster is not None]
    return tuple(sorted(found, key=lambda cluster: cluster.id))


def _notes(window: Window, any_flaky: bool) -> tuple[str, ...]:
    """What the reader should know before trusting the causes."""
    if not any_flaky:
        return ()
    notes = []
    serial = np.flatnonzero(window.serial)
    parallel = len({n for n, run in enumerate(window.runs) if run.order is Order.COMPLETION} | {*window.interleaved})
    if parallel:
        notes.append(
            f"{parallel} of {len(window.runs)} runs were parallel: their order is not the order of execution "
            "and says little about order dependence"
        )
    if not len(serial):
        notes.append("no run has a known order of execution: order dependence cannot be seen in this history")
    elif len(serial) == 1:
        notes.append("only one run has a known order of execution: order dependence cannot be seen in this history")
    elif _one_order(window, serial):
        notes.append(
            f"the order never varied in {len(serial)} serial runs: order dependence cannot be seen; "
            "some runs shuffled over the whole suite would show it"
        )
    return tuple(notes)


def _one_order(window: Window, runs: NDArray[np.int64]) -> bool:
    """All these runs have their common tests in one order."""
    common = np.flatnonzero((window.positions >= 0)[runs].all(axis=0))
    ordered = common[np.argsort(window.positions[runs[0], common])]
    return all((np.diff(window.positions[run, ordered]) > 0).all() for run in runs)


__all__ = ["Findings", "diagnose"]
