"""Histories that earlier versions of flakediag have left, brought up to date: all that was in them is there."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from stored_histories import FOLDER, STORED, StoredHistory, every_stored_history, flakediag, told_by

from flakediag.history import schema

DOOMED = Path(__file__).parents[2] / "tools" / "reliability" / "doomed.py"
KILLS = 5  # in each migration; `make reliability-faults` makes more of them, at random moments
TELLING = (
    ("report", "--format", "json", "--all-branches"),
    ("tests", "--format", "json"),
    ("runs", "--format", "json"),
    ("export",),  # everything that is stored
)


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as conn:
        return int(conn.execute("PRAGMA user_version").fetchone()[0])


def test_every_earlier_version_is_stored_and_small() -> None:
    assert {stored.version for stored in STORED} >= set(range(1, schema.VERSION))
    assert sorted(path.name for path in FOLDER.glob("*.db.gz")) == sorted(stored.file for stored in STORED)
    assert all((FOLDER / stored.file).stat().st_size < 30_000 for stored in STORED)


@every_stored_history
def test_a_stored_history_is_of_its_version(tmp_path: Path, stored: StoredHistory) -> None:
    assert version_of(stored.unpacked(tmp_path / "stored.db")) == stored.version


@every_stored_history
def test_a_stored_history_tells_what_one_made_today_tells(tmp_path: Path, stored: StoredHistory) -> None:
    earlier, today = stored.unpacked(tmp_path / "stored.db"), stored.made_today(tmp_path / "today.db")
    for command in TELLING:
        assert told_by(earlier, *command) == told_by(today, *command), command
    assert version_of(earlier) == schema.VERSION
    assert flakediag(earlier, "doctor").exit_code == 0


@every_stored_history
def test_a_stored_history_goes_on_like_one_made_today(tmp_path: Path, stored: StoredHistory) -> None:
    earlier, today = stored.unpacked(tmp_path / "stored.db"), stored.made_today(tmp_path / "today.db")
    for command in (
        ("ingest", "first.tar.gz", "later.tar.gz"),
        ("rename", "--prefix", "shop.test_stock", "shop.test_store"),
        ("prune", "--keep-runs", "9"),
    ):
        for history in (earlier, today):
            assert flakediag(history, *command).exit_code == 0, command
    for command in TELLING:
        assert told_by(earlier, *command) == told_by(today, *command), command
    assert flakediag(earlier, "doctor").exit_code == 0


@every_stored_history
def test_merging_a_stored_history_leaves_it_alone(tmp_path: Path, stored: StoredHistory) -> None:
    earlier, today = stored.unpacked(tmp_path / "stored.db"), stored.made_today(tmp_path / "today.db")
    before = earlier.read_bytes()
    assert flakediag(tmp_path / "target.db", "merge", str(earlier)).exit_code == 0
    assert earlier.read_bytes() == before
    assert told_by(tmp_path / "target.db", "export") == told_by(today, "export")


def doomed(step: int, db: Path) -> subprocess.CompletedProcess[str]:
    """`flakediag runs` on a history that has to be brought up to date first, killed at this step."""
    command = [sys.executable, str(DOOMED), str(step), "--db", str(db), "runs"]
    environ = {"PATH": os.environ.get("PATH", ""), "HOME": str(db.parent)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environ, cwd=db.parent)


@pytest.mark.slow
@every_stored_history
def test_a_migration_that_is_killed_midway_has_not_happened(tmp_path: Path, stored: StoredHistory) -> None:
    if stored.version == schema.VERSION:
        pytest.skip("this is the present version: nothing to migrate")
    whole = doomed(0, stored.unpacked(tmp_path / "whole.db"))
    assert whole.returncode == 0, whole.stderr
    steps = int(whole.stderr.splitlines()[-1])
    migrated = told_by(tmp_path / "whole.db", "export")
    seen = set()
    for step in sorted({1 + steps * part // KILLS for part in range(KILLS)}):
        history = stored.unpacked(tmp_path / f"killed-{step}.db")
        assert doomed(step, history).returncode == -signal.SIGKILL
        seen.add(version_of(history))
        with closing(sqlite3.connect(history)) as conn:
            assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert told_by(history, "export") == migrated
        assert version_of(history) == schema.VERSION
    assert stored.version in seen  # some died before the end
    assert seen <= {stored.version, schema.VERSION}
