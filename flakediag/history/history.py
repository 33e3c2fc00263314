"""The history of a suite: a small set of verbs, behind which another engine could stand."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from flakediag.errors import HistoryError
from flakediag.history import connection, runs
from flakediag.history.values import text, unmoment, untext
from flakediag.history.writer import Stored, Writer
from flakediag.model import FailureDetail, HistorySummary, Identity, Run, RunReport, Scope

if TYPE_CHECKING:  # numpy: what only stores does not load it
    from datetime import datetime

    from flakediag.analysis.window import Window
    from flakediag.history.merge import Absorbed
    from flakediag.history.portable import FormerName, Portable
    from flakediag.history.prune import Dropped, Limits
    from flakediag.history.pruned import PrunedRun
    from flakediag.history.tests import CountedTest


class StoredRun(NamedTuple):
    """One stored run. The counts are of last attempts."""

    run: Run
    results: int
    failures: int
    errors: int
    skipped: int


class HistoryCounts(NamedTuple):
    """How much there is, over all projects. `failures` counts failed attempts, `details` their distinct texts."""

    projects: int
    runs: int
    tests: int
    results: int
    failures: int
    signatures: int
    details: int


class History:
    """An open history. Each verb sees one state of it, whatever other processes write meanwhile.

    Every verb raises `HistoryError` where the file cannot be read or written, and `UsageError` for a scope that
    names no project where there are several, or one that does not exist.
    """

    def __init__(self, conn: sqlite3.Connection, path: Path, busy_timeout: float) -> None:
        self._conn = conn
        self._path = path
        self._busy_timeout = busy_timeout

    @classmethod
    def open(cls, path: Path, mode: Literal["read", "write"] = "read", *, busy_timeout: float = 60.0) -> Self:
        """Open the history at `path`. "write" makes it where there is none; "read" never does.

        `busy_timeout` is how many seconds to wait while another process writes.
        """
        opened = connection.open_to_read if mode == "read" else connection.open_to_write
        return cls(opened(path, busy_timeout), path, busy_timeout)

    def close(self) -> None:
        self._conn.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # --- keep ---------------------------------------------------------------------------------------------------

    def add_runs(self, reports: Iterable[RunReport], signature_of: Callable[[FailureDetail], str]) -> list[Stored]:
        """Store these reports, all or none; one entry for each, in order.

        The write lock is taken when the first report arrives and held until `reports` ends, so parse ahead. Whatever
        `reports` or `signature_of` raises comes through, and nothing is stored. What counts once: see writer.py.
        """
        stored: list[Stored] = []
        writer: Writer | None = None
        try:
            for report in reports:
                with self._translated():
                    if writer is None:
                        self._conn.execute("BEGIN IMMEDIATE")
                        writer = Writer(self._conn, signature_of)
                    stored.append(writer.add(report))
            if writer is not None:
                with self._translated():
                    writer.finish()
                    self._conn.execute("COMMIT")
        except BaseException:
            if self._conn.in_transaction:
                self._conn.execute("ROLLBACK")
            raise
        return stored

    # --- list ---------------------------------------------------------------------------------------------------

    def projects(self) -> tuple[str, ...]:
        """By name."""
        with self._snapshot() as conn:
            return tuple(untext(row[0]) for row in conn.execute("SELECT name FROM projects ORDER BY name"))

    def branches(self, project: str | None = None) -> tuple[str, ...]:
        """The branches that have runs, the one with the newest run first."""
        with self._snapshot() as conn:
            rows = conn.execute(
                f"SELECT branch FROM runs WHERE project_id = ? AND branch IS NOT NULL AND {runs.NOT_PRUNED}"
                " GROUP BY branch ORDER BY max(started_at) DESC, branch",
                (runs.project_id(conn, project),),
            )
            return tuple(untext(row[0]) for row in rows)

    def runs(self, scope: Scope) -> tuple[StoredRun, ...]:
        """The runs in scope, newest first."""
        with self._snapshot() as conn:
            ids = runs.ids_in(conn, scope)
            rows = conn.execute(
                "SELECT id, results, failures, errors, skipped FROM runs WHERE id IN (SELECT value FROM json_each(?))",
                (runs.id_list(ids),),
            )
            counts = {row[0]: row[1:] for row in rows}
            return tuple(StoredRun(run, *counts[run.id]) for run in runs.load(conn, ids))

    def tests(self, scope: Scope, pattern: str | None = None) -> tuple[CountedTest, ...]:
        """The tests of the runs in scope, by identity; `pattern` keeps those whose id contains it."""
        from flakediag.history import tests

        with self._snapshot() as conn:
            counted = tests.count(conn, scope)
        return tuple(each for each in counted if pattern is None or pattern in each.test.id)

    def run_by_digest(self, digest: str, project: str | None = None) -> Run | None:
        """The run that came from the report files with this digest."""
        with self._snapshot() as conn:
            row = conn.execute(
                "SELECT id FROM runs WHERE project_id = ? AND digest = ?",
                (runs.project_id(conn, project), text(digest)),
            ).fetchone()
            return None if row is None else runs.load(conn, row)[0]

    def run_report(self, run_id: int) -> RunReport:
        """A stored run as the report that it came from. Raises `LookupError` where there is none.

        What comes back is what was given, except: durations are whole milliseconds, `notes` are not kept, `files`
        stand by path, and an earlier attempt that did not fail comes back as passed, without duration.
        """
        from flakediag.history import run_reports

        with self._snapshot() as conn:
            return run_reports.load(conn, run_id)

    def counts(self) -> HistoryCounts:
        """How much the history holds; pruned runs are not counted."""
        with self._snapshot() as conn:
            row = conn.execute(
                "SELECT (SELECT count(*) FROM projects),"
                f" (SELECT count(*) FROM runs WHERE {runs.NOT_PRUNED}), (SELECT count(*) FROM tests),"
                f" (SELECT ifnull(sum(results), 0) FROM runs WHERE {runs.NOT_PRUNED}), (SELECT count(*) FROM failures),"
                " (SELECT count(*) FROM signatures), (SELECT count(*) FROM failure_details)"
            ).fetchone()
            return HistoryCounts(*row)

    def summary(self, scope: Scope) -> HistorySummary:
        """What the scope holds."""
        from flakediag.history import tests

        with self._snapshot() as conn:
            ids = runs.ids_in(conn, scope)
            results, first, last = conn.execute(
                "SELECT ifnull(sum(results), 0), min(started_at), max(started_at)"
                " FROM runs WHERE id IN (SELECT value FROM json_each(?))",
                (runs.id_list(ids),),
            ).fetchone()
            return HistorySummary(
                runs=len(ids),
                tests=tests.number_of_tests(conn, ids),
                results=results,
                first_run=None if first is None else unmoment(first),
                last_run=None if last is None else unmoment(last),
            )

    # --- analyse ------------------------------------------------------------------------------------------------

    def window(self, scope: Scope) -> Window:
        """The results of the runs in scope as arrays: runs oldest first, tests by identity."""
        from flakediag.history import windows

        with self._snapshot() as conn:
            newest_first = runs.load(conn, runs.ids_in(conn, scope))
            return windows.load(conn, newest_first[::-1])

    # --- move and keep up ---------------------------------------------------------------------------------------

    @classmethod
    @contextmanager
    def source(cls, path: Path, *, busy_timeout: float = 60.0) -> Iterator[Self]:
        """The history at `path`, to be read and by no means changed: not even brought up to date."""
        with connection.open_source(path, busy_timeout) as conn:
            yield cls(conn, path, busy_timeout)

    def portables(self) -> Generator[Portable, None, None]:
        """Every run, in order of arrival, to be moved elsewhere; all of one state of the history."""
        from flakediag.history import portable

        with self._snapshot() as conn:
            for item in portable.portables(conn):
                yield replace(item, load=partial(self._loaded, item))

    def number_of_runs(self) -> int:
        """Pruned ones included."""
        with self._snapshot() as conn:
            return int(conn.execute("SELECT count(*) FROM runs").fetchone()[0])

    def former_names(self) -> tuple[FormerName, ...]:
        """The tests that were renamed."""
        from flakediag.history import portable

        with self._snapshot() as conn:
            return portable.former_names(conn)

    def absorb(
        self,
        source: Iterable[Portable],
        names: Iterable[FormerName],
        signature_of: Callable[[FailureDetail], str],
    ) -> Absorbed:
        """Take in the runs of another history and its renamed tests, all or none. What counts once: see merge.py.

        Raises `HistoryError` where a source that somebody has edited contradicts itself.
        """
        from flakediag.history import merge

        with self._writing() as conn:
            try:
                return merge.absorb(conn, source, names, signature_of)
            except (sqlite3.IntegrityError, OverflowError) as error:
                raise HistoryError(
                    f"{self._path}: the runs cannot be stored: {error}",
                    hint="was the source edited? Nothing was stored",
                ) from error

    def prune(self, limits: Limits, now: datetime, *, dry_run: bool = False) -> Dropped:
        """Drop the results of the runs beyond the limits, all or none."""
        from flakediag.history import prune

        if dry_run:
            with self._snapshot() as conn:
                return prune.sizes(conn, prune.candidates(conn, limits))
        with self._writing(foreign_keys=False) as conn:
            return prune.drop(conn, prune.candidates(conn, limits), now)

    def compact(self) -> None:
        """Give the space of what was dropped back to the file system."""
        from flakediag.history import prune

        with self._translated():
            prune.compact(self._conn)

    def repair(self) -> list[str]:
        """Put right what can be told from the rest of the history; says what was done."""
        from flakediag.history import repair

        with self._writing(foreign_keys=False) as conn:
            done = repair.repair(conn)
        with self._translated():
            return [*done, "gave the free space back"] if repair.compact_if_free(self._conn) else done

    def names(self, project: str) -> tuple[Identity, ...]:
        """The tests of a project, sorted."""
        from flakediag.history import rename

        with self._snapshot() as conn:
            number = runs.project_id(conn, project)
            return () if number is None else tuple(sorted(rename.tests_of(conn, number)))

    def rename(self, project: str, pairs: Sequence[tuple[Identity, Identity]], *, dry_run: bool = False) -> None:
        """Give tests new names, all or none: results that are stored and such as come later under the old names.

        Raises `UsageError` where a run has a test under both names, also in a dry run.
        """
        from flakediag.history import rename

        if dry_run:
            with self._snapshot() as conn:
                number = runs.project_id(conn, project)
                if number is not None:
                    rename.check(conn, number, [rename.Pair(*pair) for pair in pairs])
            return
        with self._writing(foreign_keys=False) as conn:
            number = runs.project_id(conn, project)
            if number is not None:
                rename.move(conn, number, [rename.Pair(*pair) for pair in pairs])

    # --- how ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _writing(self, *, foreign_keys: bool = True) -> Iterator[sqlite3.Connection]:
        """One transaction: everything or nothing. Without `foreign_keys` SQLite does not look after references."""
        with self._translated():
            if not foreign_keys:
                self._conn.execute("PRAGMA foreign_keys = OFF")
            try:
                self._conn.execute("BEGIN IMMEDIATE")
                try:
                    yield self._conn
                    self._conn.execute("COMMIT")
                except BaseException:
                    if self._conn.in_transaction:
                        self._conn.execute("ROLLBACK")
                    raise
            finally:
                self._conn.execute("PRAGMA foreign_keys = ON")

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        """One state of the history for several queries."""
        with self._translated():
            nested = self._conn.in_transaction  # asked from within add_runs: what it has written so far is seen
            if not nested:
                self._conn.execute("BEGIN")
            try:
                yield self._conn
            finally:
                if not nested:
                    self._conn.execute("ROLLBACK")  # nothing was written

    def _loaded(self, item: Portable) -> RunReport | PrunedRun:
        with self._translated():
            return item.load()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        with connection.translated(self._path, self._busy_timeout):
            yield
