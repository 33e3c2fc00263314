"""SIGKILL at random moments of every verb that writes: it has happened, or it has not, and again completes it."""

from __future__ import annotations

import gzip
import random
import shutil
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import faults_bench as bench
from faults_bench import FLAKEDIAG, Forked, Row, Size, State, Tally

HISTORIES = Path(__file__).resolve().parents[2] / "fixtures" / "histories"
BY_THE_SHELL = 10  # every so many tries are killed from the very start of the installed command


@dataclass(frozen=True)
class Verb:
    """A command line that changes a history, which begins as `template` (None: there is none)."""

    name: str
    template: Path | None
    command: tuple[object, ...]
    stages: tuple[tuple[object, ...], ...] = ()  # command lines that lead to what may be seen between before and after
    version: Callable[[Path], object] = lambda db: None  # what else must be that of before or that of after
    tells: bool = True  # whether its outcome can be told from what was there before
    refuses_again: bool = False  # where it has happened, it is a mistake to ask for it again


def verbs(folder: Path, runs: int = 60, tests: int = 100) -> list[Verb]:
    """Every verb that writes, with what it needs; made in `folder`."""
    first = bench.write_reports(folder / "first", range(runs), tests)
    second = bench.write_reports(folder / "second", range(runs // 2, 2 * runs), tests)
    third = bench.write_reports(folder / "third", range(2 * runs, 3 * runs), tests)
    before, other, another = (folder / f"{name}.db" for name in ("before", "other", "another"))
    for db, reports in ((before, first), (other, second), (another, third)):
        made = bench.forked("--db", db, "ingest", reports, cwd=folder)
        assert made.code == 0, made.said
    lines = folder / "other.jsonl"
    assert bench.forked("--db", other, "export", "-o", lines, cwd=folder).code == 0
    found = [
        Verb("ingest into a new history", None, ("ingest", second)),
        Verb("ingest", before, ("ingest", second)),
        Verb("merge", before, ("merge", other, another), stages=(("merge", other),)),
        Verb("prune", before, ("prune", "--keep-runs", runs // 3)),
        Verb("import", before, ("import", lines)),
        Verb("rename", before, ("rename", "--prefix", "tests", "checks"), refuses_again=True),
        Verb("doctor --repair", _wrong(before, folder / "wrong.db"), ("doctor", "--repair"), tells=False),
    ]
    for stored in sorted(HISTORIES.glob("*.db.gz")):
        template = folder / stored.stem
        template.write_bytes(gzip.decompress(stored.read_bytes()))
        found.append(Verb(f"migration of {stored.stem.split('.')[0]}", template, ("runs",), version=_version))
    return found


def kills(size: Size, folder: Path) -> Iterator[Row]:
    rng = random.Random(1)
    for verb in verbs(folder):
        tries = size.kills if verb.name == "ingest" else max(size.kills // 4, 2)
        yield bench.progress(killed(verb, tries, folder, rng))


def killed(verb: Verb, tries: int, folder: Path, rng: random.Random) -> Row:
    """Kill it at `tries` moments, spread over all the time that it takes."""
    db = folder / "killed.db"
    outcomes, takes = _outcomes(verb, db, folder)
    before, after = outcomes[0], outcomes[-1]
    tally, seen = Tally(), Counter[str]()
    for number in range(tries):
        bench.renewed(verb.template, db)
        if number % BY_THE_SHELL == BY_THE_SHELL - 1:
            finished = _kill_installed(verb, db, folder, rng)
        else:
            finished = _kill_forked(verb, db, folder, rng.uniform(0, takes * 1.1))
        version = verb.version(db)
        sound = bench.integrity(db) == "ok"
        there = bench.state_of(db)
        happened = _same(there, after) if before != after else version == verb.version(db)
        seen[
            "over"
            if finished
            else "either"
            if not verb.tells
            else "after"
            if happened
            else "before"
            if _same(there, before)
            else "between"
        ] += 1
        again = bench.forked("--db", db, *verb.command, cwd=folder)
        done = again.code == 0 or (verb.refuses_again and _same(there, after) and again.code == 2)
        survived = (
            sound
            and any(_same(there, outcome) for outcome in outcomes)
            and version in (verb.version(verb.template) if verb.template else None, verb.version(db))
            and done
            and _same(bench.state_of(db), after)
        )
        tally.add(survived, f"{verb.name}, try {number}: {sound=} {there.counts} then {again.code} {again.said[-300:]}")
    bench.remove(db)
    told = ", ".join(f"{what} {seen[key]}" for key, what in _SEEN.items() if seen[key])
    return Row(f"`SIGKILL` during {verb.name}", tally.tries, tally.survived, f"{told}; again completes it")


_SEEN = {
    "either": "the same runs and results",
    "before": "as before",
    "after": "as afterwards",
    "between": "one source whole, the other not yet there",
    "over": "had ended before the signal",
}


def _outcomes(verb: Verb, db: Path, folder: Path) -> tuple[list[State], float]:
    """What the history may hold: before, in between, after; and how many seconds it takes."""
    bench.renewed(verb.template, db)
    states = [bench.state_of(db)]
    for command in (*verb.stages, verb.command):
        bench.renewed(verb.template, db)
        whole = bench.forked("--db", db, *command, cwd=folder)
        assert whole.code == 0, whole.said
        states.append(bench.state_of(db))
    return states, whole.seconds


def _same(one: State, other: State) -> bool:
    return one == other or (bench.is_empty(one) and bench.is_empty(other))


def _kill_forked(verb: Verb, db: Path, folder: Path, moment: float) -> bool:
    """Whether it was over before."""
    process = Forked("--db", db, *verb.command, cwd=folder)
    deadline = time.monotonic() + moment
    while process.running() and time.monotonic() < deadline:
        time.sleep(0.0005)
    finished = not process.running()
    process.kill()
    process.ended()
    return finished


def _kill_installed(verb: Verb, db: Path, folder: Path, rng: random.Random) -> bool:
    began = time.monotonic()
    bench.installed("--db", bench.renewed(verb.template, folder / "timed.db"), *verb.command, cwd=folder)
    takes = time.monotonic() - began
    with subprocess.Popen(
        [FLAKEDIAG, "--db", db, *map(str, verb.command)],
        cwd=folder,
        env=bench.environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        time.sleep(rng.uniform(0, takes))
        finished = process.poll() is not None
        process.kill()
    return finished


def _version(db: Path) -> object:
    with closing(sqlite3.connect(db)) as conn:
        return conn.execute("PRAGMA user_version").fetchone()[0]


def _wrong(sound: Path, db: Path) -> Path:
    """A history whose counters somebody has changed."""
    shutil.copyfile(sound, db)
    with closing(sqlite3.connect(db)) as conn:
        conn.execute("UPDATE test_counters SET runs = 7, failures = 3")
        conn.commit()
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return db
