"""Runs to store, made up on the spot."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import on_server

from flakediag import upkeep
from flakediag.analysis.window import Window
from flakediag.history import History, HistoryCounts, Stored, run_results, schema
from flakediag.location import Location
from flakediag.model import CaseResult, FailureDetail, Identity, InputFile, Order, Outcome, Run, RunReport, Scope

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def signature_of(detail: FailureDetail) -> str:
    return f"{detail.type}: {''.join('#' if c.isdigit() else c for c in detail.message)}"


def hexdigest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def passed(name: str, duration: float | None = 0.25) -> CaseResult:
    return CaseResult(test=Identity("tests.test_orders", name), outcome=Outcome.PASSED, duration=duration)


def failed(name: str, message: str = "assert 1 == 2", text: str = "a trace", **more: Any) -> CaseResult:
    return CaseResult(
        test=Identity("tests.test_orders", name),
        outcome=Outcome.FAILED,
        duration=0.5,
        failure=FailureDetail("AssertionError", message, text),
        **more,
    )


def skipped(name: str) -> CaseResult:
    return CaseResult(test=Identity("tests.test_orders", name), outcome=Outcome.SKIPPED)


def report(name: str, *results: CaseResult, hours: float = 0, **more: Any) -> RunReport:
    """A run from one file, `name`.xml, whose content is told by its name."""
    run = {"branch": "main", "order": Order.EXECUTION, "producer": "pytest", "digest": hexdigest(f"run {name}"), **more}
    return RunReport(
        run=Run(started_at=NOON + timedelta(hours=hours), **run),
        results=results,
        files=(InputFile(path=f"reports/{name}.xml", digest=hexdigest(name), cases=len(results)),),
    )


def suite(name: str, *, hours: float = 0, fails: tuple[str, ...] = (), **more: Any) -> RunReport:
    """A run of five tests, of which some fail."""
    names = ("test_a", "test_b", "test_c", "test_d", "test_e")
    return report(name, *(failed(n) if n in fails else passed(n) for n in names), hours=hours, **more)


def shuffled(name: str, tests: int, *others: CaseResult, hours: float = 0) -> RunReport:
    """A run of so many passing tests, in an order and with durations of its own: nothing that packs away."""
    draw = Random(name)
    order = draw.sample(range(tests), tests)
    return report(name, *(passed(f"test_{n}", draw.randrange(60_000) / 1000) for n in order), *others, hours=hours)


EVERYTHING = Scope(days=100_000, max_runs=1_000_000)


def store(place: Location, *reports: RunReport) -> list[Stored]:
    with History.open(place, "write") as history:
        return history.add_runs(reports, signature_of)


def window_of(place: Location, scope: Scope = EVERYTHING) -> Window:
    with History.open(place) as history:
        return history.window(scope)


def counts_of(place: Location) -> HistoryCounts:
    with History.open(place) as history:
        return history.counts()


def told(window: Window) -> tuple[Any, ...]:
    """Everything that a window says, comparable; without the runs' numbers, which are in order of arrival."""
    arrays = (window.run, window.test, window.position, window.outcome, window.attempts)
    return (
        tuple(replace(run, id=None) for run in window.runs),
        window.tests,
        *(array.tolist() for array in arrays),
        [None if d != d else round(d, 3) for d in window.duration.tolist()],
        window.failures,
    )


def as_before_packing(fresh: Path, step: int, path: Path) -> None:
    """Write what stands in `fresh` to `path` as a history of an earlier version, which had a row for each result."""
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute("PRAGMA journal_mode = WAL")
        conn.execute("BEGIN IMMEDIATE")
        schema.apply(conn, upto=step)
        conn.execute("COMMIT")
        conn.execute("ATTACH ? AS fresh", (str(fresh),))
        there = {name for (name,) in conn.execute("SELECT name FROM fresh.sqlite_schema WHERE type = 'table'")}
        for (name,) in conn.execute(
            "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name <> '_sqlite_migrations'"
        ).fetchall():
            if name in there:
                conn.execute(f"INSERT INTO main.{name} SELECT * FROM fresh.{name}")
    with closing(sqlite3.connect(fresh)) as source, closing(sqlite3.connect(path)) as conn:
        for (run_id,) in source.execute("SELECT run_id FROM run_results").fetchall():
            rows = zip(*run_results.read(source, run_id), strict=True)
            conn.executemany(
                f"INSERT INTO results VALUES ({run_id}, ?, ?, ?, ?, nullif(?, -1))",
                ((position, *row) for position, row in enumerate(rows)),
            )
        conn.commit()


def everything_in(place: Location) -> dict[str, list[Any]]:
    """Every row of every table."""
    if isinstance(place, str):
        return on_server.everything_in(place)
    with closing(sqlite3.connect(place)) as conn:
        names = [row[0] for row in conn.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: conn.execute(f"SELECT * FROM {name}").fetchall() for name in names}


def sound(place: Location) -> bool:
    """Nothing in the history contradicts anything else."""
    return on_server.complaints(place) == [] if isinstance(place, str) else upkeep.checkup(place).sound
