"""A run of a dataset as the report that it came from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from flakediag.history.columnar.connection import Reader
from flakediag.history.columnar.windows import details
from flakediag.history.values import seconds, untext
from flakediag.model import Attempt, CaseResult, Identity, Outcome, Run

_RESULTS = """
SELECT position, outcome, attempts, duration_ms, classname, name, file, variant
FROM read_parquet($results) JOIN read_parquet($tests) USING (test)
WHERE run = $run AND started_at = $started ORDER BY position
"""
_FAILURES = """
SELECT position, attempt, outcome, duration_ms, detail
FROM read_parquet($failures) WHERE run = $run AND started_at = $started
"""
_NOTHING_KNOWN = Attempt(Outcome.PASSED, None, None)  # of an earlier attempt that did not fail


def results(reader: Reader, files: Mapping[str, Sequence[str]], run: Run) -> tuple[CaseResult, ...]:
    """The results of a run in the order of the report. `files` are those of its month, by table."""
    asked = {"run": run.id, "started": run.started_at}
    failed = reader.rows(_FAILURES, {"failures": list(files["failures"]), **asked})
    said = details(reader, files["details"], {row[4] for row in failed})
    attempts_of: defaultdict[int, dict[int, Attempt]] = defaultdict(dict)
    for position, attempt, outcome, duration, detail in failed:
        failure = None if detail is None else said[detail]
        attempts_of[position][attempt] = Attempt(Outcome(outcome), seconds(duration), failure)
    rows = reader.rows(_RESULTS, {**{name: list(files[name]) for name in ("results", "tests")}, **asked})
    found = []
    for position, outcome, attempts, duration, *test in rows:
        mine = attempts_of.get(position, {})
        last = mine.get(attempts)
        found.append(
            CaseResult(
                test=Identity(*map(untext, test)),
                outcome=Outcome(outcome),
                duration=seconds(duration),
                failure=last.failure if last else None,
                earlier=tuple(mine.get(number, _NOTHING_KNOWN) for number in range(1, attempts)),
            )
        )
    return tuple(found)
