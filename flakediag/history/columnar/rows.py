"""Runs as rows of the tables: what one file of each table is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from flakediag.history.columnar import tables
from flakediag.history.columnar.tables import ResultArrays
from flakediag.history.details import encode
from flakediag.history.failures import failed_attempts
from flakediag.history.values import digest, optional_real, optional_text, order_text, stored_milliseconds, text
from flakediag.model import FailureDetail, Identity, Outcome, Results, Run, RunReport

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """Since 1970, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(since: int) -> datetime:
    return _EPOCH + since * _MICROSECOND


def month_of(run: Run) -> str:
    """The month in which it started, in UTC: 2026-11."""
    started = run.started_at.astimezone(UTC)
    return f"{started.year:04}-{started.month:02}"


class Rows:
    """Gathers runs, some 25 bytes for each result, and gives them out as tables.

    `number_of` is the dataset's number for a test of the project at hand; `signature_of` is asked once for each
    distinct detail.
    """

    def __init__(self, number_of: Callable[[Identity], int], signature_of: Callable[[FailureDetail], str]) -> None:
        self._number_of = number_of
        self._signature_of = signature_of
        self._runs: dict[int, dict[str, Any]] = {}
        self._columns: dict[int, tuple[Any, ...]] = {}  # run → test, outcome, attempts, duration
        self._failures: list[dict[str, Any]] = []
        self._details: dict[int, FailureDetail] = {}
        self._signatures: dict[int | None, str] = {}
        self.results = 0

    def add(self, report: RunReport, number: int) -> None:
        """Add a run under this number."""
        results = Results.of(report.results)
        size = len(results)
        self._columns[number] = (
            np.fromiter(map(self._number_of, results.tests), np.int32, size),
            np.frombuffer(results.outcomes, np.int8),
            np.array(results.attempts(), np.int32),
            np.fromiter(map(stored_milliseconds, results.durations), np.int32, size),
        )
        counts = map(results.outcomes.count, (Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED))
        self._runs[number] = header(report, number, size, *counts)
        self.results += size
        for position in results.special():
            result = results[position]
            for attempt, outcome, failure, duration in failed_attempts(result):
                self._failures.append(
                    {
                        "run": number,
                        "started_at": self._runs[number]["started_at"],
                        "test": self._number_of(result.test),
                        "position": position,
                        "attempt": attempt,
                        "outcome": int(outcome),
                        **self._said(failure),
                        "duration_ms": duration,
                    }
                )

    def _said(self, failure: FailureDetail | None) -> dict[str, Any]:
        """The signature, and what stands for the detail."""
        detail = None if failure is None else detail_number(failure)
        if detail not in self._signatures:
            self._signatures[detail] = text(self._signature_of(failure or FailureDetail("", "", "")))
            if detail is not None and failure is not None:
                self._details[detail] = failure
        return {"signature": self._signatures[detail], "detail": detail}

    def tables(self) -> Mapping[str, pa.Table]:
        """By name; see tables.py."""
        ordered = sorted(self._runs, key=lambda number: (self._runs[number]["started_at"], number))
        failures = sorted(self._failures, key=lambda row: (row["test"], row["started_at"], row["run"], row["position"]))
        details = [
            dict(zip(("detail", *FailureDetail._fields), (number, *map(text, detail)), strict=True))
            for number, detail in sorted(self._details.items())
        ]
        return {
            "runs": pa.Table.from_pylist([self._runs[number] for number in ordered], schema=tables.RUNS),
            "results": tables.results_table(self._results(ordered)),
            "failures": pa.Table.from_pylist(failures, schema=tables.FAILURES),
            "details": pa.Table.from_pylist(details, schema=tables.DETAILS),
        }

    def _results(self, ordered: list[int]) -> ResultArrays:
        columns = [self._columns[number] for number in ordered]
        sizes = [len(column[0]) for column in columns]
        nothing = tuple(np.empty(0, dtype=kind) for kind in (np.int32, np.int8, np.int32, np.int32))
        test, outcome, attempts, duration = map(np.concatenate, zip(nothing, *columns, strict=True))
        started = [microseconds(self._runs[number]["started_at"]) for number in ordered]
        return ResultArrays(
            run=np.repeat(np.array(ordered, dtype=np.int64), sizes),
            started=np.repeat(np.array(started, dtype=np.int64), sizes),
            test=test,
            position=np.concatenate([np.empty(0, np.int32), *(np.arange(size, dtype=np.int32) for size in sizes)]),
            outcome=outcome,
            attempts=attempts,
            duration=duration,
            sizes=sizes,
        )


def detail_number(detail: FailureDetail) -> int:
    """What stands for a detail: 63 bits of a digest of its content, the same in every dataset."""
    return int.from_bytes(digest(encode(detail))[:8], "big") >> 1


def tests_table(numbers: Mapping[Identity, int]) -> pa.Table:
    def rows() -> Iterator[dict[str, Any]]:
        for test, number in sorted(numbers.items(), key=lambda item: item[1]):
            yield {"test": number, **{name: text(value) for name, value in test._asdict().items()}}

    return pa.Table.from_pylist(list(rows()), schema=tables.TESTS)


def header(report: RunReport, number: int, results: int, failures: int, errors: int, skipped: int) -> dict[str, Any]:
    """A row of the table of runs; the last four are counts of last attempts."""
    run = report.run
    return {
        "run": number,
        "digest": text(run.digest),
        "started_at": run.started_at.astimezone(UTC),
        "commit_sha": optional_text(run.commit),
        "branch": optional_text(run.branch),
        "job": optional_text(run.job),
        "attempt": run.attempt,
        "shard": optional_text(run.shard),
        "host": optional_text(run.host),
        "url": optional_text(run.url),
        "duration": optional_real(run.duration),
        "producer": text(run.producer),
        "case_order": order_text(run),
        "parallelism": optional_real(run.parallelism),
        "experiment": run.experiment,
        "results": results,
        "failures": failures,
        "errors": errors,
        "skipped": skipped,
        "properties": [(text(name), text(value)) for name, value in run.properties.items()],
        "files": [
            {
                "path": text(file.path),
                "digest": text(file.digest),
                "cases": file.cases,
                "partial": optional_text(file.partial),
            }
            for file in report.files
        ],
    }
