"""What a set of writers is worth as an explanation of a set of rows.

A row fails iff the last writer before it wrote bad, or nobody wrote and the process started bad. With `NEVER` < start
< every position, that is one comparison: last bad > last good, where the start counts as a writer at -1. A set of
writers splits the rows into those expected to fail and those expected to pass; the likelihood is the product of the
two parts' marginals. Each writer pays its prior.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.hypotheses import Costs, Found, Numbers, Writers
from flakediag.analysis.order.later import Later, number_of
from flakediag.analysis.order.leads import LeadsOfOne
from flakediag.analysis.order.marginal import Doubles, log_sum
from flakediag.analysis.order.splits import Splits
from flakediag.analysis.order.units import NEVER, Rows
from flakediag.analysis.order.writers import Places, both_written, last_of


@dataclass
class Fit:
    """The hypotheses seen in one search, with the log of likelihood times prior.

    The last writers may be chains of two tests, which write only when both have run; the number of a chain is that of
    its first link.
    """

    rows: Rows
    numbers: Numbers  # [C], the candidates looked at; writers are places in this list
    by_row: Places  # [M, C], row by row in memory: when each of them last wrote before each row
    prior: Doubles  # [C], ln
    costs: Costs
    chains: tuple[tuple[int, int], ...] = ()  # the last of the writers, by their links
    kept: Numbers | None = None  # the writers that the columns of `by_row` are of, where these are not all
    found: Found = field(init=False)
    _starts: dict[tuple[bool, tuple[int, ...]], int] = field(default_factory=dict, init=False, repr=False)
    # The hypotheses of which every single candidate was tried as one more writer, and kept where that is worth it.
    known: dict[Writers, LeadsOfOne] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self.found = Found(self.costs.most_writers)

    # --- what was found -----------------------------------------------------------------------------------------

    @cached_property
    def best(self) -> Writers:
        """The best hypothesis; asked for when the search is over."""
        return self.found.best

    def score_of(self, writers: Writers) -> float:
        """ln of likelihood times prior of a hypothesis that was seen."""
        return float(self.found.scores[self.place(writers)])

    def place(self, writers: Writers) -> int:
        """Where a hypothesis that was seen stands in `found`."""
        place = self.found.place(writers)
        assert place is not None, "it was seen"
        return place

    @property
    def starts_mostly_bad(self) -> bool:
        """Whether the state starts bad, by all hypotheses that explain something."""
        telling = self.found.telling
        scores, starts_bad = self.found.scores[telling], self.found.starts_bad[telling]
        return log_sum(scores[starts_bad]) > log_sum(scores[~starts_bad])

    def top(self, count: int) -> list[Writers]:
        return self.found.ranked(self.found.telling, count)

    def done(self) -> Fit:
        """The same without what only a search needs: the candidates that no hypothesis names."""
        codes = self.found.codes[self.found.telling]
        used = np.zeros(len(self.numbers), dtype=np.bool_)
        used[codes[codes >= 0] >> 1] = True
        kept = np.flatnonzero(used)
        return self._with(replace(self, by_row=self.by_row[:, kept], kept=kept), self.found)

    def weighed(self, scores: Doubles) -> Fit:
        """The same with other scores of the same hypotheses."""
        return self._with(replace(self), self.found.weighed(scores))

    @staticmethod
    def _with(fit: Fit, found: Found) -> Fit:
        fit.found = found
        return fit

    # --- what a hypothesis expects ------------------------------------------------------------------------------

    def expected(self, writers: Writers) -> NDArray[np.bool_]:
        """bool[M]: the rows that these writers expect to fail."""
        return self._expected(writers, {writer: self.wrote(writer) for writer in writers.all}, self.rows)

    def _expected(self, writers: Writers, wrote: Mapping[int, Places], rows: Rows) -> NDArray[np.bool_]:
        starts, kind = self.starts(writers, rows), self.by_row.dtype
        last_bad = last_of([wrote[c] for c in writers.bad], np.where(starts, -1, NEVER), kind)
        last_good = last_of([wrote[c] for c in writers.good], np.where(starts, NEVER, -1), kind)
        result: NDArray[np.bool_] = last_bad > last_good
        return result

    def expecting(self, writers: Writers) -> int:
        """As `expected`, a bit for each row, while the search goes on."""
        rows = self._starting(writers)
        # Where a bad and a good writer wrote last at once, the good one decides: the bad one did not write later.
        ordered = writers.good + writers.bad
        for number, writer in enumerate(ordered):
            later = self.later.rows(writer, ordered[:number])
            rows = rows & ~later if number < len(writers.good) else rows | later
        return rows

    def _starting(self, writers: Writers) -> int:
        """The rows that fail when nobody has written, a bit for each."""
        start = writers.starts_bad, writers.turned
        if start not in self._starts:
            self._starts[start] = number_of(self.starts(writers))
        return self._starts[start]

    def links_of_best(self) -> list[int]:
        """The writers of the best hypothesis, each link of a chain by itself."""
        return sorted({link for writer in self.best.all for link in self.links(writer)})

    def elsewhere(self, rows: Rows, written: Places) -> NDArray[np.bool_]:
        """bool[M]: the rows of another table that the best writers expect to fail. written: [`links_of_best`, M]."""
        wrote = dict(zip(self.links_of_best(), written, strict=True))
        for writer in self.best.all:
            links = [wrote[link] for link in self.links(writer)]
            wrote[writer] = both_written(np.array(links), [(0, 1)])[0] if len(links) > 1 else links[0]
        return self._expected(self.best, wrote, rows)

    def wrote(self, writer: int) -> Places:
        """[M]: when a writer last wrote before each row."""
        column = writer if self.kept is None else int(np.searchsorted(self.kept, writer))
        wrote: Places = self.by_row[:, column]
        return wrote

    def starts(self, writers: Writers, rows: Rows | None = None) -> NDArray[np.bool_]:
        """bool[M]: the rows (of this fit, or others) whose victims fail when nobody has written."""
        rows = rows or self.rows
        if not writers.turned:
            return np.full(len(rows), writers.starts_bad)
        turned = np.array([test in writers.turned for test in rows.tests], dtype=np.bool_)
        starts: NDArray[np.bool_] = turned[rows.member] ^ writers.starts_bad
        return starts

    # --- chains -------------------------------------------------------------------------------------------------

    def with_chains(self, chains: Sequence[tuple[int, int]], prior: Doubles) -> Fit:
        """The same hypotheses, to go on with chains: their links, and ln of their prior."""
        both = np.ascontiguousarray(both_written(self.by_row.T, chains).T)
        more = replace(
            self,
            numbers=np.concatenate([self.numbers, self.numbers[[a for a, _ in chains]]]),
            by_row=np.concatenate([self.by_row, both], axis=1),
            prior=np.concatenate([self.prior, prior]),
            chains=tuple(chains),
        )
        more.later, more.known = self.later.with_more(both), self.known
        return self._with(more, self.found)

    @property
    def first_chain(self) -> int:
        """Chains are the writers from this one on."""
        return len(self.numbers) - len(self.chains)

    def chained(self, writers: Writers) -> bool:
        """Whether any of them is a chain."""
        return max(writers.all, default=-1) >= self.first_chain

    def links(self, writer: int) -> tuple[int, ...]:
        """The writers that a chain is made of; of another writer, itself."""
        return self.chains[writer - self.first_chain] if writer >= self.first_chain else (writer,)

    # --- what it is worth ---------------------------------------------------------------------------------------

    def log_prior(self, writers: Writers) -> float:
        start = self.costs.starts_bad if writers.starts_bad else self.costs.starts_good
        victims = self.victims
        if victims > 1:
            start += self.costs.turned * len(writers.turned) + self.costs.same_start * (victims - len(writers.turned))
        return (
            start + sum(float(self.prior[c]) for c in writers.all) + self.costs.another * max(0, len(writers.all) - 1)
        )

    def score(self, writers: Writers) -> None:
        """Looks at one hypothesis."""
        if self.found.place(writers) is None:
            k, n = self.counts(self.expecting(writers))
            score = self.splits.one(k, n) + self.log_prior(writers)
            self.found.add_one(writers, score, tells=k * len(self.rows) > self.splits.failures * n)

    def counts(self, expected: int) -> tuple[int, int]:
        """The failures, and the rows, among those that are expected to fail, a bit for each."""
        return (expected & self.outcomes[0]).bit_count(), expected.bit_count()

    @cached_property
    def outcomes(self) -> tuple[int, int]:
        """The rows that failed, and those that passed, a bit for each."""
        return number_of(self.failed), number_of(~self.failed)

    @property
    def perfect(self) -> float:
        """ln of the likelihood where nothing is left to explain."""
        return self.splits.one(self.splits.failures, self.splits.failures)

    @cached_property
    def splits(self) -> Splits:
        return Splits(self.rows.failures, len(self.rows), self.costs.when_bad, self.costs.when_good)

    @cached_property
    def later(self) -> Later:
        """Who wrote later than whom."""
        return Later(self.by_row)

    @cached_property
    def rough_prior(self) -> NDArray[np.float32]:
        return self.prior.astype(np.float32)

    @cached_property
    def failed(self) -> NDArray[np.bool_]:
        failed: NDArray[np.bool_] = self.rows.failed == 1
        return failed

    @cached_property
    def of_tests(self) -> dict[int, int]:
        """The rows of each test, a bit for each; the tests in rising order."""
        tests = np.array(self.rows.tests)[self.rows.member]
        return {test: number_of(tests == test) for test in sorted({*self.rows.tests})}

    @cached_property
    def victims(self) -> int:
        return len(set(self.rows.tests))


def evidence_for_order(fit: Fit) -> float:
    """ln of the sum over the hypotheses that explain something: the marginal likelihood of order dependence."""
    return log_sum(fit.found.scores[fit.found.telling])
