"""merge, prune, export, import, rename and doctor on the command line, and the documents that they print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator, FormatChecker
from reports import pytest_report, write_runs

from flakediag.cli.app import app
from flakediag.errors import ExitCode

DOCS = Path(__file__).parents[1] / "docs" / "history.md"
SCHEMA = json.loads(files("flakediag.report").joinpath("upkeep.schema.json").read_text("utf-8"))
ROWS = [("F" if r % 3 == 0 else ".") + "." * 9 for r in range(12)]

Command = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))

    def invoke(*args: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, list(args), input=stdin, prog_name="flakediag")

    for half, rows in (("a", ROWS[:6]), ("b", ROWS[6:])):
        for r, row in enumerate(rows):
            folder = tmp_path / half
            folder.mkdir(exist_ok=True)
            marks = [(f"test_{t}", mark) for t, mark in enumerate(row)]
            (folder / f"{r}.xml").write_text(pytest_report(marks, minute=r + (6 if half == "b" else 0)))
        assert invoke("--db", f"{half}.db", "ingest", half).exit_code == ExitCode.OK
    return invoke


def valid(result: Result, name: str) -> Any:
    Draft202012Validator.check_schema(SCHEMA)
    said = json.loads(result.stdout)
    target = {"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{name}"}
    Draft202012Validator(target, format_checker=FormatChecker()).validate(said)
    return said


def report(run: Command, db: str) -> str:
    said = run("--db", db, "report", "--format", "json").stdout
    return "".join(line for line in said.splitlines(keepends=True) if '"generated_at"' not in line)


def test_two_halves_merged_either_way_and_read_at_once_give_one_report(run: Command, tmp_path: Path) -> None:
    first = run("merge", "a.db", "b.db", "--into", "all.db")
    assert first.stdout == "a.db: took in 6 runs, 60 results\nb.db: took in 6 runs, 60 results\n"
    assert run("--db", "other.db", "merge", "b.db", "a.db").exit_code == ExitCode.OK
    write_runs(tmp_path / "whole", ROWS)
    run("--db", "whole.db", "ingest", "whole")
    assert report(run, "all.db") == report(run, "other.db") == report(run, "whole.db")
    said = valid(run("merge", "a.db", "b.db", "--into", "all.db", "--format", "json"), "merge")
    assert [(each["runs"], each["known"]) for each in said["sources"]] == [(0, 6), (0, 6)]


def test_a_source_that_is_no_history_is_an_error_with_its_name(run: Command, tmp_path: Path) -> None:
    (tmp_path / "c.db").write_text("x" * 200)
    for source in ("c.db", "missing.db"):
        result = run("merge", "a.db", source, "--into", "all.db")
        assert (result.exit_code, source in result.stderr) == (ExitCode.USAGE, True)
        assert not (tmp_path / "all.db").exists()


def test_export_and_import_give_the_same_report(run: Command, tmp_path: Path) -> None:
    assert run("--db", "a.db", "export", "-o", "a.jsonl").exit_code == ExitCode.OK
    said = valid(run("--db", "new.db", "import", "a.jsonl", "--format", "json"), "merge")
    assert said["sources"][0]["runs"] == 6
    assert report(run, "new.db") == report(run, "a.db")
    text = run("--db", "a.db", "export").stdout
    assert text == (tmp_path / "a.jsonl").read_text()
    assert run("--db", "piped.db", "import", "-", stdin=text).exit_code == ExitCode.OK
    assert report(run, "piped.db") == report(run, "a.db")


def test_an_export_that_cannot_be_written_says_so_in_two_lines(run: Command, tmp_path: Path) -> None:
    device = Path("/dev/full")
    if not device.exists():
        pytest.skip("no /dev/full here")
    for redirected in (False, True):
        arguments = [sys.executable, "-m", "flakediag", "--db", "a.db", "export"]
        arguments += [] if redirected else ["-o", str(device)]
        with device.open("w") as full:
            result = subprocess.run(
                arguments, cwd=tmp_path, stdout=full if redirected else None, stderr=subprocess.PIPE, text=True
            )
        assert result.returncode == ExitCode.USAGE
        assert result.stderr.startswith("error: ")
        assert "cannot be written: No space left" in result.stderr
        assert "Traceback" not in result.stderr


def test_import_names_the_line_that_it_cannot_read(run: Command, tmp_path: Path) -> None:
    head, *lines = run("--db", "a.db", "export").stdout.splitlines()
    (tmp_path / "x.jsonl").write_text("\n".join([head, lines[0], lines[1][:40]]))
    result = run("--db", "new.db", "import", "x.jsonl")
    assert result.exit_code == ExitCode.USAGE
    assert "x.jsonl:3:" in result.stderr
    missing = run("--db", "new.db", "import", "missing.jsonl")
    assert (missing.exit_code, "missing.jsonl cannot be read" in missing.stderr) == (ExitCode.USAGE, True)
    (tmp_path / "binary").write_bytes(b"\x00\xff\x80" * 100)
    assert run("--db", "new.db", "import", "binary").exit_code == ExitCode.USAGE


def test_parquet_goes_to_a_file_only(run: Command) -> None:
    result = run("--db", "a.db", "export", "--format", "parquet")
    assert (result.exit_code, "-o results.parquet" in result.stderr) == (ExitCode.USAGE, True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_parquet_goes_into_a_pipe_and_not_over_it(run: Command, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as reader:
        arrived = reader.submit(pipe.read_bytes)
        assert run("--db", "a.db", "export", "--format", "parquet", "-o", str(pipe)).exit_code == ExitCode.OK
        assert arrived.result(60).startswith(b"PAR1")
    assert pipe.is_fifo()


def test_prune(run: Command) -> None:
    tried = valid(run("--db", "a.db", "prune", "--keep-runs", "2", "--dry-run", "--format", "json"), "prune")
    assert (tried["dry_run"], tried["runs"], tried["kept"]) == (True, 4, 2)
    result = run("--db", "a.db", "prune", "--keep-runs", "2")
    assert result.stdout.startswith("dropped the results of 4 runs: 40 results, 2 failed attempts")
    assert "kept 2 runs, since 2026-03-01" in result.stdout
    assert "rates and causes rest on what is left" in result.stdout
    assert "nothing to drop: all 2 runs" in run("--db", "a.db", "prune", "--keep-runs", "2").stdout
    again = run("--db", "a.db", "ingest", "a")
    assert "6 files known already" in again.stdout
    refused = run("--db", "a.db", "prune")
    assert (refused.exit_code, "--keep-days" in refused.stderr) == (ExitCode.USAGE, True)


def test_doctor_says_by_its_exit_code_whether_all_is_well(run: Command, tmp_path: Path) -> None:
    assert valid(run("--db", "a.db", "doctor", "--format", "json"), "doctor")["sound"]
    data = (tmp_path / "a.db").read_bytes()
    (tmp_path / "cut.db").write_bytes(data[: len(data) * 7 // 8])
    result = run("--db", "cut.db", "doctor")
    assert result.exit_code == ExitCode.GATE_TRIPPED
    assert "cut off" in result.stdout
    assert "flakediag doctor --salvage NEW" in result.stdout
    said = valid(run("--db", "cut.db", "doctor", "--salvage", "new.db", "--format", "json"), "doctor")
    assert said["salvaged"]["runs"] + said["salvaged"]["lost"] == 6
    assert run("--db", "missing.db", "doctor").exit_code == ExitCode.USAGE


def test_rename_proposes_and_renames(run: Command, tmp_path: Path) -> None:
    for r, name in enumerate(("test_total_of_order", "test_total_of_orders")):
        path = tmp_path / f"new{r}.xml"
        path.write_text(pytest_report([("test_0", "."), (name, ".")], minute=100 + r, commit=f"{r}" * 40))
        run("--db", "r.db", "ingest", str(path))
    proposed = run("--db", "r.db", "rename").stdout
    command = "flakediag rename tests.test_shop::test_total_of_order tests.test_shop::test_total_of_orders"
    assert command in proposed
    assert "nothing was renamed" in proposed
    said = valid(run("--db", "r.db", "rename", "--format", "json"), "proposals")["proposals"]
    assert [(each["kind"], each["commit"]) for each in said] == [("class", "1" * 40)]
    tried = valid(run("--db", "r.db", *command.split()[1:], "--dry-run", "--format", "json"), "rename")
    assert (tried["joined"], len(tried["tests"])) == (1, 1)
    done = run("--db", "r.db", *command.split()[1:]).stdout
    assert "renamed 1 test, 1 of them joined" in done
    assert run("--db", "r.db", "rename").stdout == "no test vanished where a look-alike appeared\n"
    prefixed = run("--db", "r.db", "rename", "--prefix", "tests.test_shop", "tests.test_store")
    assert "renamed 2 tests" in prefixed.stdout
    assert run("--db", "r.db", "rename", "one").exit_code == ExitCode.USAGE


def test_hostile_names_are_shown_and_do_not_act(run: Command, tmp_path: Path) -> None:
    for r, name in enumerate(("test_total_of_order&#x202e;", "test_total_of_orders&#x202e;")):
        path = tmp_path / f"new{r}.xml"
        path.write_text(pytest_report([("test_0", "."), (name, ".")], minute=100 + r, commit=f"{r}" * 40))
        run("--db", "r.db", "ingest", str(path))
    proposed = run("--db", "r.db", "rename").stdout
    assert "\\u202e" in proposed
    assert "\u202e" not in proposed
    assert "flakediag rename tests" not in proposed  # a command with an escape in it would name another test


@pytest.mark.parametrize("command", ["merge", "prune", "export", "import", "rename", "doctor"])
def test_the_page_tells_of_every_command(command: str) -> None:
    assert f"## `flakediag {command}`" in DOCS.read_text("utf-8")
