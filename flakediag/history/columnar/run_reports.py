"""A run of a dataset as the report that it came from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from flakediag.history.columnar.connection import Reader
from flakediag.history.columnar.windows import details
from flakediag.history.stored_results import of_columns
from flakediag.history.values import seconds, untext
from flakediag.model import Attempt, Identity, Outcome, Results, Run

_RESULTS = """
SELECT outcome, attempts, coalesce(duration_ms, -1), classname, name, file, variant
FROM read_parquet($results) JOIN read_parquet($tests) USING (test)
WHERE run = $run AND started_at = $started ORDER BY position
"""
_FAILURES = """
SELECT position, attempt, outcome, duration_ms, detail
FROM read_parquet($failures) WHERE run = $run AND started_at = $started
"""


def results(reader: Reader, files: Mapping[str, Sequence[str]], run: Run) -> Results:
    """The results of a run in the order of the report. `files` are those of its month, by table."""
    asked = {"run": run.id, "started": run.started_at}
    failed = reader.rows(_FAILURES, {"failures": list(files["failures"]), **asked})
    said = details(reader, files["details"], {row[4] for row in failed})
    attempts_of: defaultdict[int, dict[int, Attempt]] = defaultdict(dict)
    for position, attempt, outcome, duration, detail in failed:
        failure = None if detail is None else said[detail]
        attempts_of[position][attempt] = Attempt(Outcome(outcome), seconds(duration), failure)
    rows = reader.rows(_RESULTS, {**{name: list(files[name]) for name in ("results", "tests")}, **asked})
    return of_columns(
        [Identity(*map(untext, row[3:])) for row in rows],
        bytes(row[0] for row in rows),
        [row[1] for row in rows],
        [row[2] for row in rows],
        attempts_of,
    )
