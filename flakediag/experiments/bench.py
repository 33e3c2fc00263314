"""Everything that the experiments on one test share."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from flakediag import service
from flakediag.analysis.plan import Search
from flakediag.analysis.window import Window
from flakediag.confirm.runners import Runner, find
from flakediag.errors import UsageError
from flakediag.experiments.asked import Setup, Tried
from flakediag.experiments.earlier import code_of, earlier_trials
from flakediag.experiments.question import accepted, others_of, question_of, subject_of
from flakediag.history import History
from flakediag.location import Location
from flakediag.model import Finding, Identity, Run, Scope


@dataclass
class Bench:
    """Everything that the experiments on one test share."""

    db: Location
    finding: Finding
    run: Run  # the latest one that had the test: whose project, commit and branch the experiments are kept under
    tests: tuple[Identity, ...]  # the others, in their usual order
    search: Search
    known: frozenset[str]  # all signatures with which it failed so far
    signatures: frozenset[str] | None  # those that count as the failure; None: any
    runner: Runner
    setup: Setup
    varied: bool  # the recorded orders differ
    code: str | None = None  # the state of the project that is looked into
    earlier: int = 0  # experiments of other times that the search starts from
    clock: Callable[[], float] = time.monotonic
    began: float = 0.0
    tried: list[Tried] = field(default_factory=list)
    executions: int = 0
    orders: dict[int | None, tuple[Identity, ...]] = field(default_factory=dict)  # by seed, where the runner shuffles

    @property
    def test(self) -> Identity:
        return self.finding.test

    def names(self, before: Sequence[int]) -> list[Identity]:
        return [self.tests[number] for number in before]

    def seed_for(self, before: Sequence[Identity]) -> int | None:
        """The seed under which these run before the test; one that was not tried yet where none is known to do that.

        None: as they are written. Only the tests of its own file or package matter, others go by their files.
        """
        near = {test for test in before if (test.file or test.classname) == (self.test.file or self.test.classname)}
        if not self.runner.shuffles or not near or None not in self.orders:
            return None
        for seed, order in self.orders.items():
            if self.test in order and near <= set(order[: order.index(self.test)]):
                return seed
        return len(self.orders)

    def left(self) -> float:
        """Seconds of the budget that are left."""
        return self.setup.minutes * 60 - (self.clock() - self.began)

    def spent(self) -> bool:
        return len(self.tried) >= self.setup.runs or self.left() <= 0


def bench(db: Location, test: str, scope: Scope, setup: Setup, *, now: datetime) -> Bench:
    """Find the test and what is known of it. Raises `UsageError` where it, or a way to run it, cannot be found."""
    finding = service.show(db, test, scope, now=now)
    with History.open(db, "read") as history:
        window = history.window(service.resolve(history, scope))
    return bench_of(db, finding, window, setup, runner_for(finding.framework, setup), code_of(setup))


def runner_for(framework: str, setup: Setup) -> Runner:
    environ = dict(setup.environ)
    return find(framework, setup.folder, command=setup.command, program=setup.program, environ=environ)


def bench_of(db: Location, finding: Finding, window: Window, setup: Setup, runner: Runner, code: str | None) -> Bench:
    target = window.tests.index(finding.test)
    mine = np.flatnonzero(window.executed[:, target])
    run = window.runs[int(mine[-1])]
    places = others_of(window, target)
    here = runner.known([finding.test, *(window.tests[t] for t in places)])
    if not here[0]:
        raise UsageError(
            f"{runner.name} does not know {finding.id} in {setup.folder}",
            "run this in the project's folder, at a commit that has the test",
        )
    places = [t for t, there in zip(places, here[1:], strict=True) if there]
    subject = subject_of(window, target)
    known = frozenset(failure.signature for failure in window.failures if failure.test == target)
    question, varied = question_of(window, target, places, subject, finding)
    others = tuple(window.tests[t] for t in places)
    signatures = None if subject is None else accepted(known, subject)
    earlier = [] if setup.fresh else earlier_trials(db, finding.test, others, signatures, code, run.project)
    search = Search(question, trials=earlier, everything=setup.everything)
    return Bench(
        db=db,
        finding=finding,
        run=run,
        tests=others,
        search=search,
        known=known,
        signatures=signatures,
        runner=runner,
        setup=setup,
        varied=varied,
        code=code,
        earlier=len(earlier),
    )
