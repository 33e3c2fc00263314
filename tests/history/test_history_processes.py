"""Many processes on one history, and processes that are killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from history_samples import counts_of, passed, report, signature_of, store, suite, told, window_of

from flakediag.history import History
from flakediag.model import RunReport

SPAWN = multiprocessing.get_context("spawn")
PROCESSES = 8
SHARED = [suite(f"shared {n}", hours=n, fails=("test_a",)) for n in range(5)]


def own(worker: int) -> list[RunReport]:
    return [suite(f"own {worker} {n}", hours=100 * worker + n, fails=("test_b",)) for n in range(5)]


def ingest_one_by_one(path: Path, worker: int, barrier: Barrier) -> None:
    """Everybody's runs and my own, each in a transaction of its own, all starting at once on a file to be made."""
    barrier.wait()
    mixed = [each for pair in zip(SHARED, own(worker), strict=True) for each in pair]
    for each in mixed if worker % 2 else mixed[::-1]:
        store(path, each)


@pytest.mark.slow
def test_eight_processes_at_once_lose_nothing_and_double_nothing(path: Path, tmp_path: Path) -> None:
    barrier = SPAWN.Barrier(PROCESSES)
    workers = [SPAWN.Process(target=ingest_one_by_one, args=(path, n, barrier)) for n in range(PROCESSES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    one_by_one = tmp_path / "alone.db"
    store(one_by_one, *SHARED, *(each for n in range(PROCESSES) for each in own(n)))
    assert counts_of(path) == counts_of(one_by_one)
    assert told(window_of(path)) == told(window_of(one_by_one))
    with closing(sqlite3.connect(path)) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert conn.execute("PRAGMA foreign_key_check").fetchall() == []
        assert conn.execute("SELECT sum(runs), sum(failures) FROM test_counters").fetchone() == (45 * 5, 45)


LARGE = [report(f"large {n}", *(passed(f"test_{i}") for i in range(2000)), hours=n) for n in range(5)]


def ingest_and_hang(path: Path, spill: bool, pipe: Connection) -> None:
    """Store all but the last report, say so, and wait for the end."""

    def reports() -> Iterator[RunReport]:
        yield from LARGE[:-1]
        pipe.send("in the middle")
        time.sleep(600)

    with History.open(path, "write") as history:
        if spill:  # so that what is not committed is in the write-ahead log on disk already
            history._conn.execute("PRAGMA cache_size = 5")
        history.add_runs(reports(), signature_of)


@pytest.mark.slow
@pytest.mark.parametrize("spill", [False, True])
@pytest.mark.parametrize("earlier", [0, 2])
def test_a_process_killed_in_the_middle_of_an_ingest_leaves_what_was_there(
    path: Path, tmp_path: Path, spill: bool, earlier: int
) -> None:
    if earlier:
        store(path, *SHARED[:earlier])
    receiver, sender = SPAWN.Pipe()
    killed = SPAWN.Process(target=ingest_and_hang, args=(path, spill, sender))
    killed.start()
    assert receiver.recv() == "in the middle"
    wal = Path(f"{path}-wal").stat().st_size
    assert (wal > 200_000) == spill  # making the tables takes some of it
    assert killed.pid is not None
    os.kill(killed.pid, signal.SIGKILL)
    killed.join()
    assert killed.exitcode == -signal.SIGKILL

    assert counts_of(path).runs == earlier
    with closing(sqlite3.connect(path)) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert not any(stored.duplicate for stored in store(path, *LARGE))
    never_killed = tmp_path / "never killed.db"
    store(never_killed, *SHARED[:earlier], *LARGE)
    assert counts_of(path) == counts_of(never_killed)
    assert told(window_of(path)) == told(window_of(never_killed))
