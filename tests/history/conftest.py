from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from private_server import PrivateServer, missing, private_server

from flakediag.location import Location


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
    server.empty()
    return server.address


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Location:
    """Where a history may be made, for each engine that can write."""
    found: Location = request.getfixturevalue({"sqlite": "path", "postgresql": "address"}[request.param])
    return found


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def another(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Location]:
    """Gives the place of an empty history, as often as it is called; on a server it is the same one, emptied."""
    if request.param == "sqlite":
        return lambda: tmp_path_factory.mktemp("another") / "history.db"
    server: PrivateServer = request.getfixturevalue("server")

    def emptied() -> Location:
        server.empty()
        return server.address

    return emptied
