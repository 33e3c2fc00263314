"""The history on a server: each verb a transaction."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal, Self, TypeVar

from psycopg import errors

from flakediag.errors import HistoryError, NoHistoryError, OutdatedHistoryError, UsageError
from flakediag.history.history import History, HistoryCounts, Stored, StoredRun
from flakediag.history.server import adding, partitions, reading, schema
from flakediag.history.server.connecting import WRITE, Connection, Server
from flakediag.history.server.encoding import Encoder
from flakediag.history.server.reading import NOT_PRUNED
from flakediag.history.values import untext
from flakediag.location import Location
from flakediag.model import FailureDetail, HistorySummary, Identity, Run, RunReport, Scope

if TYPE_CHECKING:  # numpy: what only stores does not load it
    from datetime import datetime

    from flakediag.analysis.outcomes import Outcomes
    from flakediag.analysis.window import Window
    from flakediag.history.merge import Absorbed
    from flakediag.history.portable import FormerName, Portable
    from flakediag.history.prune import Dropped, Limits
    from flakediag.history.tests import CountedTest

_T = TypeVar("_T")
_COUNTS = f"""
SELECT (SELECT count(*) FROM flakediag.projects),
       (SELECT count(*) FROM flakediag.runs r WHERE {NOT_PRUNED}),
       (SELECT count(*) FROM flakediag.tests t WHERE NOT EXISTS (
          SELECT 1 FROM flakediag.renames n WHERE n.project = t.project AND n.former = t.test)),
       (SELECT coalesce(sum(results), 0)::bigint FROM flakediag.runs r WHERE {NOT_PRUNED}),
       (SELECT count(*) FROM flakediag.failures),
       (SELECT count(DISTINCT signature) FROM flakediag.signatures),
       (SELECT count(DISTINCT detail) FROM flakediag.details)
"""
_SIZE = """
SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'flakediag' AND c.relkind = 'r'
"""
_LEAST_SIZE = """
SELECT coalesce(sum(coalesce(octet_length(places), 0) + coalesce(octet_length(outcomes), 0)
  + coalesce(octet_length(attempts), 0) + coalesce(octet_length(durations), 0)), 0)::bigint FROM flakediag.run_results
"""
_NOT_HERE = (errors.FeatureNotSupported, errors.UndefinedFunction, errors.UndefinedTable)


class ServerHistory(History):
    """See `History` for what each verb does."""

    def __init__(self, server: Server) -> None:
        self._server = server

    @classmethod
    def at(cls, place: Location, mode: Literal["read", "write"], busy_timeout: float) -> Self:
        server = Server(str(place), busy_timeout)
        try:
            if mode == "write":
                cls._bring_up_to_date(server)
            else:
                cls._check(server)
        except BaseException:
            server.close()
            raise
        return cls(server)

    @classmethod
    @contextmanager
    def unchanged(cls, place: Location, busy_timeout: float) -> Iterator[Self]:
        with cls.at(place, "read", busy_timeout) as history:
            yield history

    @staticmethod
    def _bring_up_to_date(server: Server) -> None:
        if server.transact(schema.version_of) == schema.VERSION:
            return
        try:
            server.transact(schema.bring_up_to_date, WRITE)
        except schema.CommitsEarlyError:
            server.piecemeal(schema.bring_up_to_date)

    @staticmethod
    def _check(server: Server) -> None:
        version = server.transact(schema.version_of)
        if version == 0:
            raise NoHistoryError(
                f"{server.name}: nothing has been stored in this history yet",
                hint="create it, with a role that may make a schema: flakediag ingest PATH…",
            )
        if version < schema.VERSION:
            raise OutdatedHistoryError(
                f"{server.name}: the history is of an earlier flakediag (schema version {version})",
                hint="bring it up to date with the role that owns it: flakediag prune --keep-days 100000",
            )

    def close(self) -> None:
        self._server.close()

    def size(self) -> int:
        def size(conn: Connection) -> int:
            try:
                with conn.transaction():
                    return _number(conn, _SIZE)
            except _NOT_HERE:
                return _number(conn, _LEAST_SIZE)

        return self._server.transact(size)

    # --- keep ---------------------------------------------------------------------------------------------------

    def add_runs(self, reports: Iterable[RunReport], signature_of: Callable[[FailureDetail], str]) -> list[Stored]:
        encoder = Encoder(signature_of)
        parcels = [encoder.report(report) for report in reports]
        if not parcels:
            return []
        writer, stored = os.urandom(16), list[Stored]()
        return self._server.transact(lambda conn: adding.add(conn, parcels, encoder, writer, stored), WRITE)

    # --- list ---------------------------------------------------------------------------------------------------

    def projects(self) -> tuple[str, ...]:
        return self._server.transact(lambda conn: tuple(project.name for project in reading.projects(conn)))

    def branches(self, project: str | None = None) -> tuple[str, ...]:
        def branches(conn: Connection) -> tuple[str, ...]:
            found = reading.project(conn, project)
            if found is None:
                return ()
            rows = conn.execute(
                "SELECT branch, max(started_at) FROM flakediag.runs r"
                f" WHERE project = %s AND branch IS NOT NULL AND {NOT_PRUNED} GROUP BY branch",
                (found.key,),
            ).fetchall()
            rows.sort(key=lambda row: row[0])
            rows.sort(key=lambda row: row[1], reverse=True)
            return tuple(untext(row[0]) for row in rows)

        return self._server.transact(branches)

    def runs(self, scope: Scope) -> tuple[StoredRun, ...]:
        heads = self._server.transact(lambda conn: reading.heads_in(conn, scope))
        return tuple(StoredRun(head.run, head.results, head.failures, head.errors, head.skipped) for head in heads)

    def tests(self, scope: Scope, pattern: str | None = None) -> tuple[CountedTest, ...]:
        from flakediag.history.server import counting

        counted = self._server.transact(lambda conn: counting.count(conn, reading.heads_in(conn, scope)))
        return tuple(each for each in counted if pattern is None or pattern in each.test.id)

    def run_by_digest(self, digest: str, project: str | None = None) -> Run | None:
        def find(conn: Connection) -> Run | None:
            found = reading.project(conn, project)
            head = None if found is None else reading.head_by_digest(conn, found, digest)
            return None if head is None else head.run

        return self._server.transact(find)

    def run_report(self, run_id: int) -> RunReport:
        from flakediag.history.server import moving

        return self._server.transact(lambda conn: moving.report(conn, run_id))

    def may_hold_flakes(self) -> bool:
        query = "SELECT 1 FROM flakediag.failures LIMIT 1"
        return self._server.transact(lambda conn: conn.execute(query).fetchone() is not None)

    def counts(self) -> HistoryCounts:
        def counts(conn: Connection) -> HistoryCounts:
            row = conn.execute(_COUNTS).fetchone()
            assert row is not None
            return HistoryCounts(*row)

        return self._server.transact(counts)

    def summary(self, scope: Scope) -> HistorySummary:
        from flakediag.history.server import counting

        def summary(conn: Connection) -> HistorySummary:
            heads = reading.heads_in(conn, scope)
            return HistorySummary(
                runs=len(heads),
                tests=counting.number_of_tests(conn, heads),
                results=sum(head.results for head in heads),
                first_run=heads[-1].run.started_at if heads else None,
                last_run=heads[0].run.started_at if heads else None,
            )

        return self._server.transact(summary)

    # --- analyse ------------------------------------------------------------------------------------------------

    def window(self, scope: Scope) -> Window:
        from flakediag.history.server import windows

        return self._server.transact(lambda conn: windows.load(conn, reading.heads_in(conn, scope)[::-1]))

    def outcomes(self, scope: Scope, *, failing_only: bool = False) -> Outcomes:
        from flakediag.history.server import outcomes

        return self._server.transact(lambda conn: outcomes.load(conn, reading.heads_in(conn, scope)[::-1]))

    # --- move and keep up ---------------------------------------------------------------------------------------

    def portables(self) -> Generator[Portable, None, None]:
        from flakediag.history.server import moving

        for item in self._server.stream(moving.portables):
            yield replace(item, load=partial(self._server.within_stream, item.load))

    def number_of_runs(self) -> int:
        return self._server.transact(lambda conn: _number(conn, "SELECT count(*) FROM flakediag.runs"))

    def former_names(self) -> tuple[FormerName, ...]:
        from flakediag.history.server import moving

        return self._server.transact(moving.former_names)

    def absorb(
        self,
        source: Iterable[Portable],
        names: Iterable[FormerName],
        signature_of: Callable[[FailureDetail], str],
    ) -> Absorbed:
        from flakediag.history.server.absorbing import Absorber

        try:
            absorber = Absorber(names, signature_of)
            absorber.prepare(source, self._server.transact)
            writer = os.urandom(16)
            return self._server.transact(lambda conn: absorber.write(conn, writer), WRITE)
        except (errors.DataError, OverflowError) as error:
            raise HistoryError(
                f"{self._server.name}: the runs cannot be stored: {error}",
                hint="was the source edited? Nothing was stored",
            ) from error

    def prune(self, limits: Limits, now: datetime, *, dry_run: bool = False) -> Dropped:
        from flakediag.history.server import pruning

        if dry_run:
            return self._server.transact(lambda conn: pruning.prune(conn, limits, now, dry_run=True))
        tries: list[Dropped] = []
        swept: list[int] = []

        # Where nothing is left to do, the last try has done it, and only its answer was lost.
        def prune(conn: Connection) -> Dropped:
            tries.append(pruning.prune(conn, limits, now, dry_run=False))
            return max(tries, key=lambda dropped: dropped.runs)

        def sweep(conn: Connection) -> int:
            swept.append(pruning.sweep(conn, now))
            return max(swept)

        dropped = self._server.transact(prune, WRITE)
        return replace(dropped, details=self._server.transact(sweep, WRITE))

    def compact(self) -> None:
        for name in (*partitions.BY_MONTH, "runs", "files"):
            try:
                self._server.alone(f"VACUUM flakediag.{name}")
            except errors.SyntaxError:
                return  # a server that looks after that itself
            except HistoryError as error:
                if not isinstance(error.__cause__, _NOT_HERE):
                    raise
                return

    def repair(self) -> list[str]:
        raise UsageError("a server's history is not repaired from here", "a server has its own tools and backups")

    def names(self, project: str) -> tuple[Identity, ...]:
        from flakediag.history.server import renaming

        def names(conn: Connection) -> tuple[Identity, ...]:
            found = reading.project(conn, project)
            return () if found is None else renaming.tests_of(conn, found.key)

        return self._server.transact(names)

    def rename(self, project: str, pairs: Sequence[tuple[Identity, Identity]], *, dry_run: bool = False) -> None:
        from flakediag.history.server import locks, renaming

        def rename(conn: Connection) -> None:
            found = reading.project(conn, project)
            if found is None:
                return
            if dry_run:
                renaming.check(conn, found.key, pairs)
                return
            locks.take(conn, locks.CONTENT)
            renaming.rename(conn, found.key, pairs)

        self._server.transact(rename, **({} if dry_run else {"mode": WRITE}))


def _number(conn: Connection, query: str) -> int:
    row = conn.execute(query).fetchone()
    return int(row[0]) if row else 0
