"""From an empty file and from every earlier version to this one, with what was stored in it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from history_samples import as_before_packing, counts_of, everything_in, store, suite, told, window_of

from flakediag.errors import HistoryError
from flakediag.history import History, schema

STEPS = range(1, schema.VERSION)


def made_at_step(path: Path, step: int) -> sqlite3.Connection:
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("PRAGMA journal_mode = WAL")
    conn.execute("BEGIN IMMEDIATE")
    schema.apply(conn, upto=step)
    conn.execute("COMMIT")
    return conn


def schema_of(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as conn:
        return conn.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name").fetchall()


def pragma(path: Path, name: str) -> object:
    with closing(sqlite3.connect(path)) as conn:
        return conn.execute(f"PRAGMA {name}").fetchone()[0]


def test_a_fresh_history_says_what_it_is(path: Path) -> None:
    store(path)
    assert pragma(path, "application_id") == int.from_bytes(b"flkd", "big")
    assert pragma(path, "user_version") == schema.VERSION
    assert pragma(path, "journal_mode") == "wal"
    assert pragma(path, "integrity_check") == "ok"
    with closing(sqlite3.connect(path)) as conn:
        applied = [row[0] for row in conn.execute("SELECT name FROM _sqlite_migrations ORDER BY id")]
        assert applied == [step.__name__.strip("_") for step in schema.MIGRATIONS]
        strict = conn.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
        assert {name for name, is_strict in strict if not is_strict} == {
            "_sqlite_migrations",
            "sqlite_schema",
            "sqlite_sequence",
        }


def test_a_new_history_is_the_same_as_one_made_by_sqlite_utils(path: Path, tmp_path: Path) -> None:
    store(path)
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other, isolation_level=None)) as conn:
        conn.execute("PRAGMA journal_mode = WAL")
        conn.execute("BEGIN IMMEDIATE")
        schema._continue(conn, schema.MIGRATIONS)
        conn.execute("COMMIT")
    assert schema_of(path) == schema_of(other)


def test_a_new_history_needs_no_pandas(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from flakediag.history import History\n"
        f"History.open(Path({str(path)!r}), 'write').close()\n"
        "assert 'sqlite_utils' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("mode", ["read", "write"])
def test_an_earlier_history_is_brought_up_to_date_with_all_that_is_in_it(tmp_path: Path, step: int, mode: str) -> None:
    earlier, fresh = tmp_path / "earlier.db", tmp_path / "fresh.db"
    runs = [suite(f"r{n}", hours=n, fails=("test_b",)) for n in range(3)]
    store(fresh, *runs)
    as_before_packing(fresh, step, earlier)
    History.open(earlier, mode).close()  # type: ignore[arg-type]
    assert pragma(earlier, "user_version") == schema.VERSION
    assert schema_of(earlier) == schema_of(fresh)
    assert told(window_of(earlier)) == told(window_of(fresh))
    assert all(stored.duplicate for stored in store(earlier, *runs))


@pytest.mark.parametrize("step", [0, *STEPS])
def test_a_migration_that_fails_leaves_the_history_as_it_was(
    path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if step:
        made_at_step(path, step).close()
    else:
        store(path)
        path.unlink()
        with closing(sqlite3.connect(path, isolation_level=None)) as conn:
            conn.execute("PRAGMA journal_mode = WAL")
    before = everything_in(path)

    def breaks(conn: sqlite3.Connection) -> None:
        conn.execute("CREATE TABLE half (id INTEGER)")
        raise RuntimeError("half way")

    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, breaks))
        patched.setattr(schema, "VERSION", schema.VERSION + 1)
        patched.setattr(schema.apply, "__kwdefaults__", {"upto": schema.VERSION})
        with pytest.raises(RuntimeError, match="half way"):
            History.open(path, "write")
    assert everything_in(path) == before
    assert pragma(path, "user_version") == step
    store(path, suite("r"))
    assert counts_of(path).runs == 1


def test_names_of_migrations_never_change() -> None:
    """Append to this list; a name that was released stands in people's histories."""
    assert [step.__name__ for step in schema.MIGRATIONS] == [
        "_everything_that_is_kept",
        "_views_for_people",
        "_pruned_runs_and_renames",
        "_results_packed",
    ]


def test_every_migration_says_why() -> None:
    assert all(step.__doc__ for step in schema.MIGRATIONS)


@pytest.mark.parametrize("step", STEPS)
def test_places_move_up_where_rows_of_an_earlier_history_were_deleted_by_hand(tmp_path: Path, step: int) -> None:
    earlier, fresh = tmp_path / "earlier.db", tmp_path / "fresh.db"
    store(fresh, suite("r", fails=("test_d",)))
    as_before_packing(fresh, step, earlier)
    with closing(sqlite3.connect(earlier)) as conn:
        conn.execute("DELETE FROM results WHERE position = 1")
        conn.commit()
    window = window_of(earlier)
    assert window.outcome.tolist() == [0, 0, 1, 0]
    assert [(failure.position, window.tests[failure.test].name) for failure in window.failures] == [(2, "test_d")]


def test_an_old_history_that_cannot_be_written_is_an_error_and_not_a_crash(path: Path) -> None:
    made_at_step(path, 1).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(HistoryError, match="locked"):
            History.open(path, busy_timeout=0.05)
