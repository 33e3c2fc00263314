"""Both engines answer every question alike, whatever was done to them before."""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from history_samples import (
    EVERYTHING,
    failed,
    hexdigest,
    passed,
    report,
    signature_of,
    skipped,
    sound,
    told,
)
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from private_server import PrivateServer

from flakediag.errors import UsageError
from flakediag.history import History
from flakediag.history.prune import Limits
from flakediag.model import Attempt, CaseResult, FailureDetail, Identity, InputFile, Outcome, RunReport, Scope

NOW = datetime(2026, 3, 2, tzinfo=UTC)
NAMES = ("test_a", "test_b", "test_c", "test_\x00\ud800d")
PROJECTS = ("shop", "bank\x00")


def case(kind: str, name: str) -> CaseResult:
    if kind == "retried":
        return passed(name)._replace(earlier=(Attempt(Outcome.ERROR, 0.1, FailureDetail("E", f"at {name}", "said")),))
    if kind == "speechless":
        return failed(name)._replace(failure=None)
    return {"passed": passed, "failed": failed, "skipped": skipped}[kind](name)


def made(
    number: int, project: int, month: int, branch: str | None, kinds: list[tuple[str, str]], files: int
) -> RunReport:
    """Run `number` of a project. `files` bits say which of three files it has; the others may come with another run."""
    results = [case(kind, name) for kind, name in kinds]
    whole = report(
        f"{project} {number} {files} {kinds}",
        *results,
        hours=30 * 24 * month + number,
        project=PROJECTS[project],
        branch=branch,
        commit="c" * 40 if branch else None,
        experiment=number == 3,
        properties={"seed": str(number)},
    )
    sizes = [len(results) - 2 * (len(results) // 3), len(results) // 3, len(results) // 3]
    inputs = [
        InputFile(path=f"{n}.xml", digest=hexdigest(f"{project} {number} {n}"), cases=sizes[n])
        for n in range(3)
        if files & (1 << n)
    ]
    return replace(whole, files=tuple(inputs))


runs = st.builds(
    made,
    st.integers(0, 4),
    st.sampled_from([0, 0, 0, 1]),
    st.integers(0, 2),
    st.sampled_from([None, "main", "topic"]),
    st.lists(
        st.tuples(
            st.sampled_from(["passed", "passed", "failed", "skipped", "retried", "speechless"]), st.sampled_from(NAMES)
        ),
        max_size=5,
    ),
    st.integers(0, 7),
)
some_runs = st.lists(runs, max_size=4)
identities = st.sampled_from([Identity("tests.test_orders", name) for name in (*NAMES, "test_new")])
limits = st.builds(Limits, st.sampled_from([None, 0, 20, 40]), st.sampled_from([None, 1, 3])).filter(
    lambda each: each != Limits(None, None)
)


class Engines(RuleBasedStateMachine):
    """One history in a file, one on the server; every rule does the same to both."""

    server: PrivateServer

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.server.empty()
        file = Path(self.folder.name, "history.db")
        self.histories = [History.open(file, "write"), History.open(self.server.address, "write")]
        self.places = (file, self.server.address)
        self.texts_alike = True  # as long as nothing was taken away that leaves unused texts behind

    def both(self, verb: Any) -> Any:
        """What both answer, which is the same."""
        file, server = (answer(verb, history) for history in self.histories)
        assert server == file
        return file

    @rule(reports=some_runs)
    def store(self, reports: list[RunReport]) -> None:
        self.both(lambda history: history.add_runs(reports, signature_of))

    @rule(reports=some_runs, pruned=st.booleans(), pair=st.none() | st.tuples(identities, identities))
    def absorb(self, reports: list[RunReport], pruned: bool, pair: tuple[Identity, Identity] | None) -> None:
        other = Path(self.folder.name, "other.db")
        other.unlink(missing_ok=True)
        with History.open(other, "write") as source:
            source.add_runs(reports, signature_of)
            if pruned:
                source.prune(Limits(days=0, runs=None), NOW)
            if pair is not None:
                answer(lambda history: history.rename(PROJECTS[0], [pair]), source)
        with History.open(other) as source:
            done = self.both(lambda history: history.absorb(source.portables(), source.former_names(), signature_of))
        self.texts_alike &= not done.replaced

    @rule(limits=limits, dry_run=st.booleans())
    def prune(self, limits: Limits, dry_run: bool) -> None:
        self.both(lambda history: history.prune(limits, NOW, dry_run=dry_run))
        self.texts_alike &= dry_run

    @rule(project=st.sampled_from(PROJECTS), old=identities, new=identities, dry_run=st.booleans())
    def rename(self, project: str, old: Identity, new: Identity, dry_run: bool) -> None:
        self.both(lambda history: history.rename(project, [(old, new)], dry_run=dry_run))

    @invariant()
    def lists_are_the_same(self) -> None:
        if not hasattr(self, "histories"):
            return
        projects = self.both(lambda history: history.projects())
        self.both(lambda history: history.counts()[: None if self.texts_alike else 5])
        self.both(lambda history: history.number_of_runs())
        self.both(lambda history: history.former_names())
        for project in projects:
            self.both(lambda history, project=project: history.branches(project))
            self.both(lambda history, project=project: history.names(project))
            scope = replace(EVERYTHING, project=project, all_branches=True, experiments=True)
            for asked in (
                scope,
                replace(scope, experiments=False, max_runs=2),
                Scope(project=project, branch="main", days=20),
            ):
                self.both(lambda history, asked=asked: history.runs(asked))
                self.both(lambda history, asked=asked: history.tests(asked))
                self.both(lambda history, asked=asked: history.summary(asked))
                self.both(lambda history, asked=asked: told(history.window(asked)))
                self.both(lambda history, asked=asked: outcomes_in(history, asked))

    @invariant()
    def what_moves_is_the_same(self) -> None:
        if hasattr(self, "histories"):
            self.both(
                lambda history: [(item.run, item.files, item.results, item.load()) for item in history.portables()]
            )

    def teardown(self) -> None:
        if hasattr(self, "histories"):
            for history, place in zip(self.histories, self.places, strict=True):
                history.close()
                assert sound(place)
            self.folder.cleanup()


def outcomes_in(history: History, scope: Scope) -> tuple[Any, ...]:
    found = history.outcomes(scope)
    flags = (found.executed, found.failed, found.ended_failed, found.recovered)
    return found.runs, found.tests, found.results, *(each.tolist() for each in flags)


def answer(verb: Any, history: History) -> Any:
    """What the verb gives, or the user error that it ends in."""
    try:
        return verb(history)
    except UsageError as error:
        return re.sub("^run [0-9]+ ", "some run ", error.message)  # there may be several


@pytest.mark.slow
def test_both_engines_do_and_say_the_same(server: PrivateServer) -> None:
    machine = type("OnThisServer", (Engines,), {"server": server})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=12, stateful_step_count=8, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
