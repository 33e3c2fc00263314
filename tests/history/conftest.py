from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from private_server import PrivateServer, missing, private_server

from flakediag.history import History
from flakediag.location import Location

TABLES = (
    *("projects", "tests", "renames", "rosters", "runs", "files", "pruned_runs"),
    *("run_results", "failures", "signatures", "details"),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a history may be made."""
    return tmp_path / "history.db"


@pytest.fixture(scope="session")
def server() -> Iterator[PrivateServer]:
    """A PostgreSQL of the tests' own."""
    if why := missing():
        pytest.skip(why)
    with private_server() as running:
        yield running


@pytest.fixture
def address(server: PrivateServer) -> str:
    """An empty history on the server."""
    History.open(server.address, "write").close()
    empty(server.address)
    return server.address


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Location:
    """Where a history may be made, for each engine that can write."""
    found: Location = request.getfixturevalue({"sqlite": "path", "postgresql": "address"}[request.param])
    return found


def empty(address: str) -> None:
    with psycopg.connect(address, autocommit=True) as conn:
        for table in TABLES:
            conn.execute(f"DELETE FROM flakediag.{table}")
        conn.execute("ALTER SEQUENCE flakediag.run_numbers RESTART")
