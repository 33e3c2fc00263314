"""The tables of a dataset: their columns, and how their files are laid out.

Results stand in blocks of neighbouring runs, within a block by test and then by run, and a block is cut into row
groups. So a question about some runs skips the other blocks, and one about some tests most of each block. A result
takes about a byte where tests run in one order, and three where the order is shuffled (by run it would be two: the
price of finding a test).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

BLOCK = 1_000_000  # results, about; whole runs
ROW_GROUP = 131_072  # rows; DuckDB's threads take one each
_FEW = 20_000  # rows of a row group with texts

_MOMENT = pa.timestamp("us", "UTC")

RUNS = pa.schema(
    [
        pa.field("run", pa.int64(), nullable=False),
        pa.field("digest", pa.string(), nullable=False),
        pa.field("started_at", _MOMENT, nullable=False),
        *(pa.field(name, pa.string()) for name in ("commit_sha", "branch", "job")),
        pa.field("attempt", pa.int64(), nullable=False),
        *(pa.field(name, pa.string()) for name in ("shard", "host", "url")),
        pa.field("duration", pa.float64()),
        pa.field("producer", pa.string(), nullable=False),
        pa.field("case_order", pa.string(), nullable=False),
        pa.field("parallelism", pa.float64()),
        pa.field("experiment", pa.bool_(), nullable=False),
        *(pa.field(name, pa.int64(), nullable=False) for name in ("results", "failures", "errors", "skipped")),
        pa.field("properties", pa.map_(pa.string(), pa.string()), nullable=False),
        pa.field(
            "files",
            pa.list_(
                pa.struct(
                    [
                        ("path", pa.string()),
                        ("digest", pa.string()),
                        ("cases", pa.int64()),
                        ("partial", pa.string()),
                    ]
                )
            ),
            nullable=False,
        ),
    ]
)
TESTS = pa.schema(
    [
        pa.field("test", pa.int32(), nullable=False),
        *(pa.field(name, pa.string(), nullable=False) for name in ("classname", "name", "file", "variant")),
    ]
)
RESULTS = pa.schema(
    [
        pa.field("run", pa.int64(), nullable=False),
        pa.field("started_at", _MOMENT, nullable=False),  # the run's, so that a scan can skip
        pa.field("test", pa.int32(), nullable=False),
        pa.field("position", pa.int32(), nullable=False),
        pa.field("outcome", pa.int8(), nullable=False),
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("duration_ms", pa.int32()),
    ]
)
FAILURES = pa.schema(
    [
        pa.field("run", pa.int64(), nullable=False),
        pa.field("started_at", _MOMENT, nullable=False),
        pa.field("test", pa.int32(), nullable=False),
        pa.field("position", pa.int32(), nullable=False),
        pa.field("attempt", pa.int32(), nullable=False),
        pa.field("outcome", pa.int8(), nullable=False),
        pa.field("signature", pa.string(), nullable=False),
        pa.field("detail", pa.int64()),  # null: the report says nothing
        pa.field("duration_ms", pa.int32()),  # of an attempt before the last one
    ]
)
DETAILS = pa.schema(
    [
        pa.field("detail", pa.int64(), nullable=False),
        *(pa.field(name, pa.string(), nullable=False) for name in ("type", "message", "text", "output")),
    ]
)
MONTHLY = {"runs": RUNS, "results": RESULTS, "failures": FAILURES, "details": DETAILS}
"""The tables that have a file for each part of a month."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """What of a table is written as a dictionary, and what as differences."""

    dictionary: tuple[str, ...]
    delta: tuple[str, ...] = ()
    row_group: int = ROW_GROUP


_LAYOUTS = {
    "runs": _Layout(("commit_sha", "branch", "job", "shard", "host", "producer", "case_order"), row_group=_FEW),
    "tests": _Layout(("classname", "file", "variant")),
    "results": _Layout(("outcome", "attempts", "duration_ms"), delta=("run", "started_at", "test", "position")),
    "failures": _Layout(("run", "started_at", "outcome", "attempt", "signature"), ("test", "position"), _FEW),
    "details": _Layout(("type",), row_group=_FEW),
}


@dataclass(slots=True, kw_only=True)
class ResultArrays:
    """The results of some runs as arrays, one entry per result, runs by start and positions rising within each.

    `started` is in microseconds since 1970, `duration` in milliseconds, -1 where it is not known.
    """

    run: NDArray[np.int64]
    started: NDArray[np.int64]
    test: NDArray[np.int32]
    position: NDArray[np.int32]
    outcome: NDArray[np.int8]
    attempts: NDArray[np.int32]
    duration: NDArray[np.int32]
    sizes: list[int] = field(default_factory=list)  # results of each run, in order


def results_table(results: ResultArrays) -> pa.Table:
    """Laid out as this file's first words say."""
    order = _order(results)
    duration = results.duration[order]
    return pa.table(
        [
            pa.array(results.run[order]),
            pa.array(results.started[order], _MOMENT),
            pa.array(results.test[order]),
            pa.array(results.position[order]),
            pa.array(results.outcome[order]),
            pa.array(results.attempts[order]),
            pa.array(duration, pa.int32(), mask=duration < 0),
        ],
        schema=RESULTS,
    )


def _order(results: ResultArrays) -> NDArray[np.int64]:
    """int64[N]: where each row comes from."""
    parts, start, held = [np.empty(0, dtype=np.int64)], 0, 0
    for size in [*results.sizes, BLOCK]:  # the last one ends the last block
        if held and held + size > BLOCK:
            parts.append(start + np.argsort(results.test[start : start + held], kind="stable"))
            start, held = start + held, 0
        held += size
    return np.concatenate(parts)


def write(table: pa.Table, name: str, target: Path) -> int:
    """Write the rows of the table called `name`, and return the bytes. The file appears when it is whole."""
    layout = _LAYOUTS[name]
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.part")
    try:
        pq.write_table(
            table,
            temporary,
            compression="zstd",
            use_dictionary=list(layout.dictionary),
            column_encoding=dict.fromkeys(layout.delta, "DELTA_BINARY_PACKED") or None,
            row_group_size=layout.row_group,
            write_statistics=True,
        )
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())  # the manifest that will name it must not be on the disk before it
        size = temporary.stat().st_size
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return size


def read(path: Path, columns: list[str] | None = None, rows: Any = None) -> pa.Table:
    """One file, as it was written; only these columns, and only the rows that an Arrow expression asks for."""
    return pq.read_table(path, columns=columns, filters=rows, partitioning=None)
