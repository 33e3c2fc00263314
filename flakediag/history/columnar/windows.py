"""Loading a window from a dataset: DuckDB filters, joins and says where each result belongs, numpy puts it there.

Of a result that passed at the first attempt only its test, place and duration are asked for; outcomes and attempts
come of the others alone. One file after the other is read, so that what is on its way to its place is a part of the
window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.window import Failure, Ints, Window
from flakediag.errors import HistoryError
from flakediag.history.columnar.connection import Reader
from flakediag.history.columnar.runs import CHOSEN, SPAN, Loaded, chosen
from flakediag.history.values import untext
from flakediag.model import FailureDetail, Identity, Outcome

# As CHOSEN, with the row of the window at which a run begins.
_BEGUN = "(SELECT unnest($runs::BIGINT[]) AS run, unnest($starts::BIGINT[]) AS start)"

_RESULTS = f"""
SELECT start + position AS row, test, ifnull((duration_ms / 1000)::FLOAT, 'nan'::FLOAT) AS duration
FROM read_parquet($files) JOIN {_BEGUN} USING (run) WHERE {SPAN}
"""
_OTHERS = f"""
SELECT start + position AS row, outcome, least(attempts, 127)::TINYINT AS attempts
FROM read_parquet($files) JOIN {_BEGUN} USING (run)
WHERE {SPAN} AND (outcome <> {int(Outcome.PASSED)} OR attempts > 1)
"""
_SIGNATURES = f"SELECT DISTINCT signature FROM read_parquet($files) SEMI JOIN {CHOSEN} USING (run) WHERE {SPAN}"
# A signature comes as its place in the list of all: as a text it would be made anew for each failure.
_FAILURES = f"""
SELECT place, test, position, attempt, outcome, said, detail
FROM read_parquet($files) JOIN {CHOSEN} USING (run)
JOIN (SELECT unnest($signatures::VARCHAR[]) AS signature, unnest(range(len($signatures))) AS said) USING (signature)
WHERE {SPAN} ORDER BY place, position, attempt
"""
_DETAILS = """
SELECT detail, type, message, text, output
FROM read_parquet($files) WHERE detail IN (SELECT unnest($details::BIGINT[]))
"""
_TESTS = "SELECT test, classname, name, file, variant FROM read_parquet($files)"


def load(reader: Reader, files: Mapping[str, Sequence[str]], runs: Sequence[Loaded]) -> Window:
    """The window of these runs, oldest first. `files` are the paths of each table that may hold any of it.

    Raises `HistoryError` where a file has other results than the headers of its runs say.
    """
    if not runs:
        nothing = _empty
        return Window((), (), nothing(np.int32), nothing(np.int32), nothing(np.int32), nothing(np.int8),
                      nothing(np.int8), nothing(np.float32))  # fmt: skip
    sizes = np.array([each.results for each in runs], dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    total = int(sizes.sum())
    asked = {**chosen(runs), "starts": starts.tolist()}
    test = np.full(total, -1, dtype=np.int32)
    outcome, attempts = np.full(total, Outcome.PASSED, dtype=np.int8), np.ones(total, dtype=np.int8)
    duration = np.empty(total, dtype=np.float32)
    read = 0
    try:
        for file in files["results"]:
            rows = reader.columns(_RESULTS, {"files": [file], **asked})
            test[rows["row"]] = rows["test"]
            duration[rows["row"]] = rows["duration"]
            read += len(rows["row"])
        rows = reader.columns(_OTHERS, {"files": list(files["results"]), **asked})
        outcome[rows["row"]] = rows["outcome"]
        attempts[rows["row"]] = rows["attempts"]
    except IndexError:
        raise _contradiction(reader) from None
    if read != total or (test < 0).any():
        raise _contradiction(reader)
    tests, index_of = names(reader, files["tests"], test)
    return Window(
        runs=tuple(each.run for each in runs),
        tests=tests,
        run=np.repeat(np.arange(len(runs), dtype=np.int32), sizes),
        test=np.take(index_of, test, out=test, mode="clip"),
        position=np.concatenate([np.arange(size, dtype=np.int32) for size in sizes.tolist()]),
        outcome=outcome,
        attempts=attempts,
        duration=duration,
        failures=_failures(reader, files, chosen(runs), index_of),
    )


def _empty(kind: type[np.generic]) -> NDArray[Any]:
    return np.empty(0, dtype=kind)


def _contradiction(reader: Reader) -> HistoryError:
    return HistoryError(
        f"{reader.root}: a run has other results than its header says, so files were changed or lost", "export anew"
    )


def names(reader: Reader, files: Sequence[str], numbers: Ints) -> tuple[tuple[Identity, ...], Ints]:
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
    asked = {"files": list(files["failures"]), **chosen}
    stored = [row[0] for row in reader.rows(_SIGNATURES, asked)]
    rows = reader.columns(_FAILURES, {**asked, "signatures": stored})
    outcomes = {int(outcome): outcome for outcome in Outcome}
    numbers = rows["detail"].tolist()  # None where masked
    said = details(reader, files["details"], set(numbers))
    signatures = [untext(each) for each in stored]
    columns = (
        rows["place"].tolist(),
        index_of[rows["test"]].tolist(),
        rows["position"].tolist(),
        rows["attempt"].tolist(),
        map(outcomes.__getitem__, rows["outcome"].tolist()),
        map(signatures.__getitem__, rows["said"].tolist()),
        map(said.__getitem__, numbers),
    )
    return tuple(map(Failure._make, zip(*columns, strict=True)))


def details(reader: Reader, files: Sequence[str], wanted: set[int | None]) -> dict[int | None, FailureDetail]:
    """Each distinct detail once, however often it occurs; nothing was said where the number is None."""
    found: dict[int | None, FailureDetail] = {None: FailureDetail("", "", "")}
    numbers = sorted(number for number in wanted if number is not None)
    if numbers:
        rows = reader.rows(_DETAILS, {"files": list(files), "details": numbers})
        found.update((row[0], FailureDetail(*map(untext, row[1:]))) for row in rows)
    return found
