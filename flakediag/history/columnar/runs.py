"""Which runs of a dataset a question looks at, and runs as they come back from it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from flakediag.history.columnar.connection import Reader
from flakediag.history.columnar.rows import from_microseconds
from flakediag.history.values import RUN_COLUMNS, optional_untext, stored_run, text, untext
from flakediag.model import InputFile, Run, Scope

COLUMNS = f"run, digest, epoch_us(started_at), properties, {', '.join(RUN_COLUMNS)}"
NEWEST_FIRST = "ORDER BY started_at DESC, digest DESC"

CHOSEN = "(SELECT unnest($runs::BIGINT[]) AS run, unnest(range(len($runs))) AS place)"
"""The runs in question with their places, as a table to join: then only their row groups are read."""
SPAN = "started_at BETWEEN $first AND $last"
"""Their time, by which whole files are skipped."""


class Loaded(NamedTuple):
    """A run, and how many of its results ended how. `number` is `run.id`."""

    number: int
    run: Run
    results: int
    failures: int
    errors: int
    skipped: int


def in_scope(reader: Reader, project: str, files: Sequence[str], scope: Scope) -> tuple[Loaded, ...]:
    """The runs in scope, newest first. `files` are those of the project's runs."""
    if not files:
        return ()
    where = ["true"]
    values: dict[str, Any] = {"files": list(files)}
    if scope.branch is not None:
        where.append("branch = $branch")
        values["branch"] = text(scope.branch)
    if not scope.experiments:
        where.append("NOT experiment")
    if scope.before is not None:
        where.append("started_at < $before")
        values["before"] = scope.before
    asked = " AND ".join(where)
    newest = reader.rows(f"SELECT epoch_us(max(started_at)) FROM read_parquet($files) WHERE {asked}", values)[0][0]
    if newest is None:
        return ()
    if scope.since is not None:
        values["oldest"] = scope.since
    else:
        try:
            values["oldest"] = from_microseconds(newest) - timedelta(days=scope.days)
        except OverflowError:  # more days than there are before the newest run
            values["oldest"] = None
    values["limit"] = min(max(scope.max_runs, 0), 2**62)
    rows = reader.rows(
        f"SELECT {COLUMNS}, results, failures, errors, skipped FROM read_parquet($files)"
        f" WHERE {asked} AND ($oldest IS NULL OR started_at >= $oldest) {NEWEST_FIRST} LIMIT $limit",
        values,
    )
    return tuple(Loaded(row[0], run_of(row, project), *row[-4:]) for row in rows)


def chosen(runs: Sequence[Loaded]) -> dict[str, object]:
    """The values of `CHOSEN` and `SPAN` for these runs, oldest first; at least one."""
    return {
        "runs": [each.number for each in runs],
        "first": runs[0].run.started_at,
        "last": runs[-1].run.started_at,
    }


def run_of(row: Sequence[Any], project: str) -> Run:
    """The run of a row that begins with `COLUMNS`."""
    columns = row[4 : 4 + len(RUN_COLUMNS)]
    return stored_run(row[0], project, row[1], from_microseconds(row[2]), columns, row[3])


def files_of(files: Sequence[dict[str, Any]]) -> tuple[InputFile, ...]:
    """The report files of a run, by path."""
    return tuple(
        InputFile(
            path=untext(file["path"]),
            digest=untext(file["digest"]),
            cases=file["cases"],
            partial=optional_untext(file["partial"]),
        )
        for file in sorted(files, key=lambda file: str(file["path"]))
    )
