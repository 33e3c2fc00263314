"""What goes wrong with a server is told with what to do, and never with a password."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from history_samples import counts_of, signature_of, store, suite
from private_server import PrivateServer

from flakediag.cli.app import app
from flakediag.errors import ExitCode, HistoryError, UsageError
from flakediag.history import History
from flakediag.location import shown

SECRET = "s3cr3t:/@?#%w0rd"
QUOTED = "s3cr3t%3A%2F%40%3F%23%25w0rd"


@pytest.fixture
def locked(server: PrivateServer, address: str) -> str:
    """host:port of the server over TCP, where the role `locked` has a password."""
    with psycopg.connect(address, autocommit=True) as conn:
        if conn.execute("SELECT 1 FROM pg_roles WHERE rolname = 'locked'").fetchone() is None:
            conn.execute(f"CREATE ROLE locked LOGIN SUPERUSER PASSWORD '{SECRET}'")
    return f"127.0.0.1:{server.port}"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postgresql://u:p@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:p:/@q@h:5432/d?sslmode=require", "postgresql://u:***@h:5432/d?sslmode=require"),
        ("postgresql://u@h/d?password=p%26q&host=x", "postgresql://u@h/d?password=***&host=x"),
        ("postgresql://h/d?sslpassword=p", "postgresql://h/d?sslpassword=***"),
        ("postgresql:password=p", "postgresql:password=***"),
        ("postgresql://h:5432/d", "postgresql://h:5432/d"),
        ("postgresql://", "postgresql://"),
        ("parquet:s3://bucket/runs", "parquet:s3://bucket/runs"),
        (Path("a:b@c"), "a:b@c"),
    ],
)
def test_an_address_is_shown_without_its_password(address: str | Path, expected: str) -> None:
    assert shown(address) == expected


@pytest.mark.parametrize(
    ("bad", "complaint", "hint"),
    [
        ("postgresql://127.0.0.1:1/tests", "cannot be reached", "is it running"),
        ("postgresql://u@{locked}/flakediag?password=wrong", "does not accept this user and password", "PGPASSWORD"),
        (f"postgresql://locked:{QUOTED}x@{{locked}}/flakediag", "does not accept this user and password", "PGPASSWORD"),
        ("postgresql://locked@{locked}/flakediag?passfile=/nowhere", "wants a password", "PGPASSWORD"),
        (f"postgresql://locked:{QUOTED}@{{locked}}/nowhere", "no such database", "createdb"),
        (f"postgresql://locked:{QUOTED}@{{locked}}/flakediag?sslmode=require", "no connection by TLS", "sslmode"),
        ("postgresql:///?service=nowhere", "service file", "PGSERVICE"),
        (f"postgresql://locked:{SECRET}@{{locked}}/flakediag", "no address of a server", "%40"),
        ("postgresql://h/d?colour=red", "no address of a server", "postgresql://user@host/database"),
    ],
)
@pytest.mark.parametrize("mode", ["read", "write"])
def test_what_is_wrong_with_a_connection_is_told(
    locked: str, bad: str, complaint: str, hint: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    with pytest.raises(HistoryError, match=complaint) as caught:
        History.open(bad.format(locked=locked), mode, busy_timeout=0.2)  # type: ignore[arg-type]
    assert hint in str(caught.value.hint)
    assert caught.value.exit_code == ExitCode.USAGE
    told = f"{caught.value.message} {caught.value.hint}"
    assert "w0rd" not in told
    assert "s3cr3t" not in told


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, prog_name="flakediag")


@pytest.mark.parametrize(
    "arguments", [["-v", "runs"], ["-v", "report"], ["-v", "merge", "{address}", "--into", "{file}"]]
)
def test_no_command_prints_the_password(locked: str, path: Path, arguments: list[str]) -> None:
    address = f"postgresql://locked:{QUOTED}@{locked}/flakediag"
    store(address, suite("r"))
    done = run("--db", address, *(each.format(address=address, file=path) for each in arguments))
    assert done.exit_code == 0, done.output
    assert "locked:***@" in done.output
    assert "w0rd" not in done.output


def test_a_crash_report_does_not_hold_the_password(locked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("flakediag.service.runs", broken)
    done = run("--db", f"postgresql://locked:{QUOTED}@{locked}/flakediag", "runs")
    assert done.exit_code == ExitCode.BUG
    assert "locked:***@" in done.output
    assert "w0rd" not in done.output


def test_password_service_and_database_come_from_where_libpq_looks(
    server: PrivateServer, locked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = tmp_path / "services"
    services.write_text(f"[tests]\nhost=127.0.0.1\nport={server.port}\ndbname=flakediag\nuser=locked\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    monkeypatch.setenv("PGSERVICE", "tests")
    monkeypatch.setenv("PGPASSWORD", SECRET)
    assert not store("postgresql://", suite("r"))[0].duplicate
    monkeypatch.delenv("PGPASSWORD")
    passwords = tmp_path / "passwords"
    quoted = SECRET.replace(":", "\\:")
    passwords.write_text(f"127.0.0.1:{server.port}:flakediag:locked:{quoted}\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    assert counts_of("postgres://").runs == 1


def test_reading_makes_nothing(server: PrivateServer) -> None:
    address = server.new_database()
    with pytest.raises(HistoryError, match="nothing has been stored"):
        History.open(address)
    with psycopg.connect(address) as conn:
        assert conn.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'flakediag'").fetchone() is None


def test_a_database_that_cannot_hold_every_text_is_refused(server: PrivateServer) -> None:
    with psycopg.connect(server.address, autocommit=True) as conn:
        conn.execute("DROP DATABASE IF EXISTS latin")
        conn.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(HistoryError, match="encoded in LATIN1") as caught:
        History.open(server.address_of("owner", "latin"), "write")
    assert "UTF8" in str(caught.value.hint)


def test_a_lost_table_is_told(server: PrivateServer) -> None:
    address = server.new_database()
    store(address, suite("r"))
    with psycopg.connect(address) as conn:
        conn.execute("DROP TABLE flakediag.failures")
    with pytest.raises(HistoryError, match="a table is missing"):
        counts_of(address)


def test_a_closed_history_is_a_bug_and_not_a_user_error(address: str) -> None:
    with History.open(address) as history:
        pass
    with pytest.raises(ValueError, match="closed"):
        history.counts()


def test_a_replica_is_told_from_its_primary(address: str) -> None:
    with (
        History.open(f"{address}&options=-cdefault_transaction_read_only%3Don", "write") as history,
        pytest.raises(HistoryError, match="cannot be written") as caught,
    ):
        history.add_runs([suite("r")], signature_of)
    assert "replica" in str(caught.value.hint)


def test_a_server_is_not_repaired_from_here(address: str) -> None:
    with History.open(address, "write") as history, pytest.raises(UsageError, match="not repaired"):
        history.repair()


def test_without_psycopg_the_extra_is_named() -> None:
    code = (
        "import sys\n"
        "sys.modules['psycopg'] = None\n"
        "from flakediag.cli import main\n"
        "main(['--db', 'postgresql://h/d', 'runs'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == ExitCode.USAGE
    assert "needs psycopg" in done.stderr
    assert "pip install 'flakediag[postgresql]'" in done.stderr


def test_storing_loads_nothing_heavy(address: str) -> None:
    code = (
        "import sys\n"
        "from flakediag.history import History\n"
        "from flakediag.model import Scope\n"
        f"with History.open({address!r}, 'write') as history:\n"
        "    history.runs(Scope()), history.add_runs([], str)\n"
        "print(*sorted({'sqlite_utils', 'pandas', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
