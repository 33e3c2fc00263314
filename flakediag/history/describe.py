"""Writes the tables of docs/schema.md from the comments in the schema: `python -m flakediag.history.describe PAGE`."""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from flakediag.history import schema

BEGIN = "<!-- made from the schema by python -m flakediag.history.describe -->\n"
END = "<!-- end -->\n"

_HEAD = re.compile(r"CREATE (?:TABLE|VIEW) (?P<name>\w+) .*-- (?P<comment>.+)")
_COLUMN = re.compile(r"  (?P<name>[a-z]\w*) (?P<type>[A-Z]+).* -- (?P<comment>.+)")


def page_with_tables(page: str, conn: sqlite3.Connection) -> str:
    """`page` with what stands between the marks written anew."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{describe(conn)}\n{END}{tail}"


def describe(conn: sqlite3.Connection) -> str:
    """Every table with every column, and every view, as Markdown.

    Raises `ValueError` where something is not explained: a column without a comment cannot be released.
    """
    return "\n".join(_described(conn))


def _described(conn: sqlite3.Connection) -> Iterator[str]:
    for kind, name, sql in conn.execute(
        "SELECT type, name, sql FROM sqlite_schema WHERE type IN ('table', 'view')"
        " AND name NOT LIKE 'sqlite!_%' ESCAPE '!' AND name <> '_sqlite_migrations' ORDER BY type, rowid"
    ):
        lines = sql.splitlines()
        head = _HEAD.fullmatch(lines[0])
        if head is None:
            raise ValueError(f"{name}: no comment says what it is")
        yield f"### {name}{' (view)' if kind == 'view' else ''}\n\n{head['comment']}.\n"
        columns = [row[1] for row in conn.execute(f"PRAGMA table_info({name})")]
        if kind == "view":
            yield f"Columns: {', '.join(f'`{column}`' for column in columns)}.\n"
            continue
        explained = {match["name"]: match for match in map(_COLUMN.fullmatch, lines) if match}
        if list(explained) != columns:
            raise ValueError(f"{name}: columns without a comment: {set(columns) ^ set(explained)}")
        yield "| column | type | what it is |\n|---|---|---|"
        for column, match in explained.items():
            yield f"| `{column}` | {match['type']} | {match['comment'].replace('|', chr(92) + '|')} |"
        yield ""


def fresh() -> sqlite3.Connection:
    """An empty history in memory, for the caller to close."""
    conn = sqlite3.connect(":memory:", isolation_level=None)
    schema.apply(conn)
    return conn


def main(argv: Sequence[str]) -> int:
    (path,) = map(Path, argv)
    with closing(fresh()) as conn:
        path.write_text(page_with_tables(path.read_text("utf-8"), conn), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
