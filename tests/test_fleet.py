"""Every project of a history at once: in processes, on a cluster, with projects that fail and workers that die."""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from report.validation import valid
from reports import write_runs

from flakediag import service
from flakediag.cli.app import app
from flakediag.errors import ExitCode, UsageError
from flakediag.fleet import processes, report_all
from flakediag.fleet.work import Outcome, Task, report_of
from flakediag.location import Location, absolute
from flakediag.model import FailedProject, Fleet, Report, Scope
from flakediag.report import document
from flakediag.service import RunInfo

NOW = datetime(2026, 4, 1, tzinfo=UTC)
PROJECTS = ("bank", "mail", "shop")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three projects, each with a flaky test; the one of `shop` fails most, and `bank` has a branch of its own."""
    folder = tmp_path_factory.mktemp("fleet")
    rows = {"bank": ["F...", "....", "...."], "mail": ["....", ".F..", "...."], "shop": ["..F.", "....", "..F."]}
    for project, pattern in rows.items():
        reports = write_runs(folder / project, pattern * 4, commits="a" * 12)
        branch = "trunk" if project == "bank" else "main"
        info = RunInfo(project=project, branch=branch)
        service.ingest(folder / "history.db", [str(reports)], info, now=NOW, environ={})
    return folder / "history.db"


def flakediag(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), prog_name="flakediag")


def documents(fleet: Fleet) -> list[document.Document]:
    return [document.report(report) for report in fleet.reports]


def alone(db: Path) -> list[document.Document]:
    return [document.report(service.report(db, Scope(project=project), now=NOW)) for project in PROJECTS]


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_report_is_what_the_project_alone_gets(db: Path, jobs: int) -> None:
    told: list[tuple[int, int | None, str]] = []
    fleet = report_all(db, Scope(), now=NOW, jobs=jobs, progress=lambda *done: told.append(done))
    assert documents(fleet) == alone(db)
    assert [each[:2] for each in told] == [(1, 3), (2, 3), (3, 3)]
    assert {each[2] for each in told} == set(PROJECTS)


def test_a_dataset_gives_the_same(db: Path, tmp_path: Path) -> None:
    pytest.importorskip("duckdb", reason="DuckDB is part of the development set-up")
    from flakediag import upkeep

    upkeep.export_dataset(db, tmp_path / "dataset")
    assert documents(report_all(f"parquet:{tmp_path / 'dataset'}", Scope(), now=NOW, jobs=2)) == alone(db)


def test_a_project_is_not_named_where_all_are_asked_for(db: Path) -> None:
    with pytest.raises(UsageError, match="all projects"):
        report_all(db, Scope(project="shop"), now=NOW)


# --- what fails ----------------------------------------------------------------------------------------------------


def test_a_project_that_cannot_be_reported_stops_no_other(db: Path) -> None:
    fleet = report_all(db, Scope(branch="main"), now=NOW, jobs=1)
    assert [report.project for report in fleet.reports] == ["mail", "shop"]
    (failed,) = fleet.failed
    assert (failed.project, failed.bug) == ("bank", False)
    assert "no run of branch 'main'" in failed.reason


def test_a_bug_stops_no_other_and_is_called_one(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **keywords: object) -> Report:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(service, "report", broken)
    failed = report_of(Task(db=db, scope=Scope(project="shop"), now=NOW))
    assert isinstance(failed, FailedProject)
    assert failed.bug
    assert "ZeroDivisionError" in failed.reason


def dies(task: Task) -> Outcome:
    """Kills its own process at one project, as the kernel does for want of memory."""
    if task.project == "mail":
        os.kill(os.getpid(), signal.SIGKILL)
    return report_of(task)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_process_costs_its_own_project_alone(db: Path, jobs: int) -> None:
    tasks = [Task(db=db, scope=Scope(project=project), now=NOW) for project in PROJECTS]
    found = {outcome.project: outcome for outcome in processes.run(jobs, dies)(tasks)}
    assert set(found) == set(PROJECTS)
    assert [project for project, outcome in found.items() if isinstance(outcome, FailedProject)] == ["mail"]


def never_ends(task: Task) -> Outcome:
    if task.project != "bank":
        time.sleep(1_000_000)
    return report_of(task)


def test_whoever_stops_does_not_wait_for_the_others(db: Path) -> None:
    tasks = [Task(db=db, scope=Scope(project=project), now=NOW) for project in PROJECTS]
    outcomes = iter(processes.run(2, never_ends)(tasks))
    assert next(outcomes).project == "bank"
    assert isinstance(outcomes, Generator)
    outcomes.close()  # as ^C does
    assert not multiprocessing.active_children()


# --- on a cluster --------------------------------------------------------------------------------------------------


def test_a_cluster_gives_the_same_also_when_a_worker_is_killed_midway(tmp_path: Path, db: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="Dask distributed is part of the development set-up")
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            local_directory=str(tmp_path),
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        killed: list[int] = []

        def kill_one(done: int, total: int | None, project: str) -> None:
            """Kill the worker that holds or will hold work, once the first report is there."""
            if not killed:
                ids = client.run(os.getpid)
                killed.append(sorted(ids.values())[0])
                os.kill(killed[0], signal.SIGKILL)
                time.sleep(0.1)

        fleet = report_all(db, Scope(), now=NOW, scheduler=cluster.scheduler_address, progress=kill_one)
        assert killed
        assert documents(fleet) == alone(db)
        assert fleet.failed == ()


def test_no_scheduler_is_said_in_one_line(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="Dask distributed is part of the development set-up")
    monkeypatch.setattr("flakediag.fleet.cluster._PATIENCE", 1)
    with pytest.raises(UsageError, match="no Dask scheduler answers"):
        report_all(db, Scope(), now=NOW, scheduler="tcp://127.0.0.1:9")


def test_a_cluster_says_what_it_needs(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flakediag.fleet.cluster.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="needs Dask") as raised:
        report_all(db, Scope(), now=NOW, scheduler="tcp://127.0.0.1:9")
    assert "flakediag[fleet]" in str(raised.value.hint)


# --- the command ---------------------------------------------------------------------------------------------------


def fleet_of(db: Path, *args: str) -> Result:
    return flakediag("--db", str(db), "report", "--all-projects", "--jobs", "1", *args)


def test_json_is_a_list_of_reports(db: Path) -> None:
    done = fleet_of(db, "--format", "json")
    assert done.exit_code == ExitCode.OK
    whole = valid(json.loads(done.stdout), "fleet")
    assert [report["project"] for report in whole["reports"]] == list(PROJECTS)
    assert all(report["tests"] for report in whole["reports"])


def test_csv_has_the_project_of_each_test(db: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(fleet_of(db, "--format", "csv").stdout)))
    assert {row["project"] for row in rows} == set(PROJECTS)
    assert float(rows[0]["minutes"]) == max(float(row["minutes"]) for row in rows)


@pytest.mark.parametrize("name", ["table", "markdown"])
def test_people_see_every_project_and_the_worst_tests(db: Path, name: str) -> None:
    whole, one = (fleet_of(db, "--format", name, *more).stdout for more in ((), ("--limit", "1")))
    head = {"table": "  tests.test_shop::", "markdown": "| <code>tests.test_shop::"}[name]
    assert all(project in one for project in PROJECTS)
    assert (whole.count(head), one.count(head)) == (3, 1)
    assert "3 projects · 12 tests, 144 results · 3 flaky tests" in whole


@pytest.mark.parametrize("name", ["table", "json", "markdown"])
def test_what_failed_is_said_and_told_by_the_exit_code(db: Path, name: str) -> None:
    done = fleet_of(db, "--branch", "main", "--format", name)
    assert done.exit_code == ExitCode.SOME_FILES_UNREADABLE
    assert "no run of branch" in done.stdout
    if name == "json":
        assert valid(json.loads(done.stdout), "fleet")["failed"][0]["project"] == "bank"


def test_a_bug_has_the_exit_code_of_one(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Fleet(generated_at=NOW, reports=(), failed=(FailedProject("shop", "ZeroDivisionError()", bug=True),))
    monkeypatch.setattr("flakediag.fleet.report_all", lambda *args, **keywords: made)
    assert fleet_of(db).exit_code == ExitCode.BUG


@pytest.mark.parametrize(
    "args",
    [
        ("--all-projects", "--by", "package"),
        ("--all-projects", "--project", "shop"),
        ("--all-projects", "--owner", "@shop"),
        ("--all-projects", "--format", "html"),
        ("--jobs", "2", "--project", "shop"),
        ("--scheduler", "tcp://127.0.0.1:1", "--project", "shop"),
    ],
)
def test_what_does_not_go_together_is_refused(db: Path, args: Sequence[str]) -> None:
    done = flakediag("--db", str(db), "report", *args)
    assert (done.exit_code, done.stdout) == (ExitCode.USAGE, "")


def test_a_name_cannot_act_on_a_terminal(db: Path) -> None:
    from flakediag.report import fleet as formats
    from flakediag.report.format import Options

    nasty = "\x1b[31m::error::[/red]|\u202e"
    report = replace(service.report(db, Scope(project="shop"), now=NOW), project=nasty)
    fleet = Fleet(generated_at=NOW, reports=(report,), failed=(FailedProject(nasty, nasty),))
    for name in formats.FORMATS:
        stream = io.StringIO()
        formats.write(fleet, fleet, name, 0, stream, Options())
        assert "\x1b" not in stream.getvalue() and "\u202e" not in stream.getvalue()
        assert not any(line.lstrip().startswith("::") for line in stream.getvalue().splitlines())


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (Path("a.db"), lambda here: here / "a.db"),
        ("parquet:sets/one", lambda here: f"parquet:{here}/sets/one"),
        ("parquet:/srv/one", lambda here: "parquet:/srv/one"),
        ("parquet:s3://bucket/one", lambda here: "parquet:s3://bucket/one"),
        ("postgresql://host/db", lambda here: "postgresql://host/db"),
    ],
)
def test_workers_are_told_a_place_that_does_not_depend_on_where_they_are(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: Location,
    expected: Callable[[Path], Location],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute(place) == expected(tmp_path)
