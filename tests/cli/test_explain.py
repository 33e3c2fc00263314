"""`flakediag ingest --explain`: what would be stored and why, and nothing stored."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from report.test_hostile import NAMES
from report.validation import valid
from rich.cells import cell_len

from flakediag import service
from flakediag.cli.app import app
from flakediag.model import CaseResult, FileReport, Identity, Outcome, Run, RunReport
from flakediag.report import explain
from flakediag.report.format import Options

RECORDED = Path(__file__).parents[2] / "fixtures" / "dialects" / "recorded"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def ran(*args: str, **environ: str) -> Result:
    quiet = dict.fromkeys(("GITHUB_ACTIONS", "GITLAB_CI", "CI"), "")
    return CliRunner().invoke(app, ["ingest", "--explain", *args], env={**quiet, **environ}, prog_name="flakediag")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def items(*paths: Path) -> list[RunReport | FileReport]:
    return list(service.explain([str(path) for path in paths], service.RunInfo(), now=NOW, environ={}))


def text(found: list[RunReport | FileReport], width: int | None = None) -> str:
    stream = io.StringIO()
    explain.write(found, stream, Options(width=width, color=False))
    return stream.getvalue()


def test_it_says_what_was_decided_and_by_what(here: Path) -> None:
    result = ran(str(RECORDED / "pytest" / "rerunfailures.xml"), "--commit", "c0ffee", "--shard", "2")
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0].endswith("rerunfailures.xml")
    for expected in (
        'producer pytest: skipped tests have a type of "pytest.…"',
        "identity class, name; a collection error is the module with an empty name",
        "host ci",
        "commit c0ffee",
        "shard 2",
        "note 7 retries are written as test cases of their own, without their failure",
        "results 10 of 17 test cases:",
    ):
        assert expected in lines
    for word, expected in (
        ("failed", "test_cart.TestTotal::test_rounds after 2 failed attempts"),
        ("passed", "test_cart::test_takes[<test_cart.Basket object at 0x<address>>]"),
    ):
        assert any(line.startswith(word) and line.endswith(f" ms {expected}") for line in lines)
    assert any(line.startswith("written as test_cart::test_takes[<test_cart.Basket object at 0x7") for line in lines)
    assert any(line.startswith("order the order of execution; one test at a time") for line in lines)
    assert any(line.startswith("start 2026-") and line.endswith("the earliest moment that is named") for line in lines)


def test_nothing_is_stored(here: Path) -> None:
    assert ran(str(RECORDED / "pytest" / "plain.xml")).exit_code == 0
    assert list(here.iterdir()) == []


def test_it_says_of_every_file_what_becomes_of_it(here: Path) -> None:
    broken = here / "broken.xml"
    broken.write_text('<testsuite><testcase name="a" classname="c"/><testcase')
    other = here / "other.xml"
    other.write_text("<coverage/>")
    result = ran(str(broken), str(other), str(RECORDED / "ant"))
    assert result.exit_code == 5
    assert "refused" in result.stdout and "Cobertura" in result.stdout
    assert "duplicate" in result.stdout and "it repeats the other files of its folder" in result.stdout
    assert ran(str(here / "missing.xml")).exit_code == 2


@pytest.mark.parametrize(
    ("times", "wall", "words"),
    [
        (("1", "1"), "2.0", "the order of execution; one test at a time (2 s of the run's 2 s)"),
        (("2", "2"), "2.0", "the order in which tests ended; about 2 tests ran at a time"),
        (("", ""), "", "the order of execution; the times do not tell how many tests ran at a time"),
    ],
)
def test_the_order_is_told_with_the_workers(here: Path, times: tuple[str, str], wall: str, words: str) -> None:
    cases = "".join(f'<testcase classname="c" name="{n}" time="{time}"/>' for n, time in enumerate(times))
    report = here / "report.xml"
    report.write_text(f'<testsuite name="pytest" tests="2" time="{wall}">{cases}</testsuite>')
    (found,) = items(report)
    assert isinstance(found, RunReport) and found.decisions is not None
    assert found.decisions.order == words
    assert found.decisions.start == "the time of reading, since no moment is named"


def test_the_document_is_as_the_schema_says(here: Path) -> None:
    result = ran("--format", "json", *(str(path) for path in sorted(RECORDED.iterdir()) if path.is_dir()))
    document = json.loads(result.stdout)
    valid(document, "explain")
    assert {run["producer"] for run in document["runs"]} >= {"pytest", "wdio", "ant", "karma"}
    assert all(run["decided"]["sign"] for run in document["runs"])
    assert all(len(run["first"]) <= explain.SHOWN for run in document["runs"])


def test_every_line_fits_the_terminal(here: Path) -> None:
    shown = text(items(*(path for path in sorted(RECORDED.iterdir()) if path.is_dir())), width=80)
    assert max(cell_len(line) for line in shown.splitlines()) <= 80


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_no_name_acts(name: str) -> None:
    test = Identity(name, name, name, name)
    run = Run(started_at=NOW, digest="d", host=name, producer="pytest")
    report = RunReport(
        run=run, results=(CaseResult(test, Outcome.PASSED),), files=(), notes=(name,), written={test: name}
    )
    for width in (None, 80):
        shown = text([report], width)
        assert all(character == "\n" or character.isprintable() for character in shown)
        assert not any(line.startswith(("::", "##")) for line in shown.splitlines())
        assert "##[" not in shown and "##vso[" not in shown
