"""Who may have written the hidden state, and what the search for them costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from flakediag.analysis.order.marginal import Prior


class Writers(NamedTuple):
    """A hypothesis: how the state starts, and who writes it. Candidates by number, in rising order.

    `turned`: the victims (window's tests) for which it starts the other way: what one needs, the other may do without.
    """

    starts_bad: bool
    bad: tuple[int, ...] = ()
    good: tuple[int, ...] = ()
    turned: tuple[int, ...] = ()

    @property
    def all(self) -> tuple[int, ...]:
        return self.bad + self.good

    def with_bad(self, candidate: int) -> Writers:
        return Writers(self.starts_bad, _joined(self.bad, candidate), self.good, self.turned)

    def with_good(self, candidate: int) -> Writers:
        return Writers(self.starts_bad, self.bad, _joined(self.good, candidate), self.turned)

    def without(self, candidate: int) -> Writers:
        bad = tuple(c for c in self.bad if c != candidate)
        return self._replace(bad=bad, good=tuple(c for c in self.good if c != candidate))

    def turn(self, victims: Iterable[int]) -> Writers:
        """With another start for some victims."""
        return self._replace(turned=tuple(sorted({*self.turned} ^ {*victims})))

    def seen_by(self, victim: int) -> Writers:
        """As they are for one victim alone."""
        return Writers(self.starts_bad ^ (victim in self.turned), self.bad, self.good)


def _joined(writers: tuple[int, ...], candidate: int) -> tuple[int, ...]:
    return writers if candidate in writers else tuple(sorted((*writers, candidate)))


Rank = tuple[float, int, Writers]
NOBODY = Writers(False)


@dataclass
class Found:
    """The hypotheses that a search has seen, with the log of likelihood times prior.

    telling: those that explain something, under which more rows fail where they should than elsewhere.
    """

    scores: dict[Writers, float] = field(default_factory=dict)
    telling: list[Writers] = field(default_factory=list)
    best: Writers = NOBODY  # of those that explain something
    most: float = float("-inf")  # the largest score of all
    # Those of several writers look poor, by their score, while one of them is missing: many failures are left over
    # where nothing should fail. Their promise is what they explain at whatever rates.
    # By their number of writers.
    promise: dict[int, dict[Writers, float]] = field(default_factory=lambda: defaultdict(dict))
    levels: dict[int, list[Writers]] = field(default_factory=lambda: defaultdict(list))
    turned: set[Writers] = field(default_factory=set)  # those that were tried with another start for some victims

    def add(self, writers: Writers, score: float, *, tells: bool) -> None:
        self.scores[writers] = score
        if score > self.most:
            self.most = score
        size = len(writers.bad) + len(writers.good)
        self.levels[size].append(writers)
        if tells and size:
            best = self.scores[self.best] if self.telling else float("-inf")
            if score > best or (score == best and self.rank(writers) > self.rank(self.best)):
                self.best = writers
            self.telling.append(writers)

    def rank(self, writers: Writers) -> Rank:
        """The better, the fewer, the larger."""
        return self.scores[writers], -len(writers.bad) - len(writers.good), writers

    def ranked(self, writers: Iterable[Writers]) -> list[Writers]:
        return sorted(writers, key=self.rank, reverse=True)

    def weighed(self, scores: dict[Writers, float]) -> Found:
        """The same with other scores."""
        found = replace(self, scores=scores, most=max(scores.values()))
        found.best = max(self.telling or [NOBODY], key=found.rank)
        return found


@dataclass(frozen=True)
class Costs:
    """The figures of `weights.toml`, section `[order]`, that the search needs."""

    when_bad: Prior
    when_good: Prior
    starts_bad: float  # ln of the prior of a brittle test, and of a victim
    starts_good: float
    another: float  # ln of the prior of one more writer and of its role; the first one comes free
    most_writers: int
    beam: int
    kept: int  # alternatives kept of each scan
    turned: float  # ln of the prior that a victim starts otherwise than those which it is explained together with
    same_start: float  # and that it starts as they do
