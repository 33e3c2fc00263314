"""The packed results of runs as arrays."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flakediag.history.columns import NO_DURATION, unpack, unpack_bytes
from flakediag.history.server.connecting import Connection
from flakediag.history.server.reading import Head, renames
from flakediag.model import Outcome

Keys = NDArray[np.int64]

_SKIPPED = int(Outcome.SKIPPED)

_AT_ONCE = 500  # runs of which the packed columns are in memory together


class RunResults(NamedTuple):
    """The results of one run, by position: N results of M tests.

    tests: int64[M], the roster of the run, under its present names; places: int32[N] into it; outcomes: int8[N];
    attempts: int32[N]; milliseconds: int32[N], -1 where not known.
    """

    tests: Keys
    places: NDArray[np.int32]
    outcomes: NDArray[np.int8]
    attempts: NDArray[np.int32]
    milliseconds: NDArray[np.int32]

    @property
    def executed(self) -> NDArray[np.bool_]:
        """bool[M]: the test was executed; the others of the roster were only skipped."""
        ran = np.zeros(len(self.tests), dtype=np.bool_)
        ran[self.places[(self.outcomes != _SKIPPED) | (self.attempts > 1)]] = True
        return ran


def rosters(
    conn: Connection, project: int, keys: Iterable[bytes], now: dict[int, int] | None = None
) -> dict[bytes, Keys]:
    """The tests of these rosters, int64[M] each, under their present names: those that `now` gives, or the stored."""
    if now is None:
        now = renames(conn, project)
    rows = conn.execute(
        "SELECT roster, tests FROM flakediag.rosters WHERE project = %s AND roster = ANY(%s)",
        (project, list(dict.fromkeys(keys))),
    )
    return {row[0]: _present(np.frombuffer(row[1], "<i8").astype(np.int64), now) for row in rows}


def _present(tests: Keys, now: dict[int, int]) -> Keys:
    if not now:
        return tests
    return np.fromiter((now.get(test, test) for test in tests.tolist()), dtype=np.int64, count=len(tests))


def load(conn: Connection, heads: Sequence[Head], *, durations: bool = True) -> Iterator[tuple[Head, RunResults]]:
    """The results of these runs of one project, in their order; not of pruned ones. Durations are most of the bytes."""
    if not heads:
        return
    project = heads[0].project
    known = rosters(conn, project, (head.roster for head in heads))
    for start in range(0, len(heads), _AT_ONCE):
        some = heads[start : start + _AT_ONCE]
        packed = _packed(conn, project, {head.month for head in some}, [head.number for head in some], durations)
        for head in some:
            if not head.pruned:
                yield head, _unpacked(known[head.roster], head.results, *packed[head.number])


def _packed(
    conn: Connection, project: int, months: Collection[int], runs: Sequence[int], durations: bool
) -> dict[int, tuple[bytes | None, ...]]:
    rows = conn.execute(
        f"SELECT run, places, outcomes, attempts, {'durations' if durations else 'NULL::bytea'}"
        " FROM flakediag.run_results"
        " WHERE project = %s AND month = ANY(%s) AND run = ANY(%s)",
        (project, list(months), list(runs)),
        binary=True,  # bytes as they are, not as hexadecimal digits
    )
    return {row[0]: row[1:] for row in rows}


def _unpacked(
    tests: Keys,
    size: int,
    places: bytes | None,
    outcomes: bytes | None,
    attempts: bytes | None,
    durations: bytes | None,
) -> RunResults:
    return RunResults(
        tests=tests,
        places=np.arange(size, dtype=np.int32) if places is None else unpack(places),
        outcomes=np.zeros(size, np.int8) if outcomes is None else np.frombuffer(unpack_bytes(outcomes), np.int8),
        attempts=np.ones(size, np.int32) if attempts is None else unpack(attempts),
        milliseconds=np.full(size, NO_DURATION, np.int32) if durations is None else unpack(durations),
    )
