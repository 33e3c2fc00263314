"""Putting right what doctor.py finds, and saving what can be read of a damaged file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from flakediag.errors import HistoryError
from flakediag.history import doctor, portable, prune, recount, run_results, schema
from flakediag.history.damage import NONSENSE
from flakediag.history.portable import FormerName, Portable
from flakediag.history.pruned import FILES, files_in
from flakediag.model import InputFile

_CAN_DO_WITHOUT = {("failures", "detail_id"), ("signatures", "example_id")}
_LOST = (*NONSENSE, LookupError)
_LONGEST = 20.0  # seconds for one run; what takes longer is damaged


def repair(conn: sqlite3.Connection) -> list[str]:
    """What was done, within the transaction that the caller holds, with foreign keys off."""
    done = []
    dropped = sum(iter(lambda: _drop_dangling(conn), 0))
    if dropped:
        done.append(f"dropped {dropped} rows that pointed nowhere")
    totals = doctor.recounted_totals(conn)
    if totals.damaged:
        prune.forget(conn, totals.damaged)
        done.append(f"dropped {len(totals.damaged)} runs whose results were damaged: ingest their reports again")
    if totals.wrong:
        conn.executemany(
            "UPDATE runs SET results = ?, failures = ?, errors = ?, skipped = ? WHERE id = ?",
            [(*right, run_id) for run_id, right in totals.wrong.items()],
        )
        done.append(f"counted the results of {len(totals.wrong)} runs anew")
    counters = recount.write(conn)
    if counters:
        done.append(f"counted {counters} tests anew")
    unused = sum(
        conn.execute(f"DELETE FROM {table} WHERE {unused}").rowcount for table, unused in doctor.UNUSED.items()
    )
    if unused:
        done.append(f"dropped {unused} rows that nothing pointed at")
    return done


def _drop_dangling(conn: sqlite3.Connection) -> int:
    """Delete what points at missing rows. Rows that pointed at these dangle in their turn: call until it returns 0."""
    broken = conn.execute("PRAGMA foreign_key_check").fetchall()
    links = {(table, number) for table, _, _, number in broken}
    gone = 0
    for table, number in sorted(links):
        columns = [row for row in conn.execute(f"PRAGMA foreign_key_list({table})") if row[0] == number]
        parent = columns[0][2]
        keys = [row[4] or _primary_key(conn, parent)[row[1]] for row in columns]
        here = " AND ".join(f"{parent}_.{key} = {table}.{row[3]}" for key, row in zip(keys, columns, strict=True))
        given = " AND ".join(f"{table}.{row[3]} IS NOT NULL" for row in columns)
        clears = (table, columns[0][3]) in _CAN_DO_WITHOUT
        action = f"UPDATE {table} SET {columns[0][3]} = NULL" if clears else f"DELETE FROM {table}"
        gone += conn.execute(
            f"{action} WHERE {given} AND NOT EXISTS (SELECT 1 FROM {parent} AS {parent}_ WHERE {here})"
        ).rowcount
    return gone


def _primary_key(conn: sqlite3.Connection, table: str) -> list[str]:
    columns = sorted((row[5], row[1]) for row in conn.execute(f"PRAGMA table_info({table})") if row[5])
    return [name for _, name in columns]


def compact_if_free(conn: sqlite3.Connection) -> bool:
    """Give free pages back where there are many."""
    pages, free = (int(conn.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count"))
    if not pages or free / pages < doctor.MUCH_FREE:
        return False
    prune.compact(conn)
    return True


class Salvage:
    """The runs of a damaged history that can be read whole, one by one. `lost` counts the others once all are read.

    Numbers of runs that the damaged file knew of and cannot show any more count as lost too.
    """

    def __init__(self, path: Path, busy_timeout: float) -> None:
        self._path = path
        self._busy_timeout = busy_timeout
        self._deadline = 0.0
        self.lost = 0

    def runs(self) -> Iterator[Portable]:
        """Raises `HistoryError` where nothing can be read, not even which tables there are."""
        try:
            conn = self._raw()
        except _LOST as error:
            raise HistoryError(
                f"{self._path}: nothing of it can be read ({error})",
                hint="restore it from a copy, or ingest the reports again",
            ) from error
        with closing(conn):
            read = run_results.read_rows if self._has_rows(conn) else run_results.read
            for run_id in self._numbers(conn):
                self._deadline = time.monotonic() + _LONGEST
                try:
                    found = portable.portable(conn, run_id, read=read, files_of=self._files)
                    if found is None:
                        continue
                    loaded = found.load()
                    if found.results and not found.pruned and len(getattr(loaded, "results", ())) != found.results:
                        raise ValueError("results are missing")
                except _LOST:
                    self.lost += 1
                    continue
                yield Portable(
                    run=found.run,
                    files=found.files,
                    results=found.results,
                    pruned=found.pruned,
                    load=lambda loaded=loaded: loaded,  # type: ignore[misc]
                )

    def names(self) -> tuple[FormerName, ...]:
        with suppress(*_LOST), closing(self._raw()) as conn:
            return portable.former_names(conn)
        return ()

    def _raw(self) -> sqlite3.Connection:
        """The file as it is. A history of an earlier version cannot be brought up to date where it is damaged: the
        tables that it lacks are laid beside it, empty."""
        conn = doctor.raw(self._path, self._busy_timeout)
        self._deadline = time.monotonic() + _LONGEST
        # SQLite may go round in circles among pages that point at each other; it asks now and then whether to stop.
        conn.set_progress_handler(lambda: time.monotonic() > self._deadline, 100_000)
        with suppress(*_LOST):  # whatever cannot be read is told by the queries that need it
            there = {name for (name,) in conn.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            for name, statement in schema.LATER_TABLES.items():
                if name not in there:
                    conn.execute(statement.replace("CREATE TABLE", "CREATE TEMP TABLE"))
        return conn

    def _files(self, conn: sqlite3.Connection, run_id: int) -> tuple[InputFile, ...]:
        """The files of a run, as far as their table can be read: without them a run is known by its digest alone."""
        rows = []
        with suppress(*_LOST):
            for row in conn.execute(f"{FILES} NOT INDEXED WHERE run_id = ?", (run_id,)):
                rows.append(row)
        return files_in(rows)

    def _has_rows(self, conn: sqlite3.Connection) -> bool:
        """Whether it is of a version that had a row for each result."""
        with suppress(*_LOST):
            return bool(conn.execute("SELECT 1 FROM sqlite_schema WHERE name = 'results'").fetchone())
        return False

    def _numbers(self, conn: sqlite3.Connection) -> Iterator[int]:
        """Of all runs; where their list cannot be read, of all that there may have been."""
        highest, seen = 0, 0
        try:
            for (number,) in conn.execute("SELECT id FROM runs NOT INDEXED ORDER BY id"):
                if number > seen:  # numbers that do not rise from 1 on are what a damaged page looks like
                    seen = number
                    yield seen
                else:
                    self.lost += 1
            return
        except _LOST:
            with suppress(*_LOST):
                row = conn.execute("SELECT seq FROM sqlite_sequence WHERE name = 'runs'").fetchone()
                highest = row[0] if row else 0
        yield from range(seen + 1, highest + 1)
