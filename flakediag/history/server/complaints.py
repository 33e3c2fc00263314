"""What a server complains of, in words that say what to do; and which complaints pass by themselves."""

from __future__ import annotations

from typing import NamedTuple

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from flakediag.errors import HistoryError, LostHistoryError
from flakediag.location import shown


class _Complaint(NamedTuple):
    """`sign` is what stands in libpq's message; the others make ours."""

    sign: str
    message: str
    hint: str


_CONNECTING = (
    _Complaint(
        "password authentication failed",
        "the server does not accept this user and password",
        "check user and password: in the address, PGUSER and PGPASSWORD, ~/.pgpass, or the service file",
    ),
    _Complaint(
        "no password supplied",
        "the server wants a password, and none was given",
        "set PGPASSWORD, or name it in ~/.pgpass or a service file",
    ),
    _Complaint(
        "no pg_hba.conf entry",
        "the server lets nobody in from here as this user, or not without TLS",
        "try sslmode=require, or ask its owner for a line in pg_hba.conf",
    ),
    _Complaint("authentication failed", "the server does not accept this user", "check user, password and certificate"),
    _Complaint('role "', "the server does not know this user", "check the user in the address or PGUSER"),
    _Complaint(
        'database "',
        "the server has no such database, or this user may not use it",
        "check its name in the address or PGDATABASE, or create it: createdb NAME",
    ),
    _Complaint(
        "definition of service",
        "the service file does not say where the server is",
        "check PGSERVICE and ~/.pg_service.conf (PGSERVICEFILE)",
    ),
    _Complaint(
        "does not match host name",
        "the server is not the one that its certificate names",
        "give the host by a name that is in its certificate (in the address or PGHOST), or use sslmode=verify-ca",
    ),
    _Complaint(
        "certificate", "the server's certificate is not to be trusted", "check sslmode and sslrootcert (PGSSLROOTCERT)"
    ),
    _Complaint("SSL", "no connection by TLS", "check sslmode (PGSSLMODE), and whether the server has TLS switched on"),
)
_NOT_REACHED = _Complaint(
    "", "the server cannot be reached", "is it running? check host and port in the address, or PGHOST and PGPORT"
)
_NO_SUCH_HOST = "could not translate host name"
_COMES_UP = (
    "starting up",
    "not yet accepting connections",
    "shutting down",
    "in recovery mode",
    "too many clients",
    "remaining connection slots",
)

_STAYS = ("authentication failed", "no pg_hba.conf entry", "does not exist")
_PASSING_STATES = ("08", "40001", "40003", "40P01", "53300", "57P01", "57P02", "57P03")
_RACES = (errors.UniqueViolation, errors.DuplicateTable, errors.DuplicateSchema, errors.DuplicateObject)
_BUGS = (
    errors.SyntaxError,
    errors.UndefinedColumn,
    errors.UndefinedFunction,
    errors.DatatypeMismatch,
    errors.NoActiveSqlTransaction,
    errors.InFailedSqlTransaction,
    psycopg.InterfaceError,
)


def passes(error: Exception, *, connecting: bool = False) -> bool:
    """Whether the same transaction may go through a little later; or, `connecting`, the first connection be made."""
    if not isinstance(error, psycopg.Error):
        return True  # overtaken
    if connecting:
        said = str(error)
        unknown = any(each.sign in said for each in _CONNECTING) or _NO_SUCH_HOST in said
        return not unknown or any(sign in said for sign in _COMES_UP)
    if isinstance(error, _RACES):
        return True  # two that make the schema at once; rows are added in a way that cannot end so
    if error.sqlstate is None:  # no answer: the connection is gone, or there is none to be had
        return isinstance(error, psycopg.OperationalError) and not any(sign in str(error) for sign in _STAYS)
    return error.sqlstate.startswith(_PASSING_STATES)


def of_connecting(error: psycopg.Error, address: str) -> Exception:
    """What to tell of a connection that could not be made."""
    said = _said(error, address)
    found = next((each for each in _CONNECTING if each.sign in said), _NOT_REACHED)
    return HistoryError(f"{shown(address)}: {found.message}: {said}", hint=found.hint)


def explained(error: Exception, name: str, patience: float) -> Exception:
    """What to tell of a transaction that came to nothing; the error itself where it is a bug."""
    if isinstance(error, _BUGS):
        return error
    if not isinstance(error, psycopg.Error):
        return HistoryError(
            f"{name}: others store the same runs again and again (tried for {patience:g} s)",
            hint="nothing was stored; repeat it later",
        )
    said = _first_line(error)
    if isinstance(error, errors.InsufficientPrivilege):
        return HistoryError(
            f"{name}: this role may not do that: {said}",
            hint="storing needs INSERT and SELECT, reading SELECT; to make, update, prune and rename one must own the"
            " tables: docs/server.md has the GRANTs",
        )
    if isinstance(error, errors.LockNotAvailable):
        return HistoryError(
            f"{name}: locked by another session (waited {patience:g} s)", hint="nothing was stored; repeat it later"
        )
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return HistoryError(f"{name} cannot be written: {said}", hint="is it a replica? name the primary")
    if isinstance(error, errors.UndefinedTable):
        return HistoryError(f"{name}: a table is missing: {said}", hint="was it dropped? Restore the history's schema")
    if passes(error):
        return HistoryError(
            f"{name}: the server did not answer (tried for {patience:g} s): {said}",
            hint="nothing was stored, or all of it was; to repeat it doubles nothing",
        )
    return HistoryError(f"{name}: the server refuses: {said}")


def lost(error: psycopg.Error, name: str) -> LostHistoryError:
    """What to tell of a connection that was lost when a part of what was asked for had come."""
    return LostHistoryError(
        f"{name}: the connection was lost while runs were read: {_first_line(error)}", hint="repeat it"
    )


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _said(error: psycopg.Error, address: str) -> str:
    """libpq's own words on one line, without the password, should they ever hold it."""
    said = "; ".join(line.strip() for line in str(error).strip().splitlines())
    for secret in ("password", "sslpassword"):
        value = conninfo_to_dict(address).get(secret)
        if value:
            said = said.replace(str(value), "***")
    return said
