"""The connection: made when it is needed, made anew when it breaks, with errors that say what to do."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from flakediag.errors import HistoryError
from flakediag.history.server.complaints import explained, lost, of_connecting, passes
from flakediag.location import shown

Connection = psycopg.Connection[tuple[Any, ...]]

_T = TypeVar("_T")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0  # seconds between two tries
_TO_COME_BACK = 15.0  # seconds to wait for a server that does not answer at first: it may be about to restart
_TO_CONNECT = 10  # seconds, where neither the address nor PGCONNECT_TIMEOUT says otherwise

READ = "ISOLATION LEVEL REPEATABLE READ READ ONLY"
WRITE = "ISOLATION LEVEL READ COMMITTED"


class OvertakenError(Exception):
    """Somebody else has stored meanwhile what this transaction was about to: look again, and decide anew."""


class Server:
    """A server at an address, through one connection.

    `patience` is how many seconds a transaction is repeated, where the connection broke, the server restarts, or
    others were in the way; after that the error is told.
    """

    def __init__(self, address: str, patience: float) -> None:
        self.name = shown(address)
        self._address = address
        self._patience = patience
        self._conn: Connection | None = None
        self._closed = False
        self._connect()

    def close(self) -> None:
        self._closed = True
        if self._conn is not None:
            self._conn.close()

    def transact(self, work: Callable[[Connection], _T], mode: str = READ) -> _T:
        """Do `work` in one transaction, all or nothing, over and over until it goes through.

        So it must be safe to repeat, also where it was done and only the answer was lost. Within a transaction of this
        connection it is a part of that one.
        """
        if self._conn is not None and self._in_transaction(self._conn):
            with self.translated():
                return work(self._conn)

        def once() -> _T:
            with self.transaction(mode) as conn:
                return work(conn)

        return self._repeated(once)

    def piecemeal(self, work: Callable[[Connection], _T]) -> _T:
        """Do `work`, each statement by itself, over and over until it goes through; it goes on where it broke off."""
        return self._repeated(lambda: work(self._connected()))

    def stream(self, read: Callable[[Connection], Iterator[_T]]) -> Iterator[_T]:
        """What `read` gives, one after the other, all of one state. It is begun anew until it has given something.

        Raises `LostHistoryError` where the connection is lost after that.
        """
        pauses = self._pauses(self._patience)
        while True:
            given = ended = False
            try:
                with self.transaction() as conn:
                    for each in read(conn):
                        given = True
                        yield each
                    ended = True
                return
            except psycopg.Error as error:
                if ended and passes(error):
                    return  # nothing was changed, so that it does not matter how the transaction ends
                if given:
                    raise self._lost(error) from error
                if not passes(error) or not next(pauses, False):
                    raise self._told(error) from error

    def within_stream(self, read: Callable[[], _T]) -> _T:
        """What `read` gives, which asks in the state that a stream gives."""
        try:
            return read()
        except psycopg.Error as error:
            raise self._lost(error) from error

    def _lost(self, error: psycopg.Error) -> Exception:
        return lost(error, self.name) if passes(error) else self._told(error)

    def _repeated(self, once: Callable[[], _T]) -> _T:
        pauses = self._pauses(self._patience)
        while True:
            try:
                return once()
            except (psycopg.Error, OvertakenError) as error:
                if not passes(error) or not next(pauses, False):
                    raise self._told(error) from error

    @contextmanager
    def transaction(self, mode: str = READ) -> Iterator[Connection]:
        """One transaction, once. Lets the errors of psycopg through."""
        conn = self._connected()
        with conn.transaction():
            conn.execute(f"SET TRANSACTION {mode}")
            yield conn

    @contextmanager
    def translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise self._told(error) from error

    def alone(self, statement: str) -> None:
        """Execute what does not stand in a transaction."""
        with self.translated():
            self._connected().execute(statement)

    def _told(self, error: Exception) -> Exception:
        return explained(error, self.name, self._patience)

    @staticmethod
    def _pauses(patience: float) -> Iterator[bool]:
        """Waits before each further try, twice as long every time, and ends with the patience."""
        end = time.monotonic() + patience
        pause = _FIRST_PAUSE
        while time.monotonic() + pause < end:
            time.sleep(pause * random.uniform(0.5, 1.5))  # so that those who collided do not collide again
            yield True
            pause = min(2 * pause, _LONGEST_PAUSE)

    @staticmethod
    def _in_transaction(conn: Connection) -> bool:
        return conn.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)

    def _connected(self) -> Connection:
        if self._closed:
            raise ValueError("the history is closed")
        if self._conn is None or self._conn.closed:
            self._conn = self._made()
        return self._conn

    def _connect(self) -> None:
        """The first time: most of what is wrong then does not pass, and a wrong address should not take a minute."""
        pauses = self._pauses(min(self._patience, _TO_COME_BACK))
        while True:
            try:
                self._connected()
                return
            except psycopg.Error as error:
                if not passes(error, connecting=True) or not next(pauses, False):
                    raise of_connecting(error, self._address) from error

    def _made(self) -> Connection:
        try:
            given = conninfo_to_dict(self._address)
        except psycopg.ProgrammingError as error:
            # What libpq says of an address that it cannot read may hold a part of the password.
            raise HistoryError(
                f"{self.name} is no address of a server",
                hint="postgresql://user@host/database; write @ : / ? # % in a password as %40 %3A %2F %3F %23 %25,"
                " or keep it in PGPASSWORD, ~/.pgpass or a service file",
            ) from _without_text(error)
        more: dict[str, Any] = {"client_encoding": "utf8"}
        if "application_name" not in given:
            more["fallback_application_name"] = "flakediag"
        if "connect_timeout" not in given:
            more["connect_timeout"] = _timeout()
        conn = psycopg.connect(self._address, autocommit=True, prepare_threshold=None, **more)
        try:
            self._prepare(conn)
        except BaseException:
            conn.close()
            raise
        return conn

    def _prepare(self, conn: Connection) -> None:
        encoding = conn.execute("SHOW server_encoding").fetchone()
        if encoding is not None and str(encoding[0]).upper() not in ("UTF8", "UTF-8"):
            raise HistoryError(
                f"{self.name}: the database is encoded in {encoding[0]}, which cannot hold every text",
                hint="CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
            )
        conn.execute("SET TIME ZONE 'UTC'")
        conn.execute(f"SET lock_timeout = '{max(int(self._patience * 1000), 1)}ms'")


def _timeout() -> int:
    import os

    given = os.environ.get("PGCONNECT_TIMEOUT", "")
    return int(given) if given.isdigit() else _TO_CONNECT


def _without_text(error: Exception) -> Exception:
    return type(error)("what it says may hold a password")
