"""What became of each test in each run: DuckDB makes a string of bits for each test, and no result reaches Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.outcomes import Flags, OutcomesOnly
from flakediag.history.columnar.connection import Reader
from flakediag.history.columnar.runs import CHOSEN, SPAN, Loaded, chosen
from flakediag.history.columnar.windows import names
from flakediag.model import Outcome

# What a bit stands for, of a test's results in a run.
_BITS = {
    "ran": f"outcome <> {int(Outcome.SKIPPED)}",
    "passed": f"outcome = {int(Outcome.PASSED)}",
    "ended": f"outcome IN ({int(Outcome.FAILED)}, {int(Outcome.ERROR)})",
}


def load(reader: Reader, files: Mapping[str, Sequence[str]], runs: Sequence[Loaded]) -> OutcomesOnly:
    """The outcomes of these runs, oldest first. `files` are the paths of each table that may hold any of it."""
    if not runs:
        nothing = np.zeros((0, 0), dtype=np.bool_)
        return OutcomesOnly((), (), 0, nothing, nothing, nothing, nothing)
    bits = {name: _bits(f"FILTER ({condition})", len(runs)) for name, condition in _BITS.items()}
    asked = ", ".join(f"{sql} AS {name}" for name, sql in bits.items())
    found = _columns(reader, f"test, {asked}", files["results"], runs)
    failed = _columns(reader, f"test, {_bits('', len(runs))} AS failed", files["failures"], runs)
    tests, index_of = names(reader, files["tests"], np.asarray(found["test"], dtype=np.int32))
    shape = (len(runs), len(tests))
    ran, passed, ended = (_flags(found[name], index_of[found["test"]], shape) for name in _BITS)
    failing = ended | _flags(failed["failed"], index_of[failed["test"]], shape)
    return OutcomesOnly(
        runs=tuple(each.run for each in runs),
        tests=tests,
        results=sum(each.results for each in runs),
        executed=ran | failing,
        failed=failing,
        ended_failed=ended,
        recovered=failing & passed,
    )


def _bits(condition: str, runs: int) -> str:
    """SQL for a bit for each run, filled up to whole bytes."""
    return f"bitstring_agg(place, 0, {-(-runs // 8) * 8 - 1}) {condition}::BLOB"


def _columns(reader: Reader, asked: str, files: Sequence[str], runs: Sequence[Loaded]) -> dict[str, NDArray[Any]]:
    sql = f"SELECT {asked} FROM read_parquet($files) JOIN {CHOSEN} USING (run) WHERE {SPAN} GROUP BY test"
    return reader.columns(sql, {"files": list(files), **chosen(runs)})


def _flags(bits: NDArray[Any], tests: NDArray[np.int32], shape: tuple[int, int]) -> Flags:
    """bool[R, T] from a string of bits for each of some tests; null where none is set."""
    rows = np.zeros((shape[1], -(-shape[0] // 8)), dtype=np.uint8)
    some = np.flatnonzero(~np.ma.getmaskarray(bits))
    if len(some):
        rows[tests[some]] = np.frombuffer(b"".join(np.ma.getdata(bits)[some]), np.uint8).reshape(len(some), -1)
    return np.ascontiguousarray(np.unpackbits(rows, axis=1)[:, : shape[0]].T).view(np.bool_)
