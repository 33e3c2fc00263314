"""A server that speaks PostgreSQL and knows less of it, as distributed ones do: a PostgreSQL with a censor in front.

What flakediag says to it is read on the way. What such engines refuse is refused in their words, isolation is always
SERIALIZABLE, and a change of the schema commits what came before it. And transactions fail as they do there: told to be
repeated (40001), told that nobody knows whether they were committed (40003: some were), or with the connection lost
at the COMMIT. Whoever else connects, as the tests do to look at what is stored, speaks to the PostgreSQL behind it.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from private_server import PrivateServer

from flakediag.history.server import connecting


class Refusal(NamedTuple):
    sqlstate: str
    message: str


REFUSED = {
    r"pg_(try_)?advisory_": Refusal("0A000", "advisory locks are not yet implemented"),
    r"^COPY\b": Refusal("0A000", "COPY is not supported"),
    r"\bPARTITION (BY|OF)\b(?=.*\bmonth\b)": Refusal("42601", "at or near EOF: syntax error: declarative partitions"),
    r"\bFOR (NO KEY )?(UPDATE|SHARE)\b": Refusal("0A000", "locking reads are not supported"),
    r"\bDEFERRABLE\b": Refusal("0A000", "deferrable constraints are not supported"),
    r"^LOCK\b": Refusal("0A000", "LOCK TABLE is not supported"),
    r"^(LISTEN|NOTIFY)\b": Refusal("0A000", "LISTEN and NOTIFY are not supported"),
    r"\bTEMP(ORARY)?\b": Refusal("0A000", "temporary tables are not supported"),
    r"\bpg_total_relation_size\b": Refusal("42883", "unknown function: pg_total_relation_size()"),
    r"^VACUUM\b": Refusal("42601", 'at or near "vacuum": syntax error'),
}
_WEAKER = r"ISOLATION LEVEL (READ COMMITTED|REPEATABLE READ)"
_REPEAT = Refusal("40001", "restart transaction: TransactionRetryWithProtoRefreshError: WriteTooOldError")
_UNKNOWN = Refusal("40003", "result is ambiguous: error=rpc error: code = Unavailable")

# What becomes of one COMMIT after the other.
_FATES = (
    "fine",
    "fine",
    "to be repeated",
    "fine",
    "done, but unknown",
    "fine",
    "not done, but unknown",
    "fine",
    "lost",
)


@dataclass(frozen=True)
class LesserServer(PrivateServer):
    """Like the one behind it, by another address."""

    front: Path = Path()

    def address_of(self, role: str, database: str = "flakediag") -> str:
        return f"postgresql://{role}@/{database}?host={self.front}&port={self.port}"


@contextlib.contextmanager
def lesser_server(
    behind: PrivateServer, front: Path, refused: Mapping[str, Refusal] = REFUSED
) -> Iterator[LesserServer]:
    """Stands in front of a running server, with a socket in the folder `front`. Nobody waits long to repeat."""
    fates = itertools.cycle(_FATES)
    with socket.socket(socket.AF_UNIX) as listener, patch.object(connecting, "_FIRST_PAUSE", 0.002):
        listener.bind(str(front / f".s.PGSQL.{behind.port}"))
        listener.listen(100)

        def accept() -> None:
            with contextlib.suppress(OSError):  # closed: the end
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=_serve, args=(client, behind, fates, refused), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield LesserServer(**{**vars(behind), "front": front})
        listener.shutdown(socket.SHUT_RDWR)


def _serve(client: socket.socket, behind: PrivateServer, fates: Iterator[str], refused: Mapping[str, Refusal]) -> None:
    """One connection, until either side ends it; closed at once where there is nobody behind."""
    with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError, EOFError):
        server.connect(str(behind.folder / f".s.PGSQL.{behind.port}"))
        start = _exactly(client, 4)
        start += _exactly(client, int.from_bytes(start, "big") - 4)
        server.sendall(start)
        if b"application_name\0flakediag\0" in start:
            censor = _Censor(client, server, fates, refused)
            answers = threading.Thread(target=censor.answers, daemon=True)
            questions = censor.questions
        else:
            answers = threading.Thread(target=_pump, args=(server, client), daemon=True)
            questions = lambda: _pump(client, server)  # noqa: E731
        answers.start()
        questions()
        answers.join()


class _Censor:
    """What stands between one connection's two ends."""

    def __init__(
        self, client: socket.socket, server: socket.socket, fates: Iterator[str], refused: Mapping[str, Refusal]
    ) -> None:
        self._client = client
        self._server = server
        self._fates = fates
        self._refused = refused
        self._refusals: dict[bytes, Refusal] = {}  # by the word that stands for the statement
        self._commit: str | None = None  # the fate of the one that is under way
        self._in_transaction = False

    def questions(self) -> None:
        with _ending(self._client, self._server):
            for kind, body in _messages(self._client):
                if kind == b"Q":
                    body = self._said(body[:-1]) + b"\0"
                elif kind == b"P":
                    name, statement, rest = body.split(b"\0", 2)
                    body = b"\0".join((name, self._said(statement), rest))
                self._server.sendall(_message(kind, body))

    def _said(self, statement: bytes) -> bytes:
        """What to say instead: the same, where it is known here."""
        text = statement.decode().strip()
        for pattern, refusal in self._refused.items():
            if re.search(pattern, text, re.IGNORECASE | re.DOTALL):
                word = f"refused_{len(self._refusals)}".encode()
                self._refusals[word] = refusal
                return word  # PostgreSQL's own error, with a state that is as after any other
        text = re.sub(_WEAKER, "ISOLATION LEVEL SERIALIZABLE", text)
        if text == "COMMIT":
            self._commit = next(self._fates)
            return b"ROLLBACK" if self._commit in ("to be repeated", "not done, but unknown") else b"COMMIT"
        if self._in_transaction and re.match(r"(CREATE|ALTER|DROP)\b", text):
            text = f"COMMIT; {text}"
        return text.encode()

    def answers(self) -> None:
        with _ending(self._client, self._server):
            for kind, body in _messages(self._server):
                if kind == b"Z":
                    self._in_transaction = body != b"I"
                if kind == b"E":
                    word = re.search(rb"refused_\d+", body)
                    body = _error(self._refusals[word[0]]) if word else body
                elif kind == b"C" and self._commit is not None:
                    fate, self._commit = self._commit, None
                    if fate == "lost":
                        return
                    if fate != "fine":
                        kind, body = b"E", _error(_REPEAT if fate == "to be repeated" else _UNKNOWN)
                self._client.sendall(_message(kind, body))


def _error(refusal: Refusal) -> bytes:
    fields = {"S": "ERROR", "V": "ERROR", "C": refusal.sqlstate, "M": refusal.message}
    return b"".join(f"{name}{value}\0".encode() for name, value in fields.items()) + b"\0"


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


def _messages(source: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    while True:
        head = _exactly(source, 5)
        yield head[:1], _exactly(source, int.from_bytes(head[1:], "big") - 4)


def _exactly(source: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        some = source.recv(size - len(found))
        if not some:
            raise EOFError
        found += some
    return bytes(found)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with _ending(source, target):
        while some := source.recv(65536):
            target.sendall(some)


@contextlib.contextmanager
def _ending(*ends: socket.socket) -> Iterator[None]:
    """However it ends, it ends for both."""
    try:
        with contextlib.suppress(OSError, EOFError):
            yield
    finally:
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
