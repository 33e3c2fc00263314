"""The pytest plugin, with pytest really running: what it excuses, and what the history makes of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hostile_names import NAMES, in_text

from flakediag.analysis.signature import signature_of
from flakediag.junit import read_reports
from flakediag.model import CaseResult, Outcome, RunReport
from flakediag.quarantine import file
from quarantine.entries import entry

NOW = datetime(2026, 3, 2, tzinfo=UTC)
FAR = NOW.date().replace(year=2999)
SUITE = """\
import os, unittest
import pytest

FAILS = os.environ.get("FAILS") == "yes"

class TestCart:
    def test_total(self):
        if os.environ.get("OTHERWISE"):
            raise KeyError("total")
        assert not FAILS, f"cart {os.getpid()} was not empty\\x1b"

@pytest.mark.parametrize("pair", ["a::b/c[1]", "0xdeadbeef01"])
def test_pair(pair):
    assert not FAILS

def test_long():
    assert not FAILS, "\\n".join(f"line {n} " + "x" * 300 for n in range(900))

def test_one_long_line():
    assert not FAILS, " ".join(str(10 ** 9 + n) for n in range(200)) + " the end"

def test_chained():
    try:
        raise OSError("port 8080")
    except OSError as error:
        if FAILS:
            raise RuntimeError("") from error

def test_without_words():
    if FAILS:
        pytest.fail("gave up after 12 s", pytrace=False)

@pytest.fixture
def database():
    if FAILS:
        raise ConnectionError("no database at 127.0.0.1:5432")

def test_setup(database):
    pass

@pytest.fixture
def late():
    yield
    if FAILS:
        raise RuntimeError("cannot stop 55")

def test_teardown(late):
    pass

class Unit(unittest.TestCase):
    def test_unit(self):
        self.assertEqual(FAILS, False)

@pytest.mark.xfail(strict=True)
def test_strict():
    assert FAILS  # fails as expected, unless the others do: then it passes, which is a failure

def test_passes():
    pass
"""
FAILING = 11


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_shop.py").write_text(SUITE)
    return tmp_path


def run(suite: Path, *args: str, plugin: bool = True, **environ: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    report = suite / "report.xml"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FLAKEDIAG_", "PYTEST_"))}
    words = [*(["-p", "flakediag.pytest_plugin"] if plugin else []), "-p", "no:cacheprovider", f"--junitxml={report}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-ra", *words, *args],
        cwd=suite, env=kept | environ, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done, report


def results(report: Path) -> dict[str, CaseResult]:
    (read,) = read_reports([str(report)], now=NOW)
    assert isinstance(read, RunReport)
    assert read.run.producer == "pytest"
    return {result.test.id: result for result in read.results}


def failures(report: Path) -> Iterator[tuple[str, str]]:
    """(test, signature) of what failed, as ingest stores it."""
    for id, result in results(report).items():
        if result.outcome.failed:
            assert result.failure is not None
            yield id, signature_of(result.failure)


def put(suite: Path, *entries: tuple[str, str | None], **more: object) -> None:
    made = [entry(test, signature, **{"expires": FAR, **more}) for test, signature in entries]
    (suite / file.NAME).write_text(file.text(made), encoding="utf-8")


@pytest.mark.parametrize("args", [[], ["-o", "junit_family=xunit1", "--junitprefix=ci"], ["--tb=short", "-n2"]])
def test_what_ingest_finds_in_the_report_is_what_the_plugin_excuses(suite: Path, args: list[str]) -> None:
    if "-n2" in args:
        pytest.importorskip("xdist")
    plain, report = run(suite, *args, plugin=False, FAILS="yes")
    assert plain.returncode == 1
    without = results(report)
    found = list(failures(report))
    assert len(found) == FAILING
    put(suite, *found)
    done, report = run(suite, *args, FAILS="yes")
    assert done.returncode == 0, done.stdout
    assert f"{len(found)} xfailed" in done.stdout
    # The history is none the poorer: the same outcomes, signatures and texts.
    assert dict(failures(report)) == dict(found)
    for id, result in results(report).items():
        before = without[id]
        assert result.outcome is before.outcome
        assert (result.failure is None) == (before.failure is None)


def test_another_way_of_failing_still_fails(suite: Path) -> None:
    total = "tests.test_shop.TestCart::test_total"
    put(suite, (total, "AssertionError: cart <n> was not empty?"))
    done, report = run(suite, "-k", "total", FAILS="yes", OTHERWISE="yes")
    assert done.returncode == 1
    assert dict(failures(report)) == {total: "KeyError: 'total'"}
    put(suite, (total, None))
    done, report = run(suite, "-k", "total", FAILS="yes", OTHERWISE="yes")
    assert done.returncode == 0
    assert "XFAIL tests/test_shop.py::TestCart::test_total - in quarantine until 2999-03-02: known" in done.stdout
    assert dict(failures(report)) == {total: "KeyError: 'total'"}


def test_a_quarantined_test_that_passes_is_a_pass(suite: Path) -> None:
    put(suite, ("tests.test_shop.TestCart::test_total", None), ("tests.test_shop::test_setup", None))
    done, report = run(suite, "-k", "total or setup or passes")
    assert (done.returncode, "3 passed" in done.stdout, "xpassed" in done.stdout) == (0, True, False)
    assert {result.outcome for result in results(report).values()} == {Outcome.PASSED}
    assert "2 failures in quarantine" in done.stdout


def test_an_expired_entry_excuses_nothing(suite: Path) -> None:
    put(suite, ("tests.test_shop::test_setup", None), expires=NOW.date().replace(year=2020))
    done, _ = run(suite, "-k", "test_setup", FAILS="yes")
    assert done.returncode == 1
    assert "0 failures in quarantine, 1 more expired" in done.stdout


def test_a_file_that_is_not_understood_stops_the_run(suite: Path) -> None:
    (suite / file.NAME).write_text('{"schema_version": 1, "entries": [{"tset": 1}]}')
    done, _ = run(suite)
    assert (done.returncode, "unknown key 'tset'" in done.stderr) == (4, True)
    done, _ = run(suite, "--flakediag-quarantine=nowhere.json")
    assert (done.returncode, "nowhere.json" in done.stderr) == (4, True)


def test_without_a_file_nothing_changes(suite: Path) -> None:
    done, report = run(suite, FAILS="yes")
    assert (done.returncode, "no quarantine" in done.stdout) == (1, True)
    assert len(list(failures(report))) == FAILING


def test_the_plugin_loads_neither_numpy_nor_the_history() -> None:
    script = (
        "import sys, flakediag.pytest_plugin\n"
        "assert not {'numpy', 'pandas', 'sqlite3', 'click', 'rich', 'junitparser'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


# --- hostile text ------------------------------------------------------------------------------------------------


def pytest_says(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("FLAKEDIAG_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-p", "flakediag.pytest_plugin", "-p", "no:cacheprovider", "-rx", *args]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("name", ["terminal", "C1", "right to left", "lines", "other line ends", "zero"])
def test_nothing_in_the_quarantine_acts_on_a_terminal(name: str, tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("def test_a():\n    assert False, 'no'\n", "utf-8")
    quarantined = entry("test_a::test_a", None, reason=NAMES[name], expires=FAR)
    (tmp_path / file.NAME).write_text(file.text([quarantined]), "utf-8")
    said = pytest_says(tmp_path)
    assert said.returncode == 0
    assert "1 xfailed" in said.stdout
    in_text(said.stdout)


def test_nothing_in_a_broken_quarantine_acts_on_a_terminal(tmp_path: Path) -> None:
    row = {"test": NAMES["lines"] + NAMES["terminal"], "signature": None}
    (tmp_path / file.NAME).write_text(json.dumps({"schema_version": 1, "entries": [row]}), "utf-8")
    said = pytest_says(tmp_path)
    assert said.returncode == 4
    assert "lacks reason" in said.stderr
    in_text(said.stderr)
