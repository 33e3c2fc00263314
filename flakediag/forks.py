"""Forks of this process, which do a part of its work and send back what they have found.

They share the memory of this one. Where forking is not possible or not safe (another thread may hold a lock), one
process works alone; it also does what a fork that came to nothing has left undone.
"""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import IO, Any

_PIPE = 1 << 20  # bytes that a fork may be ahead of whoever reads what it sends, where the system allows so many

_most: ContextVar[int | None] = ContextVar("_most", default=None)


@contextmanager
def at_most(processes: int | None) -> Iterator[None]:
    """Within, no more processes than this; 1 for none but this one, None for as many as there are processors."""
    token = _most.set(processes)
    try:
        yield
    finally:
        _most.reset(token)


def processes() -> int:
    """How many processes may work: as many as there are processors for this one, if it can be forked."""
    most = _most.get()
    if most == 1 or not hasattr(os, "fork") or not hasattr(os, "sched_getaffinity"):
        return 1
    if threading.active_count() > 1:
        return 1
    available = len(os.sched_getaffinity(0))
    return available if most is None else min(most, available)


class Fork:
    """A child that does some work and sends what the work yields, which can be pickled.

    It waits whenever it is too far ahead of what has been taken. Must be ended, whatever became of it.
    """

    def __init__(self, work: Callable[[], Iterable[object]]) -> None:
        reading, writing = os.pipe()
        with warnings.catch_warnings():  # of threads: there are none but those of numpy's libraries, which expect forks
            warnings.simplefilter("ignore", DeprecationWarning)
            self._child = os.fork()
        if not self._child:
            os.close(reading)
            _work(work, writing)  # does not return
        os.close(writing)
        self._pipe: IO[bytes] = os.fdopen(reading, "rb")

    def take(self) -> Any:
        """The next object that the work has yielded. Raises `EOFError` where the child has ended without one."""
        import pickle  # most commands fork nothing

        try:
            return pickle.load(self._pipe)
        except pickle.UnpicklingError as problem:  # it ended in the middle
            raise EOFError from problem

    def end(self) -> None:
        """Waits for the child, which has nothing to do any more: a closed pipe or the end of its work ends it."""
        self._pipe.close()
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self._child, signal.SIGTERM)
            os.waitpid(self._child, 0)


def _work(work: Callable[[], Iterable[object]], writing: int) -> None:
    """What the child does, to its end."""
    import pickle

    status = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)  # the parent says what is to be said
        _widen(writing)
        with os.fdopen(writing, "wb") as pipe:
            for found in work():
                pickle.dump(found, pipe, pickle.HIGHEST_PROTOCOL)
                pipe.flush()
        status = 0
    finally:
        os._exit(status)  # nothing of what the parent has open is this process's to close


def _widen(pipe: int) -> None:
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
