"""One function over many items, by several processes where that pays.

The processes are forks: they share the memory of this one, and send back what they found. The outcome is that of a
plain loop, in the same order, however many processes there are. Where forking is not possible or not safe (another
thread may hold a lock), or a fork comes to nothing, this process does the work itself.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import IO, Any, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")

_most: ContextVar[int | None] = ContextVar("_most", default=None)


@contextmanager
def at_most(processes: int | None) -> Iterator[None]:
    """Within, no more processes than this; 1 for none but this one, None for as many as there are processors."""
    token = _most.set(processes)
    try:
        yield
    finally:
        _most.reset(token)


def spread(work: Callable[[Item], Made], items: Sequence[Item], least: int = 16) -> list[Made]:
    """[work(item) for item in items]. `work` changes nothing but what it returns, which can be pickled.

    Fewer items than `least` are not worth a second process.
    """
    count = min(_processes(), len(items))
    if count < 2 or len(items) < least:
        return [work(item) for item in items]
    forks = [_fork(work, items[number::count]) for number in range(1, count)]
    found: list[list[Made] | None] = [None] * count
    try:
        found[0] = [work(item) for item in items[::count]]
        for number, (_, pipe) in enumerate(forks, 1):
            found[number] = _received(pipe)
    finally:
        for child, pipe in forks:
            pipe.close()
            _end(child)
    made: list[Made | None] = [None] * len(items)
    for number, part in enumerate(found):
        made[number::count] = [work(item) for item in items[number::count]] if part is None else part
    return made  # type: ignore[return-value]  # every place is filled by now


def _processes() -> int:
    """How many processes may work: as many as there are processors for this one, if it can be forked."""
    most = _most.get()
    if most == 1 or not hasattr(os, "fork") or not hasattr(os, "sched_getaffinity"):
        return 1
    if threading.active_count() > 1:
        return 1
    available = len(os.sched_getaffinity(0))
    return available if most is None else min(most, available)


def _fork(work: Callable[[Item], Made], items: Sequence[Item]) -> tuple[int, IO[bytes]]:
    """The child that does some of the work, and where its outcome comes from."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():  # of threads: there are none but those of numpy's libraries, which expect forks
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        os.close(writing)
        return child, os.fdopen(reading, "rb")
    status = 1
    try:
        os.close(reading)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)  # the parent says what is to be said
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump([work(item) for item in items], pipe, pickle.HIGHEST_PROTOCOL)
        status = 0
    finally:
        os._exit(status)  # nothing of what the parent has open is this process's to close


def _received(pipe: IO[bytes]) -> list[Any] | None:
    """What a child found; None where it ended early."""
    try:
        found: list[Any] = pickle.load(pipe)
    except (EOFError, pickle.UnpicklingError):
        return None
    return found


def _end(child: int) -> None:
    """Waits for a child, which has nothing to do any more: a closed pipe or the end of its work ends it."""
    try:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
    except (ProcessLookupError, ChildProcessError):
        pass
