"""`flakediag quarantine`, from the command line to the file and back."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

import click
import pytest
from click.testing import CliRunner, Result
from reports import pytest_report, write_runs

from flakediag import service
from flakediag.ci import CiInfo
from flakediag.cli import check, quarantine
from flakediag.cli.app import app
from flakediag.cli.quarantine import command
from flakediag.errors import ExitCode
from flakediag.model import QuarantineEntry
from flakediag.quarantine import file
from flakediag.service import RunInfo
from quarantine.test_file import valid

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TODAY = NOW.date()
VICTIM = "tests.test_shop::test_0"
SIGNATURE = "assert <n> == <n>"


class Noon(datetime):
    """The clock stands still: a test that runs over midnight sees one day all the same."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls.fromtimestamp(NOW.timestamp(), tz)


@pytest.fixture(autouse=True)
def at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (quarantine, check):
        monkeypatch.setattr(module, "datetime", Noon)


@pytest.fixture(autouse=True)
def outside_of_any_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("FLAKEDIAG_QUARANTINE", "FLAKEDIAG_DB", "FLAKEDIAG_CONFIG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(service, "from_environ", lambda environ: CiInfo(provider="git"))
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A history in which test_0 flakes in two ways and test_1 never fails."""
    rows = [("F" if r % 3 == 0 else "k" if r % 3 == 1 and r > 6 else ".") + "." * 9 for r in range(12)]
    folder = write_runs(tmp_path / "reports", [row.replace("k", ".") for row in rows], commits="a" * 12)
    for r, row in enumerate(rows):
        if "k" in row:
            tests = [(f"test_{t}", "KeyError: total" if mark == "k" else mark) for t, mark in enumerate(row)]
            (folder / f"run-{r:03}.xml").write_text(pytest_report(tests, minute=r, commit="a" * 40), encoding="utf-8")
    ingest(tmp_path, folder)
    return tmp_path


def ingest(project: Path, folder: Path) -> None:
    (project / ".flakediag").mkdir(exist_ok=True)
    db = project / ".flakediag" / "history.db"
    service.ingest(db, [str(folder)], RunInfo(), now=NOW, environ={})


def run(*args: str) -> Result:
    return CliRunner().invoke(app, ["quarantine", *args], prog_name="flakediag")


def kept(project: Path) -> tuple[QuarantineEntry, ...]:
    return file.read(project / file.NAME)


def put(project: Path, *entries: QuarantineEntry) -> None:
    (project / file.NAME).write_text(file.text(entries), encoding="utf-8")


def made(test: str = VICTIM, signature: str | None = SIGNATURE, days: int = 14) -> QuarantineEntry:
    return QuarantineEntry(
        test=test, signature=signature, reason="known", added=TODAY, expires=TODAY + timedelta(days=days)
    )


@pytest.mark.parametrize("name", ["add", "list", "expire", "export"])
def test_every_command_has_help_with_examples_that_parse(name: str) -> None:
    made = command.commands[name]
    assert made.short_help
    head = f"flakediag quarantine {name} "
    examples = [line.strip() for line in (made.help or "").splitlines() if line.strip().startswith(head.strip())]
    assert examples
    for example in examples:
        made.make_context(name, shlex.split(example.partition(" >")[0])[3:], obj=None)
    assert all(parameter.help for parameter in made.params if isinstance(parameter, click.Option))


def test_add_excuses_each_way_in_which_the_test_flaked(project: Path) -> None:
    result = run("add", "test_0", "--reason", "polluted", "--owner", "@shop", "--ticket", "S-1")
    assert result.exit_code == 0, result.stderr
    entries = kept(project)
    assert [(e.test, e.signature) for e in entries] == [(VICTIM, "KeyError: total"), (VICTIM, SIGNATURE)]
    assert {(e.reason, e.owner, e.ticket, e.added, e.expires) for e in entries} == {
        ("polluted", "@shop", "S-1", TODAY, TODAY + timedelta(days=14))
    }
    assert valid(json.loads((project / file.NAME).read_text("utf-8")))
    assert f"added until {TODAY + timedelta(days=14)}: {VICTIM}: KeyError: total" in result.stdout


def test_add_one_signature_by_a_part_of_it_and_says_what_still_blocks(project: Path) -> None:
    result = run("add", "test_0", "--reason", "x", "--signature", "KeyError", "--until", str(TODAY))
    assert [(e.signature, e.expires) for e in kept(project)] == [("KeyError: total", TODAY)]
    assert "4 of its 6 failed runs so far failed in other ways and would still block" in result.stderr


def test_add_any_way_of_failing(project: Path) -> None:
    result = run("add", "test_0", "--reason", "x", "--any", "--days", "3")
    assert [e.signature for e in kept(project)] == [None]
    assert "every way of failing" in result.stdout
    assert "note" not in result.stderr


def test_what_is_there_already_gets_the_new_day_and_keeps_its_people(project: Path) -> None:
    run("add", "test_0", "--reason", "x", "--owner", "@shop", "--signature", "Key")
    result = run("add", "test_0", "--reason", "still", "--signature", "Key", "--days", "30")
    (entry,) = kept(project)
    assert (entry.reason, entry.owner, entry.expires) == ("still", "@shop", TODAY + timedelta(days=30))
    assert "already there" in result.stdout
    assert f"instead of {TODAY + timedelta(days=14)}" in result.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["test_1", "--reason", "x"], "not flaky but stable"),
        (["test_0", "--reason", "x", "--days", "91"], "91 days ahead, at most 90"),
        (["test_0", "--reason", "x", "--until", "2020-01-01"], "has passed"),
        (["test_0", "--reason", "x", "--signature", "Timeout"], "never failed with 'Timeout'"),
        (["test_0", "--reason", "x", "--signature", "t"], "is part of 2 signatures"),
        (["test_", "--reason", "x"], "is part of 10 test ids"),
        (["test_0", "--reason", " "], "--reason must say something"),
        (["test_0", "--reason", "x", "--signature", " ", "--force"], "--signature must say something"),
        (["test_0", "--reason", "x", "--days", "1", "--until", "2030-01-01"], "exclude each other"),
        (["test_0", "--reason", "x", "--signature", "Key", "--any"], "exclude each other"),
        (["test_1", "--reason", "x", "--force"], "never failed in the window"),
        (["test_0", "--reason", "x", "--days", "999999999"], "beyond the calendar"),
    ],
)
def test_what_add_refuses_leaves_no_file(project: Path, args: list[str], said: str) -> None:
    result = run("add", *args)
    assert (result.exit_code, said in result.stderr) == (ExitCode.USAGE, True), result.stderr
    assert not (project / file.NAME).exists()


def test_blank_people_are_nobody(project: Path) -> None:
    assert run("add", "test_0", "--reason", "x", "--owner", " ", "--ticket", "\t").exit_code == 0
    assert {(entry.owner, entry.ticket) for entry in kept(project)} == {(None, None)}


def test_force_insists(project: Path) -> None:
    assert run("add", "test_1", "--reason", "x", "--any", "--force", "--days", "200").exit_code == 0
    assert run("add", "test_0", "--reason", "x", "--signature", "Timeout", "--force").exit_code == 0
    assert {(e.test, e.signature) for e in kept(project)} == {("tests.test_shop::test_1", None), (VICTIM, "Timeout")}


def test_the_longest_time_and_the_place_can_be_set(project: Path) -> None:
    (project / "pyproject.toml").write_text(
        "[tool.flakediag]\nquarantine = 'ci/excused.json'\nquarantine-max-days = 7\n"
    )
    (project / "ci").mkdir()
    assert "at most 7 are allowed" in run("add", "test_0", "--reason", "x").stderr
    assert run("list").exit_code == ExitCode.USAGE  # a file that is named and not there
    assert run("add", "test_0", "--reason", "x", "--days", "7").exit_code == 0
    assert len(file.read(project / "ci" / "excused.json")) == 2
    assert "2 entries" in run("list").stdout


def test_list_says_what_is_to_be_done(project: Path) -> None:
    put(project, made(), made(signature="KeyError: total", days=-2), made("tests.test_shop::gone", None, days=0))
    document = valid(json.loads(run("list", "--format", "json").stdout), "list")
    found = {(row["test"], row["signature"]): row for row in document["entries"]}
    assert found[VICTIM, SIGNATURE]["state"] == "still-flaky"
    assert (found[VICTIM, "KeyError: total"]["expired"], found[VICTIM, "KeyError: total"]["days_left"]) == (True, -2)
    assert (found["tests.test_shop::gone", None]["state"], found["tests.test_shop::gone", None]["days_left"]) == (
        "not-seen",
        0,
    )
    text = run("list").stdout
    assert "3 entries, 1 expired" in text
    assert "2 days ago" in text and "the last day" in text
    assert "**1 expired**" in run("list", "--format", "markdown").stdout


@pytest.mark.parametrize("args", [["list"], ["export", "--for", "go"], ["expire", VICTIM, "--recovered"]], ids=" ".join)
def test_the_branch_that_is_looked_at_can_be_chosen(project: Path, args: list[str]) -> None:
    put(project, made(VICTIM))
    assert run(*args).exit_code == ExitCode.OK
    refused = run(*args, "--branch", "nowhere")
    assert (refused.exit_code, "nowhere" in refused.stderr) == (ExitCode.USAGE, True)


def test_list_check_fails_when_an_entry_has_expired(project: Path) -> None:
    put(project, made(days=0))
    assert run("list", "--check").exit_code == ExitCode.OK
    put(project, made(days=-1))
    assert run("list").exit_code == ExitCode.OK
    assert run("list", "--check").exit_code == ExitCode.GATE_TRIPPED


def test_list_needs_neither_a_history_nor_a_file(tmp_path: Path) -> None:
    assert "the quarantine is empty" in run("list").stdout
    put(tmp_path, made())
    assert "there is no history here" in run("list").stdout


def test_a_recovered_test_is_proposed_and_released(project: Path) -> None:
    put(project, made(), made("tests.test_shop::gone"))
    assert run("expire", "--recovered").stderr == "nothing to remove\n"
    rows = [(f"test_{t}", ".") for t in range(10)]
    later = project / "later"
    later.mkdir()
    for minute in range(100, 140):
        (later / f"{minute}.xml").write_text(pytest_report(rows, minute=minute, commit="b" * 40), encoding="utf-8")
    ingest(project, later)
    assert "flakediag quarantine expire --recovered" in run("list").stdout
    result = run("expire", "--recovered")
    assert result.stdout == f"removed: {VICTIM}: {SIGNATURE}\n"
    assert [e.test for e in kept(project)] == ["tests.test_shop::gone"]
    assert run("expire", "--unseen").exit_code == 0
    assert kept(project) == ()


def test_expire_removes_what_it_is_told(project: Path) -> None:
    put(project, made(), made("a::expired", days=-1), made("b::expired", days=-1))
    assert run("expire").exit_code == ExitCode.USAGE
    assert "is part of no test id" in run("expire", "zzz").stderr
    assert "is part of 2 test ids" in run("expire", "expired").stderr
    assert run("expire", "a::exp", "--expired").stdout == f"removed: a::expired: {SIGNATURE}\n"
    assert run("expire", VICTIM, "--expired").stdout == ""
    run("expire", "--expired")
    assert [e.test for e in kept(project)] == [VICTIM]


def test_nothing_of_a_name_acts_on_the_terminal_or_the_page(project: Path) -> None:
    put(project, made("a::\x1b[31m<b>`|", "x\x1b]0;<i>", days=-1))
    for shape in ("text", "markdown"):
        said = run("list", "--format", shape).stdout
        assert "\x1b" not in said
        assert "<i>" not in said or shape == "text"
    assert "\x1b" not in run("export", "--for", "jest").stdout


def test_export_asks_the_history_whose_test_it_is(project: Path) -> None:
    put(project, made(), made("shop.example/a::TestTotal"))
    said = run("export", "--for", "go").stdout
    assert "go test '-skip=^TestTotal$' ./...\n" in said
    assert "1 test of other runners not shown" in said
    assert run("export", "--for", "go", "--format", "without").stdout == "-skip=^TestTotal$\n"
    run("export", "--for", "gradle", "--format", "file", "-o", "q.gradle")
    assert not (project / "q.gradle").read_text("utf-8")


def checked(project: Path, outcome: str, *args: str) -> Result:
    path = project / "now.xml"
    path.write_text(pytest_report([("test_1", outcome)], minute=600, commit="c" * 40), encoding="utf-8")
    return CliRunner().invoke(app, ["check", str(path), *args], prog_name="flakediag")


def test_check_reads_the_file_and_an_expired_entry_excuses_nothing(project: Path) -> None:
    stable = "tests.test_shop::test_1"
    assert checked(project, "F").exit_code == ExitCode.GATE_TRIPPED
    put(project, made(stable))
    excused = checked(project, "F")
    assert (excused.exit_code, "in quarantine until" in excused.stdout) == (ExitCode.OK, True)
    assert checked(project, "KeyError: x").exit_code == ExitCode.GATE_TRIPPED
    put(project, made(stable, days=-1))
    late = checked(project, "F")
    assert late.exit_code == ExitCode.GATE_TRIPPED
    assert f"its quarantine expired on {TODAY - timedelta(days=1)}; passed in all of its 12 runs before" in late.stdout
    (project / file.NAME).rename(project / "elsewhere.json")
    assert "quarantine expired" in checked(project, "F", "--quarantine", "elsewhere.json").stdout
    assert checked(project, "F", "--quarantine", "nowhere.json").exit_code == ExitCode.USAGE
