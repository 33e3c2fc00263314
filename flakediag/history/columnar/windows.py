"""Loading a window from a dataset: DuckDB filters and joins, numpy puts the rows in their places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.window import Bytes, Failure, Floats, Ints, Window
from flakediag.history.columnar.connection import Reader
from flakediag.history.values import untext
from flakediag.model import FailureDetail, Identity, Outcome, Run

# The runs in question with their places, as a table to join: then only their row groups are read.
_CHOSEN = "(SELECT unnest($runs::BIGINT[]) AS run, unnest(range(len($runs)))::INTEGER AS place)"
_SPAN = "started_at BETWEEN $first AND $last"

_RESULTS = f"""
SELECT place, test, position, outcome, least(attempts, 127)::TINYINT AS attempts, ifnull(duration_ms, -1) AS duration
FROM read_parquet($files) JOIN {_CHOSEN} USING (run) WHERE {_SPAN}
"""
_FAILURES = f"""
SELECT place, test, position, attempt, outcome, signature, detail
FROM read_parquet($files) JOIN {_CHOSEN} USING (run) WHERE {_SPAN} ORDER BY place, position, attempt
"""
_DETAILS = """
SELECT detail, type, message, text, output
FROM read_parquet($files) WHERE detail IN (SELECT unnest($details::BIGINT[]))
"""
_TESTS = "SELECT test, classname, name, file, variant FROM read_parquet($files)"


def load(reader: Reader, files: Mapping[str, Sequence[str]], runs: Sequence[Run]) -> Window:
    """The window of these runs, oldest first. `files` are the paths of each table that may hold any of it."""
    if not runs:
        nothing = _empty
        return Window((), (), nothing(np.int32), nothing(np.int32), nothing(np.int32), nothing(np.int8),
                      nothing(np.int8), nothing(np.float32))  # fmt: skip
    chosen = {"runs": [run.id for run in runs], "first": runs[0].started_at, "last": runs[-1].started_at}
    rows = reader.columns(_RESULTS, {"files": list(files["results"]), **chosen})
    place, numbers, position = (np.asarray(rows[name], dtype=np.int32) for name in ("place", "test", "position"))
    order = _in_order(place, position, len(runs))
    names, index_of = _tests(reader, files["tests"], numbers)
    return Window(
        runs=tuple(runs),
        tests=names,
        run=place[order],
        test=index_of[numbers[order]],
        position=position[order],
        outcome=_bytes(rows["outcome"], order),
        attempts=_bytes(rows["attempts"], order),
        duration=_seconds(np.asarray(rows["duration"])[order]),
        failures=_failures(reader, files, chosen, index_of),
    )


def _empty(kind: type[np.generic]) -> NDArray[Any]:
    return np.empty(0, dtype=kind)


def _bytes(column: NDArray[Any], order: NDArray[np.int64]) -> Bytes:
    return np.asarray(column, dtype=np.int8)[order]


def _seconds(milliseconds: NDArray[Any]) -> Floats:
    duration = milliseconds.astype(np.float32)
    duration[duration < 0] = np.nan
    duration /= 1000
    return duration


def _in_order(place: Ints, position: Ints, runs: int) -> NDArray[np.int64]:
    """int64[N]: where the rows stand in the order of runs and positions.

    Positions count up from 0 in every run, so a row's place is known without sorting. Where they do not (somebody has
    deleted rows of the history before), the rows are sorted.
    """
    sizes = np.bincount(place, minlength=runs)
    starts = np.cumsum(sizes) - sizes
    target = starts[place] + position
    order = np.full(len(place), -1, dtype=np.int64)
    if len(target) and target.max() < len(order):
        order[target] = np.arange(len(order))
    if (position >= sizes[place]).any() or (order < 0).any():
        return np.lexsort((position, place))
    return order


def _tests(reader: Reader, files: Sequence[str], numbers: Ints) -> tuple[tuple[Identity, ...], Ints]:
    """The tests with these numbers by name, and the place of each number among them (int32[highest number + 1])."""
    used = np.zeros(int(numbers.max(initial=-1)) + 1, dtype=np.bool_)
    used[numbers] = True
    found = [
        (Identity(*map(untext, row[1:])), row[0])
        for row in reader.rows(_TESTS, {"files": list(files)})
        if row[0] < len(used) and used[row[0]]
    ]
    found.sort()
    index_of = np.full(len(used), -1, dtype=np.int32)
    index_of[[number for _, number in found]] = np.arange(len(found), dtype=np.int32)
    return tuple(name for name, _ in found), index_of


def _failures(
    reader: Reader,
    files: Mapping[str, Sequence[str]],
    chosen: Mapping[str, object],
    index_of: Ints,
) -> tuple[Failure, ...]:
    rows = reader.rows(_FAILURES, {"files": list(files["failures"]), **chosen})
    said = details(reader, files["details"], {row[6] for row in rows})
    signatures = {stored: untext(stored) for stored in {row[5] for row in rows}}
    outcomes = {int(outcome): outcome for outcome in Outcome}
    index = index_of.tolist()
    return tuple(
        Failure(place, index[test], position, attempt, outcomes[outcome], signatures[signature], said[detail])
        for place, test, position, attempt, outcome, signature, detail in rows
    )


def details(reader: Reader, files: Sequence[str], wanted: set[int | None]) -> dict[int | None, FailureDetail]:
    """Each distinct detail once, however often it occurs; nothing was said where the number is None."""
    found: dict[int | None, FailureDetail] = {None: FailureDetail("", "", "")}
    numbers = sorted(number for number in wanted if number is not None)
    if numbers:
        rows = reader.rows(_DETAILS, {"files": list(files), "details": numbers})
        found.update((row[0], FailureDetail(*map(untext, row[1:]))) for row in rows)
    return found
