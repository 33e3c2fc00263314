"""docs/schema.md is the schema: its tables are made from it, and its queries run."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from history_samples import store, suite

from flakediag.history import describe, schema

PAGE = Path(__file__).parents[2] / "docs" / "schema.md"
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def test_the_tables_on_the_page_are_those_of_the_schema() -> None:
    page = PAGE.read_text("utf-8")
    assert describe.BEGIN in page
    assert describe.END in page
    with closing(describe.fresh()) as conn:
        assert page == describe.page_with_tables(page, conn)


def test_the_page_names_the_application_id() -> None:
    assert f"0x{schema.APPLICATION_ID:X}" in PAGE.read_text("utf-8")


def test_writing_the_page_anew_changes_only_the_tables(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{describe.BEGIN}stale\n{describe.END}after\n", "utf-8")
    assert describe.main([str(page)]) == 0
    written = page.read_text("utf-8")
    assert written.startswith("before\n")
    assert written.endswith("after\n")
    assert "stale" not in written
    assert "### run_results" in written


def test_there_are_three_queries_to_begin_with() -> None:
    assert len(QUERIES) == 3


@pytest.mark.parametrize("query", QUERIES)
def test_the_queries_on_the_page_find_something(path: Path, query: str) -> None:
    store(path, *(suite(f"r{n}", hours=n, fails=("test_c",)) for n in range(3)))
    with closing(sqlite3.connect(path)) as conn:
        assert conn.execute(query).fetchall()


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("CREATE TABLE bare (id INTEGER PRIMARY KEY)", "bare: no comment"),
        (
            "CREATE TABLE half ( -- Half\n  id INTEGER PRIMARY KEY, -- known\n  other TEXT\n)",
            "half: columns without .*other",
        ),
    ],
)
def test_what_nobody_explains_cannot_be_released(statement: str, complaint: str) -> None:
    with closing(describe.fresh()) as conn:
        conn.execute(statement)
        with pytest.raises(ValueError, match=complaint):
            describe.describe(conn)


def test_the_program_on_the_page_reads_the_packed_columns(path: Path) -> None:
    store(path, suite("r", fails=("test_c",)))
    [program] = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["test_a", "0", "250"],
        ["test_b", "0", "250"],
        ["test_c", "1", "500"],
        ["test_d", "0", "250"],
        ["test_e", "0", "250"],
    ]
