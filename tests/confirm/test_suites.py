"""Real pytest suites, the whole way: ingest what was recorded, confirm, and look at what is kept."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from unused_port import unused_port

from confirm.suites import VICTIM, name, write_history, write_suite
from flakediag import experiments, service
from flakediag.analysis.belief import Claim
from flakediag.confirm import load
from flakediag.errors import UsageError
from flakediag.experiments import Plan, Setup, Tried, Way
from flakediag.history import History
from flakediag.model import Scope

NOW = datetime(2026, 3, 3, tzinfo=UTC)
TEST = f"test_shop::{name(VICTIM)}"


class Watcher:
    """Says yes, and remembers what it saw."""

    def __init__(self, answer: bool = True, interrupt_after: int = 0) -> None:
        self.answer, self.interrupt_after = answer, interrupt_after
        self.plans: list[Plan] = []
        self.commands: list[tuple[str, ...]] = []
        self.tried: list[Tried] = []

    def allow(self, plan: Plan) -> bool:
        self.plans.append(plan)
        return self.answer

    def starting(self, number: int, what: str, command: Sequence[str]) -> None:
        self.commands.append(tuple(command))

    def ended(self, tried: Tried) -> None:
        self.tried.append(tried)
        if len(self.tried) == self.interrupt_after:
            raise KeyboardInterrupt


class Project:
    def __init__(self, folder: Path) -> None:
        self.folder, self.db = folder, folder / "history.db"

    def recorded(self, outcomes: Claim | Sequence[bool], **how: Any) -> None:
        reports = write_history(self.folder / "reports", outcomes, **how)
        service.ingest(self.db, [str(reports)], service.RunInfo(branch="main"), now=NOW, environ={})

    def setup(self, **more: Any) -> Setup:
        # Without the plug-ins of the environment that these tests run in, pytest starts in a third of the time.
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        values: dict[str, Any] = {
            "folder": self.folder,
            "environ": environ,
            "program": f"{sys.executable} -m pytest",
            "runs": 12,
        }
        return Setup(**(values | more))

    def confirm(self, watcher: Watcher | None = None, **more: Any) -> experiments.Outcome:
        return experiments.confirm(self.db, TEST, Scope(), self.setup(**more), watcher or Watcher(), now=NOW)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("claim", "parties"),
    [
        (Claim(False, ((2,),)), [("02", "polluter")]),
        (Claim(True, (), ((7,),)), [("07", "state-setter")]),
        (Claim(False, ((2,), (8,))), [("02", "polluter"), ("08", "polluter")]),
        (Claim(False, ((2,),), ((8,),)), [("02", "polluter"), ("08", "cleaner")]),
    ],
    ids=["polluter", "state-setter", "two polluters", "cleaner"],
)
def test_the_partners_are_proved(project: Project, claim: Claim, parties: list[tuple[str, str]]) -> None:
    write_suite(project.folder, claim)
    project.recorded(claim, runs=40)
    before = service.report(project.db, Scope(), now=NOW)
    outcome = project.confirm(way=Way.ORDER)
    assert outcome.standing == "confirmed"
    assert set(outcome.parties) == {(f"test_shop::test_{number}", role) for number, role in parties}
    assert outcome.probability is not None and outcome.probability >= 0.99
    assert outcome.reproduce is not None and outcome.reproduce[-1] == f"test_shop.py::{name(VICTIM)}"
    assert service.report(project.db, Scope(), now=NOW) == before, "experiments count for nothing"
    with History.open(project.db) as history:
        kept = [s.run for s in history.runs(Scope(experiments=True)) if s.run.experiment]
    assert len(kept) == len(outcome.tried)
    assert all(run.properties["flakediag.test"] == TEST for run in kept)


@pytest.mark.slow
def test_a_test_that_always_fails_here_is_blamed_on_nobody(project: Project) -> None:
    write_suite(project.folder, None, victim="assert False")
    project.recorded([run % 3 == 0 for run in range(12)], runs=12)
    outcome = project.confirm(way=Way.ORDER, runs=20)
    assert outcome.standing == "not-order-dependent"
    assert outcome.parties == ()


@pytest.mark.slow
def test_interrupted_it_keeps_and_tells_what_it_learnt(project: Project) -> None:
    claim = Claim(False, ((2,),))
    write_suite(project.folder, claim)
    project.recorded(claim)
    outcome = project.confirm(Watcher(interrupt_after=1))
    assert (outcome.standing, len(outcome.tried)) == ("interrupted", 1)
    with History.open(project.db) as history:
        assert sum(s.run.experiment for s in history.runs(Scope(experiments=True))) == 1


@pytest.mark.slow
def test_the_budget_is_kept(project: Project) -> None:
    claim = Claim(False, ((2,),))
    write_suite(project.folder, claim)
    project.recorded(claim)
    outcome = project.confirm(runs=1, way=Way.ORDER)
    assert (outcome.standing, len(outcome.tried)) == ("open", 1)
    hanging = "import time; time.sleep(60)"
    write_suite(project.folder, None, victim=hanging)
    outcome = project.confirm(minutes=0.03, way=Way.ORDER)
    assert outcome.standing == "open"
    assert "its time was up" in outcome.tried[-1].problem


def test_nothing_runs_unasked(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = Claim(False, ((2,),))
    write_suite(project.folder, claim)
    project.recorded(claim)
    monkeypatch.setattr("flakediag.confirm.process.run", lambda *a, **k: pytest.fail("something ran"))
    watcher = Watcher(answer=False)
    outcome = project.confirm(watcher)
    assert outcome.conclusion == "nothing was run"
    assert watcher.plans[0].first is not None
    assert watcher.plans[0].expected > 0


def test_the_plan_of_an_order_that_never_varied_says_how_to_shuffle(project: Project) -> None:
    write_suite(project.folder, None)
    project.recorded([run % 2 == 0 for run in range(8)], shuffled=False)
    plan = experiments.plan(project.db, TEST, Scope(), project.setup(way=Way.ORDER), now=NOW)
    assert plan.shuffled is not None and "--random-order-bucket=global" in plan.shuffled
    assert plan.shuffled_runs > 3
    assert plan.first is not None and plan.then


def test_a_test_that_is_gone_from_the_project(project: Project) -> None:
    claim = Claim(False, ((2,),))
    write_suite(project.folder, claim, size=VICTIM)
    project.recorded(claim)
    with pytest.raises(UsageError, match="does not know"):
        project.confirm()


@pytest.mark.slow
def test_the_certificate(project: Project) -> None:
    write_suite(project.folder, None)
    project.recorded([run % 2 == 0 for run in range(12)], runs=12, shuffled=False)
    outcome = experiments.certify(project.db, TEST, Scope(), project.setup(runs=3), Watcher(), now=NOW)
    assert outcome.standing == "open"
    assert [tried.leading.text.rpartition(": ")[2].split()[0] for tried in outcome.tried] == ["1", "2", "3"]
    assert [a.remaining - b.remaining for a, b in pairwise(outcome.tried)] == [1, 1], (
        "the certificate's, not a search's"
    )
    assert (
        "3 clean runs alone: with 95 % its failure rate is now below 63 %; its own rate demands" in outcome.conclusion
    )
    write_suite(project.folder, None, victim="assert False")
    outcome = experiments.certify(project.db, TEST, Scope(), project.setup(runs=3), Watcher(), now=NOW)
    assert (outcome.standing, len(outcome.tried)) == ("not-fixed", 1)
    assert outcome.conclusion == "it failed alone, after 0 clean runs"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("message", "standing"),
    [
        ("OSError: [Errno 98] Address already in use", "confirmed"),
        ("AssertionError: assert 1 == 2", "open"),
        ("", "confirmed"),  # it never failed where it was recorded: no failure is another one
    ],
)
def test_a_port_that_is_held_shows_the_failure(project: Project, message: str, standing: str) -> None:
    port = unused_port()
    body = f"import socket\n    with socket.socket() as s:\n        s.bind(('127.0.0.1', {port}))"
    write_suite(project.folder, None, victim=body)
    project.recorded([bool(message) and run % 2 == 0 for run in range(8)], shuffled=False, message=message)
    outcome = project.confirm(port=port, way=Way.PORT, runs=12)
    assert outcome.standing == standing
    assert f"in 5 of 5 runs with port {port} held and in 0 of 5 runs with port {port} free" in outcome.conclusion
    assert ("another failure" in outcome.conclusion) == (standing == "open")


class Impatient(Watcher):
    def starting(self, number: int, what: str, command: Sequence[str]) -> None:
        raise KeyboardInterrupt


@pytest.mark.parametrize("way", [Way.ORDER, Way.TIMING])
def test_an_interrupt_before_the_first_run_is_over_taught_nothing(project: Project, way: Way) -> None:
    write_suite(project.folder, None)
    project.recorded([run % 2 == 0 for run in range(8)], shuffled=False)
    outcome = project.confirm(Impatient(), way=way)
    assert outcome.standing == "interrupted"
    assert outcome.conclusion.startswith("nothing")


# Whether a race is lost depends on who else uses this machine; so this one is lost while the load says that it is on.
RACE = """from pathlib import Path
    assert not Path("busy").exists(), "timed out waiting for the mail\""""


@pytest.mark.slow
def test_a_race_is_lost_under_load_and_won_under_slack(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def pressure(processes: int, seconds: float) -> Iterator[None]:
        assert processes > 1 and seconds > 1
        (project.folder / "busy").touch()
        yield
        (project.folder / "busy").unlink()

    monkeypatch.setattr(load, "pressure", pressure)
    write_suite(project.folder, None, victim=RACE)
    message = "AssertionError: timed out waiting for the mail"
    project.recorded([run % 4 == 0 for run in range(12)], runs=12, shuffled=False, message=message)
    outcome = project.confirm(way=Way.TIMING, runs=40, minutes=4.0)
    assert outcome.standing == "confirmed", outcome.conclusion
    loaded, slack = (
        [t.failed for t in outcome.tried if ("busy" in t.what) is busy and t.failed is not None]
        for busy in (True, False)
    )
    assert sum(loaded) / len(loaded) > sum(slack) / len(slack)
    assert outcome.probability is not None and outcome.probability >= 0.99
