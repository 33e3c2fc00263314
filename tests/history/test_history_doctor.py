"""What is wrong with a history is found, named and, where that can be done, put right."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from history_samples import (
    as_before_packing,
    counts_of,
    everything_in,
    failed,
    shuffled,
    store,
    suite,
    told,
    window_of,
)

from flakediag import upkeep
from flakediag.errors import HistoryError, UsageError
from flakediag.history import schema
from flakediag.history.values import digest
from flakediag.model import Checkup, CheckupStatus
from flakediag.report.format import Options
from flakediag.report.upkeep import write_checkup


@pytest.fixture
def history(path: Path) -> Path:
    store(path, *(suite(f"r{n}", hours=n, fails=("test_b",) if n % 2 else ()) for n in range(6)))
    return path


def edit(path: Path, *statements: str) -> None:
    """What another program might do to the file."""
    with closing(sqlite3.connect(path)) as conn:
        for statement in statements:
            conn.execute(statement)
        conn.commit()


def problems(checkup: Checkup) -> set[str]:
    return {finding.subject for finding in checkup.findings if finding.status is CheckupStatus.PROBLEM}


def notes(checkup: Checkup) -> set[str]:
    return {finding.subject for finding in checkup.findings if finding.status is CheckupStatus.NOTE}


def test_a_sound_history_is_fine_and_stays_as_it_is(history: Path) -> None:
    before = everything_in(history)
    checkup = upkeep.checkup(history)
    assert checkup.sound
    assert notes(checkup) == set()
    subjects = [finding.subject for finding in checkup.findings]
    assert set(subjects) >= {"versions", "file", "schema", "integrity", "references", "totals", "counters", "space"}
    assert everything_in(history) == before
    assert upkeep.checkup(history, repair=True).repaired == ()
    assert everything_in(history) == before


@pytest.mark.parametrize(
    ("damage", "subject"),
    [
        ("UPDATE test_counters SET failures = failures + 1 WHERE test_id = 2", "counters"),
        ("UPDATE test_counters SET last_seen = 0 WHERE test_id = 1", "counters"),
        ("DELETE FROM test_counters WHERE test_id = 3", "counters"),
        ("INSERT INTO test_counters VALUES (99, 1, 0, 0, 0, 0, NULL)", "counters"),
        ("UPDATE runs SET failures = 4 WHERE id = 1", "totals"),
        ("UPDATE failures SET detail_id = 999 WHERE run_id = 2", "references"),
        ("DELETE FROM runs WHERE id = 2", "references"),  # by a program without foreign keys
        ("INSERT INTO files VALUES (1, 'x', 999, 'x.xml', 1, NULL)", "references"),
    ],
)
def test_what_is_wrong_is_found_and_put_right(history: Path, damage: str, subject: str) -> None:
    edit(history, damage)
    found = upkeep.checkup(history)
    assert subject in problems(found)
    assert not found.sound
    done = upkeep.checkup(history, repair=True)
    assert done.repaired
    assert done.sound
    assert problems(upkeep.checkup(history)) == set()


def test_wrong_counters_become_what_they_were(history: Path) -> None:
    before = everything_in(history)["test_counters"]
    edit(history, "UPDATE test_counters SET runs = 7, failures = 3, last_failed = NULL")
    upkeep.checkup(history, repair=True)
    assert everything_in(history)["test_counters"] == before


def test_rows_that_nothing_needs_are_only_a_note(history: Path) -> None:
    edit(
        history,
        "INSERT INTO properties (name, value) VALUES ('a', 'b')",
        f"INSERT INTO signatures (digest, text) VALUES (x'{digest(b'x').hex()}', 'x')",
    )
    checkup = upkeep.checkup(history)
    assert checkup.sound
    assert notes(checkup) == {"unused rows"}
    assert upkeep.checkup(history, repair=True).repaired == ("dropped 2 rows that nothing pointed at",)
    assert notes(upkeep.checkup(history)) == set()


def test_much_free_space_is_a_note_and_given_back(path: Path) -> None:
    store(path, *(shuffled(f"r{n}", 2000, hours=n) for n in range(60)))
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("PRAGMA foreign_keys = ON")
        conn.execute("DELETE FROM runs WHERE id > 1")
        conn.commit()
    assert "space" in notes(upkeep.checkup(path))
    size = path.stat().st_size
    upkeep.checkup(path, repair=True)
    assert path.stat().st_size < 0.7 * size
    assert notes(upkeep.checkup(path)) == set()


def test_a_file_that_everybody_may_change_is_a_note(history: Path) -> None:
    history.chmod(0o666)
    assert notes(upkeep.checkup(history)) == {"file"}


def test_other_files_are_told_from_histories(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no database" * 100)
    assert problems(upkeep.checkup(text)) == {"reading"}
    other = tmp_path / "other.db"
    edit(other, "CREATE TABLE t (a)")
    checkup = upkeep.checkup(other)
    assert problems(checkup) == {"schema"}
    shown = io.StringIO()
    write_checkup(checkup, "text", shown, Options())
    assert "--repair" not in shown.getvalue()  # it would refuse the file
    with pytest.raises(HistoryError, match="no history here"):
        upkeep.checkup(tmp_path / "nothing.db")


@pytest.mark.parametrize("begin", [Path.touch, lambda path: edit(path, "PRAGMA journal_mode = WAL")])
def test_a_history_that_was_only_begun_is_not_taken_for_another_file(path: Path, begin: Callable[[Path], None]) -> None:
    begin(path)  # as a first ingest or merge leaves it that is killed early
    checkup = upkeep.checkup(path)
    assert checkup.sound
    assert notes(checkup) == {"schema"}


# --- damage ------------------------------------------------------------------------------------------------------


def large(path: Path) -> Path:
    """A history of many pages, all of them in the file."""
    store(
        path,
        *(shuffled(f"r{n}", 900, failed("test_f", text=f"{n}" * 500), hours=n) for n in range(40)),
    )
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def page_of_results(path: Path) -> int:
    """A page in the middle of the results: a leaf, found by what stands in it."""
    with closing(sqlite3.connect(path)) as conn:
        (size,) = conn.execute("PRAGMA page_size").fetchone()
        try:
            rows = conn.execute("SELECT pageno FROM dbstat WHERE name = 'run_results' AND pagetype = 'leaf'").fetchall()
        except sqlite3.OperationalError:
            pytest.skip("this SQLite has no dbstat")
    return (int(rows[len(rows) // 2][0]) - 1) * int(size)


def overwrite(path: Path, start: int, length: int = 4096) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xff" * length)


def test_of_a_damaged_history_every_readable_run_is_saved(path: Path, tmp_path: Path) -> None:
    whole = [run.digest for run in window_of(large(path)).runs]
    overwrite(path, page_of_results(path))
    rescued = tmp_path / "rescued.db"
    checkup = upkeep.checkup(path, salvage=rescued)
    assert not checkup.sound
    assert checkup.salvaged is not None
    assert 0 < checkup.salvaged.lost <= 4
    assert checkup.salvaged.runs == 40 - checkup.salvaged.lost
    assert upkeep.checkup(rescued).sound
    digests = [run.digest for run in window_of(rescued).runs]
    assert digests == [digest for digest in whole if digest in set(digests)]
    assert len(digests) == 40 - checkup.salvaged.lost


def test_of_a_file_that_is_cut_off_too(path: Path, tmp_path: Path) -> None:
    large(path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size * 7 // 8)
    checkup = upkeep.checkup(path, salvage=tmp_path / "rescued.db")
    assert "length" in problems(checkup)
    assert checkup.salvaged is not None
    assert checkup.salvaged.runs + checkup.salvaged.lost == 40
    assert checkup.salvaged.runs > 0
    assert upkeep.checkup(tmp_path / "rescued.db").sound


def test_a_damaged_history_is_not_repaired_blindly(path: Path) -> None:
    large(path)
    overwrite(path, page_of_results(path))
    with pytest.raises(HistoryError, match="damaged"):
        upkeep.checkup(path, repair=True)


def test_what_is_saved_goes_into_a_new_file_only(history: Path, tmp_path: Path) -> None:
    (tmp_path / "there.db").touch()
    with pytest.raises(UsageError, match="exists already"):
        upkeep.checkup(history, salvage=tmp_path / "there.db")


def test_a_sound_history_can_be_copied_whole(history: Path, tmp_path: Path) -> None:
    checkup = upkeep.checkup(history, salvage=tmp_path / "copy.db")
    assert checkup.salvaged is not None
    assert (checkup.salvaged.runs, checkup.salvaged.lost) == (6, 0)
    assert counts_of(tmp_path / "copy.db").results == counts_of(history).results


@pytest.mark.parametrize("step", range(1, schema.VERSION))
def test_a_history_of_an_earlier_version_is_saved_whole(path: Path, tmp_path: Path, step: int) -> None:
    runs = [suite(f"r{n}", hours=n, fails=("test_b",)) for n in range(3)]
    store(path, *runs)
    before = told(window_of(path))[:-1]  # without the failures: `store` masks nothing in their texts
    as_before_packing(path, step, tmp_path / "earlier.db")
    checkup = upkeep.checkup(tmp_path / "earlier.db", salvage=tmp_path / "rescued.db")
    assert checkup.salvaged is not None
    assert (checkup.salvaged.runs, checkup.salvaged.lost) == (3, 0)
    assert told(window_of(tmp_path / "rescued.db"))[:-1] == before


def test_columns_that_are_damaged_are_found_and_their_run_is_dropped_so_that_it_can_be_read_again(path: Path) -> None:
    runs = [shuffled(f"r{n}", 50, hours=n) for n in range(3)]
    store(path, *runs)
    edit(path, "UPDATE run_results SET durations = zeroblob(length(durations)) WHERE run_id = 2")
    assert problems(upkeep.checkup(path)) == {"contents"}
    [done, *_] = upkeep.checkup(path, repair=True).repaired or ()
    assert done == "dropped 1 runs whose results were damaged: ingest their reports again"
    assert upkeep.checkup(path).sound
    assert [stored.duplicate for stored in store(path, *runs)] == [True, False, True]
