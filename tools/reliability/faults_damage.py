"""Histories that were cut off or in which a bit was flipped: told as damaged, and saved as far as they can be read."""

from __future__ import annotations

import random
import resource
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import faults_bench as bench
from faults_bench import Ended, Row, Size, Tally

MEMORY = 4 << 30  # bytes that a command may take, whatever a damaged number says
COMMANDS = ("report", "ingest", "doctor", "export")


@dataclass(frozen=True)
class Sound:
    """A history, what the commands say of it while it is sound, and how many runs it holds."""

    content: bytes
    says: dict[str, Ended]
    runs: int


def damage(size: Size, folder: Path) -> Iterator[Row]:
    rng = random.Random(2)
    sound = _sound(folder)
    flips = [_flipped(sound.content, rng.randrange(len(sound.content) * 8)) for _ in range(size.flips)]
    cuts = [sound.content[: rng.randrange(1, len(sound.content))] for _ in range(size.cuts)]
    for name, damaged in (("One bit flipped", flips), ("Cut off", cuts)):
        for row in (_used(name, damaged, sound, folder), _salvaged(name, damaged, sound, folder)):
            yield bench.progress(row)


def _sound(folder: Path) -> Sound:
    """With everything that a history can hold: failures, retries, skips, renamed tests, pruned runs."""
    db = folder / "sound.db"
    bench.write_reports(folder / "reports", range(60), 150)
    bench.write_reports(folder / "more", range(60, 64), 150)
    for command in (
        ("ingest", folder / "reports"),
        ("rename", "--prefix", "tests.test_1", "tests.test_one"),
        ("prune", "--keep-runs", 50),
    ):
        assert bench.forked("--db", db, *command, cwd=folder).code == 0
    content = db.read_bytes()
    says = {}
    for name in COMMANDS:
        says[name] = _run(name, db, folder)
        bench.remove(db)
        db.write_bytes(content)
    counts = bench.state_of(db).counts
    assert counts is not None
    return Sound(content, says, counts.runs)


def _flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _bounded() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _run(name: str, db: Path, folder: Path) -> Ended:
    command = (name, folder / "more") if name == "ingest" else (name,)
    ended = bench.forked("--db", db, *command, cwd=folder, prepare=_bounded)
    return Ended(ended.code, ended.said)  # without the time, to be compared


def _used(name: str, damaged: Sequence[bytes], sound: Sound, folder: Path) -> Row:
    """Each command on each damaged file. A command that does not read the damaged place answers as ever."""
    db = folder / "damaged.db"
    tally, seen = Tally(), Counter[str]()
    for number, content in enumerate(damaged):
        changed, found = False, False
        for command in COMMANDS:
            bench.remove(db)
            db.write_bytes(content)
            ended = _run(command, db, folder)
            told = ended.code == 2 and "error: " in ended.said
            if command == "doctor":
                found = ended.code in (1, 2)
            elif ended == sound.says[command]:
                seen["answers as ever"] += 1
            elif told:
                seen["exit 2, damaged or no history"] += 1
            else:
                changed = True
            tally.add(ended.polite, f"{name} {number}: {command} {ended.code} {ended.said[-900:]}")
        seen["_found"] += found
        seen["_unseen"] += changed and not found
    unseen, found_by_doctor = seen.pop("_unseen"), seen.pop("_found")
    told_so = f"{bench.shares(seen)}; `doctor` tells of {found_by_doctor} of {len(damaged)} files"
    if unseen:
        told_so += f"; {unseen} have another value that nobody can tell from a right one (a duration, a path)"
    return Row(f"{name}: {', '.join(f'`{command}`' for command in COMMANDS)}", tally.tries, tally.survived, told_so)


def _salvaged(name: str, damaged: Sequence[bytes], sound: Sound, folder: Path) -> Row:
    """What is saved is a sound history of its own; or there was nothing to be saved, and no file is left."""
    db, saved = folder / "damaged.db", folder / "saved.db"
    tally, kept, nothing = Tally(), 0, 0
    for number, content in enumerate(damaged):
        for path in (db, saved):
            bench.remove(path)
        db.write_bytes(content)
        ended = bench.forked("--db", db, "doctor", "--salvage", saved, cwd=folder, prepare=_bounded)
        if ended.code == 2:
            nothing += 1
            tally.add(ended.polite and not saved.exists(), f"salvage {number}: {ended.said[-500:]}")
            continue
        checked = bench.forked("--db", saved, "doctor", cwd=folder)
        counts = bench.state_of(saved).counts if saved.exists() else None
        kept += min(counts.runs, sound.runs) if counts else 0
        tally.add(
            ended.polite and db.read_bytes() == content and checked.code == 0,
            f"salvage {number}: {ended.code} {ended.said[-500:]} then {checked.code} {checked.said[-500:]}",
        )
    seen = f"{kept / (sound.runs * len(damaged)):.1%} of all runs saved into sound histories"
    if nothing:
        seen += f"; {nothing} times exit 2: nothing can be read, no file is left behind"
    return Row(f"{name}: `doctor --salvage`", tally.tries, tally.survived, seen)
