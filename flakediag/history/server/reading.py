"""Which runs a question looks at, and runs as they come back."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from flakediag.history.projects import chosen
from flakediag.history.server.connecting import Connection
from flakediag.history.values import RUN_COLUMNS, optional_untext, stored_run, text, untext
from flakediag.model import Identity, InputFile, Run, Scope

NOT_PRUNED = "NOT EXISTS (SELECT 1 FROM flakediag.pruned_runs p WHERE p.project = r.project AND p.run = r.run)"
"""A condition on `r`: of a pruned run only the sums are left, and no question looks at it."""

_NEWEST_FIRST = "ORDER BY r.started_at DESC, r.digest DESC"
_HEAD = (
    f"r.run, r.digest, r.started_at, r.properties, {', '.join(RUN_COLUMNS)},"
    f" r.results, r.failures, r.errors, r.skipped, r.month, r.roster, NOT {NOT_PRUNED}"
)
_COUNTS = 4 + len(RUN_COLUMNS)  # where in it the counts begin


class Head(NamedTuple):
    """A stored run, the counts of its results, and where they are kept."""

    project: int
    run: Run
    results: int
    failures: int
    errors: int
    skipped: int
    month: int
    roster: bytes
    pruned: bool

    @property
    def number(self) -> int:
        assert self.run.id is not None
        return self.run.id


class Project(NamedTuple):
    key: int
    name: str


def projects(conn: Connection) -> list[Project]:
    """By name."""
    rows = conn.execute("SELECT project, name FROM flakediag.projects")
    return sorted((Project(row[0], untext(row[1])) for row in rows), key=lambda project: text(project.name))


def project(conn: Connection, name: str | None) -> Project | None:
    """The project with this name, or the only one; None in an empty history. Raises `UsageError`."""
    found = projects(conn)
    name = chosen([each.name for each in found], name)
    return next((each for each in found if each.name == name), None)


def heads_in(conn: Connection, scope: Scope) -> list[Head]:
    """The runs in scope, newest first."""
    found = project(conn, scope.project)
    if found is None:
        return []
    where = f"r.project = %s AND {NOT_PRUNED}"
    values: list[Any] = [found.key]
    if scope.branch is not None:
        where += " AND r.branch = %s"
        values.append(text(scope.branch))
    if not scope.experiments:
        where += " AND NOT r.experiment"
    if scope.before is not None:
        where += " AND r.started_at < %s"
        values.append(scope.before)
    row = conn.execute(f"SELECT max(r.started_at) FROM flakediag.runs r WHERE {where}", values).fetchone()
    if row is None or row[0] is None:
        return []
    oldest = _oldest(row[0], scope)
    if oldest is not None:
        where += " AND r.started_at >= %s"
        values.append(oldest)
    limit = min(max(scope.max_runs, 0), 2**62)
    return _heads(conn, found, f"{where} {_NEWEST_FIRST} LIMIT %s", [*values, limit])


def _oldest(newest: datetime, scope: Scope) -> datetime | None:
    if scope.since is not None:
        return scope.since
    try:
        return newest.astimezone(UTC) - timedelta(days=scope.days)
    except OverflowError:
        return None  # more days than there are before the newest run


def heads(conn: Connection, of: Project, runs: Collection[int]) -> list[Head]:
    """These runs of a project, by number."""
    return _heads(conn, of, "r.project = %s AND r.run = ANY(%s) ORDER BY r.run", [of.key, list(runs)])


def head_by_digest(conn: Connection, of: Project, digest: str) -> Head | None:
    found = _heads(conn, of, "r.project = %s AND r.digest = %s", [of.key, text(digest).encode()])
    return found[0] if found else None


def heads_by_digest(conn: Connection, of: Project, digests: Collection[bytes]) -> list[Head]:
    return _heads(conn, of, "r.project = %s AND r.digest = ANY(%s)", [of.key, list(digests)])


def head_of(conn: Connection, run: int) -> Head | None:
    """The run with this number, whatever its project."""
    found = projects(conn)
    row = conn.execute(
        "SELECT project FROM flakediag.runs WHERE project = ANY(%s) AND run = %s", ([each.key for each in found], run)
    ).fetchone()
    if row is None:
        return None
    return heads(conn, next(each for each in found if each.key == row[0]), [run])[0]


def _heads(conn: Connection, of: Project, where: str, values: Sequence[Any]) -> list[Head]:
    rows = conn.execute(f"SELECT {_HEAD} FROM flakediag.runs r WHERE {where}", values)
    return [
        Head(
            of.key,
            stored_run(
                row[0],
                of.name,
                row[1].decode(),
                row[2].astimezone(UTC),
                row[4:_COUNTS],
                json.loads(row[3]),
            ),
            *row[_COUNTS:],
        )
        for row in rows
    ]


def files_of(conn: Connection, project: int, runs: Collection[int]) -> dict[int, tuple[InputFile, ...]]:
    """Run → its report files, by path."""
    found: dict[int, list[tuple[str, InputFile]]] = {run: [] for run in runs}
    for run, path, digest, cases, partial in conn.execute(
        "SELECT run, path, digest, cases, partial FROM flakediag.files WHERE project = %s AND run = ANY(%s)",
        (project, list(runs)),
    ):
        file = InputFile(
            path=untext(path), digest=untext(digest.decode()), cases=cases, partial=optional_untext(partial)
        )
        found[run].append((path, file))
    return {run: tuple(file for _, file in sorted(files, key=lambda each: each[0])) for run, files in found.items()}


def renames(conn: Connection, project: int) -> dict[int, int]:
    """Former name → the test that it is now."""
    rows = conn.execute("SELECT former, test FROM flakediag.renames WHERE project = %s", (project,))
    return dict(rows.fetchall())


def names(conn: Connection, project: int, tests: Iterable[int]) -> dict[int, Identity]:
    """The names of these tests."""
    rows = conn.execute(
        "SELECT test, classname, name, file, variant FROM flakediag.tests WHERE project = %s AND test = ANY(%s)",
        (project, list(tests)),
    )
    return {row[0]: Identity(*map(untext, row[1:])) for row in rows}
