"""Storing runs: one writer lives as long as one transaction.

The rule for what counts once: **a report file counts once in a project**, by the digest of its bytes. A report whose
files (or whose run digest) are all known is a duplicate. Where only some of its files are known (a folder that has
grown since), the results of the known ones are left out and the rest becomes a run; nothing that is stored is changed.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from flakediag.history.bitmaps import bitmap, pack
from flakediag.history.counters import Counters, Members
from flakediag.history.failures import FailureWriter
from flakediag.history.history import Stored
from flakediag.history.identities import TestWriter
from flakediag.history.run_results import Columns, ResultWriter
from flakediag.history.values import (
    digest,
    moment,
    optional_real,
    optional_text,
    order_text,
    stored_milliseconds,
    text,
)
from flakediag.model import FailureDetail, InputFile, Outcome, Results, Run, RunReport

if TYPE_CHECKING:
    from flakediag.history.pruned import PrunedRun

_SKIPPED = int(Outcome.SKIPPED)


class _Counts(NamedTuple):
    """Of the last attempts of a run."""

    results: int
    failures: int
    errors: int
    skipped: int


class Writer:
    """Adds runs within the transaction that the caller holds; `finish` must be called before it commits."""

    def __init__(
        self, conn: sqlite3.Connection, signature_of: Callable[[FailureDetail], str], *, keep_numbers: bool = False
    ) -> None:
        """`keep_numbers`: runs that have a number keep it. For a history without runs only."""
        self._conn = conn
        self._keep_numbers = keep_numbers
        self._projects: dict[str, int] = {}
        self._tests = TestWriter(conn)
        self._sets: dict[bytes, int] = {}
        self._properties: dict[tuple[str, str], int] = {}
        self._failures = FailureWriter(conn, signature_of)
        self._results = ResultWriter(conn)
        self._counters = Counters(conn)

    def add(self, report: RunReport) -> Stored:
        project = self.project(report.run.project)
        known = self._known_files(project, report.files)
        earlier = self._conn.execute(
            "SELECT id FROM runs WHERE project_id = ? AND digest = ?", (project, text(report.run.digest))
        ).fetchone()
        new = tuple(file for file in _distinct(report.files) if file.digest not in known)
        if earlier is not None or (known and not new):
            run_id = earlier[0] if earlier is not None else known[report.files[0].digest]
            return Stored(run=run_id, duplicate=True, results=0, files=report.files, known=report.files)
        results, doubled = Results.of(report.results), False
        if len(new) < len(report.files):
            results, doubled = _results_of(report, new)
        run_id = self._add_run(project, report.run, results)
        self._add_files(project, run_id, new)
        left_out = tuple(file for file in report.files if file.digest in known)
        return Stored(
            run=run_id, duplicate=False, results=len(results), files=report.files, known=left_out, doubled=doubled
        )

    def add_whole(self, report: RunReport) -> int:
        """Add a run as it is, whatever of it is known: for runs from another history, whose files cannot be told apart
        any more. A known file stays with the run that had it."""
        project = self.project(report.run.project)
        run_id = self._add_run(project, report.run, Results.of(report.results))
        self._add_files(project, run_id, report.files)
        return run_id

    def add_pruned(self, pruned: PrunedRun) -> int:
        """Add a run of which another history has only kept the sums."""
        project = self.project(pruned.run.project)
        executed, skipped, failed = (
            set(self._tests.numbers(project, tests)) for tests in (pruned.executed, pruned.skipped, pruned.failed)
        )
        skipped -= executed  # two names that are one test here: one of them was executed
        counts = _Counts(pruned.results, pruned.failures, pruned.errors, pruned.skips)
        both = self._set(executed), self._set(skipped)
        run_id = self._insert_run(project, pruned.run, counts, *both)
        self._conn.execute(
            "INSERT INTO pruned_runs VALUES (?, ?, ?)", (run_id, moment(pruned.pruned_at), self._set(failed).number)
        )
        self._add_properties(run_id, pruned.run)
        self._add_files(project, run_id, pruned.files)
        if not pruned.run.experiment:
            self._counters.add(int(pruned.run.started_at.timestamp()), *both, failed)
        return run_id

    def finish(self) -> None:
        self._counters.flush()

    def _add_run(self, project: int, run: Run, results: Results) -> int:
        # What is done for every result that is stored is done to whole columns.
        tests = self._tests.numbers(project, results.tests)
        outcomes = results.outcomes
        special = [(position, tests[position], results[position]) for position in results.special()]
        executed, skipped = set(tests), set[int]()
        if Outcome.SKIPPED in outcomes:
            # Executed: what ended otherwise, also in another place of the run, or was skipped only in the end.
            everything = executed
            executed = {test for test, outcome in zip(tests, outcomes, strict=True) if outcome != _SKIPPED}
            executed |= {test for _, test, result in special if result.earlier}
            skipped = everything - executed
        counted = _Counts(len(tests), *map(outcomes.count, (Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED)))
        both = self._set(executed), self._set(skipped)
        run_id = self._insert_run(project, run, counted, *both)
        durations = array("i", map(stored_milliseconds, results.durations))
        self._results.write(run_id, Columns(tests, outcomes, results.attempts(), durations))
        failed = self._failures.add(run_id, special)
        self._add_properties(run_id, run)
        if not run.experiment:
            self._counters.add(int(run.started_at.timestamp()), *both, failed)
        return run_id

    def _insert_run(self, project: int, run: Run, counts: _Counts, executed: Members, skipped: Members) -> int:
        values = {
            "id": run.id if self._keep_numbers else None,
            "project_id": project,
            "digest": text(run.digest),
            "started_at": moment(run.started_at),
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
            "experiment": int(run.experiment),
            **counts._asdict(),
            "executed_set_id": executed.number,
            "skipped_set_id": skipped.number,
        }
        columns, marks = ", ".join(values), ", ".join("?" * len(values))
        row = self._conn.execute(
            f"INSERT INTO runs ({columns}) VALUES ({marks}) RETURNING id", tuple(values.values())
        ).fetchall()
        return int(row[0][0])

    def _known_files(self, project: int, files: tuple[InputFile, ...]) -> dict[str, int]:
        """Digest → run of those of `files` whose results are in the history."""
        known = {}
        for file in files:
            row = self._conn.execute(
                "SELECT run_id FROM files WHERE project_id = ? AND digest = ?", (project, text(file.digest))
            ).fetchone()
            if row is not None:
                known[file.digest] = row[0]
        return known

    def _add_files(self, project: int, run_id: int, files: tuple[InputFile, ...]) -> None:
        self._conn.executemany(
            "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [(project, text(f.digest), run_id, text(f.path), f.cases, optional_text(f.partial)) for f in files],
        )

    def project(self, name: str) -> int:
        """The history's number for the project."""
        found = self._projects.get(name)
        if found is None:
            found = _intern(
                self._conn,
                "SELECT id FROM projects WHERE name = ?",
                (text(name),),
                "INSERT INTO projects (name) VALUES (?) RETURNING id",
                (text(name),),
            )
            self._projects[name] = found
        return found

    def _set(self, test_ids: set[int]) -> Members:
        bits = bitmap(test_ids)
        key = digest(bits)
        found = self._sets.get(key)
        if found is None:
            found = _intern(
                self._conn,
                "SELECT id FROM test_sets WHERE digest = ?",
                (key,),
                "INSERT INTO test_sets (digest, size, members) VALUES (?, ?, ?) RETURNING id",
                (key, len(test_ids), pack(bits)),
            )
            self._sets[key] = found
        return Members(found, test_ids)

    def _add_properties(self, run_id: int, run: Run) -> None:
        rows = []
        for position, item in enumerate(run.properties.items()):
            found = self._properties.get(item)
            if found is None:
                texts = (text(item[0]), text(item[1]))
                found = _intern(
                    self._conn,
                    "SELECT id FROM properties WHERE name = ? AND value = ?",
                    texts,
                    "INSERT INTO properties (name, value) VALUES (?, ?) RETURNING id",
                    texts,
                )
                self._properties[item] = found
            rows.append((run_id, position, found))
        self._conn.executemany("INSERT INTO run_properties VALUES (?, ?, ?)", rows)


def _intern(
    conn: sqlite3.Connection, find: str, key: tuple[object, ...], insert: str, values: tuple[object, ...]
) -> int:
    """The id of the row with this key, added where there is none. Safe: the caller holds the write lock."""
    row = conn.execute(find, key).fetchone()
    if row is None:
        (row,) = conn.execute(insert, values).fetchall()
    return int(row[0])


def _distinct(files: tuple[InputFile, ...]) -> tuple[InputFile, ...]:
    """The first of those with equal bytes: a copy in another folder is not another execution."""
    return tuple({file.digest: file for file in reversed(files)}.values())[::-1]


def _results_of(report: RunReport, wanted: tuple[InputFile, ...]) -> tuple[Results, bool]:
    """The results that come from the `wanted` files, and whether others had to be taken along.

    Results stand in file order, so that each file's are a slice, as long as every case is a result of its own.
    """
    results = Results.of(report.results)
    if sum(file.cases for file in report.files) != len(results):
        return results, True
    kept: list[Results] = []
    start = 0
    identities = {id(file) for file in wanted}
    for file in report.files:
        if id(file) in identities:
            kept.append(results[start : start + file.cases])
        start += file.cases
    return Results.joined(kept), False
