"""The segmentations of a history of outcomes, weighed with arrays (see `verdict` for the model)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import exp, inf

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.commits import CommitOutcomes, Stretches, chances, flaky_tables, stretches_of

AT_ONCE = 64  # boundaries whose segments are weighed together
Counts = NDArray[np.int64]
Logs = NDArray[np.float64]


@dataclass(slots=True)
class Memory:
    """What was computed for a history, so that the same history with more runs at its end costs only these."""

    stretches: list[tuple[CommitOutcomes, int]] = field(default_factory=list)
    weight: Logs = field(default_factory=lambda: np.empty((0, 3)))
    reach: Logs = field(default_factory=lambda: np.empty((0, 3)))

    def known(self, stretches: Sequence[tuple[CommitOutcomes, int]]) -> int:
        """Up to which boundary what was computed holds for a history of these stretches."""
        same = next((i for i, (a, b) in enumerate(zip(self.stretches, stretches, strict=False)) if a != b), None)
        alike = min(len(self.stretches), len(stretches)) if same is None else same
        return max(0, min(alike, len(self.stretches) - 1, len(stretches) - 1))


def last_segment(stretches: Stretches, memory: Memory) -> tuple[list[float], int]:
    """The posterior of the last segment's kind, and the stretch with which that segment most probably starts.

    A forward pass over boundaries: weight[j, kind] sums over all segmentations of the first j stretches that end with a
    segment of that kind.
    """
    chain = _Chain(stretches)
    count = len(chain.starts)
    weight = np.full((count + 1, 3), -inf)
    reach = chain.reach()
    since = np.zeros(3, dtype=np.int64)
    known = memory.known(chain.stretches)
    if known:
        weight[: known + 1], reach[: known + 1] = memory.weight[: known + 1], memory.reach[: known + 1]
    for end, options in chain.options(reach, known + 1):
        weight[end] = np.logaddexp.reduce(options, axis=0)
        if end < count:
            reach[end] = chain.change + np.logaddexp.reduce(weight[end][:, None] + chain.follow, axis=0)
        else:
            since = options.argmax(axis=0)
    memory.stretches, memory.weight, memory.reach = chain.stretches, weight, reach
    whole = np.logaddexp.reduce(weight[count])
    posterior = [exp(kind - whole) for kind in weight[count].tolist()]  # not numpy's, which rounds otherwise
    return posterior, int(since[posterior.index(max(posterior))])


class _Chain:
    """The segmentations of a history: what every choice of a segment weighs, in logs."""

    def __init__(self, stretches: Stretches) -> None:
        merged, self.starts, gaps = stretches
        self.stretches = list(zip(merged, gaps, strict=True))
        self.change, self._stay, first, follow = chances()
        self._first, self.follow = np.array(first), np.array(follow)
        self._failed = np.concatenate(([0], np.cumsum([c.failed for c in merged])))
        self._tried = np.concatenate(([0], np.cumsum([c.tried for c in merged])))
        self._kept = np.concatenate(([0], np.cumsum(np.array(gaps) + 1)))  # boundaries, merged ones included
        *tables, self._whole = flaky_tables(int(self._tried[-1]))
        self._tables = np.array(tables)

    def reach(self) -> Logs:
        """float64[boundaries, 3]: the weight of starting a segment of a kind there, filled in for the first one."""
        made = np.full((len(self.starts), 3), -inf)
        made[0] = self._first
        return made

    def options(self, reach: Logs, first: int = 1) -> Iterator[tuple[int, Logs]]:
        """From the boundary `first` on, each with float64[boundary, 3]: the weight of a last segment of each kind from
        each earlier boundary up to this one. `reach` is to be filled in up to a boundary before the next is asked for.
        """
        for start in range(first, len(self._tried), AT_ONCE):
            ends = np.arange(start, min(start + AT_ONCE, len(self._tried)))
            likelihood, inside = self._segments(ends)
            for row, end in enumerate(ends.tolist()):
                yield end, reach[:end] + likelihood[row, :end] + inside[row, :end]

    def _segments(self, ends: Counts) -> tuple[Logs, Logs]:
        """float64[E, boundaries, 3] and [E, boundaries, 1]: how likely the outcomes between each earlier boundary and
        each of these are in a segment of each kind, and that nothing changes inside it. Later boundaries hold nothing.
        """
        failed, tried, kept = (
            np.maximum(table[ends][:, None] - table[: ends[-1]], 0) for table in (self._failed, self._tried, self._kept)
        )
        likelihood = np.stack(
            [np.where(failed == 0, 0.0, -inf), np.where(failed == tried, 0.0, -inf), self._flaky(failed, tried)], axis=2
        )
        # One change at the cut, none at the boundaries inside the segment.
        return likelihood, (self._stay * (kept - 1))[:, :, None]

    def _flaky(self, k: Counts, n: Counts) -> Logs:
        failed, passed, tried = self._tables
        result: Logs = failed[k] + passed[n - k] - tried[n] - self._whole
        return result


@dataclass(frozen=True, slots=True)
class Segment:
    """The commits from `start` up to but not `stop` of a history, which are of one kind: CLEAN, FAILING or FLAKY."""

    kind: int
    start: int
    stop: int


def segments(history: Sequence[CommitOutcomes]) -> list[Segment]:
    """The most probable segmentation of a history, oldest first (Viterbi over the model above)."""
    if not history:
        return []
    chain = _Chain(stretches_of(history))
    count = len(chain.starts)
    reach = chain.reach()
    began = np.zeros((count + 1, 3), dtype=np.int64)  # where the best last segment up to a boundary starts
    before = np.zeros((count, 3), dtype=np.int64)  # the kind of the segment before one that starts at a boundary
    best = reach[0]
    for end, options in chain.options(reach):
        began[end], best = options.argmax(axis=0), options.max(axis=0)
        if end < count:
            through = best[:, None] + chain.follow
            before[end], reach[end] = through.argmax(axis=0), chain.change + through.max(axis=0)
    found = []
    starts = [*chain.starts, len(history)]
    end, kind = count, int(best.argmax())
    while end:
        start = int(began[end, kind])
        found.append(Segment(kind, starts[start], starts[end]))
        end, kind = start, int(before[start, kind])
    return found[::-1]
