"""What earlier experiments on the same code said: a search goes on from there."""

from __future__ import annotations

from collections.abc import Sequence

from flakediag.analysis.belief import Trial
from flakediag.analysis.signature import signature_of
from flakediag.confirm.fingerprint import fingerprint
from flakediag.experiments.asked import Setup, Way
from flakediag.history import History
from flakediag.location import Location
from flakediag.model import CaseResult, Identity, Order, Outcome, RunReport, Scope

ASKED = "flakediag.test"  # the properties of a stored experiment: which test it was about, what was tried,
CONDITION = "flakediag.experiment"
CODE = "flakediag.code"  # and on which code
MOST = 200  # earlier experiments that are taken into account, the latest
BACK = 3650  # days


def code_of(setup: Setup) -> str | None:
    """The state of the project, and what starts its runner."""
    return fingerprint(setup.folder, (setup.command or "", setup.program or ""), setup.environ)


def earlier_trials(
    db: Location,
    test: Identity,
    tests: Sequence[Identity],
    signatures: frozenset[str] | None,
    code: str | None,
    project: str | None,
) -> list[Trial]:
    """The experiments by order on this test and this code, oldest first. tests: the others, by number."""
    if code is None:
        return []
    number = {other: n for n, other in enumerate(tests)}
    found: list[Trial] = []
    with History.open(db) as history:
        stored = history.runs(
            Scope(project=project, all_branches=True, experiments=True, days=BACK, max_runs=10 * MOST)
        )
        wanted = {ASKED: test.id[:200], CONDITION: Way.ORDER.value, CODE: code}
        mine = [
            one.run.id
            for one in stored
            if one.run.experiment
            and one.run.id is not None
            and all(one.run.properties.get(name) == value for name, value in wanted.items())
        ]
        for run_id in mine[:MOST]:
            trial = _trial(history.run_report(run_id), test, number, signatures)
            if trial is not None:
                found.append(trial)
    return found[::-1]


def _trial(
    report: RunReport, test: Identity, number: dict[Identity, int], signatures: frozenset[str] | None
) -> Trial | None:
    ran = [r for r in report.results if r.outcome is not Outcome.SKIPPED]
    result = next((r for r in ran if r.test._replace(file="") == test._replace(file="")), None)
    if result is None or (report.run.order is not Order.EXECUTION and len(ran) > 1):
        return None
    failed = says(result, signatures)
    if failed is None:
        return None
    before = ran[: ran.index(result)]
    return Trial(tuple(number[r.test] for r in before if r.test in number), failed)


def failed_once(result: CaseResult) -> bool:
    return result.outcome.failed or any(attempt.outcome.failed for attempt in result.earlier)


def signatures_of(result: CaseResult) -> frozenset[str]:
    """Of its failed attempts."""
    details = [a.failure for a in result.earlier] + [result.failure]
    return frozenset(signature_of(detail) for detail in details if detail is not None)


def says(result: CaseResult, signatures: frozenset[str] | None) -> bool | None:
    """Whether it failed in one of these ways (None: in any); None where it failed in another one."""
    if not failed_once(result):
        return False
    seen = signatures_of(result)
    return True if signatures is None or not seen or seen & signatures else None
