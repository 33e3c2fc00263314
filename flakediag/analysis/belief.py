"""What the orders tried so far say about who makes one victim fail: a posterior over claims.

A claim is a case of the last-writer model: a hidden bit that some tests write bad, others good, and that the victim
reads. It differs from `flakediag.analysis.order` in what it is for: that package explains a whole history at once, this
one is asked again after every experiment, knows one victim only, and also weighs writers that work only together.

The likelihood of a claim is a product of two beta-binomials: executions that should fail do so at a rate
~ Beta(19, 1), those that should pass fail at a rate ~ Beta(1, 19). The rival of all claims is chance: one rate in
the history, and in the experiments the same or another one. Each further writer pays its prior.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.marginal import Doubles, Prior, log_marginal, log_sum

NEVER = -2  # did not run; -1 is the start of the process
WHEN_BAD: Prior = ((1.0, 19, 1),)
WHEN_GOOD: Prior = ((1.0, 1, 19),)
CHANCE: Prior = ((0.4, 1, 1), (0.4, 1, 19), (0.2, 19, 1))
SAME_RATE = 0.5  # of chance: it has the same rate in the experiments as in the history
STARTS_BAD = 0.4
ANOTHER = log(0.25 * 0.5)  # the prior of one more writer, and of its role
TOGETHER = log(0.25 * 0.25)  # and of one more test without which another one does not write
WIDTH = 3  # writers of a kind, and tests that write together, at most
SHORTLIST = 200  # suspects of each kind that are looked at in pairs
KEPT = 300  # pairs of each kind that are kept
BASES = 24  # single writers that are tried with a writer of the other kind
BEAM = 12  # claims that are extended by a further test
WIDER = 150  # by one of so many

Bools = NDArray[np.bool_]
Numbers = NDArray[np.int32]
Term = tuple[int, ...]


class Trial(NamedTuple):
    """One execution of the victim: the tests that ran before it in its process, in order, and whether it failed."""

    before: tuple[int, ...]
    failed: bool
    experiment: bool = True


class Claim(NamedTuple):
    """How the state starts, and who writes it. A term is one test, or several that write only when all have run."""

    starts_bad: bool
    bad: tuple[Term, ...] = ()
    good: tuple[Term, ...] = ()

    @property
    def main(self) -> tuple[Term, ...]:
        """Who makes the difference to running alone."""
        return self.good if self.starts_bad else self.bad

    @property
    def others(self) -> tuple[Term, ...]:
        """Who undoes what those do."""
        return self.bad if self.starts_bad else self.good

    def fails(self, before: Sequence[int]) -> bool:
        """Whether the victim fails after these tests."""
        when = {test: place for place, test in enumerate(before)}

        def last(terms: tuple[Term, ...], start: int) -> int:
            done = [max(when[t] for t in term) for term in terms if all(t in when for t in term)]
            return max([start, *done])

        return last(self.bad, -1 if self.starts_bad else NEVER) > last(self.good, NEVER if self.starts_bad else -1)


@dataclass(frozen=True)
class Table:
    """H claims. starts: bool[H]; bad, good: int32[H, WIDTH, WIDTH], terms of tests, where `size` stands for none."""

    size: int
    starts: Bools
    bad: Numbers
    good: Numbers

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, rows: NDArray[np.intp]) -> Table:
        return Table(self.size, self.starts[rows], self.bad[rows], self.good[rows])

    def claim(self, row: int) -> Claim:
        def terms(of: Numbers) -> tuple[Term, ...]:
            found = (tuple(sorted({int(t) for t in term if t < self.size})) for term in of[row])
            return tuple(sorted(term for term in found if term))

        return Claim(bool(self.starts[row]), terms(self.bad), terms(self.good))

    def fails(self, when: NDArray[np.signedinteger]) -> Bools:
        """bool[M, H]: whether each claim expects the victim to fail. when: int[M, size + 1] as `places` gives it."""
        last_bad, last_good = _last(when, self.bad), _last(when, self.good)
        start = np.where(self.starts, -1, NEVER)
        fails: Bools = np.maximum(last_bad, start) > np.maximum(last_good, -3 - start)
        return fails

    def names(self, term: Term, terms: Numbers) -> Bools:
        """bool[H]: whether `terms` (`bad` or `good`) hold this one."""
        wanted = _padded([term], self.size)[0]
        found: Bools = (terms == wanted).all(axis=2).any(axis=1)
        return found

    def includes(self, claim: Claim) -> Bools:
        """bool[H]: the claims that say at least what `claim` says."""
        found: Bools = self.starts == claim.starts_bad
        for terms, array in ((claim.bad, self.bad), (claim.good, self.good)):
            for term in terms:
                found = found & self.names(term, array)
        return found


def _last(when: NDArray[np.signedinteger], terms: Numbers) -> NDArray[np.signedinteger]:
    """int[M, H]: when the last of the terms was complete."""
    latest = np.full((len(when), len(terms)), NEVER, dtype=when.dtype)
    for place in range(terms.shape[1]):
        if (terms[:, place, 0] == when.shape[1] - 1).all():
            continue
        times = when[:, terms[:, place]]
        done = np.where(times.min(axis=2) >= 0, times.max(axis=2), NEVER)
        latest = np.maximum(latest, done)
    return latest


def _padded(terms: Sequence[Term], size: int) -> Numbers:
    """int32[len(terms), WIDTH]: a term that is too short repeats its last test."""
    rows = [sorted(term) for term in terms]
    return np.array([row + [row[-1]] * (WIDTH - len(row)) for row in rows], dtype=np.int32).reshape(-1, WIDTH)


def table_of(claims: Sequence[Claim], size: int) -> Table:
    """The claims as arrays."""
    bad = np.full((len(claims), WIDTH, WIDTH), size, dtype=np.int32)
    good = bad.copy()
    for row, claim in enumerate(claims):
        for array, terms in ((bad, claim.bad), (good, claim.good)):
            if terms:
                array[row, : len(terms)] = _padded(terms, size)
    return Table(size, np.array([claim.starts_bad for claim in claims], dtype=np.bool_), bad, good)


def places(orders: Sequence[Sequence[int]], size: int) -> NDArray[np.signedinteger]:
    """int[M, size + 1]: the place of each test in each order, `NEVER` where it did not run and in the last column."""
    longest = max((len(order) for order in orders), default=0)
    kind = np.int16 if longest < np.iinfo(np.int16).max else np.int32
    when: NDArray[np.signedinteger] = np.full((len(orders), size + 1), NEVER, dtype=kind)
    for row, order in enumerate(orders):
        when[row, list(order)] = np.arange(len(order), dtype=kind)
    return when


@dataclass(frozen=True)
class Belief:
    """The posterior: `share`[H] of the claims in `table`, most probable first, `chance`, and `rest` (claims not kept).

    when_bad, when_good: float64[H], the rate at which the next execution fails if the claim expects it to, or not;
    `by_chance`: the same, were it all chance. They all sum to one.
    """

    table: Table
    share: Doubles
    chance: float
    rest: float
    when_bad: Doubles
    when_good: Doubles
    by_chance: float

    @cached_property
    def best(self) -> Claim | None:
        """The most probable claim; None where chance is likelier than all of them."""
        return self.table.claim(0) if len(self.share) and self.chance < self.order else None

    @property
    def order(self) -> float:
        """The probability of all claims together."""
        return float(self.share.sum()) + self.rest

    def holds(self, claim: Claim) -> float:
        """The probability of all that the claim says, whoever else may write besides."""
        return float(self.share[self.table.includes(claim)].sum())

    def leading(self, count: int) -> list[tuple[Claim, float]]:
        return [(self.table.claim(row), float(self.share[row])) for row in range(min(count, len(self.share)))]

    def main(self, count: int) -> Belief:
        """The `count` most probable claims alone; what the others hold goes to `rest`."""
        if len(self.share) <= count:
            return self
        rows, left = np.arange(count), self.share[:count]
        return replace(
            self,
            table=self.table.take(rows),
            share=left,
            rest=self.rest + float(self.share[count:].sum()),
            when_bad=self.when_bad[:count],
            when_good=self.when_good[:count],
        )

    @cached_property
    def suspicion(self) -> Doubles:
        """float64[size]: the probability of each test to be a writer."""
        found = np.zeros(self.table.size + 1)
        for array in (self.table.bad, self.table.good):
            flat = np.sort(array.reshape(len(self.table), -1), axis=1)
            first = np.ones(flat.shape, dtype=np.bool_)
            first[:, 1:] = flat[:, 1:] != flat[:, :-1]
            weights = np.where(first, self.share[:, None], 0.0)
            found += np.bincount(flat.ravel(), weights.ravel(), self.table.size + 1)
        return found[:-1]

    def failing(self, before: Sequence[int]) -> Doubles:
        """float64[H]: how likely each claim makes a failure after these tests."""
        fails = self.table.fails(places([before], self.table.size))[0]
        return np.where(fails, self.when_bad, self.when_good)


def believe(trials: Sequence[Trial], prior: Doubles, order: float) -> Belief:
    """The posterior after these trials. prior: float64[N], the probability of each test to be the writer, summing to 1;
    order: the probability beforehand that the order matters at all."""
    size = len(prior)
    failed = np.array([trial.failed for trial in trials], dtype=np.bool_)
    data = _Data(places([trial.before for trial in trials], size), failed, np.log(np.maximum(prior, 1e-300)))
    found = [_singles(data)]
    rest = float("-inf")
    if size > 1:
        near = data.shortlist(found[0])
        pairs, dropped = _pairs(data, near)
        rest = dropped
        found += [*pairs, *_opposed(data, found[0], near)]
        bases = found[1:]
        for _ in range(2):
            best = max(found, key=lambda part: float(part.score.max(initial=-np.inf)))
            if not any(best is part for part in bases):
                break  # fewer writers explain it better: nothing asks for more
            wider = _wider(data, bases, near[:WIDER])
            if not len(wider.table):
                break
            found.append(wider)
            bases = [wider]
    table, score, counts = _merged(found, size)
    chance = _chance(trials) + log(max(1e-12, 1 - order))
    score = score + log(max(1e-12, order))
    rest += log(max(1e-12, order))
    total = log_sum([log_sum(score), rest, chance])
    ranked = np.argsort(-score, kind="stable")
    k, n = counts[ranked, 0], counts[ranked, 1]
    total_k, total_n = int(failed.sum()), len(failed)
    return Belief(
        table=table.take(ranked),
        share=np.exp(score[ranked] - total),
        chance=float(np.exp(chance - total)),
        rest=float(np.exp(rest - total)),
        when_bad=(k + 19.0) / (n + 20.0),
        when_good=(total_k - k + 1.0) / (total_n - n + 20.0),
        by_chance=_next_by_chance(trials),
    )


def _chance(trials: Sequence[Trial]) -> float:
    return _chance_of(*_counted(trials, False), *_counted(trials, True))


def _chance_of(recorded_k: int, recorded_n: int, k: int, n: int) -> float:
    """The log-likelihood of chance: the experiments fail at the recorded rate, or at one of their own."""
    recorded = float(log_marginal(recorded_k, recorded_n, CHANCE))
    same = float(log_marginal(recorded_k + k, recorded_n + n, CHANCE))
    return log_sum([log(SAME_RATE) + same, log(1 - SAME_RATE) + recorded + float(log_marginal(k, n, CHANCE))])


def _next_by_chance(trials: Sequence[Trial]) -> float:
    before, (k, n) = _counted(trials, False), _counted(trials, True)
    return float(np.exp(_chance_of(*before, k + 1, n + 1) - _chance_of(*before, k, n)))


def _counted(trials: Sequence[Trial], experiment: bool) -> tuple[int, int]:
    """(failures, executions)"""
    own = [trial.failed for trial in trials if trial.experiment is experiment]
    return sum(own), len(own)


@dataclass(frozen=True)
class _Scored:
    """Claims with the log of likelihood × prior; counts: int64[H, 2], failures and executions that should fail."""

    table: Table
    score: Doubles
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class _Data:
    when: NDArray[np.signedinteger]  # [M, N + 1]
    failed: Bools  # [M]
    prior: Doubles  # [N], ln

    @property
    def size(self) -> int:
        return len(self.prior)

    @cached_property
    def present(self) -> NDArray[np.float32]:
        return (self.when[:, :-1] >= 0).astype(np.float32)

    def log_likelihood(self, k: NDArray[np.int64], n: NDArray[np.int64]) -> Doubles:
        """Of k failures in n executions that should fail, and the others in those that should not."""
        total_k, total_n = int(self.failed.sum()), len(self.failed)
        bad: Doubles = log_marginal(k, n, WHEN_BAD)
        return bad + log_marginal(total_k - k, total_n - n, WHEN_GOOD)

    def counts(self, fails: Bools) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """fails: bool[M, …]"""
        k: NDArray[np.int64] = fails[self.failed].sum(axis=0)
        return k, fails.sum(axis=0)

    def shortlist(self, singles: _Scored) -> NDArray[np.intp]:
        """The suspects worth a look in pairs, the likeliest first: the best single writers of either kind."""
        n = self.size
        chosen = [np.argsort(-part, kind="stable")[:SHORTLIST] for part in (singles.score[:n], singles.score[n:])]
        both = np.stack([singles.score[:n], singles.score[n:]]).max(axis=0)
        near = np.unique(np.concatenate(chosen))
        ranked: NDArray[np.intp] = near[np.argsort(-both[near], kind="stable")]
        return ranked


def _start(starts_bad: bool) -> float:
    return log(STARTS_BAD if starts_bad else 1 - STARTS_BAD)


def _blank(starts: Bools, size: int) -> tuple[Numbers, Numbers]:
    shape = (len(starts), WIDTH, WIDTH)
    return np.full(shape, size, dtype=np.int32), np.full(shape, size, dtype=np.int32)


def _singles(data: _Data) -> _Scored:
    """Every test as the only polluter, then every test as the only state-setter."""
    size = data.size
    n = np.rint(data.present.sum(axis=0)).astype(np.int64)
    k = np.rint(data.failed.astype(np.float32) @ data.present).astype(np.int64)
    total_k, total_n = int(data.failed.sum()), len(data.failed)
    starts = np.repeat([False, True], size)
    bad, good = _blank(starts, size)
    tests = np.arange(size, dtype=np.int32)[:, None]
    bad[:size, 0], good[size:, 0] = tests, tests
    counts = np.stack([np.concatenate([k, total_k - k]), np.concatenate([n, total_n - n])], axis=1)
    score = data.log_likelihood(counts[:, 0], counts[:, 1])
    score += np.concatenate([data.prior + _start(False), data.prior + _start(True)])
    return _Scored(Table(size, starts, bad, good), score, counts)


def _pairs(data: _Data, near: NDArray[np.intp]) -> tuple[list[_Scored], float]:
    """Two writers of one kind, either of which suffices, and two tests that write only together; the best of each.

    Whether a run should fail depends on who was there, not on the order: two matrix products count all pairs.
    """
    size = data.size
    present = data.present[:, near].astype(np.float64)
    both_n = np.rint(present.T @ present).astype(np.int64)
    both_k = np.rint(present[data.failed].T @ present[data.failed]).astype(np.int64)
    left, right = np.triu_indices(len(near), 1)
    n, k = both_n[left, right], both_k[left, right]
    any_n, any_k = both_n[left, left] + both_n[right, right] - n, both_k[left, left] + both_k[right, right] - k
    prior = data.prior[near[left]] + data.prior[near[right]]
    total_k, total_n = int(data.failed.sum()), len(data.failed)
    found, dropped = [], []
    for starts_bad in (False, True):
        for together in (False, True):
            fk, fn = (k, n) if together else (any_k, any_n)
            if starts_bad:
                fk, fn = total_k - fk, total_n - fn
            score = data.log_likelihood(fk, fn) + prior + _start(starts_bad) + (TOGETHER if together else ANOTHER)
            kept = np.argsort(-score, kind="stable")[:KEPT]
            out = np.ones(len(score), dtype=np.bool_)
            out[kept] = False
            dropped.append(log_sum(score[out]))
            starts = np.full(len(kept), starts_bad)
            bad, good = _blank(starts, size)
            writers = good if starts_bad else bad
            a, b = near[left[kept]], near[right[kept]]
            low, high = np.minimum(a, b), np.maximum(a, b)
            if together:
                writers[:, 0] = np.stack([low, high, high], axis=1)
            else:
                writers[:, 0], writers[:, 1] = low[:, None], high[:, None]
            counts = np.stack([fk[kept], fn[kept]], axis=1)
            found.append(_Scored(Table(size, starts, bad, good), score[kept], counts))
    return found, log_sum(dropped)


def _opposed(data: _Data, singles: _Scored, near: NDArray[np.intp]) -> list[_Scored]:
    """A polluter with a cleaner, and a state-setter with a polluter."""
    size, found = data.size, []
    for starts_bad, part in ((False, singles.score[:size]), (True, singles.score[size:])):
        first = np.argsort(-part, kind="stable")[:BASES]
        main, other = np.repeat(first, len(near)), np.tile(near, len(first))
        keep = main != other
        main, other = main[keep], other[keep]
        starts = np.full(len(main), starts_bad)
        bad, good = _blank(starts, size)
        (good if starts_bad else bad)[:, 0] = main[:, None]
        (bad if starts_bad else good)[:, 0] = other[:, None]
        table = Table(size, starts, bad, good)
        prior = data.prior[main] + data.prior[other] + ANOTHER + _start(starts_bad)
        found.append(_scored(data, table, prior))
    return found


def _scored(data: _Data, table: Table, prior: Doubles) -> _Scored:
    k, n = data.counts(table.fails(data.when))
    return _Scored(table, data.log_likelihood(k, n) + prior, np.stack([k, n], axis=1))


def _wider(data: _Data, found: Sequence[_Scored], near: NDArray[np.intp]) -> _Scored:
    """The best of these claims with one more test: as another bad or good writer, or one more of a chain.

    All claims in `found` must have the same number of tests, so that none comes out that was there before.
    """
    best = sorted(
        ((float(part.score[row]), index, int(row)) for index, part in enumerate(found) for row in _top(part.score)),
        reverse=True,
    )[:BEAM]
    claims: dict[Claim, float] = {}
    for _, index, row in best:
        base = found[index].table.claim(row)
        prior = _log_prior(base, data.prior)
        used = {t for term in base.bad + base.good for t in term}
        for test in (int(t) for t in near if int(t) not in used):
            for wider, cost in _extended(base, test):
                claims[wider] = prior + cost + float(data.prior[test])
    return _scored(data, table_of(list(claims), data.size), np.array(list(claims.values()), dtype=np.float64))


def _top(score: Doubles) -> NDArray[np.intp]:
    ranked: NDArray[np.intp] = np.argsort(-score, kind="stable")[:BEAM]
    return ranked


def _log_prior(claim: Claim, prior: Doubles) -> float:
    terms = claim.bad + claim.good
    tests = [t for term in terms for t in term]
    chained = len(tests) - len(terms)
    return (
        _start(claim.starts_bad)
        + float(sum(prior[t] for t in tests))
        + ANOTHER * max(0, len(terms) - 1)
        + TOGETHER * chained
    )


def _extended(base: Claim, test: int) -> list[tuple[Claim, float]]:
    found = []
    if len(base.bad) < WIDTH:
        found.append((base._replace(bad=tuple(sorted([*base.bad, (test,)]))), ANOTHER))
    if len(base.good) < WIDTH:
        found.append((base._replace(good=tuple(sorted([*base.good, (test,)]))), ANOTHER))
    for place, term in enumerate(base.bad):
        if len(term) < WIDTH:
            found.append((base._replace(bad=_longer(base.bad, place, test)), TOGETHER))
    for place, term in enumerate(base.good):
        if len(term) < WIDTH:
            found.append((base._replace(good=_longer(base.good, place, test)), TOGETHER))
    return found


def _longer(terms: tuple[Term, ...], place: int, test: int) -> tuple[Term, ...]:
    return tuple(sorted([*terms[:place], tuple(sorted((*terms[place], test))), *terms[place + 1 :]]))


def _merged(parts: Sequence[_Scored], size: int) -> tuple[Table, Doubles, NDArray[np.int64]]:
    tables = [part.table for part in parts]
    table = Table(
        size,
        np.concatenate([t.starts for t in tables]),
        np.concatenate([t.bad for t in tables]),
        np.concatenate([t.good for t in tables]),
    )
    return table, np.concatenate([p.score for p in parts]), np.concatenate([p.counts for p in parts])
