"""One command in a process group of its own, so that ending it ends what it started, and nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flakediag.errors import UsageError

GRACE = 3.0  # seconds between asking a group to stop and killing it
TAIL = 40  # lines of output that are kept for people


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended. `code` is None where it had to be stopped because its time was up."""

    code: int | None
    output: str
    seconds: float


def run(argv: Sequence[str], folder: Path, *, environ: Mapping[str, str], timeout: float | None, log: Path) -> Ended:
    """Run the command and wait for it, at most `timeout` seconds. No shell ever sees `argv`.

    Output goes to the file `log`; its tail comes back. Whatever interrupts the wait (^C) ends the command and all that
    it started, and comes through. Raises `UsageError` where the program cannot be started.
    """
    began = time.monotonic()
    with log.open("wb") as stream:
        try:
            child = subprocess.Popen(
                list(argv),
                cwd=folder,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise UsageError(
                f"{argv[0]} cannot be started: {error.strerror or error}",
                "run this in the project's own environment, or say how to run its tests: "
                "--command 'program {tests} --junitxml={junit}'",
            ) from error
        code: int | None
        try:
            code = child.wait(timeout)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            end(child)
    return Ended(code, _tail(log), time.monotonic() - began)


def end(child: subprocess.Popen[bytes]) -> None:
    """End the group of a child that was started in one of its own; what has ended already is left alone."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if not _signalled(child, signum):
            return
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline:
            child.poll()
            if not _signalled(child, 0):
                return
            time.sleep(0.02)


def _signalled(child: subprocess.Popen[bytes], signum: int) -> bool:
    """Whether somebody of the group was there to get the signal. The group's number is the child's."""
    try:
        os.killpg(child.pid, signum)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _tail(log: Path) -> str:
    with contextlib.suppress(OSError):
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 65_536))
            text = stream.read().decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-TAIL:])
    return ""
