"""Whether any test of a history could be flaky, without looking at what became of each.

A flake shows by failing more than once, or on a commit on which it also passed. So without a test that failed in two
runs, a failure in a run beside which its commit has another one, and a failure in a run in which tests were tried or
stand more than once, there is none, whatever the verdicts say in detail; nor can more runs before the last make one.
"""

from __future__ import annotations

import sqlite3

_TWICE = """
SELECT EXISTS (
  SELECT 1 FROM failures AS one JOIN failures AS other ON other.test_id = one.test_id AND other.run_id <> one.run_id
)
"""

_BESIDE_A_PASS = """
SELECT EXISTS (
  SELECT 1 FROM runs
  LEFT JOIN run_results ON run_results.run_id = runs.id
  LEFT JOIN test_sets AS executed ON executed.id = executed_set_id
  LEFT JOIN test_sets AS skipped ON skipped.id = skipped_set_id
  WHERE runs.id IN (SELECT run_id FROM failures) AND (
    run_results.attempts IS NOT NULL
    OR results IS NOT executed.size + skipped.size
    OR runs.skipped IS NOT skipped.size
    OR commit_sha IN (SELECT commit_sha FROM runs GROUP BY project_id, commit_sha HAVING count(*) > 1)
  )
)
"""


def any_test(conn: sqlite3.Connection) -> bool:
    """False only where no test can be flaky."""
    return any(conn.execute(question).fetchone()[0] for question in (_TWICE, _BESIDE_A_PASS))
