"""Taking in runs from elsewhere: another history, an export. Runs are moved whole, and nothing counts twice.

What is known and what wins does not depend on the order in which sources are merged:

- A run is known by the digest of its report files. Where both sides have it, the fuller one stays (results before a
  pruned run, then more files, then more results), and of two headers the one that says more.
- A run all of whose files are known adds nothing. A run that has all files of a stored one, and more, takes its place.
- Two runs of which each has files that the other has not, and some in common, both stay: the files of a stored run can
  no longer be told apart. Those in common then count twice, which is said (`doubled`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from flakediag.history import recount, rename, runs
from flakediag.history.portable import FormerName, Portable
from flakediag.history.pruned import PrunedRun
from flakediag.history.values import moment, optional_text, text
from flakediag.history.writer import Writer
from flakediag.model import FailureDetail, Run

_Values = tuple[str | int | None, ...]
_HEADER = ("started_at", "commit_sha", "branch", "job", "attempt", "shard", "host", "url", "experiment")


@dataclass(slots=True)
class Absorbed:
    """What became of the runs of one source: `runs` were added (with so many `results`), `known` were there before,
    `replaced` stored runs gave way to a fuller one, `doubled` share files with a stored run."""

    runs: int = 0
    results: int = 0
    known: int = 0
    replaced: int = 0
    doubled: int = 0


def absorb(
    conn: sqlite3.Connection,
    source: Iterable[Portable],
    names: Iterable[FormerName],
    signature_of: Callable[[FailureDetail], str],
) -> Absorbed:
    """Take in these runs, within the transaction that the caller holds. `names` are the source's renamed tests."""
    empty = conn.execute("SELECT 1 FROM runs").fetchone() is None
    writer = Writer(conn, signature_of, keep_numbers=empty)
    for former in names:
        rename.adopt(conn, writer.project(former.project), former.old, former.new)
    absorber = _Absorber(conn, writer)
    for item in source:
        absorber.take(item)
    writer.finish()
    if absorber.recount:
        recount.write(conn)
    return absorber.done


class _Absorber:
    def __init__(self, conn: sqlite3.Connection, writer: Writer) -> None:
        self._conn = conn
        self._writer = writer
        self.done = Absorbed()
        self.recount = False

    def take(self, item: Portable) -> None:
        project = self._writer.project(item.run.project)
        owners = self._owners(project, {file.digest for file in item.files})
        same = self._conn.execute(
            "SELECT id FROM runs WHERE project_id = ? AND digest = ?", (project, text(item.run.digest))
        ).fetchone()
        shared = sum(owners.values())
        if same is not None and not self._fuller(item, same[0]):
            self._improve(same[0], header_of(item.run))
            self.done.known += 1
            return
        if same is None and item.files and shared == len({file.digest for file in item.files}):
            self.done.known += 1
            return
        gives_way = {run_id for run_id, number in owners.items() if number == self._number_of_files(run_id)}
        header = None
        if same is not None:
            gives_way.add(same[0])
            header = self._stored_header(same[0])
        self._remove(gives_way)
        loaded = item.load()
        if isinstance(loaded, PrunedRun):
            run_id = self._writer.add_pruned(loaded)
        else:
            run_id = self._writer.add_whole(loaded)
            self.done.results += item.results
        if header is not None:
            self._improve(run_id, header)
        self.done.runs += 1
        self.done.doubled += bool(owners.keys() - gives_way)

    def _owners(self, project: int, digests: set[str]) -> dict[int, int]:
        """Stored run → how many of these files it has."""
        rows = self._conn.execute(
            "SELECT run_id, count(*) FROM files WHERE project_id = ? AND digest IN (SELECT value FROM json_each(?))"
            " GROUP BY run_id",
            (project, runs.text_list(map(text, digests))),
        )
        return dict(rows.fetchall())

    def _number_of_files(self, run_id: int) -> int:
        return int(self._conn.execute("SELECT count(*) FROM files WHERE run_id = ?", (run_id,)).fetchone()[0])

    def _fuller(self, item: Portable, run_id: int) -> bool:
        results, kept = self._conn.execute(
            f"SELECT results, {runs.NOT_PRUNED} FROM runs WHERE id = ?", (run_id,)
        ).fetchone()
        return (not item.pruned, len(item.files), item.results) > (bool(kept), self._number_of_files(run_id), results)

    def _remove(self, run_ids: set[int]) -> None:
        if run_ids:
            self._writer.finish()  # the counters of runs that were added in this transaction, before they are recounted
            self._conn.executemany("DELETE FROM runs WHERE id = ?", [(run_id,) for run_id in run_ids])
            self.done.replaced += len(run_ids)
            self.recount = True

    def _stored_header(self, run_id: int) -> _Values:
        found: _Values = self._conn.execute(f"SELECT {', '.join(_HEADER)} FROM runs WHERE id = ?", (run_id,)).fetchone()
        return found

    def _improve(self, run_id: int, other: _Values) -> None:
        """Of two headers of one run, keep the one that says more; which one was stored first does not matter."""
        stored = self._stored_header(run_id)
        if says(other) > says(stored):
            self._conn.execute(
                f"UPDATE runs SET {', '.join(f'{name} = ?' for name in _HEADER)} WHERE id = ?", (*other, run_id)
            )
            self.recount |= (other[0], other[-1]) != (stored[0], stored[-1])


def header_of(run: Run) -> _Values:
    return (
        moment(run.started_at),
        *map(optional_text, (run.commit, run.branch, run.job)),
        run.attempt,
        *map(optional_text, (run.shard, run.host, run.url)),
        int(run.experiment),
    )


def says(header: _Values) -> tuple[object, ...]:
    """A total order of headers: by how much they say, then by what."""
    known = [value is not None for value in header]
    return sum(known), known, [str(value) for value in header]
