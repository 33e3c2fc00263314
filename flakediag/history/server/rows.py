"""Adding rows: such as others may add as well, such as only one may add, and such as nobody else can have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import errors

from flakediag.history.server.connecting import Connection, OvertakenError

COPY = "COPY"
_NOT_HERE = (errors.FeatureNotSupported, errors.SyntaxError)


def insert(conn: Connection, table: str, names: str, rows: Sequence[Sequence[Any]]) -> int:
    """Insert the rows whose keys are not there yet; returns how many."""
    if not rows:
        return 0
    marks = ", ".join(["%s"] * len(names.split(", ")))
    with conn.cursor() as cursor:
        cursor.executemany(f"INSERT INTO flakediag.{table} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING", rows)
        return cursor.rowcount


def copy(conn: Connection, table: str, names: str, rows: Iterable[Sequence[Any]]) -> None:
    """Add rows that nobody else can have; by INSERT where the server has no COPY."""
    rows = list(rows)
    if not rows:
        return
    try:
        copying = f"{COPY} flakediag.{table} ({names}) FROM STDIN"
        with conn.transaction(), conn.cursor() as cursor, cursor.copy(copying) as stream:
            for row in rows:
                stream.write_row(row)
    except _NOT_HERE:
        insert(conn, table, names, rows)


def claim(conn: Connection, table: str, names: str, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows that nobody has; raises `OvertakenError` where somebody has one of them by now."""
    if insert(conn, table, names, rows) != len(rows):
        raise OvertakenError
