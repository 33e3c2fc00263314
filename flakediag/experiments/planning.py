"""What would be tried. Nothing here runs a test."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from flakediag import service
from flakediag.analysis.belief import Trial
from flakediag.analysis.order.explain import shuffles_needed
from flakediag.confirm.runners import SHUFFLED, Runner
from flakediag.errors import UsageError
from flakediag.experiments.asked import Plan, Setup, Step, Way
from flakediag.experiments.bench import Bench, bench, bench_of, runner_for
from flakediag.experiments.by_contrast import LEAST, conditions_of
from flakediag.experiments.earlier import code_of
from flakediag.experiments.wording import command_of, leading, step_of
from flakediag.history import History
from flakediag.location import Location
from flakediag.model import Category, Scope, Verdict


def plan(db: Location, test: str, scope: Scope, setup: Setup, *, now: datetime) -> Plan:
    """The next runs that would tell most about one test, as commands. Runs none of its tests; pytest is asked to list
    them."""
    return plan_of(bench(db, test, scope, setup, now=now))


def plans(db: Location, scope: Scope, setup: Setup, *, now: datetime, limit: int = 10) -> tuple[Plan, ...]:
    """The same for the flaky tests of the report, worst first, whose order, timing or port is in question."""
    report = service.report(db, scope, now=now)
    with History.open(db, "read") as history:
        window = history.window(service.resolve(history, scope))
    found, runners, code = [], dict[str, Runner](), code_of(setup)
    for finding in [f for f in report.tests if f.verdict is Verdict.FLAKY][: limit or None]:
        try:
            if finding.framework not in runners:
                runners[finding.framework] = runner_for(finding.framework, setup)
            found.append(plan_of(bench_of(db, finding, window, setup, runners[finding.framework], code)))
        except UsageError:
            continue  # a framework that nobody here can run, or a test that is gone
    if not found and report.tests:
        raise UsageError(
            "none of the flaky tests can be run here by a runner that flakediag knows",
            "run this in the project's folder; or say how to run them: --command 'program {tests} --junit {junit}'",
        )
    return tuple(found)


def way_of(bench: Bench) -> Way:
    """What to try: what was asked for, else what the diagnosis names, else the order."""
    if bench.setup.way is not None:
        return bench.setup.way
    cause = bench.finding.cause
    if cause is not None and cause.category is Category.PORT and (cause.ports or bench.setup.port):
        return Way.PORT
    if cause is not None and cause.category in (Category.TIMING, Category.CONCURRENCY):
        return Way.TIMING
    return Way.ORDER


def plan_of(bench: Bench) -> Plan:
    way = way_of(bench)
    if way is not Way.ORDER:
        conditions = [what for what, _ in conditions_of(bench, way)]
        command = command_of(bench, ())
        return Plan(
            test=bench.finding.id,
            way=way,
            leading=(),
            first=Step(what=conditions[0], command=command),
            then=(("then in turn", Step(what=conditions[1], command=command)),),
            expected=2 * LEAST,
        )
    search = bench.search
    first = search.propose()
    then = []
    for failed, word in ((True, "if it fails"), (False, "if it passes")):
        if first is not None:
            after = replace(search, trials=[*search.trials, Trial(first.before, failed)])
            second = after.propose()
            if second is not None:
                then.append((word, step_of(bench, second.before, second.fails)))
    return Plan(
        test=bench.finding.id,
        way=way,
        leading=leading(bench, 4),
        first=None if first is None else step_of(bench, first.before, first.fails),
        then=tuple(then),
        expected=search.expected_runs(),
        limits=bench.runner.limits,
        shuffled=None if bench.varied else SHUFFLED.get(bench.finding.framework),
        shuffled_runs=0 if bench.varied else shuffles_needed(max(2, len(bench.tests))),
        standing=search.standing.value,
        earlier=bench.earlier,
    )
