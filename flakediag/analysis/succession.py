"""Which run came before which on one host, as far as the recorded moments tell.

A run's predecessor is the run of the same host that began last before it. It is known only where the predecessor had
ended by then: state that two runs share while both are going on belongs to neither. The resolution is that of the
recorded moments: where one of the two is a whole second, ends and beginnings may be off by one. A run without a host
has no predecessor, nor has the only run of a host (containers whose names are fresh each time), nor one that began
long after the last. Runs that are not in the window (of other branches, say) are not seen, and blur what is.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.window import Floats, Ints, Window

COARSE = 1.0  # seconds by which a moment recorded in whole seconds may be off


@dataclass(frozen=True)
class Succession:
    """before, after: int32[R], the neighbours of each run on its host, -1 where none is known.

    gap: float32[R], seconds from the end of the run before to the start of this one, NaN where `before` is -1.
    host: int32[R], the number of each run's host, -1 where it is not known.
    """

    before: Ints
    after: Ints
    gap: Floats
    host: Ints

    @property
    def known(self) -> int:
        """How many runs have a predecessor."""
        return int((self.before >= 0).sum())


def succession(window: Window, longest_gap: float) -> Succession:
    """The neighbours of each run; a run that begins more than `longest_gap` seconds after the last has none before."""
    count = len(window.runs)
    before, after = np.full(count, -1, dtype=np.int32), np.full(count, -1, dtype=np.int32)
    gap, host = np.full(count, np.nan, dtype=np.float32), np.full(count, -1, dtype=np.int32)
    of_host: dict[str, list[int]] = defaultdict(list)
    for number, run in enumerate(window.runs):
        if run.host:
            of_host[run.host].append(number)
    lengths = _lengths(window)
    for number, runs in enumerate(of_host.values()):
        runs.sort(key=lambda r: (window.runs[r].started_at, r))
        host[runs] = number
        busy_until = None
        for place, now in enumerate(runs):
            start = window.runs[now].started_at
            if busy_until is not None:
                last = runs[place - 1]
                coarse = not start.microsecond or not window.runs[last].started_at.microsecond
                pause = (start - busy_until).total_seconds()
                if -(COARSE if coarse else 0.0) <= pause <= longest_gap and start > window.runs[last].started_at:
                    before[now], after[last], gap[now] = last, now, max(0.0, pause)
            end = start + timedelta(seconds=float(lengths[now]))
            busy_until = end if busy_until is None else max(busy_until, end)
    return Succession(before, after, gap, host)


def _lengths(window: Window) -> NDArray[np.float64]:
    """Seconds that each run took: as recorded, else what its tests took together."""
    recorded = np.array([np.nan if run.duration is None else run.duration for run in window.runs], dtype=np.float64)
    if not np.isnan(recorded).any():
        return recorded
    for run in np.flatnonzero(np.isnan(recorded)).tolist():
        seconds = np.nan_to_num(window.seconds(run))
        recorded[run] = np.bincount(np.zeros(len(seconds), dtype=np.intp), seconds, minlength=1)[0]
    return recorded
