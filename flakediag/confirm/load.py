"""CPU pressure from child processes of our own: as many as asked for, never longer than asked for."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

# Each ends at its deadline, or when whoever started it is gone: nothing stays behind, not even after a crash.
_BUSY = """
import os, sys, time
deadline, parent = time.monotonic() + float(sys.argv[1]), int(sys.argv[2])
while time.monotonic() < deadline and os.getppid() == parent:
    for _ in range(200_000):
        pass
"""


@contextlib.contextmanager
def pressure(processes: int, seconds: float) -> Iterator[None]:
    """Keep so many processes busy while the block runs, for at most so many seconds."""
    children: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(processes):
            children.append(
                subprocess.Popen(
                    [sys.executable, "-I", "-c", _BUSY, str(seconds), str(os.getpid())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,  # ^C is for us: we end them
                )
            )
        yield
    finally:
        for child in children:
            child.kill()
        for child in children:
            child.wait()
