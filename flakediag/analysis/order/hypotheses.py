"""Who may have written the hidden state, and what the search for them costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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
