"""The processes of this machine, each with one project at a time.

No more tasks are handed out than there are processes. So where one of them is killed (by the kernel, for want of
memory), the project that did it is among those few: each of them is tried once more alone, and the rest goes on.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context

from flakediag.fleet.work import Outcome, Task, killed, report_of


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(jobs: int, work: Callable[[Task], Outcome] = report_of) -> Callable[[Sequence[Task]], Iterable[Outcome]]:
    """What does `work` on tasks in at most so many processes; the outcomes come as they are ready."""

    def map_(tasks: Sequence[Task]) -> Iterator[Outcome]:
        waiting = list(reversed(tasks))
        while waiting:
            suspects: list[Task] = []
            yield from _until_broken(waiting, min(jobs, len(waiting)), work, suspects)
            for suspect in suspects:
                broke: list[Task] = []
                yield from _until_broken([suspect], 1, work, broke)
                yield from map(killed, broke)

    return map_


def _until_broken(
    waiting: list[Task], jobs: int, work: Callable[[Task], Outcome], suspects: list[Task]
) -> Iterator[Outcome]:
    """Do what is `waiting`, the last one first, until all is done or a process was killed.

    Then `suspects` are the tasks that were at work.
    """
    with _pool(jobs) as pool:
        at_work: dict[Future[Outcome], Task] = {}
        while waiting or at_work:
            try:
                while waiting and len(at_work) < jobs:
                    at_work[pool.submit(work, waiting[-1])] = waiting[-1]
                    waiting.pop()  # only now: a pool that is broken already takes no task
                done, _ = wait(at_work, return_when=FIRST_COMPLETED)
                for future in done:
                    outcome = future.result()
                    del at_work[future]
                    yield outcome
            except BrokenProcessPool:
                suspects.extend(at_work.values())
                return


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh interpreters: a fork of a process that has threads (numpy, DuckDB) may hang. Whoever is interrupted does
    not wait for their work to end."""
    others = set(active_children())
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_leave_interrupts)
    try:
        yield pool
    except BaseException:
        for child in set(active_children()) - others:
            child.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _leave_interrupts() -> None:
    """^C at a terminal reaches every process; the first one says what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
