"""The roles of docs/server.md, made by the SQL that stands there, can do what it says and no more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from click.testing import CliRunner
from history_samples import counts_of, sound, store, suite, window_of
from on_server import TABLES
from private_server import PrivateServer

from flakediag import upkeep
from flakediag.cli.app import app
from flakediag.errors import HistoryError
from flakediag.history import History
from flakediag.history.prune import Limits
from flakediag.model import Scope

PAGE = Path(__file__).parents[2] / "docs" / "server.md"
DO_CHANGE = [
    statement.format(table=table, column=column)
    for table, column in (*((table, "project") for table in TABLES), ("schema_steps", "version"))
    for statement in (
        "UPDATE flakediag.{table} SET {column} = {column}",
        "DELETE FROM flakediag.{table}",
        "TRUNCATE flakediag.{table}",
        "DROP TABLE flakediag.{table}",
        "ALTER TABLE flakediag.{table} ADD COLUMN x integer",
    )
]


class Roles(NamedTuple):
    """Addresses of one history."""

    owner: str
    ci: str
    reader: str


@pytest.fixture(scope="module")
def roles(server: PrivateServer) -> Iterator[Roles]:
    made, granted = re.findall(r"```sql\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[:2]
    with psycopg.connect(server.address, autocommit=True) as conn:
        conn.execute("CREATE DATABASE tests")
        conn.execute(made)
    owner, ci, reader = (server.address_of(f"flakediag_{role}", "tests") for role in ("owner", "ci", "reader"))
    done = CliRunner().invoke(app, ["--db", owner, "prune", "--keep-days", "400"])
    assert done.exit_code == 0, done.output
    with psycopg.connect(owner) as conn:
        conn.execute(granted)
    yield Roles(owner, ci, reader)
    with psycopg.connect(server.address, autocommit=True) as conn:
        conn.execute("DROP DATABASE tests WITH (FORCE)")
        conn.execute("REVOKE ALL ON DATABASE flakediag FROM flakediag_owner, flakediag_ci, flakediag_reader")
        conn.execute("DROP ROLE flakediag_owner, flakediag_ci, flakediag_reader")


def test_a_ci_job_stores_and_reads(roles: Roles) -> None:
    store(roles.ci, suite("by ci", fails=("test_a",)), suite("by ci later", hours=1))
    assert store(roles.ci, suite("by ci", fails=("test_a",)))[0].duplicate
    assert window_of(roles.ci).shape[1] >= 5
    assert sound(roles.owner)


def test_a_ci_job_takes_in_another_history(roles: Roles, path: Path) -> None:
    store(path, suite("elsewhere", hours=50, fails=("test_b",)), suite("by ci", fails=("test_a",)))
    store(roles.ci, suite("by ci", fails=("test_a",)))
    [done] = upkeep.merge(roles.ci, [path])
    assert (done.runs, done.known) == (1, 1)


def test_a_reader_reads(roles: Roles) -> None:
    store(roles.ci, suite("to be read", hours=60))
    assert window_of(roles.reader).runs
    with History.open(roles.reader) as history:
        assert list(history.portables())
        assert history.size() > 0


@pytest.mark.parametrize("role", ["ci", "reader"])
@pytest.mark.parametrize("statement", DO_CHANGE)
def test_neither_of_them_changes_anything(roles: Roles, role: str, statement: str) -> None:
    with psycopg.connect(getattr(roles, role)) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(statement)


@pytest.mark.parametrize("table", ["pruned_runs", "renames", "schema_steps"])
def test_a_ci_job_adds_nothing_that_hides_what_is_stored(roles: Roles, table: str) -> None:
    with psycopg.connect(roles.ci) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(f"INSERT INTO flakediag.{table} DEFAULT VALUES")


def test_what_only_the_owner_may_do_is_told(roles: Roles) -> None:
    store(roles.ci, suite("old", hours=-2000), suite("new", hours=100))
    with History.open(roles.ci, "write") as history:
        test = history.names("default")[0]
        with pytest.raises(HistoryError, match="this role may not do that") as caught:
            history.prune(Limits(days=1, runs=None), suite("r").run.started_at)
        with pytest.raises(HistoryError, match="this role may not do that"):
            history.rename("default", [(test, test._replace(name="test_renamed"))])
    assert "INSERT and SELECT" in str(caught.value.hint)
    with pytest.raises(HistoryError, match="this role may not do that"):
        store(roles.reader, suite("by a reader"))


def test_who_may_not_make_the_tables_is_told(server: PrivateServer, roles: Roles) -> None:
    server.new_database()
    with psycopg.connect(server.address, autocommit=True) as conn:
        conn.execute("DROP DATABASE IF EXISTS without_tables")
        conn.execute("CREATE DATABASE without_tables")
    with pytest.raises(HistoryError, match="this role may not do that"):
        History.open(server.address_of("flakediag_ci", "without_tables"), "write")


def test_the_owner_does_the_rest(roles: Roles) -> None:
    store(roles.ci, suite("oldest", hours=-4000, fails=("test_a",)), suite("newest", hours=200))
    before = counts_of(roles.owner).runs
    assert upkeep.prune(
        roles.owner, keep_days=30, keep_runs=None, now=suite("r").run.started_at, dry_run=False, window=Scope()
    ).runs
    with History.open(roles.owner, "write") as history:
        test = history.names("default")[-1]
        history.rename("default", [(test, test._replace(name="test_renamed"))])
    assert counts_of(roles.reader).runs < before
    assert sound(roles.owner)
