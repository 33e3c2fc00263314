"""A disk that is full or read-only, files that may not be read or written, strange paths, a locked history."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import faults_bench as bench
from faults_bench import Ended, Forked, Row, Size, Tally
from faults_kills import Verb, verbs

ROOM = 24 * 1024  # KiB of the small disk
NAMES = (
    "with space.db",
    "ünï–código 日本.db",
    "a?b#c%20.db",
    "-dash.db",
    "'quoted' \"twice\".db",
    "x=1&y.db",
    "new\nline.db",
    "[red]:::.db",
)
CAN_OVERRIDE, CAN_SEARCH, DROP = 1, 2, 24  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, PR_CAPBSET_DROP of Linux


def storage(size: Size, folder: Path) -> Iterator[Row]:
    made = verbs(folder, runs=30, tests=60)
    for rows in (_full_disk, _file_size, _permissions, _paths, _locked):
        for row in rows(size, folder, made):
            yield bench.progress(row)


# --- a full disk -------------------------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """A file system of `ROOM` KiB in memory; None where we may not mount one."""
    disk = folder / "disk"
    disk.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}k", "tmpfs", disk]
    if os.name != "posix" or os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=False)


def _full_disk(size: Size, folder: Path, made: list[Verb]) -> Iterator[Row]:
    with small_disk(folder) as disk:
        if disk is None:
            yield Row("Disk full", 0, 0, "not tried: only root may mount a small disk")
            return
        for verb in made:
            yield _filled(verb, size, disk, folder)


def _filled(verb: Verb, size: Size, disk: Path, folder: Path) -> Row:
    """From no room at all to enough."""
    db, filler = disk / "history.db", disk / "filler"

    def fill(kib: int) -> None:
        """Leave so much free."""
        filler.unlink(missing_ok=True)
        free = shutil.disk_usage(disk).free // 1024
        with filler.open("wb") as file:
            file.write(b"\0" * 1024 * max(free - kib, 0))

    def empty() -> None:
        filler.unlink(missing_ok=True)

    needed = _needs(verb, db, folder) // 1024 + 64
    tally, seen = Tally(), Counter[str]()
    for kib in bench.parts(needed, size.limits):
        bench.renewed(verb.template, db)
        fill(kib)
        reading = bench.forked("--db", db, "report", cwd=folder)
        ended = bench.forked("--db", db, *verb.command, cwd=folder)
        empty()
        if verb.name == "ingest":
            seen["`report` answers"] += reading.code == 0
            tally.add(reading.code == 0, f"reading on a full disk: {reading.code} {reading.said[-500:]}")
        _judge(verb, db, folder, ended, tally, seen, ("disk is full", "cannot be written"))
    bench.remove(db)
    return Row(f"Disk full during {verb.name}", tally.tries, tally.survived, bench.shares(seen))


def _file_size(size: Size, folder: Path, made: list[Verb]) -> Iterator[Row]:
    """Where no disk can be mounted this is all there is; where one can, it is another error of the same kind."""
    for verb in made[:3]:
        db = folder / "limited.db"
        needed = _needs(verb, db, folder)
        tally, seen = Tally(), Counter[str]()
        for most in bench.parts(needed, size.limits):
            bench.renewed(verb.template, db)

            def limited(most: int = most) -> None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (most + 4096, most + 4096))

            ended = bench.forked("--db", db, *verb.command, cwd=folder, prepare=limited)
            _judge(verb, db, folder, ended, tally, seen, ("disk is full", "cannot be read or written", "cannot be"))
        bench.remove(db)
        yield Row(f"`RLIMIT_FSIZE` during {verb.name}", tally.tries, tally.survived, bench.shares(seen))


def _needs(verb: Verb, db: Path, folder: Path) -> int:
    """How many bytes the command needs at most, about: the file and its log, twice over for a VACUUM."""
    bench.renewed(verb.template, db)
    assert bench.forked("--db", db, *verb.command, cwd=folder).code == 0
    return 3 * db.stat().st_size


def _judge(
    verb: Verb, db: Path, folder: Path, ended: Ended, tally: Tally, seen: Counter[str], words: tuple[str, ...]
) -> None:
    """Either it went well, or it says why it did not; and once there is room, it goes well."""
    done = ended.code == 0
    said = next((word for word in words if word in ended.said), None)
    seen["done" if done else f"exit {ended.code}: {said or ended.said[-80:]}"] += 1
    sound = bench.integrity(db) == "ok"
    state = bench.state_of(db) if sound else None
    template = bench.state_of(bench.renewed(verb.template, folder / "template.db"))
    expected = state is not None and (done or state == template or bench.is_empty(state) or verb.name == "merge")
    again = bench.forked("--db", db, *verb.command, cwd=folder)
    survived = (
        (done or (ended.code == 2 and said is not None))
        and bench.BUG not in ended.said
        and expected
        and (again.code == 0 or (done and verb.refuses_again))
    )
    tally.add(survived, f"{verb.name}: {ended.code} {ended.said[-600:]} {sound=} {expected=} {again.code}")


# --- permissions -------------------------------------------------------------------------------------------------


class Locked(NamedTuple):
    """What may not be done with the file and its folder, and what `report` and `ingest` make of it."""

    name: str
    file: int
    folder: int
    report: int
    ingest: int


LOCKED = (
    Locked("a read-only file", 0o444, 0o755, 0, 2),
    Locked("a read-only folder", 0o644, 0o555, 0, 2),
    Locked("a read-only file in a read-only folder", 0o444, 0o555, 0, 2),
    Locked("a file that may not be read", 0o000, 0o755, 2, 2),
    Locked("a folder that may not be entered", 0o644, 0o000, 2, 2),
)


def bound_by_permissions() -> None:
    """Root may do everything; from the next program on this process may not, on Linux."""
    if not os.geteuid():
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (CAN_OVERRIDE, CAN_SEARCH):
            if libc.prctl(DROP, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "prctl")


def _permissions(size: Size, folder: Path, made: list[Verb]) -> Iterator[Row]:
    ingest = made[1]
    for case in LOCKED:
        place = folder / "locked"
        place.mkdir(exist_ok=True)
        db = bench.renewed(ingest.template, place / "history.db")
        before = bench.state_of(db)
        bench.renewed(ingest.template, db)
        db.chmod(case.file)
        place.chmod(case.folder)
        tally, seen = Tally(), Counter[str]()
        for command, code in ((("report",), case.report), (ingest.command, case.ingest)):
            ended = bench.installed("--db", db, *command, cwd=folder, prepare=bound_by_permissions)
            seen[_answer(db, command, ended)] += 1
            tally.add(ended.code == code and ended.polite, f"{case.name}: {command} {ended.code} {ended.said[-500:]}")
        place.chmod(0o755)
        db.chmod(0o644)
        if bench.state_of(db) != before:
            tally.add(False, f"{case.name}: the history changed")
        yield Row(f"History: {case.name}", tally.tries, tally.survived, "; ".join(seen))
        shutil.rmtree(place)
    yield from _read_only_disk(folder, ingest)


def _read_only_disk(folder: Path, ingest: Verb) -> Iterator[Row]:
    with small_disk(folder) as disk:
        if disk is None:
            yield Row("History: on a read-only disk", 0, 0, "not tried: only root may mount one")
            return
        db = bench.renewed(ingest.template, disk / "history.db")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        tally, seen = Tally(), Counter[str]()
        for command, code in ((("report",), 0), (ingest.command, 2)):
            ended = bench.installed("--db", db, *command, cwd=folder)
            seen[_answer(db, command, ended)] += 1
            tally.add(ended.code == code and ended.polite, f"read-only: {command} {ended.code} {ended.said[-500:]}")
        yield Row("History: on a read-only disk", tally.tries, tally.survived, "; ".join(seen))


def _answer(db: Path, command: tuple[object, ...], ended: Ended) -> str:
    message = next((line for line in ended.said.splitlines() if line.lower().startswith("error: ")), "")
    told = message.rpartition("history.db: ")[2].removeprefix("Error: ").replace(str(db), "FILE")
    return f"`{command[0]}` exit {ended.code}" + (f" “{told}”" if ended.code else "")


# --- paths, locks ------------------------------------------------------------------------------------------------


def _paths(size: Size, folder: Path, made: list[Verb]) -> Iterator[Row]:
    """Everything on a file of that name, in a folder of that name."""
    ingest = made[1]
    tally = Tally()
    plain = bench.renewed(ingest.template, folder / "plain.db")
    commands: tuple[tuple[object, ...], ...] = (
        ingest.command,
        ("report",),
        ("prune", "--keep-runs", 10),
        ("rename", "--prefix", "tests", "checks"),
        ("doctor", "--repair"),
    )
    for command in commands:
        bench.forked("--db", plain, *command, cwd=folder)
    merged = folder / "merged.db"
    bench.forked("--db", merged, "merge", plain, cwd=folder)
    for name in NAMES:
        place = folder / name
        place.mkdir()
        db = bench.renewed(ingest.template, place / name)
        for command in commands:
            ended = bench.forked("--db", db, *command, cwd=folder)
            tally.add(ended.code == 0, f"{name!r}: {command} {ended.code} {ended.said[-300:]}")
        target = place / f"merged {name}"
        ended = bench.forked("--db", target, "merge", db, cwd=folder)
        same = bench.state_of(db) == bench.state_of(plain) and bench.state_of(target) == bench.state_of(merged)
        tally.add(ended.code == 0 and same, f"{name!r}: merge {ended.code} {same=} {ended.said[-300:]}")
        shutil.rmtree(place)
    seen = f"{len(NAMES)} names with spaces, Unicode, `?`, `#`, `%20`, quotes, a line end: as on any other path"
    yield Row("Strange paths", tally.tries, tally.survived, seen)


def _locked(size: Size, folder: Path, made: list[Verb]) -> Iterator[Row]:
    """Somebody writes and does not end: who reads does not notice, who writes waits for a minute and then says so."""
    writing = [verb for verb in made if verb.template == made[1].template]
    copies = [bench.renewed(verb.template, folder / f"locked-{number}.db") for number, verb in enumerate(writing)]
    holders = [sqlite3.connect(db, isolation_level=None) for db in copies]
    for holder in holders:
        holder.execute("BEGIN IMMEDIATE")
    readers = Tally()
    for command in (("report",), ("gate", "--max-flaky-rate", "50%"), ("runs",), ("tests",), ("doctor",)):
        ended = bench.forked("--db", copies[0], *command, cwd=folder)
        readers.add(ended.code in (0, 1) and ended.polite, f"locked {command}: {ended.code} {ended.said[-300:]}")
    yield Row("Another process writes: reading", readers.tries, readers.survived, "answered at once, as before")
    writers = Tally()
    if size.wait:
        started = [Forked("--db", db, *v.command, cwd=folder) for db, v in zip(copies, writing, strict=True)]
        for verb, process in zip(writing, started, strict=True):
            ended = process.ended()
            clear = ended.code == 2 and "locked by another process (waited 60 s)" in ended.said
            writers.add(clear, f"locked {verb.name}: {ended.code} {ended.said[-300:]}")
    for holder in holders:
        with closing(holder):
            holder.execute("ROLLBACK")
    for db, verb in zip(copies, writing, strict=True):
        ended = bench.forked("--db", db, *verb.command, cwd=folder)
        writers.add(ended.code == 0, f"unlocked {verb.name}: {ended.code} {ended.said[-300:]}")
    waited = "exit 2 after 60 s: “the history is locked by another process”; " if size.wait else ""
    yield Row("Another process writes: writing", writers.tries, writers.survived, f"{waited}done once it has ended")
