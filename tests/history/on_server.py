"""Looking at a history on a server from outside."""

from __future__ import annotations

from typing import Any

import psycopg

TABLES = (
    *("projects", "tests", "renames", "rosters", "runs", "files", "pruned_runs"),
    *("run_results", "failures", "signatures", "details"),
)

# What must not be there: rows that point at nothing, and headers that say something else than the rows.
_COMPLAINTS = {
    "runs without a roster": """
        SELECT run FROM flakediag.runs r WHERE NOT EXISTS (
          SELECT 1 FROM flakediag.rosters o WHERE o.project = r.project AND o.roster = r.roster)""",
    "runs that neither have results nor were pruned, or both": """
        SELECT run FROM flakediag.runs r WHERE
          (SELECT count(*) FROM flakediag.run_results x
           WHERE x.project = r.project AND x.month = r.month AND x.run = r.run)
          + (SELECT count(*) FROM flakediag.pruned_runs p WHERE p.project = r.project AND p.run = r.run) <> 1""",
    "results without a run": """
        SELECT run FROM flakediag.run_results x WHERE NOT EXISTS (
          SELECT 1 FROM flakediag.runs r WHERE r.project = x.project AND r.run = x.run AND r.month = x.month)""",
    "failures without results": """
        SELECT run FROM flakediag.failures f WHERE NOT EXISTS (
          SELECT 1 FROM flakediag.run_results x WHERE x.project = f.project AND x.month = f.month AND x.run = f.run)""",
    "failures without a signature": """
        SELECT run FROM flakediag.failures f WHERE NOT EXISTS (
          SELECT 1 FROM flakediag.signatures s
          WHERE s.project = f.project AND s.month = f.month AND s.signature = f.signature)""",
    "failures without their text": """
        SELECT run FROM flakediag.failures f WHERE detail IS NOT NULL AND NOT EXISTS (
          SELECT 1 FROM flakediag.details d
          WHERE d.project = f.project AND d.month = f.month AND d.detail = f.detail)""",
    "texts without their base": """
        SELECT detail FROM flakediag.details d WHERE base IS NOT NULL AND NOT EXISTS (
          SELECT 1 FROM flakediag.details b WHERE b.project = d.project AND b.month = d.month AND b.detail = d.base)""",
    "files without a run": """
        SELECT digest FROM flakediag.files f WHERE NOT EXISTS (
          SELECT 1 FROM flakediag.runs r WHERE r.project = f.project AND r.run = f.run)""",
    "numbers given twice": "SELECT run FROM flakediag.runs GROUP BY run HAVING count(*) > 1",
    "renamed tests without a name": """
        SELECT n.test FROM flakediag.renames n WHERE
          (SELECT count(*) FROM flakediag.tests t WHERE t.project = n.project AND t.test IN (n.test, n.former)) <> 2""",
}


def complaints(address: str) -> list[str]:
    """What is wrong with the history."""
    with psycopg.connect(address) as conn:
        found = {what: conn.execute(query).fetchall() for what, query in _COMPLAINTS.items()}
    return [f"{what}: {rows}" for what, rows in found.items() if rows]


def everything_in(address: str) -> dict[str, list[Any]]:
    """Every row of every table."""
    with psycopg.connect(address) as conn:
        return {table: sorted(map(repr, conn.execute(f"SELECT * FROM flakediag.{table}"))) for table in TABLES}


def empty(conn: psycopg.Connection[Any]) -> None:
    """Make the history what it was when it was new."""
    for table in TABLES:
        conn.execute(f"DELETE FROM flakediag.{table}")
    conn.execute("ALTER SEQUENCE flakediag.run_numbers RESTART")
