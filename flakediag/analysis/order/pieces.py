"""When any test of a group last ran before each victim, told for all victims of a window together.

Groups are ranges of neighbouring tests, so that they fall into pieces whose tests are all in the same groups. One walk
through a run tells for each victim in it when each piece last ran before; the latest of its pieces is a group's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.candidates import Candidates

_NEVER = -2
_MOST = 1 << 26  # bytes that what is known of the victims may take
_RUNS = 64  # at a time

Places = NDArray[np.signedinteger]


@dataclass
class Pieces:
    """`when`: int16 or int32[R, T], the position of each test that ran, negative where it did not. `victims`: the
    window's tests that are going to be asked about.

    `edges`: where each piece starts, and the end; `bounds`: int[G, 2], the range of pieces of each group.
    """

    when: Places
    candidates: Candidates
    victims: Sequence[int]
    edges: NDArray[np.intp] = field(init=False)
    bounds: NDArray[np.intp] = field(init=False)
    _known: dict[int, Places] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        ranges = np.stack([self.candidates.starts, self.candidates.ends], axis=1)
        self.edges = np.unique(np.append(ranges, [0, len(self.candidates.tests)]))
        self.bounds = np.searchsorted(self.edges, ranges)

    def before(self, victim: int) -> Places:
        """[R, P]: the latest position before the victim's at which a test of each piece ran, -2 for none."""
        of_one = len(self.when) * (len(self.edges) - 1) * self.when.itemsize
        if not self._known and victim in self.victims and of_one <= _MOST:
            self._known = self._walk(self.victims[: _MOST // of_one])
        known = self._known.get(victim)
        return self._alone(victim) if known is None else known

    def _alone(self, victim: int) -> Places:
        """For one victim, where all together would take too much memory."""
        found = []
        for start in range(0, len(self.when), _RUNS):
            when = self.when[start : start + _RUNS]
            ran = when.take(self.candidates.tests, axis=1)
            earlier = np.where(ran < when[:, victim, None], ran, when.dtype.type(_NEVER))
            found.append(np.maximum.reduceat(earlier, self.edges[:-1], axis=1))
        return np.concatenate(found)

    def _walk(self, victims: Sequence[int]) -> dict[int, Places]:
        runs, pieces = len(self.when), len(self.edges) - 1
        found = np.full((len(victims), runs, pieces), _NEVER, dtype=self.when.dtype)
        piece = np.searchsorted(self.edges, self.candidates.place, side="right") - 1  # of each of the window's tests
        for run, when in enumerate(self.when):
            own = when[victims]
            order = np.argsort(own, kind="stable")
            order = order[own[order] >= 0]
            ran = np.flatnonzero(when >= 0)
            positions = when[ran]
            # A test is before the victims that come later: those from this one on.
            first = np.cumsum(np.bincount(own[order], minlength=int(positions.max(initial=0)) + 1))[positions]
            latest = np.full((len(order) + 1, pieces), _NEVER, dtype=when.dtype)
            np.maximum.at(latest.reshape(-1), first * pieces + piece[ran], positions)
            np.maximum.accumulate(latest, axis=0, out=latest)
            found[order, run] = latest[:-1]
        return dict(zip(victims, found, strict=True))
