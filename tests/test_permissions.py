"""Who may read and write what flakediag leaves behind: what the user's umask says, and never the whole world."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from reports import write_runs

from flakediag.cli.app import app
from flakediag.history import History

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such permissions")

# What each command writes; all that appears is looked at, whatever it is called.
COMMANDS = (
    "ingest reports",
    "report --format html -o page.html",
    "report --format json -o report.json",
    "report --format svg -o overview.svg",
    "report --format sarif -o flaky.sarif",
    "export -o history.jsonl",
    "--db imported/one.db import history.jsonl",
    "--db merged.db merge .flakediag/history.db imported/one.db",
    "--db .flakediag/history.db doctor --salvage rescued.db",
    "quarantine add test_1 --reason slow --days 14 --force --file quarantined.json",
    "gate --ratchet --reset --min-runs 1",
    "prune --keep-runs 5",
)


@pytest.fixture(params=[0o022, 0o027, 0o077, 0o002, 0o000], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode)
        for path in folder.rglob("*")
        if path.is_file() and "reports" not in path.parts
    }


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in [name for name in os.environ if name.startswith("FLAKEDIAG_")]:
        monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.flakediag]\n")
    (tmp_path / "pyproject.toml").chmod(0o600)
    write_runs(tmp_path / "reports", [".F." if n % 3 else "..." for n in range(12)], commits="aabbccddeeff")
    return tmp_path


def test_every_file_is_made_with_the_umask_and_none_is_open_to_all(project: Path, umask: int) -> None:
    for command in COMMANDS:
        done = CliRunner().invoke(app, command.split())
        assert done.exit_code in (0, 1), f"{command}: {done.output}"
    with closing(History.open(project / ".flakediag" / "history.db", "write")):
        found = modes(project)  # with the write-ahead log and its index, which are there while it is open
    expected = {
        *("page.html", "report.json", "overview.svg", "flaky.sarif", "history.jsonl", "rescued.db", "merged.db"),
        *("imported/one.db", "quarantined.json", "flakediag-baseline.json"),
        *(".flakediag/history.db", ".flakediag/history.db-wal", ".flakediag/history.db-shm"),
    }
    assert expected <= set(found)
    assert {name: oct(mode) for name, mode in found.items() if mode & (umask | 0o113)} == {}
    assert all(mode & 0o600 == 0o600 for mode in found.values())


def test_a_file_that_is_replaced_keeps_its_permissions(project: Path) -> None:
    CliRunner().invoke(app, ["ingest", "reports"])
    page = project / "report.json"
    page.write_text("old")
    page.chmod(0o640)
    CliRunner().invoke(app, ["report", "--format", "json", "-o", "report.json"])
    assert page.read_text() != "old"
    assert stat.S_IMODE(page.stat().st_mode) == 0o640
