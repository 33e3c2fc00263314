"""The verb behind `flakediag gate`: is the suite, or a part of it, flaky beyond a limit, or worse than it was?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.diagnose import flaky_tests, framework_of
from flakediag.analysis.gate import Part, decide, measured, tightened
from flakediag.analysis.outage import outages
from flakediag.analysis.rates import suite_rates
from flakediag.analysis.window import Window
from flakediag.errors import UsageError
from flakediag.history import History
from flakediag.location import Location
from flakediag.model import (
    GateDecision,
    GatePolicy,
    GateRule,
    GateStatus,
    Metric,
    Ratchet,
    Report,
    Scope,
    Verdict,
)
from flakediag.owners import Ownership, glob, is_owner, no_codeowners
from flakediag.service import read, report_of, resolve


def gate(
    db: Location,
    scope: Scope,
    policy: GatePolicy,
    *,
    now: datetime,
    ownership: Ownership | None = None,
    anew: Collection[Metric] = (),
) -> tuple[GateDecision, Ratchet]:
    """Hold the suite to the policy; beside the decision, what a ratchet is to store for later.

    `anew` names the metrics in which the suite is held to itself, where nothing is stored yet.

    With a baseline and no branch, the branch of the newest run on another branch is judged. A baseline without runs
    is not enough evidence. `ownership` finds the files and owners of tests for the rules that ask for them. Raises
    `UsageError` for a baseline with another metric than tests.
    """
    if policy.baseline is not None and any(rule.metric is not Metric.TESTS for rule in policy.rules):
        raise UsageError("--new-only compares tests", "use it with --metric tests, and without limits of other metrics")
    with History.open(db, "read") as history:
        if policy.baseline is not None:
            scope = _beside(history, scope, policy.baseline)
        resolved, window = read(history, scope)
        report = report_of(history, scope, resolved, window, now)
        there = _flaky_on(history, scope, report, policy.baseline)
    flaky = frozenset(f.id for f in report.tests if f.verdict is Verdict.FLAKY)
    state = Ratchet(rates=measured(report), flaky=flaky, updated=now.date())
    if anew:
        state = replace(state, rates={metric: rate for metric, rate in state.rates.items() if metric in anew})
        policy = replace(policy, ratchet=state)
    parts, unplaced = _parts(window, report, policy, ownership)
    decision = decide(report, policy, flaky_before=there or frozenset(), parts=parts, unplaced=unplaced)
    if policy.baseline is not None and there is None:
        reason = f"the history holds no run of the baseline branch {policy.baseline}: what is new cannot be told"
        decision = replace(decision, status=GateStatus.NOT_ENOUGH_EVIDENCE, reason=reason, results=())
    return decision, state if policy.ratchet is None or anew else tightened(policy.ratchet, state)


def _flaky_on(history: History, scope: Scope, report: Report, branch: str | None) -> frozenset[str] | None:
    """The tests that are flaky on the branch, None where the history holds no run of it."""
    if branch is None or branch not in history.branches(report.project):
        return None
    return flaky_tests(history.window(replace(scope, project=report.project, branch=branch)))


def _beside(history: History, scope: Scope, baseline: str) -> Scope:
    """The scope on a branch other than the baseline: the one asked for, or that of the newest such run."""
    if scope.branch is not None:
        return scope
    everywhere = resolve(history, replace(scope, all_branches=True))
    others = (s.run.branch for s in history.runs(everywhere) if s.run.branch not in (None, baseline))
    branch = next(others, None)
    if branch is None:
        raise UsageError(f"the history holds no branch beside the baseline {baseline}", "ingest with --branch NAME")
    return replace(scope, branch=branch)


def _parts(
    window: Window, report: Report, policy: GatePolicy, ownership: Ownership | None
) -> tuple[dict[GateRule, Part], int]:
    """What each rule for a path or an owner looks at, and how many executed tests have no file known."""
    rules = _of_parts(policy, ownership)
    if not rules or ownership is None:
        return {}, 0
    files = _files(window, ownership)
    identities = {f.test for f in report.tests if f.verdict is Verdict.FLAKY}
    flaky = np.array([test in identities for test in window.tests], dtype=np.bool_)
    counted = ~outages(window)
    parts = {
        rule: Part(
            suite_rates(window, flaky, counted, among),
            frozenset(window.tests[t].id for t in np.flatnonzero(among & flaky)),
        )
        for rule, among in ((rule, _belonging(rule, files, ownership)) for rule in rules)
    }
    placed = np.array([bool(found) for found in files], dtype=np.bool_)
    active = (window.executed & counted[:, None]).any(axis=0)
    return parts, int((active & ~placed).sum())


def belonging(window: Window, policy: GatePolicy, ownership: Ownership | None) -> dict[GateRule, NDArray[np.bool_]]:
    """bool[T] for each rule for a path or an owner: the tests that it looks at.

    Raises `UsageError` where owners are asked for without a CODEOWNERS file.
    """
    rules = _of_parts(policy, ownership)
    if not rules or ownership is None:
        return {}
    files = _files(window, ownership)
    return {rule: _belonging(rule, files, ownership) for rule in rules}


def _of_parts(policy: GatePolicy, ownership: Ownership | None) -> list[GateRule]:
    """The rules for a path or an owner, once it is known that they can be applied."""
    rules = [rule for rule in policy.rules if rule.path is not None or rule.owner is not None]
    if rules and ownership is None:
        raise ValueError("rules for a path or an owner need to know where tests stand")
    if ownership is not None and ownership.codeowners is None and any(rule.owner is not None for rule in rules):
        raise no_codeowners()
    return rules


def _files(window: Window, ownership: Ownership) -> list[tuple[str, ...]]:
    framework = framework_of(window.runs[-1].producer) if window.runs else "unknown"
    return [ownership.files_of(test, framework) for test in window.tests]


def _belonging(rule: GateRule, files: list[tuple[str, ...]], ownership: Ownership) -> NDArray[np.bool_]:
    among = np.array([bool(found) for found in files], dtype=np.bool_)
    if rule.path is not None:
        pattern = glob(rule.path)
        among &= np.array([any(pattern.matches(file) for file in found) for found in files], dtype=np.bool_)
    if rule.owner is not None:
        among &= np.array([is_owner(rule.owner, ownership.owners_of_files(found)) for found in files], dtype=np.bool_)
    return among
