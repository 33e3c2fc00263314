"""Who may have written the state: single tests, and groups of tests that all write the same.

Groups are what names say belongs together: a parametrised family, a class, a module, a package. Tests are sorted by
the segments of their names, so that each group is one range of neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from flakediag.model import Identity

EVERY_TEST = "(any other test)"
"""The group of all tests: as a cleaner, it says that the polluter has to run right before the victim."""

_SEPARATOR = re.compile(r"[./$]")


def segments(test: Identity) -> tuple[str, ...]:
    """The name of a test cut at the borders of package, module, class, test and parameter; joined, they are its id.

    >>> segments(Identity("tests.test_a.TestB", "test_c[1-x]"))
    ('tests', '.test_a', '.TestB', '::test_c', '[1-x]')
    """
    home = test.classname or test.file
    cuts = [match.start() for match in (_SEPARATOR if test.classname else re.compile("/")).finditer(home)]
    bounds = [0, *(cut for cut in cuts if cut > 0), len(home)]
    parts = [home[start:end] for start, end in pairwise(bounds) if end > start]
    rest = test.id[len(home) :]
    bracket = rest.find("[", 3)
    parts += [rest] if bracket < 0 else [rest[:bracket], rest[bracket:]]
    return tuple(parts)


@dataclass(frozen=True)
class Candidates:
    """The T tests in name order, followed by the G groups.

    `tests`: int32[T], the window's test at each place. `starts`, `ends`: int32[G], the range of places of each group.
    """

    tests: NDArray[np.int32]
    ids: tuple[str, ...]  # T + G
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    homes: NDArray[np.int32]  # [T], tests of one class (or file) have the same number
    levels: NDArray[np.int32]  # [T, L]: the number of each test's prefix at each depth, -1 beyond its name
    depths: NDArray[np.int32]  # [T]

    @property
    def size(self) -> int:
        return len(self.ids)

    @cached_property
    def place(self) -> NDArray[np.int32]:
        """int32[T]: the inverse of `tests`."""
        inverse = np.empty(len(self.tests), dtype=np.int32)
        inverse[self.tests] = np.arange(len(self.tests), dtype=np.int32)
        return inverse

    @cached_property
    def spans(self) -> NDArray[np.int32]:
        """int32[C, 2]: the range of places that each candidate stands for."""
        places = np.arange(len(self.tests), dtype=np.int32)
        single = np.stack([places, places + 1], axis=1)
        groups = np.stack([self.starts, self.ends], axis=1)
        return np.concatenate([single, groups]).astype(np.int32)

    @cached_property
    def home(self) -> NDArray[np.int32]:
        """int32[C]: the class of a test, or of all members of a group; -1 for a group of several classes."""
        changes = np.concatenate(([0], np.cumsum(np.diff(self.homes) != 0)))
        first, last = self.spans[:, 0], self.spans[:, 1] - 1
        home: NDArray[np.int32] = np.where(changes[first] == changes[last], self.homes[first], -1).astype(np.int32)
        return home

    @cached_property
    def kinds(self) -> NDArray[np.int8]:
        """int8[C], the more specific the higher: 0 for all tests, 1 a group, 2 a test."""
        kinds = np.full(self.size, 2, dtype=np.int8)
        kinds[len(self.tests) :] = self.ends - self.starts < len(self.tests)
        return kinds

    @cached_property
    def have_names(self) -> bool:
        """Whether each has an id of its own."""
        return len(set(self.ids)) == len(self.ids)

    @cached_property
    def _by_level(self) -> NDArray[np.int32]:
        return np.ascontiguousarray(self.levels.T)

    def is_group(self, candidate: int) -> bool:
        return candidate >= len(self.tests)

    def members(self, candidate: int) -> range:
        """The places of the tests that a candidate stands for."""
        start, end = self.spans[candidate]
        return range(int(start), int(end))

    def nearness(self, victims: Sequence[int]) -> NDArray[np.float64]:
        """float64[C]: the share of name segments before the test's own that a candidate has in common with the victims.

        1 in the same class (or module, where there is no class), 0 where not even the outermost package is the same;
        the mean over `victims` (window's tests) and over the members of a group.
        """
        rows = self.place[list(victims)]
        shared = np.zeros(len(self.tests))
        for row in rows:
            home = max(1, int(self.depths[row]) - 1)
            same = np.zeros(len(self.tests), dtype=np.int32)
            for level in self._by_level[:home]:
                same += level == level[row]
            shared += same / home
        shared /= len(rows)
        total = np.concatenate(([0.0], np.cumsum(shared)))
        start, end = self.spans[:, 0], self.spans[:, 1]
        mean: NDArray[np.float64] = (total[end] - total[start]) / (end - start)
        return mean


def find_candidates(tests: Sequence[Identity]) -> Candidates:
    """All tests, and the groups of at least two of them."""
    names = [segments(test) for test in tests]
    order = sorted(range(len(tests)), key=lambda t: (names[t], t))
    depth = max((len(name) for name in names), default=0)
    levels = np.full((len(tests), depth), -1, dtype=np.int32)
    found: dict[tuple[int, int], str] = {}
    for level in range(depth):
        start = 0
        for place in range(1, len(order) + 1):
            prefix = names[order[start]][: level + 1]
            if place < len(order) and names[order[place]][: level + 1] == prefix:
                continue
            if len(prefix) == level + 1:
                levels[start:place, level] = start
                if place - start > 1:
                    found[start, place] = "".join(prefix)  # the deepest name of the same members wins
            start = place
    if len(order) > 1:
        found[0, len(order)] = EVERY_TEST
    ids = [tests[t].id for t in order]
    numbers: dict[str, int] = {}
    homes = [numbers.setdefault(tests[t].classname or tests[t].file, len(numbers)) for t in order]
    bounds = np.array(list(found), dtype=np.int32).reshape(-1, 2)
    return Candidates(
        tests=np.array(order, dtype=np.int32),
        ids=(*ids, *found.values()),
        starts=bounds[:, 0],
        ends=bounds[:, 1],
        homes=np.array(homes, dtype=np.int32),
        levels=levels,
        depths=np.array([len(names[t]) - names[t][-1].startswith("[") for t in order], dtype=np.int32),
    )
