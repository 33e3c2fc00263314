"""A partition for each month of what prune drops, so that a month can be dropped whole.

Where the server has no declarative partitions, and for months that nobody has made one for, rows go to a plain table
(to the default partition) and are deleted one by one instead: slower, and otherwise the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import errors

from flakediag.history.server.connecting import Connection
from flakediag.history.server.keys import month_of, next_month

BY_MONTH = ("run_results", "failures", "signatures", "details")
"""The tables with a partition for each month."""

AHEAD = 4  # months: prune, which makes them, should run more often than that

PARTITIONED = "PARTITION BY RANGE (month)"
_NOT_HERE = (errors.FeatureNotSupported, errors.SyntaxError)
_IN_THE_WAY = (  # rows of the month are in the default partition, or somebody else was quicker
    errors.CheckViolation,
    errors.DuplicateTable,
    errors.InvalidObjectDefinition,
    errors.UniqueViolation,
)


def create(conn: Connection, name: str, statement: str) -> None:
    """Make a table of `BY_MONTH`, partitioned where the server can do that."""
    try:
        with conn.transaction():
            conn.execute(f"{statement.rstrip()} {PARTITIONED}")
            conn.execute(f"CREATE TABLE IF NOT EXISTS flakediag.{name}_other PARTITION OF flakediag.{name} DEFAULT")
    except _NOT_HERE:
        conn.execute(statement)


def look_ahead(conn: Connection) -> None:
    """Make the partitions of this month and the next ones, by the server's clock, that are not there yet."""
    present = made(conn)
    if not present:
        return
    row = conn.execute("SELECT now()").fetchone()
    assert row is not None
    month = month_of(row[0])
    for _ in range(AHEAD):
        if month not in present:
            make(conn, month)
        month = next_month(month)


def make(conn: Connection, month: int) -> None:
    """Make the partitions of a month, unless its rows are in the default one already."""
    try:
        with conn.transaction():
            for name in BY_MONTH:
                conn.execute(
                    f"CREATE TABLE IF NOT EXISTS flakediag.{name}_{month} PARTITION OF flakediag.{name}"
                    f" FOR VALUES FROM ({month}) TO ({next_month(month)})"
                )
    except _IN_THE_WAY:
        return


def made(conn: Connection) -> frozenset[int]:
    """The months that have partitions; holds 0, for the default one, where there are partitions at all."""
    rows = conn.execute(
        "SELECT table_name FROM information_schema.tables"
        " WHERE table_schema = 'flakediag' AND table_name LIKE 'run_results_%%'",
        (),
    )
    suffixes = [str(row[0]).removeprefix("run_results_") for row in rows]
    return frozenset(int(suffix) if suffix.isdigit() else 0 for suffix in suffixes)


def drop(conn: Connection, months: Iterable[int]) -> None:
    """Drop the partitions of these months with everything in them; that of the results last: by it they are found."""
    for month in months:
        for name in reversed(BY_MONTH):
            conn.execute(f"DROP TABLE IF EXISTS flakediag.{name}_{month}")
