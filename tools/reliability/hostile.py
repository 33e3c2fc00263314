"""Feed hostile input to the installed `flakediag ingest`, each beside one good file (`make reliability-hostile`).

Writes the table of what it took and what was said into docs/reliability.md.

Every row must hold: the good file is stored, the exit code is the expected one, nobody connected to our socket, and
neither memory nor time passed the bounds. `--only WORDS` runs the attacks whose name holds them and writes nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from attacks import ATTACKS, MIB, Attack
from page import table, write

FLAKEDIAG = Path(sys.executable).with_name("flakediag")
MOST_MEMORY = 300  # MB
MOST_TIME = 60.0  # seconds of CPU
GOOD = '<testsuite name="S"><testcase classname="good" name="{}" time="0.1"/></testsuite>'

# Starts the command, for at most so many seconds, and writes down how it ended and what it took. A small process,
# because the peak of a process is never below what the one that started it takes.
_BETWEEN = """
import json, os, signal, subprocess, sys
took, patience, *command = sys.argv[1:]
process = subprocess.Popen(command)
signal.signal(signal.SIGALRM, lambda *_: process.kill())
signal.alarm(int(patience))
_, status, usage = os.wait4(process.pid, 0)
code, cpu = os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
with open(took, "w") as file:
    json.dump([code, usage.ru_maxrss / 1024, cpu], file)
"""
# For the superuser, whom permission bits do not bind: gives up the rights to read what they forbid, and becomes the
# command.
_WITHOUT_RIGHTS = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
for right in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, right, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one ingest took and said. `memory` in MB, `time` (that passed) and `cpu` in seconds; `wrong`: what does
    not hold."""

    attack: Attack
    size: int
    memory: float
    time: float
    cpu: float
    exit: int
    said: str
    wrong: tuple[str, ...]


class Listener:
    """A socket on loopback that counts who connects."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.visits = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                visitor, _ = self._socket.accept()
                self.visits += 1
                visitor.close()

    def close(self) -> None:
        self._socket.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="WORDS")
    only = parser.parse_args().only
    listener = Listener()
    outcomes = []
    with tempfile.TemporaryDirectory() as name:
        empty = Path(name) / "empty.db"
        _ingest(empty, [_good(Path(name), "first")])  # a history that is there already, as it is in use
        for attack in ATTACKS:
            if only in attack.name:
                outcome = tried(attack, Path(name), empty, listener)
                outcomes.append(outcome)
                print(f"{attack.name}: {outcome.memory:.0f} MB, {outcome.cpu:.1f} s, {outcome.exit}: {outcome.said}")
                for wrong in outcome.wrong:
                    print(f"  WRONG: {wrong}")
    listener.close()
    if not only:
        write("hostile", described(outcomes))
    return 1 if any(outcome.wrong for outcome in outcomes) else 0


def tried(attack: Attack, parent: Path, empty: Path, listener: Listener) -> Outcome:
    """Make the attack, ingest it beside a good file into a copy of the history `empty`, and look at what happened."""
    folder = Path(tempfile.mkdtemp(dir=parent))
    db = folder / "history.db"
    shutil.copy(empty, db)
    good = _good(folder, attack.name)
    paths = attack.make(folder, listener.port)
    size = sum(path.stat().st_size for path in paths if path.is_file())
    before = listener.visits
    with growing(paths[0]) if attack.grows else _nothing():
        status, memory, taken, cpu, out, err = _ingest(db, [*paths, good], unprivileged=attack.unprivileged)
    wrong = []
    try:
        files = {file["path"]: file["status"] for file in json.loads(out)["files"]}
    except (ValueError, KeyError):
        files = {}
    if files.get(str(good)) != "stored":
        wrong.append("the good file was not stored")
    if status != attack.exit:
        wrong.append(f"exit code {status}, not {attack.exit}")
    if listener.visits > before:
        wrong.append("something was fetched")
    if memory > MOST_MEMORY:
        wrong.append(f"more than {MOST_MEMORY} MB")
    if cpu > MOST_TIME:
        wrong.append(f"more than {MOST_TIME:.0f} s")
    if (parent.parent / "outside.xml").exists() or (parent / "outside.xml").exists():
        wrong.append("a file was written outside")
    shutil.rmtree(folder)
    return Outcome(attack, size, memory, taken, cpu, status, said(err, str(folder)) or "read", tuple(wrong))


def _good(folder: Path, name: str) -> Path:
    path = folder / "good.xml"
    path.write_text(GOOD.format(name), encoding="utf-8")
    return path


def _ingest(db: Path, paths: list[Path], *, unprivileged: bool = False) -> tuple[int, float, float, float, str, str]:
    """(exit code, peak memory in MB, time that passed and CPU time in s, stdout, stderr) of one `flakediag ingest`."""
    command = [str(FLAKEDIAG), "--db", str(db), "ingest", "--format", "json", *map(str, paths)]
    if unprivileged and os.geteuid() == 0:
        command = [sys.executable, "-c", _WITHOUT_RIGHTS, *command]
    with tempfile.NamedTemporaryFile() as took:
        between = [sys.executable, "-I", "-S", "-c", _BETWEEN, took.name, str(int(5 * MOST_TIME))]
        began = time.perf_counter()
        done = subprocess.run([*between, *command], capture_output=True, check=True)
        taken = time.perf_counter() - began
        status, memory, cpu = json.load(took)
    out, err = (said.decode("utf-8", "replace") for said in (done.stdout, done.stderr))
    return status, memory, taken, cpu, out, err


@contextmanager
def growing(path: Path) -> Iterator[None]:
    """Write on and on to the file, at most 400 MB, until the context is left."""
    stop = threading.Event()

    def grow() -> None:
        with path.open("ab") as file:
            for _ in range(400):
                if stop.is_set():
                    return
                file.write(b"B" * MIB)
                file.flush()
                stop.wait(0.005)

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def said(err: str, folder: str) -> str:
    """The first line about the attack, without the paths of this run."""
    lines = [line for line in err.splitlines() if line.startswith(("refused: ", "read only in part: ", "error: "))]
    if not lines:
        return ""
    kind, _, rest = lines[0].replace(folder, "…").partition(": ")
    return f"{kind}: {rest.partition(': ')[2] or rest}"


def described(outcomes: list[Outcome]) -> str:
    rows = [
        (
            outcome.attack.name,
            _size(outcome.size),
            f"{outcome.memory:.0f} MB",
            f"{outcome.cpu:.1f} s",
            f"{outcome.time:.1f} s",
            outcome.exit,
            outcome.said.replace("<", "&lt;"),
        )
        for outcome in outcomes
    ]
    good = sum("the good file was not stored" not in outcome.wrong for outcome in outcomes)
    return (
        f"Each was named beside one good file, which was stored {good} times of {len(outcomes)}. Memory and time are "
        "of the whole process `flakediag ingest`, which takes about 25 MB and a quarter of a second for the good file "
        "alone. A socket on loopback waited for whoever would fetch something: nobody came.\n\n"
        + table(("input", "size", "memory", "CPU", "time", "exit", "what it says"), rows)
    )


def _size(size: int) -> str:
    return f"{size / MIB:.0f} MB" if size >= MIB else f"{size / 1024:.0f} KB" if size >= 1024 else f"{size} B"


if __name__ == "__main__":
    sys.exit(main())
