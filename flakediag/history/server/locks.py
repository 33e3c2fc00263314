"""Locks that belong to no row: advisory ones, which writers share and whoever takes something away holds alone.

Nothing that is stored rests on them. Without them (older YugabyteDB; in CockroachDB they do nothing) first ingests
repeat each other's steps, and pruning should not run while runs of the pruned months still arrive.
"""

from __future__ import annotations

from psycopg import errors

from flakediag.history.server.connecting import Connection

STEPS = 0x666C616B01  # the schema is being brought up to date
CONTENT = 0x666C616B02  # rows are added (shared), or taken away

ALONE, SHARED = "pg_advisory_xact_lock", "pg_advisory_xact_lock_shared"
_NOT_HERE = (errors.FeatureNotSupported, errors.UndefinedFunction)


def take(conn: Connection, lock: int, *, shared: bool = False) -> None:
    """Hold `lock` until the caller's transaction ends."""
    try:
        with conn.transaction():
            conn.execute(f"SELECT {SHARED if shared else ALONE}(%s)", (lock,))
    except _NOT_HERE:
        return
