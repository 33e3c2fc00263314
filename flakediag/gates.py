"""The verb behind `flakediag gate`: is the suite, or a part of it, flaky beyond a limit, or worse than it was?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from flakediag.analysis.flaky import Flakes, flakes_of, flaky_tests
from flakediag.analysis.frameworks import framework_of
from flakediag.analysis.gate import Part, decide, measured, tightened
from flakediag.analysis.rates import suite_rates
from flakediag.errors import UsageError
from flakediag.history import History
from flakediag.model import GateRule, GateStatus, Metric, Ratchet
from flakediag.service import report_of, resolve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from flakediag.analysis.outcomes import Outcomes
    from flakediag.analysis.window import Window
    from flakediag.location import Location
    from flakediag.model import Finding, GateDecision, GatePolicy, Scope
    from flakediag.owners import Ownership


def gate(
    db: Location,
    scope: Scope,
    policy: GatePolicy,
    *,
    now: datetime,
    ownership: Ownership | None = None,
    anew: Collection[Metric] = (),
    causes: bool = False,
) -> tuple[GateDecision, Ratchet]:
    """Hold the suite to the policy; beside the decision, what a ratchet is to store for later.

    Offenders come without their causes, since a verdict needs none; with `causes` they are diagnosed as for a report.
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
        resolved = resolve(history, scope)
        outcomes = history.outcomes(resolved, failing_only=not any(map(_of_part, policy.rules)))
        there = _flaky_on(history, resolved, policy.baseline)
        flakes = flakes_of(outcomes)
        if causes and flakes.tests:
            flakes = replace(flakes, tests=_with_causes(history, resolved, flakes, now))
    state = Ratchet(rates=measured(flakes.rates), flaky=frozenset(f.id for f in flakes.tests), updated=now.date())
    if anew:
        state = replace(state, rates={metric: rate for metric, rate in state.rates.items() if metric in anew})
        policy = replace(policy, ratchet=state)
    parts, unplaced = _parts(outcomes, flakes, policy, ownership)
    decision = decide(flakes, policy, flaky_before=there or frozenset(), parts=parts, unplaced=unplaced)
    if policy.baseline is not None and there is None:
        reason = f"the history holds no run of the baseline branch {policy.baseline}: what is new cannot be told"
        decision = replace(decision, status=GateStatus.NOT_ENOUGH_EVIDENCE, reason=reason, results=())
    return decision, state if policy.ratchet is None or anew else tightened(policy.ratchet, state)


def _with_causes(history: History, resolved: Scope, flakes: Flakes, now: datetime) -> tuple[Finding, ...]:
    """The flaky tests as a report has them, ranked by what they cost."""
    report = report_of(history, resolved, resolved, history.window(resolved), now)
    flaky = {finding.test for finding in flakes.tests}
    return tuple(finding for finding in report.tests if finding.test in flaky)


def _flaky_on(history: History, resolved: Scope, branch: str | None) -> frozenset[str] | None:
    """The tests that are flaky on the branch, None where the history holds no run of it."""
    if branch is None or branch not in history.branches(resolved.project):
        return None
    return flaky_tests(history.outcomes(replace(resolved, branch=branch), failing_only=True))


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
    outcomes: Outcomes, flakes: Flakes, policy: GatePolicy, ownership: Ownership | None
) -> tuple[dict[GateRule, Part], int]:
    """What each rule for a path or an owner looks at, and how many executed tests have no file known."""
    rules = _of_parts(policy, ownership)
    if not rules or ownership is None:
        return {}, 0
    files = _files(outcomes, ownership)
    parts = {
        rule: Part(
            suite_rates(outcomes, flakes.flaky, flakes.counted, among),
            frozenset(outcomes.tests[t].id for t in np.flatnonzero(among & flakes.flaky)),
        )
        for rule, among in ((rule, _belonging(rule, files, ownership)) for rule in rules)
    }
    placed = np.array([bool(found) for found in files], dtype=np.bool_)
    active = (outcomes.executed & flakes.counted[:, None]).any(axis=0)
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
    rules = list(filter(_of_part, policy.rules))
    if rules and ownership is None:
        raise ValueError("rules for a path or an owner need to know where tests stand")
    if ownership is not None and ownership.codeowners is None and any(rule.owner is not None for rule in rules):
        from flakediag.owners import no_codeowners

        raise no_codeowners()
    return rules


def _of_part(rule: GateRule) -> bool:
    return rule.path is not None or rule.owner is not None


def _files(outcomes: Outcomes, ownership: Ownership) -> list[tuple[str, ...]]:
    framework = framework_of(outcomes.runs[-1].producer) if outcomes.runs else "unknown"
    return [ownership.files_of(test, framework) for test in outcomes.tests]


def _belonging(rule: GateRule, files: list[tuple[str, ...]], ownership: Ownership) -> NDArray[np.bool_]:
    from flakediag.owners import glob, is_owner

    among = np.array([bool(found) for found in files], dtype=np.bool_)
    if rule.path is not None:
        pattern = glob(rule.path)
        among &= np.array([any(pattern.matches(file) for file in found) for found in files], dtype=np.bool_)
    if rule.owner is not None:
        among &= np.array([is_owner(rule.owner, ownership.owners_of_files(found)) for found in files], dtype=np.bool_)
    return among
