"""A PostgreSQL of one's own: made in a temporary folder, reached by a socket in it, gone afterwards."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import on_server
import psycopg
from unused_port import unused_port

from flakediag.history import History

_NUMBERS = itertools.count(1)
_PLACES = (Path("/usr/lib/postgresql"), Path("/usr/local/opt/postgresql"))


def program(name: str) -> str | None:
    """PostgreSQL's `initdb`, `pg_ctl`…; Debian keeps them out of the PATH."""
    found = shutil.which(name)
    if found is None:
        inside = sorted((path for place in _PLACES for path in place.glob(f"*/bin/{name}")), reverse=True)
        found = str(inside[0]) if inside else None
    return found


@dataclass(frozen=True)
class PrivateServer:
    """A running server. Its superuser is `owner`; it lets everybody in, and asks for a password over TCP."""

    folder: Path
    port: int
    account: str | None  # whose processes they are, where not ours

    @property
    def address(self) -> str:
        return self.address_of("owner")

    def address_of(self, role: str, database: str = "flakediag") -> str:
        return f"postgresql://{role}@/{database}?host={self.folder}&port={self.port}"

    def new_database(self) -> str:
        """The address of an empty database."""
        name = f"made_{next(_NUMBERS)}"
        run("createdb", "-h", str(self.folder), "-p", str(self.port), "-U", "owner", name, account=self.account)
        return self.address_of("owner", name)

    def empty(self) -> None:
        """Make the history in `flakediag` what it was when it was new."""
        with psycopg.connect(self.address, autocommit=True) as conn:
            if conn.execute("SELECT to_regclass('flakediag.runs')").fetchone() == (None,):
                History.open(self.address, "write").close()
            on_server.empty(conn)

    def stop(self, mode: str) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", mode, "-w", "stop")

    def start(self) -> None:
        log = self.folder / "log"
        options = f"-k {self.folder} -p {self.port} -c listen_addresses=127.0.0.1"
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-l", str(log), "-o", options, "-w", "start")

    def _run(self, name: str, *arguments: str) -> None:
        run(name, *arguments, account=self.account)


def run(name: str, *arguments: str, account: str | None, more: Sequence[str] = ()) -> None:
    found = program(name)
    assert found is not None
    environ = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}
    done = subprocess.run(
        [found, *arguments], user=account, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def missing() -> str | None:
    """Why no server can be started here, if so."""
    if program("initdb") is None or program("pg_ctl") is None:
        return "PostgreSQL is not installed here"
    if os.geteuid() == 0 and _account() is None:
        return "PostgreSQL does not run as root, and there is no other account to run it as"
    return None


def _account() -> str | None:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    return None


@contextlib.contextmanager
def private_server() -> Iterator[PrivateServer]:
    """A running server with an empty database `flakediag`.

    Nothing is forced to the disk, since the machine outlives it; but a commit is written before it is told, as the
    tests that crash the server need.
    """
    account = _account() if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="flakediag-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if account is not None:
            shutil.chown(folder, account)
        folder.chmod(0o755)
        data = folder / "data"
        run("initdb", "-D", str(data), "-U", "owner", "-E", "UTF8", "--locale=C", "-N", account=account)
        (data / "pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        with (data / "postgresql.conf").open("a") as settings:
            settings.write("fsync = off\nfull_page_writes = off\nmax_connections = 100\n")
        server = _started(folder, account)
        try:
            run(
                "createdb",
                *("-h", str(folder), "-p", str(server.port), "-U", "owner", "flakediag"),
                account=account,
            )
            yield server
        finally:
            server.stop("immediate")


def _started(folder: Path, account: str | None) -> PrivateServer:
    for further in (True, True, False):
        server = PrivateServer(folder, unused_port(), account)
        try:
            server.start()
            break
        except RuntimeError:  # perhaps somebody took the port meanwhile
            if not further:
                raise
    return server
