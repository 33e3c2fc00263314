from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from lesser_server import lesser_server
from private_server import PrivateServer, missing, private_server

from flakediag.location import Location


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a history may be made."""
    return tmp_path / "history.db"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PrivateServer]:
    """A PostgreSQL of the tests' own."""
    if why := missing():
        pytest.skip(why)
    with private_server() as running:
        yield running


@pytest.fixture(scope="session")
def lesser(postgresql: PrivateServer) -> Iterator[PrivateServer]:
    """A server that knows less than PostgreSQL: what is stored must be the same, whatever a server refuses."""
    with TemporaryDirectory(prefix="lesser-") as front, lesser_server(postgresql, Path(front)) as running:
        yield running


LESSER = pytest.param("lesser", marks=pytest.mark.slow)
SERVERS = ("postgresql", LESSER)


@pytest.fixture(scope="session", params=SERVERS)
def server(request: pytest.FixtureRequest) -> PrivateServer:
    found: PrivateServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def address(server: PrivateServer) -> str:
    """An empty history on the server."""
    server.empty()
    return server.address


@pytest.fixture(params=["sqlite", *SERVERS])
def place(request: pytest.FixtureRequest, path: Path) -> Location:
    """Where a history may be made, for each engine that can write."""
    return path if request.param == "sqlite" else _emptied(request)()


@pytest.fixture(scope="module", params=["sqlite", *SERVERS])
def another(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Location]:
    """Gives the place of an empty history, as often as it is called; on a server it is the same one, emptied."""
    if request.param == "sqlite":
        return lambda: tmp_path_factory.mktemp("another") / "history.db"
    return _emptied(request)


def _emptied(request: pytest.FixtureRequest) -> Callable[[], str]:
    server: PrivateServer = request.getfixturevalue(request.param)

    def emptied() -> str:
        server.empty()
        return server.address

    return emptied
