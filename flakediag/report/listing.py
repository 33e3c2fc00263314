"""`runs` and `tests`: what is stored, as a table or JSON.

The rows are described by what is read of them, so that this part needs to know the model only.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TextIO

from flakediag.model import Run
from flakediag.report import document
from flakediag.report.format import Options
from flakediag.report.screen import Screen, table
from flakediag.report.text import commit, day, iso, minute, number, plural, visible

FORMATS = ("table", "json")


class StoredRun(Protocol):
    @property
    def run(self) -> Run: ...
    @property
    def results(self) -> int: ...
    @property
    def failures(self) -> int: ...
    @property
    def errors(self) -> int: ...
    @property
    def skipped(self) -> int: ...


class KnownTest(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def runs(self) -> int: ...
    @property
    def failures(self) -> int: ...
    @property
    def last_run(self) -> datetime: ...


def write_runs(rows: Sequence[StoredRun], format_name: str, stream: TextIO, options: Options, hidden: int = 0) -> None:
    """One line per run; `hidden` runs more are only counted."""
    if format_name == "json":
        runs = [_run(row) for row in rows]
        document.write({"schema_version": document.SCHEMA_VERSION, "runs": runs, "hidden": hidden}, stream)
        return
    out = Screen(stream, options)
    if not rows:
        out.line("No runs in this window. Read some reports with: flakediag ingest PATH")
        return
    columns = [("Run", "right"), ("Started", "left"), ("Commit", "left"), ("Branch", "left")]
    columns += [("Results", "right"), ("Failed", "right"), ("Skipped", "right"), ("Order", "left"), ("Job", "left")]
    table(out, columns, [_run_cells(row) for row in rows])
    _rest(out, hidden, "run")


def _run_cells(row: StoredRun) -> list[str]:
    run = row.run
    # A retried job and a shard are runs of their own: say which.
    job = [visible(run.job or "–"), f"shard {visible(run.shard)}" if run.shard else ""]
    job.append(f"attempt {run.attempt}" if run.attempt > 1 else "")
    return [
        str(run.id if run.id is not None else "–"),
        minute(run.started_at),
        commit(run.commit),
        visible(run.branch or "–"),
        number(row.results),
        number(row.failures + row.errors),
        number(row.skipped),
        run.order.value + (f" ×{run.parallelism:.1f}" if run.parallelism and run.parallelism > 1.1 else ""),
        " ".join(part for part in job if part),
    ]


def _run(row: StoredRun) -> document.Document:
    run = row.run
    return {
        **document.run(run),
        "project": run.project,
        "host": run.host,
        "producer": run.producer,
        "order": run.order.value,
        "parallelism": None if run.parallelism is None else document.number(run.parallelism),
        "duration": None if run.duration is None else document.number(run.duration),
        "experiment": run.experiment,
        "results": row.results,
        "failures": row.failures,
        "errors": row.errors,
        "skipped": row.skipped,
    }


def write_tests(rows: Sequence[KnownTest], format_name: str, stream: TextIO, options: Options, hidden: int = 0) -> None:
    """One line per test; `hidden` tests more are only counted."""
    if format_name == "json":
        tests = [{"id": r.id, "runs": r.runs, "failures": r.failures, "last_run": iso(r.last_run)} for r in rows]
        document.write({"schema_version": document.SCHEMA_VERSION, "tests": tests, "hidden": hidden}, stream)
        return
    out = Screen(stream, options)
    if not rows:
        out.line("No such tests in this window.")
        return
    columns = [("Runs", "right"), ("Failed", "right"), ("Last run", "left"), ("Test", "left")]
    table(out, columns, [[number(r.runs), number(r.failures), day(r.last_run), visible(r.id)] for r in rows])
    _rest(out, hidden, "test")


def _rest(out: Screen, hidden: int, noun: str) -> None:
    if hidden:
        out.line((f"{plural(hidden, f'more {noun}')} not shown: --limit 0 shows all", "dim"))
