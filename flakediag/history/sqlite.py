"""The history in one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from flakediag.errors import HistoryError
from flakediag.history import connection, runs
from flakediag.history.history import History, HistoryCounts, Stored, StoredRun
from flakediag.history.values import text, unmoment, untext
from flakediag.model import FailureDetail, HistorySummary, Identity, Run, RunReport, Scope

if TYPE_CHECKING:  # numpy: what only stores does not load it
    from datetime import datetime

    from flakediag.analysis.failing import FailingTests
    from flakediag.analysis.outcomes import Outcomes
    from flakediag.analysis.window import Window
    from flakediag.history.merge import Absorbed
    from flakediag.history.portable import FormerName, Portable
    from flakediag.history.prune import Dropped, Limits
    from flakediag.history.pruned import PrunedRun
    from flakediag.history.tests import CountedTest
    from flakediag.location import Location


class SqliteHistory(History):
    """See `History` for what each verb does."""

    def __init__(self, conn: sqlite3.Connection, path: Path, busy_timeout: float) -> None:
        self._conn = conn
        self._path = path
        self._busy_timeout = busy_timeout

    @classmethod
    def at(cls, place: Location, mode: Literal["read", "write"], busy_timeout: float) -> Self:
        path = Path(place)
        opened = connection.open_to_read if mode == "read" else connection.open_to_write
        return cls(opened(path, busy_timeout), path, busy_timeout)

    def close(self) -> None:
        self._conn.close()

    def size(self) -> int:
        files = (self._path, Path(f"{self._path}-wal"))
        return sum(path.stat().st_size for path in files if path.exists())

    # --- keep ---------------------------------------------------------------------------------------------------

    def add_runs(self, reports: Iterable[RunReport], signature_of: Callable[[FailureDetail], str]) -> list[Stored]:
        from flakediag.history.writer import Writer

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
        with self._snapshot() as conn:
            return tuple(untext(row[0]) for row in conn.execute("SELECT name FROM projects ORDER BY name"))

    def branches(self, project: str | None = None) -> tuple[str, ...]:
        with self._snapshot() as conn:
            rows = conn.execute(
                f"SELECT branch FROM runs WHERE project_id = ? AND branch IS NOT NULL AND {runs.NOT_PRUNED}"
                " GROUP BY branch ORDER BY max(started_at) DESC, branch",
                (runs.project_id(conn, project),),
            )
            return tuple(untext(row[0]) for row in rows)

    def runs(self, scope: Scope) -> tuple[StoredRun, ...]:
        with self._snapshot() as conn:
            ids = runs.ids_in(conn, scope)
            rows = conn.execute(
                "SELECT id, results, failures, errors, skipped FROM runs WHERE id IN (SELECT value FROM json_each(?))",
                (runs.id_list(ids),),
            )
            counts = {row[0]: row[1:] for row in rows}
            return tuple(StoredRun(run, *counts[run.id]) for run in runs.load(conn, ids))

    def tests(self, scope: Scope, pattern: str | None = None) -> tuple[CountedTest, ...]:
        from flakediag.history import tests

        with self._snapshot() as conn:
            counted = tests.count(conn, scope)
        return tuple(each for each in counted if pattern is None or pattern in each.test.id)

    def run_by_digest(self, digest: str, project: str | None = None) -> Run | None:
        with self._snapshot() as conn:
            row = conn.execute(
                "SELECT id FROM runs WHERE project_id = ? AND digest = ?",
                (runs.project_id(conn, project), text(digest)),
            ).fetchone()
            return None if row is None else runs.load(conn, row)[0]

    def run_report(self, run_id: int) -> RunReport:
        from flakediag.history import run_reports

        with self._snapshot() as conn:
            return run_reports.load(conn, run_id)

    def may_hold_flakes(self) -> bool:
        from flakediag.history import suspects

        with self._snapshot() as conn:
            return suspects.any_test(conn)

    def counts(self) -> HistoryCounts:
        with self._snapshot() as conn:
            row = conn.execute(
                "SELECT (SELECT count(*) FROM projects),"
                f" (SELECT count(*) FROM runs WHERE {runs.NOT_PRUNED}), (SELECT count(*) FROM tests),"
                f" (SELECT ifnull(sum(results), 0) FROM runs WHERE {runs.NOT_PRUNED}), (SELECT count(*) FROM failures),"
                " (SELECT count(*) FROM signatures), (SELECT count(*) FROM failure_details)"
            ).fetchone()
            return HistoryCounts(*row)

    def summary(self, scope: Scope) -> HistorySummary:
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
        from flakediag.history import windows

        with self._snapshot() as conn:
            newest_first = runs.load(conn, runs.ids_in(conn, scope))
            return windows.load(conn, newest_first[::-1], self._translated)

    def failing(self, scope: Scope) -> FailingTests | None:
        from flakediag.history import failing

        with self._snapshot() as conn:
            newest_first = runs.load(conn, runs.ids_in(conn, scope))
            return failing.load(conn, newest_first[::-1])

    def outcomes(self, scope: Scope, *, failing_only: bool = False) -> Outcomes:
        from flakediag.history import outcomes

        with self._snapshot() as conn:
            newest_first = runs.load(conn, runs.ids_in(conn, scope))
            return outcomes.load(conn, newest_first[::-1], failing_only=failing_only)

    def fingerprint(self, scope: Scope) -> bytes:
        from flakediag.history import fingerprint

        with self._snapshot() as conn:
            return fingerprint.of(conn, runs.load(conn, runs.ids_in(conn, scope)))

    # --- move and keep up ---------------------------------------------------------------------------------------

    @classmethod
    @contextmanager
    def unchanged(cls, place: Location, busy_timeout: float) -> Iterator[Self]:
        path = Path(place)
        with connection.open_source(path, busy_timeout) as conn:
            yield cls(conn, path, busy_timeout)

    def portables(self) -> Generator[Portable, None, None]:
        from flakediag.history import portable

        with self._snapshot() as conn:
            for item in portable.portables(conn):
                yield replace(item, load=partial(self._loaded, item))

    def number_of_runs(self) -> int:
        with self._snapshot() as conn:
            return int(conn.execute("SELECT count(*) FROM runs").fetchone()[0])

    def former_names(self) -> tuple[FormerName, ...]:
        from flakediag.history import portable

        with self._snapshot() as conn:
            return portable.former_names(conn)

    def absorb(
        self,
        source: Iterable[Portable],
        names: Iterable[FormerName],
        signature_of: Callable[[FailureDetail], str],
    ) -> Absorbed:
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
        from flakediag.history import prune

        if dry_run:
            with self._snapshot() as conn:
                return prune.sizes(conn, prune.candidates(conn, limits))
        with self._writing(foreign_keys=False) as conn:
            return prune.drop(conn, prune.candidates(conn, limits), now)

    def compact(self) -> None:
        from flakediag.history import prune

        with self._translated():
            prune.compact(self._conn)

    def repair(self) -> list[str]:
        from flakediag.history import repair

        with self._writing(foreign_keys=False) as conn:
            done = repair.repair(conn)
        with self._translated():
            return [*done, "gave the free space back"] if repair.compact_if_free(self._conn) else done

    def names(self, project: str) -> tuple[Identity, ...]:
        from flakediag.history import rename

        with self._snapshot() as conn:
            number = runs.project_id(conn, project)
            return () if number is None else tuple(sorted(rename.tests_of(conn, number)))

    def rename(self, project: str, pairs: Sequence[tuple[Identity, Identity]], *, dry_run: bool = False) -> None:
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
