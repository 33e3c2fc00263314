"""What became of each test: aggregated by DuckDB, so that one row a test reaches Python and no result does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flakediag.history.columnar.connection import Reader
from flakediag.history.columnar.rows import from_microseconds
from flakediag.history.columnar.runs import CHOSEN, SPAN, Loaded, chosen
from flakediag.history.tests import CountedTest
from flakediag.history.values import untext
from flakediag.model import Identity, Outcome

# Skipped in the end, but only after an attempt: that is an execution.
_EXECUTED = f"outcome <> {int(Outcome.SKIPPED)} OR attempts > 1"

# Runs are counted as bits: a test may stand in a run more than once, and count(DISTINCT run) takes seven times as long.
_COUNTS = f"""
WITH counted AS (
  SELECT test, bitstring_agg(place, 0, {{last}}) FILTER ({_EXECUTED}) AS executed,
         bitstring_agg(place, 0, {{last}}) AS present, max(started_at) AS newest
  FROM read_parquet($results) JOIN {CHOSEN} USING (run) WHERE {SPAN} GROUP BY test
), failed AS (
  SELECT test, bit_count(bitstring_agg(place, 0, {{last}})) AS failures
  FROM read_parquet($failures) JOIN {CHOSEN} USING (run) WHERE {SPAN} GROUP BY test
), summed AS (
  SELECT test, newest, bit_count(present) AS present, ifnull(bit_count(executed), 0) AS runs FROM counted
)
SELECT classname, name, file, variant, runs, ifnull(failures, 0), present - runs, epoch_us(newest), test
FROM summed JOIN read_parquet($tests) USING (test) LEFT JOIN failed USING (test)
"""
_FIRST = """
SELECT test, epoch_us(min(started_at))
FROM read_parquet($results) ANTI JOIN (SELECT run FROM read_parquet($runs) WHERE experiment) USING (run) GROUP BY test
"""
_NUMBER = f"""
SELECT count(DISTINCT test) FROM read_parquet($results) SEMI JOIN {CHOSEN} USING (run) WHERE {SPAN}
"""


def count(
    reader: Reader,
    files: Mapping[str, Sequence[str]],
    everywhere: Mapping[str, Sequence[str]],
    runs: Sequence[Loaded],
) -> tuple[CountedTest, ...]:
    """The tests of these runs (oldest first), by identity. `everywhere` are the files of all the project's months."""
    if not runs:
        return ()
    first_seen = dict(reader.rows(_FIRST, {"results": list(everywhere["results"]), "runs": list(everywhere["runs"])}))
    rows = reader.rows(
        _COUNTS.format(last=len(runs) - 1),
        {**{table: list(files[table]) for table in ("results", "failures", "tests")}, **chosen(runs)},
    )
    return tuple(
        sorted(
            CountedTest(
                test=Identity(*map(untext, row[:4])),
                runs=row[4],
                failures=row[5],
                skips=row[6],
                last_run=from_microseconds(row[7]),
                first_seen=from_microseconds(first_seen[row[8]]).replace(microsecond=0)
                if row[8] in first_seen
                else None,
            )
            for row in rows
        )
    )


def number_of_tests(reader: Reader, files: Mapping[str, Sequence[str]], runs: Sequence[Loaded]) -> int:
    """How many tests these runs (oldest first) have, also as skipped ones."""
    if not runs:
        return 0
    (row,) = reader.rows(_NUMBER, {"results": list(files["results"]), **chosen(runs)})
    return int(row[0])
