"""Every result of a history as one Parquet table, for data frames and warehouses."""

from __future__ import annotations

import io
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any, BinaryIO

from flakediag.errors import UsageError
from flakediag.history.portable import Portable
from flakediag.history.pruned import PrunedRun
from flakediag.model import CaseResult, FailureDetail

_TEXTS = ("project", "commit", "branch", "job", "shard", "host", "producer", "order")
_NOTHING = FailureDetail("", "", "")


def check() -> None:
    """Raises `UsageError` where Parquet cannot be written here."""
    if find_spec("pyarrow") is None:
        raise UsageError(
            "--format parquet needs the library pyarrow, which is not installed",
            "install it with: pip install 'flakediag[parquet]'; or take --format jsonl",
        )


def write(runs: Iterable[Portable], target: BinaryIO) -> int:
    """One row for each result, pruned runs left out; returns their number. Everything is held in memory."""
    check()
    import pandas

    parts = [_frame(item) for item in runs if not item.pruned and item.results]
    table = pandas.concat(parts, ignore_index=True) if parts else pandas.DataFrame()
    for name in (*_TEXTS, "classname", "name", "file", "variant", "outcome", "failure_type"):
        if name in table:
            table[name] = table[name].astype("category")
    written = io.BytesIO()  # pyarrow asks a file for its position, which a pipe has not
    table.to_parquet(written, engine="pyarrow", index=False)
    target.write(written.getbuffer())
    return len(table)


def _frame(item: Portable) -> Any:
    import pandas

    report = item.load()
    assert not isinstance(report, PrunedRun)
    run = report.run
    of_run = {
        "run": run.id,
        "started_at": pandas.Timestamp(run.started_at),
        **{name: _text(getattr(run, name)) for name in _TEXTS},
        "attempt_of_run": run.attempt,
        "experiment": run.experiment,
    }
    of_run["order"] = run.order.value
    columns: dict[str, list[Any]] = {
        "position": list(range(len(report.results))),
        **{
            part: [_text(getattr(result.test, part)) for result in report.results]
            for part in ("classname", "name", "file", "variant")
        },
        "outcome": [result.outcome.name.lower() for result in report.results],
        "attempts": [result.attempts for result in report.results],
        "failed_attempts": [_failed_attempts(result) for result in report.results],
        "duration": [result.duration for result in report.results],
        "failure_type": [_text((result.failure or _NOTHING).type) for result in report.results],
        "failure_message": [_text((result.failure or _NOTHING).message) for result in report.results],
    }
    frame = pandas.DataFrame({**{key: [value] * len(report.results) for key, value in of_run.items()}, **columns})
    return frame.astype({"duration": "float64", **dict.fromkeys(_TEXTS, "string")})


def _text(value: str | None) -> str | None:
    """A lone surrogate, which no UTF-8 has, as an escape."""
    return None if value is None else value.encode("utf-8", "backslashreplace").decode("utf-8")


def _failed_attempts(result: CaseResult) -> int:
    return sum(each.outcome.failed for each in result.earlier) + result.outcome.failed
