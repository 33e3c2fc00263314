"""Which runs a question looks at, and runs as they come back from the history."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta

from flakediag.history.projects import chosen
from flakediag.history.values import RUN_COLUMNS, moment, stored_run, text, unmoment, untext
from flakediag.model import Run, Scope

# Moments tie (the shards of one job start together); then the digest decides and not the id, so that the order in
# which runs were ingested changes nothing.
_NEWEST_FIRST = "ORDER BY started_at DESC, runs.digest DESC"

NOT_PRUNED = "runs.id NOT IN (SELECT run_id FROM pruned_runs)"
"""A condition: of a pruned run only the sums are left, and no question looks at it."""

_COLUMNS = f"runs.id, projects.name, runs.digest, started_at, {', '.join(RUN_COLUMNS)}"


def id_list(ids: Iterable[int]) -> str:
    """For `IN (SELECT value FROM json_each(?))`: any number of ids as one parameter."""
    return json.dumps(list(ids))


def text_list(texts: Iterable[str]) -> str:
    """The same for texts."""
    return json.dumps(list(texts))


def ids_in(conn: sqlite3.Connection, scope: Scope) -> list[int]:
    """The runs in scope, newest first."""
    project = project_id(conn, scope.project)
    if project is None:
        return []
    where = f"project_id = ? AND {NOT_PRUNED}"
    values: list[int | str] = [project]
    if scope.branch is not None:
        where += " AND branch = ?"
        values.append(text(scope.branch))
    if not scope.experiments:
        where += " AND NOT experiment"
    if scope.before is not None:
        where += " AND started_at < ?"
        values.append(moment(scope.before))
    newest = conn.execute(f"SELECT max(started_at) FROM runs WHERE {where}", values).fetchone()[0]
    if newest is None:
        return []
    if scope.since is not None:
        oldest = moment(scope.since)
    else:
        try:
            oldest = moment(unmoment(newest) - timedelta(days=scope.days))
        except OverflowError:
            oldest = ""  # more days than there are before the newest run
    limit = min(max(scope.max_runs, 0), 2**62)
    rows = conn.execute(
        f"SELECT id FROM runs WHERE {where} AND started_at >= ? {_NEWEST_FIRST} LIMIT ?", (*values, oldest, limit)
    )
    return [row[0] for row in rows]


def project_id(conn: sqlite3.Connection, name: str | None) -> int | None:
    """The project with this name, or the only one; None in an empty history.

    Raises `UsageError` where the name is missing and there are several, or where it is not known.
    """
    projects = {untext(row[1]): row[0] for row in conn.execute("SELECT id, name FROM projects ORDER BY name")}
    found = chosen(projects, name)
    return None if found is None else projects[found]


def load(conn: sqlite3.Connection, ids: Iterable[int]) -> list[Run]:
    """These runs, newest first."""
    wanted = id_list(ids)
    properties: dict[int, dict[str, str]] = defaultdict(dict)
    for run_id, name, value in conn.execute(
        "SELECT run_id, name, value FROM run_properties JOIN properties ON properties.id = property_id"
        " WHERE run_id IN (SELECT value FROM json_each(?)) ORDER BY run_id, position",
        (wanted,),
    ):
        properties[run_id][name] = value
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM runs JOIN projects ON projects.id = project_id"
        f" WHERE runs.id IN (SELECT value FROM json_each(?)) {_NEWEST_FIRST}",
        (wanted,),
    )
    return [
        stored_run(number, untext(project), digest, unmoment(started), columns, properties.get(number, {}))
        for number, project, digest, started, *columns in rows
    ]
