"""Storing runs: one writer lives as long as one transaction.

The rule for what counts once: **a report file counts once in a project**, by the digest of its bytes. A report whose
files (or whose run digest) are all known is a duplicate. Where only some of its files are known (a folder that has
grown since), the results of the known ones are left out and the rest becomes a run; nothing that is stored is changed.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections import defaultdict
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, NamedTuple

from flakediag.history.bitmaps import bitmap, pack
from flakediag.history.counters import Counters
from flakediag.history.failures import FailureWriter
from flakediag.history.history import Stored
from flakediag.history.run_results import Columns, ResultWriter
from flakediag.history.values import (
    digest,
    digest_of,
    moment,
    optional_real,
    optional_text,
    order_text,
    stored_milliseconds,
    text,
)
from flakediag.model import FailureDetail, Identity, InputFile, Outcome, Results, Run, RunReport

if TYPE_CHECKING:
    from flakediag.history.pruned import PrunedRun

_MANY = 500  # unknown tests of one run, from which on they are looked up together, and so many at a time
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
        self._tests: dict[int, dict[Identity, int]] = defaultdict(dict)  # by project
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
            {self._test(project, test) for test in tests} for tests in (pruned.executed, pruned.skipped, pruned.failed)
        )
        skipped -= executed  # two names that are one test here: one of them was executed
        counts = _Counts(pruned.results, pruned.failures, pruned.errors, pruned.skips)
        run_id = self._insert_run(project, pruned.run, counts, self._set(executed), self._set(skipped))
        self._conn.execute(
            "INSERT INTO pruned_runs VALUES (?, ?, ?)", (run_id, moment(pruned.pruned_at), self._set(failed))
        )
        self._add_properties(run_id, pruned.run)
        self._add_files(project, run_id, pruned.files)
        if not pruned.run.experiment:
            self._counters.add(int(pruned.run.started_at.timestamp()), executed, skipped, failed)
        return run_id

    def finish(self) -> None:
        self._counters.flush()

    def _add_run(self, project: int, run: Run, results: Results) -> int:
        # What is done for every result that is stored is done to whole columns.
        known = self._tests[project]
        try:
            tests = array("i", map(known.__getitem__, results.tests))
        except KeyError:
            unknown = dict.fromkeys(test for test in results.tests if test not in known)
            if len(unknown) >= _MANY:
                self._find_tests(project, unknown)
            for test in unknown:
                self._test(project, test)
            tests = array("i", map(known.__getitem__, results.tests))
        outcomes = results.outcomes
        special = [(position, tests[position], results[position]) for position in results.special()]
        executed = set(tests)
        if Outcome.SKIPPED in outcomes:
            # Executed: what ended otherwise, also in another place of the run, or was skipped only in the end.
            executed = {test for test, outcome in zip(tests, outcomes, strict=True) if outcome != _SKIPPED}
            executed |= {test for _, test, result in special if result.earlier}
        skipped = set(tests) - executed
        counted = _Counts(len(tests), *map(outcomes.count, (Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED)))
        run_id = self._insert_run(project, run, counted, self._set(executed), self._set(skipped))
        durations = array("i", map(stored_milliseconds, results.durations))
        self._results.write(run_id, Columns(tests, outcomes, results.attempts(), durations))
        failed = self._failures.add(run_id, special)
        self._add_properties(run_id, run)
        if not run.experiment:
            self._counters.add(int(run.started_at.timestamp()), executed, skipped, failed)
        return run_id

    def _insert_run(self, project: int, run: Run, counts: _Counts, executed_set: int, skipped_set: int) -> int:
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
            "executed_set_id": executed_set,
            "skipped_set_id": skipped_set,
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

    def _test(self, project: int, test: Identity) -> int:
        found = self._tests[project].get(test)
        return self._find_test(project, test) if found is None else found

    def _find_test(self, project: int, test: Identity) -> int:
        """The test with this name, present or former; a new one where there is none."""
        texts, key = names_of(project, test)
        found = _intern(
            self._conn,
            "SELECT id FROM tests WHERE digest = ?1 UNION ALL SELECT test_id FROM renames WHERE digest = ?1",
            (key,),
            "INSERT INTO tests (project_id, digest, classname, name, file, variant) VALUES (?, ?, ?, ?, ?, ?)"
            " RETURNING id",
            (project, key, *texts),
        )
        self._tests[project][test] = found
        return found

    def _find_tests(self, project: int, tests: Collection[Identity]) -> None:
        """The same for many tests with a few statements; a test with a former name is left to `_find_test`.

        New tests are numbered here, as SQLite would, and stored by rising digest: both the table and the index grow at
        their ends, and nothing has to be read back.
        """
        of_key = {names_of(project, test)[1]: test for test in tests}
        renamed = {key for (key,) in self._conn.execute("SELECT digest FROM renames")}
        wanted = sorted(of_key.keys() - renamed)
        last = self._conn.execute("SELECT ifnull(max(id), 0) FROM tests").fetchone()[0]
        stored = self._stored(wanted) if last else {}
        new = [key for key in wanted if key not in stored] if stored else wanted
        added = range(last + 1, last + 1 + len(new))
        self._conn.executemany(
            "INSERT INTO tests (id, project_id, digest, classname, name, file, variant) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (number, project, key, *names_of(project, of_key[key])[0])
                for number, key in zip(added, new, strict=True)
            ),
        )
        known = self._tests[project]
        known.update((of_key[key], number) for key, number in stored.items())
        known.update((of_key[key], number) for key, number in zip(new, added, strict=True))

    def _stored(self, keys: list[bytes]) -> dict[bytes, int]:
        """The tests with these digests that there are."""
        found: dict[bytes, int] = {}
        for start in range(0, len(keys), _MANY):
            part = keys[start : start + _MANY]
            marks = ", ".join("?" * len(part))
            found.update(self._conn.execute(f"SELECT digest, id FROM tests WHERE digest IN ({marks})", part))
        return found

    def _set(self, test_ids: set[int]) -> int:
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
        return found

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


def names_of(project: int, test: Identity) -> tuple[tuple[str, ...], bytes]:
    """The four texts of an identity as they are stored, and their digest."""
    of, (classname, name, file, variant) = str(project), test
    said = f"{len(of)}:{of}{len(classname)}:{classname}{len(name)}:{name}{len(file)}:{file}{len(variant)}:{variant}"
    if said.isascii() and "\x00" not in said:  # nearly always: nothing to replace, and a byte for each character
        return test, digest_of(said.encode())
    texts = tuple(text(part) for part in test)
    return texts, digest(b"%d" % project, *(part.encode() for part in texts))


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
