"""Stored runs as the reports that they came from: what `merge` and `export` move between histories."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.window import Sealed
from flakediag.history.portable import FormerName, Portable
from flakediag.history.pruned import Identities, PrunedRun
from flakediag.history.server import failures, reading, results
from flakediag.history.server.connecting import Connection
from flakediag.history.server.reading import Head
from flakediag.history.stored_results import of_columns
from flakediag.history.values import seconds
from flakediag.model import Attempt, FailureDetail, Identity, Outcome, RunReport

_AT_ONCE = 100  # runs that are asked for together

_Attempts = dict[int, dict[int, Attempt]]  # position → attempt → what is known of those that failed


def portables(conn: Connection) -> Iterator[Portable]:
    """Every run, in the order of their numbers. The caller holds the snapshot until it has loaded the last one."""
    projects = {each.key: each for each in reading.projects(conn)}
    rows = conn.execute("SELECT project, run FROM flakediag.runs ORDER BY run").fetchall()
    names: dict[int, dict[int, Identity]] = defaultdict(dict)  # project → test → its name
    for start in range(0, len(rows), _AT_ONCE):
        some: dict[int, list[int]] = defaultdict(list)
        for project, run in rows[start : start + _AT_ONCE]:
            some[project].append(run)
        found: dict[int, Portable] = {}
        for project, runs in some.items():
            heads = reading.heads(conn, projects[project], runs)
            parcel = _Shelf(conn, heads, names[project])
            found.update((head.number, parcel.portable(head)) for head in heads)
        yield from (found[number] for number in sorted(found))


def report(conn: Connection, run: int) -> RunReport:
    """Raises `LookupError` where there is no such run, or it has been pruned."""
    head = reading.head_of(conn, run)
    if head is None or head.pruned:
        raise LookupError(f"no run {run}")
    return _Shelf(conn, [head], {}).report(head)


def former_names(conn: Connection) -> tuple[FormerName, ...]:
    """Sorted by project and former name."""
    found = []
    for project in reading.projects(conn):
        now = reading.renames(conn, project.key)
        names = reading.names(conn, project.key, {*now, *now.values()})
        found += [FormerName(project.name, names[former], names[test]) for former, test in now.items()]
    return tuple(sorted(found))


class _Shelf:
    """Some runs of one project, whose results are fetched together when the first of them is asked for."""

    def __init__(self, conn: Connection, heads: Sequence[Head], names: dict[int, Identity]) -> None:
        self._conn = conn
        self._heads = heads
        self._project = heads[0].project
        self._names = names
        self._files = reading.files_of(conn, self._project, [head.number for head in heads])
        self._loaded: dict[int, results.RunResults] | None = None
        self._failed: dict[int, _Attempts] = defaultdict(lambda: defaultdict(dict))

    def portable(self, head: Head) -> Portable:
        return Portable(
            run=head.run,
            files=self._files[head.number],
            results=head.results,
            pruned=head.pruned,
            load=lambda: self._pruned(head) if head.pruned else self.report(head),
        )

    def report(self, head: Head) -> RunReport:
        if self._loaded is None:
            self._loaded = {each.number: loaded for each, loaded in results.load(self._conn, self._heads)}
            for failure in failures.load(self._conn, self._heads):
                self._failed[failure.run][failure.position][failure.attempt] = Attempt(
                    Outcome(failure.outcome), seconds(failure.duration), _read(failure.said)
                )
        found = self._loaded[head.number]
        names = self._named(found.tests)
        return RunReport(
            run=head.run,
            results=of_columns(
                [names[place] for place in found.places.tolist()],
                found.outcomes.tobytes(),
                found.attempts.tolist(),
                found.milliseconds.tolist(),
                self._failed[head.number],
            ),
            files=self._files[head.number],
        )

    def _pruned(self, head: Head) -> PrunedRun:
        row = self._conn.execute(
            "SELECT pruned_at, executed, skipped, failed FROM flakediag.pruned_runs WHERE project = %s AND run = %s",
            (self._project, head.number),
        ).fetchone()
        assert row is not None
        roster = results.rosters(self._conn, self._project, [head.roster])[head.roster]
        executed, skipped, failed = (self._members(roster, bits) for bits in row[1:])
        return PrunedRun(
            run=head.run,
            files=self._files[head.number],
            pruned_at=row[0].astimezone(UTC),
            executed=executed,
            skipped=tuple(sorted({*skipped} - {*executed})),  # of a renamed test, one name may have been skipped
            failed=failed,
            results=head.results,
            failures=head.failures,
            errors=head.errors,
            skips=head.skipped,
        )

    def _members(self, roster: NDArray[np.int64], bits: bytes) -> Identities:
        return tuple(sorted(dict.fromkeys(self._named(roster[in_set(bits)]))))

    def _named(self, tests: NDArray[np.int64]) -> list[Identity]:
        keys = tests.tolist()
        missing = set(keys) - self._names.keys()
        if missing:
            self._names.update(reading.names(self._conn, self._project, missing))
        return [self._names[key] for key in keys]


def in_set(bits: bytes) -> NDArray[np.int64]:
    """The places whose bits are set, rising."""
    return np.flatnonzero(np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little"))


def _read(said: FailureDetail | Sealed | None) -> FailureDetail | None:
    return said.detail if isinstance(said, Sealed) else said
