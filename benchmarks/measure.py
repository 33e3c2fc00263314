"""What whole processes take: CPU seconds, wall seconds, peak memory. On Linux and macOS.

A process is started by a small one in between (this file): the peak of a process is never below that of the one that
started it. CPU seconds are of all its threads and of the processes that it started; the peak is that of its largest
process.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path

UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes


@dataclass(frozen=True, slots=True)
class Figure:
    """Seconds, seconds, megabytes (10⁶ bytes)."""

    cpu: float
    wall: float
    peak: float


@dataclass(frozen=True, slots=True)
class Task:
    """What is measured: commands that are run one after the other, after `prepare`, in `folder`."""

    commands: Sequence[Sequence[str]]
    environ: Mapping[str, str] = field(default_factory=dict)
    folder: Path = Path()
    codes: tuple[int, ...] = (0,)
    prepare: Callable[[], object] = lambda: None
    patience: float = 900.0  # seconds, for all of them


class FailedError(Exception):
    """A command ended otherwise than it should; says how."""


def run(task: Task) -> Figure:
    """The sum of the commands' seconds, the highest of their peaks. Raises `FailedError`."""
    task.prepare()
    asked = {"commands": list(map(list, task.commands)), "codes": task.codes, "patience": task.patience}
    started = subprocess.run(
        [sys.executable, "-I", "-S", __file__],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        cwd=task.folder,
        env={**environ(), **task.environ},
        check=False,
    )
    said = json.loads(started.stdout) if started.returncode == 0 else {"failed": started.stderr[-400:]}
    if "failed" in said:
        raise FailedError(said["failed"])
    return Figure(**said)


def environ() -> dict[str, str]:
    """No CI, no settings, nothing remembered from the time before."""
    return {"PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent", "FLAKEDIAG_CACHE": "off"}


class Turns:
    """Figures of the same tasks, run several times in turn, so that a noisy minute hits all alike."""

    def __init__(self) -> None:
        self._seen: dict[str, list[Figure]] = {}

    def add(self, what: str, figure: Figure) -> None:
        self._seen.setdefault(what, []).append(figure)
        print(f"{len(self._seen[what])}. {what}: {figure}", file=sys.stderr)

    def __getitem__(self, what: str) -> Figure:
        """The medians."""
        columns = zip(*map(astuple, self._seen[what]), strict=True)
        return Figure(*map(statistics.median, columns))

    def __contains__(self, what: str) -> bool:
        return what in self._seen

    def times(self, what: str, other: str, column: str = "cpu") -> float:
        """How many times the other one's seconds: the median of the turns' own ratios."""
        pairs = zip(self._seen[what], self._seen[other], strict=True)
        return statistics.median(getattr(mine, column) / getattr(its, column) for mine, its in pairs)


def in_turn(tasks: Mapping[str, Task], repeat: int) -> Turns:
    """Everything is run once before anything is run again."""
    turns = Turns()
    for _ in range(repeat):
        for what, task in tasks.items():
            turns.add(what, run(task))
    return turns


def machine(*packages: str) -> str:
    """One line for the page: the date, the machine, the versions, how busy it is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    python = f"Python {platform.python_version()}" + (f", {versions}" if versions else "")
    waiting = os.getloadavg()[2]
    return (
        f"{date.today():%Y-%m-%d}: {os.cpu_count()} cores of {_processor()}, {memory:.0f} GB, {python}. "
        f"Over the last quarter of an hour {waiting:.1f} processes wanted to run, on average."
    )


def _processor() -> str:
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


# --- in the process between ------------------------------------------------------------------------------------------


def _between(commands: Sequence[Sequence[str]], codes: Sequence[int], patience: float) -> dict[str, float | str]:
    signal.signal(signal.SIGALRM, _late)
    signal.alarm(int(patience))
    total, peak, began = 0.0, 0, time.perf_counter()
    for command in commands:
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
            )
            try:
                _, status, usage = os.wait4(process.pid, 0)
            except BaseException as stopped:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return {"failed": str(stopped) or "interrupted"}
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode not in codes:
                said.seek(0)
                lines = said.read().decode("utf-8", "replace").split("\n")
                return {"failed": next((line.strip() for line in reversed(lines) if line.strip()), f"code {status}")}
        total += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss)
    return {"cpu": total, "wall": time.perf_counter() - began, "peak": peak * UNIT / 1e6}


def _late(*_: object) -> None:
    raise TimeoutError("did not come to an end in time")


if __name__ == "__main__":
    print(json.dumps(_between(**json.load(sys.stdin))))
