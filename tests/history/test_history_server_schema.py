"""The tables on a server: made once, by whoever comes first; brought up to date step by step; portable."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from history_samples import counts_of, failed, passed, report, sound, store, suite, told, window_of
from lesser_server import REFUSED, lesser_server
from private_server import PrivateServer

from flakediag.errors import HistoryError
from flakediag.history import History
from flakediag.history.prune import Limits
from flakediag.history.server import locks, partitions, rows, schema
from flakediag.history.server.connecting import Connection
from flakediag.model import RunReport

SERVER = Path(schema.__file__).parent
NOW = datetime(2026, 3, 2, tzinfo=UTC)


def steps(address: str) -> list[tuple[int, str]]:
    with psycopg.connect(address) as conn:
        return conn.execute("SELECT version, name FROM flakediag.schema_steps ORDER BY version").fetchall()


def test_a_new_history_has_had_every_step(server: PrivateServer) -> None:
    address = server.new_database()
    History.open(address, "write").close()
    assert [version for version, _ in steps(address)] == list(range(1, schema.VERSION + 1))


def test_a_newer_history_is_refused_and_left_alone(server: PrivateServer) -> None:
    address = server.new_database()
    store(address, suite("r"))
    with psycopg.connect(address) as conn:
        conn.execute(
            "INSERT INTO flakediag.schema_steps (version, name) VALUES (%s, 'of tomorrow')", [schema.VERSION + 1]
        )
    for mode in ("read", "write"):
        with pytest.raises(HistoryError, match="written by a newer flakediag") as caught:
            History.open(address, mode)  # type: ignore[arg-type]
        assert "upgrade" in str(caught.value.hint)
    assert steps(address)[-1][1] == "of tomorrow"


def test_an_older_history_is_brought_up_to_date_when_it_is_written(
    server: PrivateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = server.new_database()
    store(address, suite("r"))

    def _a_column_more(conn: psycopg.Connection[tuple[object, ...]]) -> None:
        conn.execute("ALTER TABLE flakediag.runs ADD COLUMN more text")

    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, _a_column_more))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    with pytest.raises(HistoryError, match="of an earlier flakediag"):
        History.open(address)
    assert store(address, suite("r"))[0].duplicate
    assert steps(address)[-1] == (schema.VERSION, "a column more")
    assert counts_of(address).runs == 1


def test_a_step_that_breaks_off_leaves_nothing(postgresql: PrivateServer, monkeypatch: pytest.MonkeyPatch) -> None:
    address = postgresql.new_database()

    def _broken(conn: psycopg.Connection[tuple[object, ...]]) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, _broken))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    with pytest.raises(ZeroDivisionError):
        History.open(address, "write")
    with pytest.raises(HistoryError, match="nothing has been stored"):
        History.open(address)


def test_where_steps_do_not_go_together_one_that_breaks_off_goes_on_where_it_was(
    lesser: PrivateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = lesser.new_database()
    tried = []

    def _half_and_more(conn: psycopg.Connection[tuple[object, ...]]) -> None:
        conn.execute("CREATE TABLE IF NOT EXISTS flakediag.half (project bigint PRIMARY KEY)")
        tried.append(True)
        if len(tried) == 1:
            raise ZeroDivisionError

    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, _half_and_more))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    with pytest.raises(ZeroDivisionError):
        History.open(address, "write")
    with pytest.raises(HistoryError, match="of an earlier flakediag"):
        History.open(address)
    store(address, suite("r"))
    assert steps(address)[-1] == (schema.VERSION, "half and more")


@pytest.fixture(
    params=["with everything", "without advisory locks", "without partitions", "without COPY", "without all"]
)
def lacking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that refuses something: what is asked of it is misspelt, so that it says so itself."""
    what = request.param
    if what in ("without advisory locks", "without all"):
        monkeypatch.setattr(locks, "ALONE", "pg_no_such_lock")
        monkeypatch.setattr(locks, "SHARED", "pg_no_such_lock")
    if what in ("without partitions", "without all"):
        monkeypatch.setattr(partitions, "PARTITIONED", "PARTITIONED IN SOME OTHER WAY")
    if what in ("without COPY", "without all"):
        monkeypatch.setattr(rows, "COPY", "DUPLICATE")
    yield what


def monthly(months: int) -> list[RunReport]:
    return [
        report(f"r{n}", passed("test_a"), failed("test_b", text=f"trace {n}"), hours=24 * 31 * n) for n in range(months)
    ]


def test_whatever_a_server_lacks_the_history_is_the_same(postgresql: PrivateServer, path: Path, lacking: str) -> None:
    is_the_same(postgresql.new_database(), path)


def test_without_all_that_distributed_servers_lack_the_history_is_the_same(lesser: PrivateServer, path: Path) -> None:
    is_the_same(lesser.new_database(), path)


def is_the_same(address: str, path: Path) -> None:
    """As from SQLite, after some have ingested the same at once and made the tables for it, and after a prune."""
    problems: list[BaseException] = []

    def ingest() -> None:
        try:
            store(address, *monthly(6))
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=ingest) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    store(path, *monthly(6))
    for place in (path, address):
        with History.open(place, "write") as history:
            done = history.prune(Limits(days=None, runs=2), NOW)
            assert (done.runs, done.results, done.failures, done.kept) == (4, 8, 4, 2)
            history.compact()
    assert told(window_of(address)) == told(window_of(path))
    assert counts_of(address)[:5] == counts_of(path)[:5]
    assert sound(address)


def partitions_of(address: str) -> set[int]:
    with psycopg.connect(address) as conn:
        return set(partitions.made(conn))


def test_a_month_of_which_nothing_stays_is_dropped_whole(
    postgresql: PrivateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = postgresql.new_database()
    monkeypatch.setattr(partitions, "AHEAD", 1)
    History.open(address, "write").close()
    with psycopg.connect(address) as conn:
        [this_month] = partitions.made(conn) - {0}
        for month in (202405, 202406):
            partitions.make(conn, month)
    store(address, *monthly(3))
    with History.open(address, "write") as history:
        assert history.prune(Limits(days=None, runs=1), NOW).runs == 2
    assert partitions_of(address) == {0, this_month}
    assert window_of(address).shape == (1, 2)
    assert sound(address)


def test_a_prune_that_breaks_off_in_the_middle_of_a_month_has_kept_its_sums_and_is_completed(
    postgresql: PrivateServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With partitions that are gone once they are dropped, whatever becomes of the transaction."""
    knows_partitions = {pattern: refusal for pattern, refusal in REFUSED.items() if "PARTITION" not in pattern}
    original = partitions.drop

    def drop(conn: Connection, months: list[int]) -> None:
        with psycopg.connect(address) as other:
            assert other.execute("SELECT count(*) FROM flakediag.pruned_runs").fetchone() == (2,)
        with monkeypatch.context() as patch:
            patch.setattr(partitions, "BY_MONTH", partitions.BY_MONTH[1:])
            original(conn, months[:1])
        raise HistoryError("the machine is gone")

    with TemporaryDirectory(prefix="lesser-") as front, lesser_server(postgresql, Path(front), knows_partitions):
        behind = postgresql.new_database()
        History.open(behind, "write").close()
        with psycopg.connect(behind) as conn:
            for month in (202405, 202406):
                partitions.make(conn, month)
        store(behind, *monthly(3))
        address = behind.replace(str(postgresql.folder), front)
        with History.open(address, "write") as history:
            with monkeypatch.context() as patch, pytest.raises(HistoryError, match="the machine is gone"):
                patch.setattr(partitions, "drop", drop)
                history.prune(Limits(days=None, runs=1), NOW)
            assert partitions_of(address) >= {202405, 202406}
            assert history.prune(Limits(days=None, runs=1), NOW).runs == 0
        assert not partitions_of(address) & {202405, 202406}
        store(path, *monthly(3))
        with History.open(path, "write") as history, History.open(address) as other:
            history.prune(Limits(days=None, runs=1), NOW)
            assert [item.load() for item in other.portables()] == [item.load() for item in history.portables()]
            assert other.counts()[:6] == history.counts()[:6]
        assert sound(address)


def test_a_month_whose_runs_came_before_its_partition_stays_where_it_is(postgresql: PrivateServer) -> None:
    address = postgresql.new_database()
    store(address, *monthly(2))
    with psycopg.connect(address) as conn:
        partitions.make(conn, 202405)
        partitions.make(conn, 203005)
    assert 202405 not in partitions_of(address)
    assert 203005 in partitions_of(address)
    assert counts_of(address).runs == 2


# --- what other engines that speak PostgreSQL do not know ---------------------------------------------------------

LACKED = {
    "table locks": r"\bLOCK TABLE\b",
    "foreign keys": r"\bREFERENCES\b|\bFOREIGN KEY\b",
    "triggers and rules": r"\bTRIGGER\b|\bCREATE RULE\b",
    "serial columns": r"\bSERIAL\b|\bBIGSERIAL\b|\bGENERATED\b",
    "exclusion constraints": r"\bEXCLUDE\b",
    "MERGE": r"\bMERGE INTO\b",
    "procedures": r"\bDO \$|\bCREATE (OR REPLACE )?(FUNCTION|PROCEDURE)\b|\bPLPGSQL\b",
    "extensions": r"\bCREATE EXTENSION\b",
    "temporary tables": r"\bTEMP(ORARY)?\b",
    "unlogged tables": r"\bUNLOGGED\b",
    "inheritance": r"\bINHERITS\b|pg_inherits",
    "physical addresses": r"\bctid\b|\bxmin\b",
    "locking reads, which need the right to update": r"\bFOR (NO KEY )?(UPDATE|SHARE)\b",
    "listening": r"\bLISTEN\b|\bNOTIFY\b",
    "updates from other tables across shards": r"\bUPDATE [\w.]+ SET [^\"]* FROM\b",
    "large objects": r"\blo_\w+",
    "upserts that change rows": r"\bDO UPDATE\b",
    "collations": r"\bCOLLATE\b",
    "session locks, which a pooler loses": r"pg_(try_)?advisory_(un)?lock\b",
    "text search and documents": r"\btsvector\b|\bjsonb?\b",
}


def statements() -> list[str]:
    """Every piece of text in the engine's code that could be SQL."""
    import ast

    found = []
    for file in sorted(SERVER.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(re.sub(r"--.*", "", node.value))
    return [text for text in found if re.search(r"\b(SELECT|INSERT|CREATE|DELETE|UPDATE|COPY|SET|DROP|LOCK)\b", text)]


@pytest.mark.parametrize("what", LACKED)
def test_nothing_is_used_that_others_lack(what: str) -> None:
    used = [text for text in statements() if re.search(LACKED[what], text)]
    assert not used


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("table locks", "LOCK TABLE flakediag.runs"),
        ("foreign keys", "test bigint REFERENCES tests"),
        ("upserts that change rows", "INSERT … ON CONFLICT (a) DO UPDATE SET a = 1"),
        ("locking reads, which need the right to update", "SELECT 1 FROM runs FOR UPDATE"),
        ("session locks, which a pooler loses", "SELECT pg_advisory_lock(1)"),
        ("serial columns", "id bigint GENERATED ALWAYS AS IDENTITY"),
    ],
)
def test_what_others_lack_would_be_found(what: str, text: str) -> None:
    assert re.search(LACKED[what], text)


def test_every_key_begins_with_the_project() -> None:
    tables = [text for text in schema.STATEMENTS if "CREATE TABLE" in text and "schema_steps" not in text]
    assert len(tables) == 11
    for text in tables:
        keys = re.findall(r"(?:PRIMARY KEY|UNIQUE) \(([^)]*)\)", text) or re.findall(r"(\w+) bigint PRIMARY KEY", text)
        assert keys
        assert all(key.startswith("project") for key in keys), text


def test_every_column_says_what_it_holds() -> None:
    for text in schema.STATEMENTS:
        if "CREATE TABLE" in text:
            lines = [line for line in text.strip().splitlines()[:-1] if not re.match(r"\s+(PRIMARY KEY|UNIQUE)", line)]
            assert all(" -- " in line for line in lines), text
