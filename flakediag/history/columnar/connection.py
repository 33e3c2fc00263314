"""Opening a dataset: DuckDB, where the files are, and its errors as ours."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from flakediag.errors import HistoryError, NoHistoryError, UsageError
from flakediag.history.columnar import manifest as manifests
from flakediag.history.columnar.manifest import Manifest

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

T = TypeVar("T")

SCHEME = "parquet:"

_REMOTE = re.compile(r"[a-z][a-z0-9]+://", re.IGNORECASE)
# What an S3 client takes from the environment, by the name that DuckDB has for it.
_SECRET = {
    "KEY_ID": "AWS_ACCESS_KEY_ID",
    "SECRET": "AWS_SECRET_ACCESS_KEY",
    "SESSION_TOKEN": "AWS_SESSION_TOKEN",
    "REGION": "AWS_REGION",
    "ENDPOINT": "AWS_ENDPOINT_URL",
}


def root_of(place: str) -> str:
    """The folder, or the address in an object store, that `parquet:…` names; without a slash at its end."""
    named = re.sub(f"^{SCHEME}", "", place, count=1, flags=re.IGNORECASE)
    return (named if _REMOTE.match(named) else str(Path(named).expanduser())).rstrip("/") or "/"


class Reader:
    """Asks DuckDB about the dataset at `root`; its errors come as `HistoryError`.

    A query runs in a thread of its own: DuckDB would not hear ^C, whoever waits for a thread does.
    """

    def __init__(self, conn: duckdb.DuckDBPyConnection, root: str) -> None:
        self.root = root
        self._conn = conn
        self._thread = ThreadPoolExecutor(1)

    def rows(self, sql: str, values: Mapping[str, object]) -> list[Any]:
        """The rows as tuples."""
        return self._wait(lambda: self._conn.execute(sql, values).fetchall())

    def columns(self, sql: str, values: Mapping[str, object]) -> dict[str, NDArray[Any]]:
        """The columns as arrays, by name."""
        return self._wait(lambda: self._conn.execute(sql, values).fetchnumpy())

    def close(self) -> None:
        self._thread.shutdown()
        self._conn.close()

    def _wait(self, query: Callable[[], T]) -> T:
        with _translated(self.root):
            try:
                return self._thread.submit(query).result()
            except KeyboardInterrupt:
                self._conn.interrupt()
                raise


def connect(root: str) -> Reader:
    """Raises `UsageError` where DuckDB, or what it needs to read from an object store, is not installed."""
    if find_spec("duckdb") is None:
        raise UsageError(
            "to read Parquet as a history needs DuckDB, which is not installed",
            "install it with: pip install 'flakediag[columnar]'",
        )
    import duckdb

    conn = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})
    conn.execute("SET enable_progress_bar = false")
    if _REMOTE.match(root):
        try:
            conn.load_extension("httpfs")
        except duckdb.Error as error:
            conn.close()
            raise UsageError(
                f"{root} is in an object store: DuckDB needs its extension httpfs, which is not installed",
                "python -c 'import duckdb; duckdb.connect().install_extension(\"httpfs\")'",
            ) from error
        if root.lower().startswith("s3://"):
            _sign(conn, os.environ)
    return Reader(conn, root)


def _sign(conn: duckdb.DuckDBPyConnection, environ: Mapping[str, str]) -> None:
    """Let DuckDB ask with the credentials of the environment, where it has some."""
    known = {name: environ[variable] for name, variable in _SECRET.items() if environ.get(variable)}
    if "KEY_ID" not in known:
        return
    endpoint = known.pop("ENDPOINT", None)
    more = ""
    if endpoint is not None:
        scheme, _, host = endpoint.rpartition("://")
        known["ENDPOINT"] = host
        known["URL_STYLE"] = "path"
        more = f", USE_SSL {str(scheme != 'http').lower()}"
    said = ", ".join(f"{name} {_quoted(value)}" for name, value in known.items())
    conn.execute(f"CREATE SECRET (TYPE s3, {said}{more})")


def _quoted(value: str) -> str:
    doubled = value.replace("'", "''")
    return f"'{doubled}'"


def manifest(reader: Reader) -> Manifest:
    """What belongs to the dataset at this moment. Raises `NoHistoryError` where there is none."""
    file = f"{reader.root}/{manifests.NAME}"
    if _REMOTE.match(reader.root):
        ((content,),) = reader.rows("SELECT content FROM read_text($file)", {"file": file})
        return manifests.load(content, reader.root)
    try:
        content = Path(file).read_text("ascii", "replace")
    except OSError as error:
        raise NoHistoryError(
            f"there is no Parquet dataset at {reader.root}: {error.strerror}",
            "flakediag export --format parquet --partitioned -o DIR writes one",
        ) from error
    return manifests.load(content, reader.root)


@contextmanager
def _translated(root: str) -> Iterator[None]:
    """DuckDB's errors as `HistoryError`."""
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise HistoryError(
            f"{root}: there is not enough memory for so many results", "look at less: --since, or `max_runs` and `days`"
        ) from error
    except (duckdb.IOException, duckdb.InvalidInputException) as error:
        raise HistoryError(
            f"{root}: {_first_line(error)}", "if an export replaced the files meanwhile, try again; else export anew"
        ) from error


def _first_line(error: Any) -> str:
    return str(error).partition("\n")[0]
