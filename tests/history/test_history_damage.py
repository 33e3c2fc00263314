"""Damage in what a history holds, which SQLite cannot see: told by whoever meets it, and never taken for a bug."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from history_samples import NOON, everything_in, store, suite

from flakediag import service, upkeep
from flakediag.errors import HistoryError, UserError
from flakediag.history import History, schema
from flakediag.location import Location
from flakediag.model import Scope

NOW = datetime(2026, 3, 2, tzinfo=UTC)
ALL = Scope(days=100_000)


@pytest.fixture
def history(path: Path) -> Path:
    store(path, *(suite(f"r{n}", hours=n, fails=("test_b",) if n % 2 else ()) for n in range(8)))
    return path


def edit(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as conn:
        conn.execute(statement)
        conn.commit()


NONSENSE = [
    "UPDATE runs SET case_order = 'e|ecution' WHERE id = 3",
    "UPDATE runs SET started_at = '2024-05-41T15:00:00.000000Z' WHERE id = 3",
    "UPDATE failure_details SET content = CAST(x'0011' || content AS BLOB)",
    "UPDATE failure_details SET content = zeroblob(length(content))",
    "UPDATE signatures SET text = CAST(x'c3' AS TEXT)",
]


@pytest.mark.parametrize("damage", NONSENSE)
def test_what_cannot_have_been_stored_is_damage(history: Path, damage: str) -> None:
    edit(history, damage)
    with pytest.raises(HistoryError, match="is damaged") as caught:
        service.report(history, ALL, now=NOW)
    assert "--salvage" in str(caught.value.hint)
    assert not upkeep.checkup(history).sound


@pytest.mark.parametrize(
    "damage",
    [
        *NONSENSE,
        "UPDATE test_sets SET members = CAST(substr(members, 1, length(members) - 1) || x'ff' AS BLOB)",
        "UPDATE tests SET name = 'test_B' WHERE name = 'test_b'",
        "UPDATE signatures SET text = text || 'x'",
    ],
)
def test_the_doctor_finds_what_is_not_what_was_stored(history: Path, damage: str) -> None:
    edit(history, damage)
    problems = [finding.subject for finding in upkeep.checkup(history).findings if finding.status.name == "PROBLEM"]
    assert problems == ["contents"]


def test_a_bug_stays_a_bug_where_the_file_is_sound(history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flakediag.history import windows

    def mistaken(*arguments: object) -> None:
        raise ValueError("a mistake of ours")

    monkeypatch.setattr(windows, "load", mistaken)
    with pytest.raises(ValueError, match="a mistake of ours"):
        service.report(history, ALL, now=NOW)


def test_looking_for_damage_changes_nothing(history: Path) -> None:
    edit(history, NONSENSE[0])
    before = everything_in(history)
    with pytest.raises(HistoryError):
        service.report(history, ALL, now=NOW)
    upkeep.checkup(history)
    assert everything_in(history) == before


@pytest.mark.parametrize("seed", range(40))
def test_whatever_bit_flips_there_is_an_answer_or_a_message_that_names_the_file(
    history: Path, tmp_path: Path, seed: int
) -> None:
    draw = random.Random(seed)
    content = bytearray(history.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    if seed % 5 == 4:
        del content[draw.randrange(len(content)) :]
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(content)

    def told(verb: object, *arguments: object, **more: object) -> None:
        try:
            verb(*arguments, **more)  # type: ignore[operator]
        except UserError as error:
            assert str(damaged) in error.message or "project" in error.message

    told(service.report, damaged, ALL, now=NOW)
    told(upkeep.checkup, damaged)
    told(upkeep.checkup, damaged, salvage=tmp_path / "saved.db")
    told(store, damaged, suite("later", hours=99))


def test_where_nothing_can_be_saved_no_file_is_left(history: Path, tmp_path: Path) -> None:
    content = bytearray(history.read_bytes())
    content[100:4096] = b"\xff" * 3996  # the list of tables
    history.write_bytes(content)
    saved = tmp_path / "saved.db"
    with pytest.raises(HistoryError, match="nothing of it can be read"):
        upkeep.checkup(history, salvage=saved)
    assert list(tmp_path.glob("saved.db*")) == []


def test_a_history_that_a_newer_flakediag_has_changed_meanwhile_is_told_as_such(history: Path) -> None:
    with History.open(history, "write") as opened:
        edit(history, "ALTER TABLE failures RENAME TO other_failures")
        edit(history, f"PRAGMA user_version = {schema.VERSION + 1}")
        before = everything_in(history)
        with pytest.raises(HistoryError, match="newer flakediag"):
            opened.add_runs([suite("later", hours=99, fails=("test_a",))], lambda detail: "x")
        assert everything_in(history) == before


def test_one_wrong_clock_does_not_let_the_other_runs_go(place: Location) -> None:
    ahead = (datetime(2099, 1, 1, tzinfo=UTC) - NOON).total_seconds() / 3600
    now = datetime(2024, 5, 10, tzinfo=UTC)
    store(place, *(suite(f"r{n}", hours=24 * n) for n in range(5)), suite("ahead", hours=ahead))
    pruned = upkeep.prune(place, keep_days=30, keep_runs=None, now=now, dry_run=False, window=Scope())
    assert pruned.runs == 0
    (note,) = [note for note in service.report(place, Scope(), now=now).notes if "later than now" in note]
    assert "2099-01-01" in note
    assert not [n for n in service.report(place, Scope(), now=datetime(2100, 1, 1, tzinfo=UTC)).notes if "later" in n]
