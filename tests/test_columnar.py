"""The commands that read, in front of a Parquet dataset: as in front of the SQLite file that it came from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from reports import write_runs

from flakediag import service, upkeep
from flakediag.ci import CiInfo
from flakediag.cli.app import app
from flakediag.model import Scope
from flakediag.report import document
from flakediag.service import RunInfo

pytest.importorskip("duckdb", reason="DuckDB is part of the development set-up")

RECORDINGS = Path(__file__).parent.parent / "fixtures" / "recordings"
NOW = datetime(2026, 11, 22, tzinfo=UTC)
EXAMPLES = ("orders/before", "orders/after", "jest/runs", "surefire/runs", "gotestsum/runs", "rspec/runs")


@pytest.mark.slow
@pytest.mark.parametrize("recording", EXAMPLES)
def test_the_report_is_the_same_from_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recording: str) -> None:
    monkeypatch.setattr(service, "from_environ", lambda environ: CiInfo(provider="none"))
    db, dataset = tmp_path / "history.db", tmp_path / "dataset"
    service.ingest(db, [str(RECORDINGS / f"{recording}.tar.xz")], RunInfo(), now=NOW, environ={})
    upkeep.export_dataset(db, dataset)
    one, other = (service.report(place, Scope(), now=NOW, series=True) for place in (db, f"parquet:{dataset}"))
    assert one.tests
    assert json.dumps(document.report(other)) == json.dumps(document.report(one))
    assert other == one


def flakediag(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), prog_name="flakediag")


@pytest.fixture
def places(tmp_path: Path) -> tuple[str, str]:
    """A history with a flaky test, and its dataset."""
    db, dataset = str(tmp_path / "history.db"), str(tmp_path / "dataset")
    reports = write_runs(tmp_path / "reports", ["..F.", "....", "..s.", "..F.", "...."] * 5, commits="a" * 25)
    assert flakediag("--db", db, "ingest", str(reports), "--branch", "main").exit_code == 0
    done = flakediag("--db", db, "export", "--format", "parquet", "--partitioned", "-o", dataset)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.startswith("1 month written (25 runs, 100 results), 0 unchanged")
    return db, f"parquet:{dataset}"


@pytest.mark.parametrize(
    "command",
    [
        ("report", "--format", "csv"),
        ("report", "--by", "package"),
        ("show", "test_2", "--format", "json"),
        ("gate", "--max-flaky-rate", "1%"),
        ("check", "3"),
        ("check", "2"),
        ("runs", "--format", "json"),
        ("tests", "--format", "json"),
        ("export",),
    ],
)
def test_commands_say_the_same(places: tuple[str, str], command: Sequence[str]) -> None:
    one, other = (flakediag("--db", place, *command) for place in places)
    assert one.stdout
    assert (other.exit_code, other.stdout) == (one.exit_code, one.stdout)


@pytest.mark.parametrize(
    "command", [("ingest", "reports"), ("prune", "--keep-days", "1"), ("merge", "history.db"), ("doctor",)]
)
def test_commands_that_write_are_refused_in_one_line(
    places: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Sequence[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = flakediag("--db", places[1], *command)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert "hint: " in done.stderr


def test_a_dataset_is_merged_back(places: tuple[str, str], tmp_path: Path) -> None:
    done = flakediag("merge", places[1], "--into", str(tmp_path / "back.db"))
    assert done.exit_code == 0, done.stderr
    one, other = (flakediag("--db", place, "report") for place in (places[0], str(tmp_path / "back.db")))
    assert one.stdout == other.stdout


@pytest.mark.parametrize("output", ["there", "new/"])
def test_a_folder_as_output_is_a_dataset(places: tuple[str, str], tmp_path: Path, output: str) -> None:
    (tmp_path / "there").mkdir()
    target = f"{tmp_path}/{output}"
    assert flakediag("--db", places[0], "export", "--format", "parquet", "-o", target).exit_code == 0
    assert flakediag("--db", f"parquet:{target}", "runs", "-f", "json").exit_code == 0


@pytest.mark.parametrize(
    "args", [("--partitioned", "-o", "new"), ("--format", "parquet", "--partitioned"), ("--format", "parquet")]
)
def test_what_cannot_be_written_is_said_at_once(places: tuple[str, str], args: Sequence[str]) -> None:
    done = flakediag("--db", places[0], "export", *args)
    assert (done.exit_code, done.stdout) == (2, "")
