"""flakediag, killed at a chosen step of SQLite: `python tools/reliability/doomed.py STEP ARGUMENTS…`.

A step is a hundred instructions of SQLite's virtual machine, counted over all connections: the same command on the same
history dies at the same place each time, also in the midst of a statement. With STEP 0 it lives, and says on its last
line of standard error how many steps it took.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from functools import partial
from itertools import count
from typing import Any

from flakediag.cli import main

INSTRUCTIONS = 100


def doom(step: int) -> list[int]:
    """Let every connection that is opened from now on count; the list holds the last step that was taken."""
    steps, taken = count(1), [0]

    def tick() -> int:
        taken[0] = next(steps)
        if taken[0] == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    def connect(opened: Any, *arguments: Any, **more: Any) -> sqlite3.Connection:
        conn: sqlite3.Connection = opened(*arguments, **more)
        conn.set_progress_handler(tick, INSTRUCTIONS)
        return conn

    sqlite3.connect = partial(connect, sqlite3.connect)
    return taken


if __name__ == "__main__":
    taken = doom(int(sys.argv[1]))
    try:
        main(sys.argv[2:])
    finally:
        print(taken[0], file=sys.stderr)
