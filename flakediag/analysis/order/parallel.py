"""What parallel runs say about a hypothesis: weak evidence, weighed by how likely two tests shared a worker.

A report of k workers is in order of completion. A test that stands before the victim ran before it if both had the same
worker, and then it had ended. That has probability 1/k; where the report gives away who shared a worker (see
`analysis.interleaving`), 1 or 0. So the state that the victim reads is known with some probability only, and the
likelihood of the outcome is a mixture. State that all workers share (a database, files) is the other reading: there,
whatever stands before the victim counts in full.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.interleaving import Interleaving
from flakediag.analysis.order.fit import Fit, evidence_for_order
from flakediag.analysis.order.hypotheses import Writers
from flakediag.analysis.order.marginal import Doubles, Prior, log_marginal, log_sum
from flakediag.analysis.order.pool import Explanation, Setting, Unit
from flakediag.analysis.order.units import Orders, Rows, rows_of
from flakediag.analysis.window import Window
from flakediag.model import Order, Run

_LATEST = 32  # writers before a victim that are looked at: earlier ones decide nothing
_NEAR = 10.0  # nats below the best hypothesis: what is worse adds nothing to the posterior
_MOST = 200  # hypotheses weighed anew


@dataclass(frozen=True)
class Parallel:
    """The parallel runs of a window. `orders` trusts these runs only; `workers`: int32[R], at least 2 for them."""

    orders: Orders
    workers: NDArray[np.int32]
    interleaved: Mapping[int, Interleaving]

    def shares(self, rows: Rows) -> NDArray[np.float32]:
        """float32[M, T]: the probability that a test ran before the row's victim, on its worker."""
        when = self.orders.when[rows.run]
        before = (when >= 0) & (when < rows.position[:, None])
        shares: NDArray[np.float32] = (before / self.workers[rows.run, None]).astype(np.float32)
        victims = np.array(rows.tests)[rows.member]
        for number, run in enumerate(rows.run.tolist()):
            told = self.interleaved.get(run)
            if told is None or told.lanes is None or told.lanes[victims[number]] < 0:
                continue
            own = int(told.lanes[victims[number]])
            linked = before[number] & (told.lanes // 2 == own // 2) & (told.lanes >= 0)
            shares[number, linked] = told.lanes[linked] == own
        return shares


def find_parallel(window: Window, orders: Orders) -> Parallel | None:
    """The runs of several workers that `orders` does not trust anyway; None where there are none."""
    known = np.array([run.order is Order.COMPLETION for run in window.runs], dtype=np.bool_)
    known[list(window.interleaved)] = True
    known &= ~orders.trusted
    if not known.any():
        return None
    workers = np.array([_workers(run) for run in window.runs], dtype=np.int32)
    for run, told in window.interleaved.items():
        workers[run] = max(workers[run], told.workers)
    return Parallel(Orders(orders.when, known), workers, window.interleaved)


def _workers(run: Run) -> int:
    """How many workers a run had at least: as many as its tests took longer than the run, and always two."""
    return max(2, ceil((run.parallelism or 0.0) - 0.1))


def weigh_anew(
    setting: Setting, parallel: Parallel, units: Sequence[Unit], explanation: Explanation, figures: Mapping[str, Any]
) -> Explanation:
    """An explanation from serial runs, its hypotheses weighed by what the parallel runs say about each.

    They gain or lose at most `parallel_most` nats against the view that the parallel runs are a matter of chance: what
    would be more is scaled down, all hypotheses alike.
    """
    rows = rows_of([(units[u].test, units[u].failed) for u in explanation.units], parallel.orders)
    if not len(rows):
        return explanation
    fit, shares, most = explanation.fit, parallel.shares(rows), float(figures["parallel_most"])
    null = _by_chance(rows, fit.rows, setting.chance)
    least = fit.score_of(fit.best) - _NEAR
    near = [w for w in fit.top(_MOST) if fit.score_of(w) > least and not fit.chained(w)]
    if not near:
        return explanation
    gains = np.array([_log_likelihood(setting, parallel, fit, one, rows, shares, figures) for one in near]) - null
    bounded = gains * min(1.0, most / max(most, float(np.abs(gains).max())))
    scores, telling = fit.found.scores.copy(), fit.found.telling
    plain = (fit.found.codes[telling] >> 1 < fit.first_chain).all(axis=1)  # parallel runs tell nothing about chains
    scores[telling[plain]] += float(bounded.min())  # what was not looked at is no better off than the worst that was
    for writers, gain in zip(near, bounded, strict=True):
        scores[fit.place(writers)] = fit.score_of(writers) + float(gain)
    fit = fit.weighed(scores)
    return replace(explanation, fit=fit, order=evidence_for_order(fit))


def _by_chance(rows: Rows, serial: Rows, chance: Prior) -> float:
    """ln of the likelihood of the parallel rows at a rate for each victim: that of its serial rows, or another one."""
    members = len(rows.tests)
    k, n = _counts(rows, members)
    known_k, known_n = _counts(serial, members)
    same = log_marginal(k + known_k, n + known_n, chance) - log_marginal(known_k, known_n, chance)
    return float((np.logaddexp(same, log_marginal(k, n, chance)) - log(2)).sum())


def _counts(rows: Rows, members: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    k = np.bincount(rows.member, rows.failed, members).astype(np.int64)
    return k, np.bincount(rows.member, minlength=members)


def _log_likelihood(
    setting: Setting,
    parallel: Parallel,
    fit: Fit,
    writers: Writers,
    rows: Rows,
    shares: NDArray[np.float32],
    figures: Mapping[str, Any],
) -> float:
    tests, signs = _writing(setting, fit, writers)
    when = parallel.orders.when[rows.run[:, None], tests[None]].astype(np.int64)
    own = shares[:, tests]
    when[own == 0] = -1
    if len(tests) > _LATEST:
        latest = np.argpartition(-when, _LATEST, axis=1)[:, :_LATEST]
        when, own, signs = np.take_along_axis(when, latest, 1), np.take_along_axis(own, latest, 1), signs[latest]
    else:
        signs = np.broadcast_to(signs, when.shape)
    last_first = np.argsort(-when, axis=1)
    own, signs = np.take_along_axis(own, last_first, 1), np.take_along_axis(signs, last_first, 1)
    starts = replace(fit, rows=rows).starts(writers)
    high, low = _rates(fit, writers)
    found = []
    for share, weight in ((own, 1 - figures["state_of_all"]), ((own > 0).astype(np.float64), figures["state_of_all"])):
        bad = _bad(share, signs, starts)
        fails = bad * high + (1 - bad) * low
        found.append(log(weight) + float(np.log(np.where(rows.failed > 0, fails, 1 - fails)).sum()))
    return log_sum(found)


def _writing(setting: Setting, fit: Fit, writers: Writers) -> tuple[NDArray[np.intp], NDArray[np.int8]]:
    """The tests that write, and what: 1 bad, -1 good. A test decides against its group."""
    candidates = setting.candidates
    signs = np.zeros(len(candidates.tests), dtype=np.int8)
    for writer in sorted(writers.all, key=lambda writer: int(candidates.kinds[int(fit.numbers[writer])])):
        members = candidates.members(int(fit.numbers[writer]))
        signs[members.start : members.stop] = 1 if writer in writers.bad else -1
    places = np.flatnonzero(signs)
    return candidates.tests[places].astype(np.intp), signs[places]


def _bad(share: NDArray[Any], signs: NDArray[np.int8], starts: NDArray[np.bool_]) -> Doubles:
    """float64[M]: the probability that the last of the writers, the latest first, wrote bad, or that none wrote and the
    state started so (`starts`: bool[M])."""
    none = np.cumprod(1.0 - share, axis=1)
    later = np.concatenate([np.ones((len(share), 1)), none[:, :-1]], axis=1)
    bad: Doubles = (later * share * (signs > 0)).sum(axis=1) + none[:, -1] * starts
    return bad


def _rates(fit: Fit, writers: Writers) -> tuple[float, float]:
    """The rates of failing in bad and in good state: the posterior means by the serial rows."""
    expected = fit.expected(writers)
    rates = []
    for mask, prior in ((expected, fit.costs.when_bad), (~expected, fit.costs.when_good)):
        _, a, b = prior[0]
        rates.append((int(fit.rows.failed[mask].sum()) + a) / (int(mask.sum()) + a + b))
    return rates[0], rates[1]
