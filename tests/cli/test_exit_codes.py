"""Each exit code, and that no accident ends in the code of a tripped gate."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from report import sample

from cli.fake import FakeService, Run
from flakediag.cli.app import app
from flakediag.errors import ExitCode, HistoryError
from flakediag.model import FileReport, FileStatus, GateStatus, IngestSummary


@pytest.mark.parametrize(
    ("status", "code"),
    [(GateStatus.PASSED, 0), (GateStatus.TRIPPED, 1), (GateStatus.NOT_ENOUGH_EVIDENCE, 4)],
)
def test_the_gate(cli: Run, fake: FakeService, status: GateStatus, code: int) -> None:
    fake.answers["gate"] = sample.decision(status), sample.RATCHET
    assert cli("gate", "--max-flaky-rate", "1%").exit_code == code


def file(path: str, status: FileStatus, reason: str | None = None) -> FileReport:
    return FileReport(path=path, status=status, reason=reason)


STORED = file("a.xml", FileStatus.STORED)
PARTIAL = file("b.xml", FileStatus.PARTIAL, "not well formed at line 3, column 7")
REFUSED = file("c.xml", FileStatus.REFUSED, "not JUnit: <html>")
KNOWN = file("d.xml", FileStatus.DUPLICATE)


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ((STORED,), 0),
        ((KNOWN,), 0),
        ((STORED, KNOWN), 0),
        ((STORED, PARTIAL), 5),
        ((STORED, REFUSED), 5),
        ((REFUSED,), 5),
        ((), 2),  # a folder without a single report is a mistake, not a success
    ],
)
def test_ingest(cli: Run, fake: FakeService, project: Path, files: tuple[FileReport, ...], code: int) -> None:
    fake.answers["ingest"] = IngestSummary(files, 1, 2, 0, ())
    result = cli("ingest", str(project))
    assert result.exit_code == code
    for bad in files:
        if bad.reason:
            assert f"{bad.path}: {bad.reason}" in result.stderr


def test_ingest_of_a_path_that_does_not_exist(cli: Run, fake: FakeService) -> None:
    fake.answers["ingest"] = IngestSummary((file("nowhere", FileStatus.REFUSED, "there is no such file"),), 0, 0, 0, ())
    result = cli("ingest", "nowhere")
    assert result.exit_code == 2
    assert "nowhere" in result.stderr


def test_a_user_error_is_two_lines(cli: Run, fake: FakeService) -> None:
    fake.answers["report"] = HistoryError("the history is from flakediag 9", "upgrade flakediag")
    result = cli("report")
    assert result.exit_code == 2
    assert result.stderr == "error: the history is from flakediag 9\nhint: upgrade flakediag\n"
    assert result.stdout == ""


@pytest.mark.parametrize(
    "args",
    [
        ("nonsense",),
        ("report", "--nonsense"),
        ("report", "--format", "xml"),
        ("report", "--branch", "a", "--all-branches"),
        ("gate",),
        ("gate", "--max-flaky-rate", "1"),
        ("gate", "--max-flaky-rate", "1%", "--new-only"),
        ("gate", "--max-flaky-rate", "1%", "--baseline", "main"),
        ("ingest",),
        ("report", "--since", "yesterday"),
        ("report", "-o", "no/such/folder/report.txt"),
    ],
    ids=" ".join,
)
def test_usage_errors(cli: Run, args: tuple[str, ...]) -> None:
    result = cli(*args)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "error" in result.stderr.lower()


def test_a_mistyped_command_is_answered_with_the_nearest(cli: Run) -> None:
    assert "did you mean 'report'?" in cli("reprot").stderr


def test_a_crash_is_three_with_a_report_to_paste(cli: Run, fake: FakeService) -> None:
    fake.answers["report"] = ZeroDivisionError("::error::\x1b[31mx")
    result = cli("report", "--limit", "3")
    assert result.exit_code == 3
    assert "Please report it" in result.stderr
    assert "command: flakediag report --limit 3" in result.stderr
    assert "Traceback" in result.stderr
    assert "ZeroDivisionError: ::error::\\x1b[31mx" in result.stderr
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("x"), RecursionError(), MemoryError()])
def test_no_accident_looks_like_a_tripped_gate(cli: Run, fake: FakeService, error: Exception) -> None:
    fake.answers["gate"] = error
    assert cli("gate", "--max-flaky-rate", "1%").exit_code == 3


def test_a_file_that_may_not_be_touched_is_the_user_s_to_mend(cli: Run, fake: FakeService) -> None:
    fake.answers["report"] = PermissionError(13, "Permission denied", "/closed/history.db")
    result = cli("report")
    assert result.exit_code == 2
    assert "error: /closed/history.db: Permission denied" in result.stderr
    assert "hint: check the permissions" in result.stderr


def test_interrupted(cli: Run, fake: FakeService) -> None:
    fake.answers["report"] = KeyboardInterrupt()
    result = cli("report")
    assert result.exit_code == 130
    assert result.stdout.strip() == result.stderr.strip() == ""


def test_a_closed_pipe_within_a_command(cli: Run, fake: FakeService) -> None:
    fake.answers["report"] = BrokenPipeError(32, "Broken pipe")
    result = cli("report")
    assert (result.exit_code, result.stderr) == (141, "")


@pytest.mark.parametrize("args", [["--help"], ["completion", "zsh"]], ids=" ".join)
def test_a_closed_pipe_is_silent(args: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)  # nobody reads, as behind `| head -0`
    done = subprocess.run([sys.executable, "-m", "flakediag", *args], stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_pipe_closed_while_a_gate_is_printed_is_no_tripped_gate(tmp_path: Path) -> None:
    from flakediag.history import History

    with History.open(tmp_path / "h.db", "write"):
        pass
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "flakediag", "--db", "h.db", "gate", "--max-flaky-rate", "1%"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False, cwd=tmp_path)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_help_and_version_are_fine(cli: Run) -> None:
    assert cli("--version").output.startswith("flakediag ")
    for args in ((), ("--help",), ("-h",), ("report", "-h")):
        assert cli(*args).exit_code == (0 if args else 2)


def test_the_codes_are_those_of_the_help(cli: Run) -> None:
    text = cli("--help").output
    for code in ExitCode:
        assert f"{code.value} " in text


def test_exit_codes_survive_python_dash_m(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flakediag", "--db", "missing.db", "report"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no history at missing.db\nhint: ")


def test_offending_file_names_cannot_act(cli: Run, fake: FakeService, project: Path) -> None:
    fake.answers["ingest"] = IngestSummary((replace(REFUSED, path="a\n::error::x\x1b[2J"),), 0, 0, 0, ())
    result = cli("ingest", str(project))
    assert "refused: a\\n::error::x\\x1b[2J" in result.stderr


def test_the_entry_point_is_this_group() -> None:
    assert app.name == "flakediag"
