"""The server that the other tests hold the engine against does refuse, and fail, as it is meant to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest
from lesser_server import REFUSED
from private_server import PrivateServer

pytestmark = pytest.mark.slow

EXAMPLES = {
    "SELECT pg_advisory_xact_lock(1)": "0A000",
    "COPY kept FROM STDIN": "0A000",
    "CREATE TABLE parts (month integer) PARTITION BY RANGE (month)": "42601",
    "SELECT * FROM kept FOR UPDATE SKIP LOCKED": "0A000",
    "CREATE TABLE late (a integer UNIQUE DEFERRABLE)": "0A000",
    "LOCK TABLE kept": "0A000",
    "LISTEN kept": "0A000",
    "CREATE TEMP TABLE brief (a integer)": "0A000",
    "SELECT pg_total_relation_size('kept')": "42883",
    "VACUUM kept": "42601",
}


@pytest.fixture
def conn(lesser: PrivateServer) -> Iterator[psycopg.Connection]:
    with psycopg.connect(lesser.new_database(), application_name="flakediag", autocommit=True) as conn:
        conn.execute("CREATE TABLE kept (a integer PRIMARY KEY)")
        yield conn


@pytest.mark.parametrize("statement", EXAMPLES)
def test_what_others_lack_is_refused(conn: psycopg.Connection, statement: str) -> None:
    for parameters in (None, ()):  # by the simple and by the extended protocol
        with pytest.raises(psycopg.Error) as caught:
            conn.execute(statement, parameters)
        assert caught.value.sqlstate == EXAMPLES[statement]
        assert "refused" not in str(caught.value)
    assert conn.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_each_refusal_has_an_example() -> None:
    assert len(REFUSED) == len(EXAMPLES)


def test_who_is_not_flakediag_is_not_censored(lesser: PrivateServer) -> None:
    with psycopg.connect(lesser.address) as conn:
        assert conn.execute("SELECT pg_advisory_xact_lock(1)").fetchone() == ("",)


def test_isolation_is_serializable_whatever_is_asked_for(conn: psycopg.Connection) -> None:
    conn.execute("BEGIN")
    conn.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
    assert conn.execute("SHOW transaction_isolation").fetchone() == ("serializable",)
    conn.execute("ROLLBACK")


def test_a_change_of_the_schema_commits_what_came_before(conn: psycopg.Connection) -> None:
    conn.execute("BEGIN")
    conn.execute("INSERT INTO kept VALUES (1)")
    conn.execute("CREATE TABLE more (a integer)")
    assert conn.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
    conn.execute("ROLLBACK")
    assert conn.execute("SELECT a FROM kept").fetchall() == [(1,)]


def test_transactions_fail_in_every_way(lesser: PrivateServer) -> None:
    address = lesser.new_database()
    with psycopg.connect(address, autocommit=True) as conn:
        conn.execute("CREATE TABLE kept (a integer PRIMARY KEY)")
    ends: Counter[str | None] = Counter()
    kept: dict[str | None, set[int]] = {}
    for n in range(18):
        with psycopg.connect(address, application_name="flakediag", autocommit=True) as conn:
            conn.execute("BEGIN")
            conn.execute("INSERT INTO kept VALUES (%s)", (n,))
            try:
                conn.execute("COMMIT")
                end = "fine"
            except psycopg.Error as error:
                end = error.sqlstate or "lost"
        ends[end] += 1
        kept.setdefault(end, set()).add(n)
    assert ends == {"fine": 10, "40001": 2, "40003": 4, "lost": 2}
    with psycopg.connect(address) as conn:
        stored = {row[0] for row in conn.execute("SELECT a FROM kept")}
    assert kept["fine"] | kept["lost"] <= stored
    assert not kept["40001"] & stored
    assert len(kept["40003"] & stored) == 2
