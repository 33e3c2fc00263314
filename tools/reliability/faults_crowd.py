"""Many processes on one history: they ingest while others report and gate, and nobody waits for a reader."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import faults_bench as bench
from faults_bench import Ended, Row, Size, Tally

TESTS = 30  # in each file
SHARED = 10  # every so many files are ingested by two processes


def crowd(size: Size, folder: Path) -> Iterator[Row]:
    reports = sorted(bench.write_reports(folder / "reports", range(size.files), TESTS).iterdir())
    alone, db = folder / "alone.db", folder / "shared.db"
    assert bench.forked("--db", alone, "ingest", folder / "reports", cwd=folder).code == 0
    assert bench.forked("--db", db, "ingest", reports[0], cwd=folder).code == 0
    began = time.monotonic()
    workers = [_worker(number, size.processes, reports, db, folder) for number in range(size.processes)]
    with bench.History.open(db) as reader, reader._snapshot():  # somebody who reads all the while
        readings = _read_while(workers, db, folder)
        for pid in workers:
            os.waitpid(pid, 0)
    seconds = time.monotonic() - began
    yield bench.progress(_writers(size, folder, alone, db, seconds))
    yield bench.progress(_readers(readings))


def _worker(number: int, workers: int, reports: list[Path], db: Path, folder: Path) -> int:
    """A process that ingests its share, one file and one command at a time, and notes how each ended."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        mine = reports[number::workers] + reports[(number + 1) % workers :: workers][::SHARED]
        place = folder / f"worker-{number}"
        place.mkdir()
        with (folder / f"worker-{number}.txt").open("w") as notes:
            for report in mine:
                ended = bench.forked("--db", db, "ingest", report, cwd=place)
                notes.write(f"{ended.code}\t{ended.seconds:.3f}\t{ended.said!r}\n")
        code = 0
    finally:
        os._exit(code)


def _read_while(workers: list[int], db: Path, folder: Path) -> list[tuple[str, Ended]]:
    """`report` and `gate` by turns, by the installed command and at least once each, until the workers have ended."""
    readings = []
    while True:
        for command in (("report",), ("gate", "--max-flaky-rate", "50%"), ("tests",)):
            readings.append((command[0], bench.installed("--db", db, *command, cwd=folder)))
        if not any(_alive(pid) for pid in workers):
            return readings


def _alive(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def _writers(size: Size, folder: Path, alone: Path, db: Path, seconds: float) -> Row:
    tally, longest = Tally(), 0.0
    for notes in sorted(folder.glob("worker-*.txt")):
        for line in notes.read_text().splitlines():
            code, took, said = line.split("\t", 2)
            longest = max(longest, float(took))
            tally.add(code == "0" and "locked" not in said, f"{notes.name}: {code} {said[-300:]}")
    same = bench.state_of(db) == bench.state_of(alone)
    sound = bench.forked("--db", db, "doctor", cwd=folder).code == 0
    tally.add(same and sound, f"crowd: {same=} {sound=}")
    return Row(
        f"{size.processes} processes ingest {size.files:,} files, every {SHARED}th of them twice",
        tally.tries,
        tally.survived,
        f"{seconds:.0f} s, the longest ingest {longest:.1f} s; nothing lost, nothing doubled, nobody saw a lock",
    )


def _readers(readings: list[tuple[str, Ended]]) -> Row:
    tally, seen = Tally(), Counter[str]()
    for command, ended in readings:
        seen[f"`{command}`"] += 1
        tally.add(ended.polite and ended.code != 2, f"{command}: {ended.code} {ended.said[-300:]}")
    longest = max(ended.seconds for _, ended in readings)
    return Row(
        "The others report and gate meanwhile, one reads all the time",
        tally.tries,
        tally.survived,
        f"{bench.shares(seen)}: the longest {longest:.1f} s; no writer waited for the one that reads all the time",
    )
