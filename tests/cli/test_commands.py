"""What the commands ask of the service, and what they print of its answer."""

from __future__ import annotations

import inspect
import json
import os
import re
import shlex
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from report import sample
from report.validation import valid

from cli.fake import FakeService, Run
from flakediag import service
from flakediag.cli import reference
from flakediag.cli.app import COMMANDS, app
from flakediag.cli.options import Session
from flakediag.forks import processes
from flakediag.model import FileReport, FileStatus, GatePolicy, GateRule, IngestSummary, Metric

DOCS = Path(__file__).parents[2] / "docs"


def commands() -> dict[str, click.Command]:
    context = click.Context(app)
    return {name: command for name in COMMANDS if (command := app.get_command(context, name))}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples_that_parse(name: str) -> None:
    command = commands()[name]
    assert command.short_help == COMMANDS[name]
    text = command.help or ""
    assert "Examples:" in text
    examples = [line.strip() for line in text.splitlines() if line.strip().startswith(f"flakediag {name} ")]
    for example in examples:
        words = shlex.split(re.split(r" {3,}| [|>]", example)[0])[2:]
        command.make_context(name, words, obj=None)
    assert all(parameter.help for parameter in command.params if isinstance(parameter, click.Option))


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_into_80_columns(name: str) -> None:
    """Where it can: click folds prose, but neither the lines of a block nor the choices of an option."""
    command = commands()[name]
    more = command.commands.values() if isinstance(command, click.Group) else ()
    for each in (command, *more):
        blocks = [line for line in inspect.cleandoc(each.help or "").split("\n\n") if "\b" in line]
        assert [line for block in blocks for line in block.splitlines() if len(line) > 78] == [], each.name


def test_the_reference_is_what_the_commands_say() -> None:
    assert (DOCS / "cli.md").read_text("utf-8") == reference.page(), "python -m flakediag.cli.reference > docs/cli.md"


def test_ingest_passes_on_what_it_is_told(cli: Run, fake: FakeService, project: Path) -> None:
    flags = "--commit abc --branch topic --job unit --attempt 2 --shard 3/4 --run-url https://ci/1 --project shop"
    cli("ingest", "a.xml", "-", *flags.split(), "--started-at", "2026-03-01T10:00:00+02:00")
    (db, paths, info), keywords = fake.asked["ingest"]
    assert db == project / ".flakediag" / "history.db"
    assert paths == ("a.xml", "-")
    assert info == service.RunInfo(
        project="shop",
        commit="abc",
        branch="topic",
        job="unit",
        attempt=2,
        shard="3/4",
        url="https://ci/1",
        started_at=datetime(2026, 3, 1, 8, tzinfo=UTC),
    )
    assert keywords["now"].tzinfo is UTC
    assert keywords["progress"] is None  # nobody watches


def test_ingest_prints_one_line(cli: Run, fake: FakeService, project: Path) -> None:
    files = (
        FileReport(path="a.xml", status=FileStatus.STORED),
        FileReport(path="b.xml", status=FileStatus.DUPLICATE),
    )
    fake.answers["ingest"] = IngestSummary(
        files, 1, 180, 6, ("t::a", "t::b\x1b"), ("one run is older than the others",)
    )
    result = cli("ingest", str(project))
    assert (
        result.stdout
        == "stored 1 run, 180 results, 6 failures, 2 new flaky tests: t::a, t::b\\x1b; 1 file known already\n"
    )
    assert result.stderr == "note: one run is older than the others\n"
    assert cli("-q", "ingest", str(project)).stderr == ""


def test_ingest_as_json(cli: Run, fake: FakeService, project: Path) -> None:
    fake.answers["ingest"] = IngestSummary((FileReport(path="a.xml", status=FileStatus.STORED, run=17),), 1, 2, 0, ())
    document = json.loads(cli("ingest", str(project), "--format", "json").stdout)
    assert valid(document, "ingest")["files"][0]["run"] == 17


def test_ingest_starts_a_history_at_the_top_of_the_working_tree(
    cli: Run, fake: FakeService, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".flakediag" / "history.db").unlink()
    (project / "repo" / ".git").mkdir(parents=True)
    (project / "repo" / "src").mkdir()
    monkeypatch.chdir(project / "repo" / "src")
    cli("ingest", ".")
    assert fake.asked["ingest"][0][0] == project / "repo" / ".flakediag" / "history.db"


def test_reading_finds_the_history_upwards_and_never_creates_one(
    cli: Run, fake: FakeService, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(project / "deep" / "down")
    assert cli("report").exit_code == 0
    assert fake.asked["report"][0][0] == project / ".flakediag" / "history.db"
    (project / ".flakediag" / "history.db").unlink()
    result = cli("report")
    assert result.exit_code == 2
    assert "flakediag ingest PATH" in result.stderr
    assert not list(project.rglob("*.db"))


@pytest.mark.parametrize(
    "args", [["--db", "x.db", "report"], ["report", "--db", "x.db"], ["--db", "y.db", "report", "--db", "x.db"]]
)
def test_db_may_stand_before_or_after_the_command(cli: Run, fake: FakeService, project: Path, args: list[str]) -> None:
    (project / "x.db").touch()
    assert cli(*args).exit_code == 0
    assert fake.asked["report"][0][0] == Path("x.db")


@pytest.mark.parametrize("name", ["report", "show", "gate", "runs", "tests"])
def test_scope(cli: Run, fake: FakeService, project: Path, name: str) -> None:
    needed = {"show": ["t"], "gate": ["--max-flaky-rate", "1%"]}.get(name, [])
    (project / "pyproject.toml").write_text('[tool.flakediag]\nbranch = "develop"\ndays = 30\n')
    cli(name, *needed)
    assert (fake.scope(name).branch, fake.scope(name).all_branches, fake.scope(name).days) == ("develop", False, 30)
    cli(name, *needed, "--branch", "topic", "--project", "shop", "--since", "2026-02-01")
    scope = fake.scope(name)
    assert (scope.branch, scope.project, scope.since) == ("topic", "shop", datetime(2026, 2, 1, tzinfo=UTC))
    cli(name, *needed, "--all-branches", "--since", "14d")
    scope = fake.scope(name)
    assert (scope.branch, scope.all_branches) == (None, True)
    assert abs(datetime.now(UTC) - timedelta(days=14) - scope.since) < timedelta(minutes=1)


def test_gate_takes_its_limits_from_flags_and_settings(cli: Run, fake: FakeService, project: Path) -> None:
    (project / "pyproject.toml").write_text(
        '[tool.flakediag.gate]\nmax-flaky-rate = "2%"\nmetric = "runs"\nmin-runs = 5\nbaseline = "main"\n'
    )
    assert cli("gate").exit_code == 1
    asked = fake.asked["gate"][0][2]
    assert asked == GatePolicy(rules=(GateRule(metric=Metric.RUNS, limit=0.02),), min_runs=5)
    cli("gate", "--max-flaky-rate", "0.01", "--metric", "tests", "--min-runs", "7", "--new-only", "--strict")
    asked = fake.asked["gate"][0][2]
    assert asked == GatePolicy(
        rules=(GateRule(metric=Metric.TESTS, limit=0.01),), min_runs=7, baseline="main", strict=True
    )


def test_new_only_does_not_judge_the_configured_baseline_branch(cli: Run, fake: FakeService, project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.flakediag]\nbranch = "main"\n')
    cli("gate", "--max-flaky-rate", "1%", "--new-only", "--baseline", "main")
    assert fake.scope("gate").branch is None


def test_gate_says_what_tripped_it(cli: Run) -> None:
    text = cli("gate", "--max-flaky-rate", "1%").stdout
    assert text.startswith(
        "gate: tripped · 12.0 % of tests are flaky (15 of 125, 95 % interval 7.4–18.8 %), limit 1.0 %\n"
    )
    assert sample.TOTAL.id in text
    assert "and 1 more" in cli("gate", "--max-flaky-rate", "1%", "--limit", "1").stdout
    assert (
        valid(json.loads(cli("gate", "--max-flaky-rate", "1%", "--format", "json").stdout), "gate")["status"]
        == "tripped"
    )


def test_report_limits_tables_but_not_data(cli: Run, fake: FakeService) -> None:
    from dataclasses import replace

    many = [replace(sample.RARE, test=sample.RARE.test._replace(name=f"t{n:03}"), rank=n) for n in range(1, 31)]
    fake.answers["report"] = sample.report(*many, sample.BROKEN)
    text = cli("report").stdout
    assert ("t020" in text, "t021" in text) == (True, False)
    assert sample.BROKEN.id in text  # the limit counts per verdict
    assert "10 more tests are not shown: --limit 0 shows all" in text
    assert len(json.loads(cli("report", "--format", "json").stdout)["tests"]) == 31
    limited = json.loads(cli("report", "--format", "json", "--limit", "5").stdout)
    assert (len(limited["tests"]), limited["hidden"]) == (6, 25)


def test_report_filters(cli: Run) -> None:
    tests = json.loads(cli("report", "--format", "json", "--cause", "timing", "--cause", "port-conflict").stdout)[
        "tests"
    ]
    assert [t["id"] for t in tests] == [sample.SENT.id, sample.BOUND.id]
    tests = json.loads(cli("report", "--format", "json", "--verdict", "broken").stdout)["tests"]
    assert [t["id"] for t in tests] == [sample.BROKEN.id]


def test_a_file_is_written_whole_or_not_at_all(cli: Run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = project / "report.json"
    assert cli("report", "--format", "json", "-o", str(target)).stdout == ""
    before = target.read_text()
    assert valid(json.loads(before))

    from flakediag.report.table import Table

    def fail(self: Table, report: object, stream: object, options: object) -> None:
        stream.write("half")  # type: ignore[attr-defined]
        raise RuntimeError("no")

    monkeypatch.setattr(Table, "write", fail)
    assert cli("report", "-o", str(target)).exit_code == 3
    assert target.read_text() == before
    assert [path.name for path in project.iterdir() if path.is_file()] == ["report.json"]


def test_a_file_keeps_its_mode_and_a_device_is_not_replaced(cli: Run, project: Path) -> None:
    target = project / "report.txt"
    target.write_text("old")
    target.chmod(0o640)
    cli("report", "-o", str(target))
    assert target.stat().st_mode & 0o777 == 0o640
    assert cli("report", "-o", "/dev/null").exit_code == 0
    assert Path("/dev/null").is_char_device()


def test_colour(cli: Run) -> None:
    assert "\x1b[" not in cli("report").stdout  # piped
    assert "\x1b[" in cli("--color", "always", "report").stdout
    assert "\x1b[" in cli("report", "--color", "always").stdout
    assert "\x1b[" in cli("report", "--color", "always", NO_COLOR="1").stdout  # asked for outright
    assert "\x1b[" in cli("report", FLAKEDIAG_COLOR="always").stdout
    assert "\x1b[" not in cli("report", "--color", "never", FLAKEDIAG_COLOR="always").stdout


@pytest.mark.parametrize(
    ("environ", "flag", "expected"),
    [
        ({}, None, True),
        ({"NO_COLOR": "1"}, None, False),
        ({"NO_COLOR": ""}, None, True),  # https://no-color.org: only when not empty
        ({"TERM": "dumb"}, None, False),
        ({"NO_COLOR": "1"}, "always", True),
        ({}, "never", False),
        ({"FLAKEDIAG_COLOR": "never"}, None, False),
    ],
)
def test_colour_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], flag: str | None, expected: bool
) -> None:
    for name in ("NO_COLOR", "TERM", "FLAKEDIAG_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert Session({"color": flag}).color(terminal=True) is expected


def test_a_colour_that_is_none(cli: Run) -> None:
    assert cli("report", FLAKEDIAG_COLOR="sometimes").exit_code == 2


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this platform has no forks")
def test_how_many_processes_may_work(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed: list[int] = []
    monkeypatch.setattr(service, "runs", lambda *args, **keywords: allowed.append(processes()) or ())
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2})
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    for said in ("", "1", "2", "9"):
        assert cli("runs", FLAKEDIAG_PROCESSES=said).exit_code == 0
    assert allowed == [3, 1, 2, 3]
    assert processes() == 3
    for said in ("0", "-1", "two", "1.5"):
        done = cli("runs", FLAKEDIAG_PROCESSES=said)
        assert done.exit_code == 2
        assert f"FLAKEDIAG_PROCESSES={said} must be a number from 1 on" in done.stderr


def test_runs_and_tests(cli: Run, fake: FakeService) -> None:
    text = cli("runs").stdout
    assert len(text.splitlines()) == 22  # heading, 20 runs, what is not shown
    assert "10 more runs not shown" in text
    document = valid(json.loads(cli("runs", "--format", "json", "--limit", "0").stdout), "runs")
    assert len(document["runs"]) == 30
    assert valid(json.loads(cli("tests", "--format", "json").stdout), "tests")["tests"][1]["failures"] == 1
    cli("tests", "orders")
    assert fake.asked["tests"][0][2] == "orders"
    fake.answers["runs"] = ()
    assert "flakediag ingest PATH" in cli("runs").stdout


def test_show(cli: Run, fake: FakeService) -> None:
    text = cli("show", "test_total").stdout
    assert fake.asked["show"][0][1] == "test_total"
    for part in ("+6.1", "polluter", "Reproduce", "rolled_back", "23505", "23 of 52 runs"):
        assert part in text
    assert valid(json.loads(cli("show", "x", "--format", "json").stdout), "show")
    assert cli("show", "x", "--format", "markdown").stdout.startswith("### <code>")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(cli: Run, shell: str) -> None:
    assert "_FLAKEDIAG_COMPLETE" in cli("completion", shell).stdout


def test_verbose_says_what_is_read(cli: Run, project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.flakediag]\n")
    said = cli("-v", "report").stderr
    assert str(project / "pyproject.toml") in said
    assert str(project / ".flakediag" / "history.db") in said
    assert cli("report").stderr == ""
