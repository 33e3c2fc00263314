"""Whose presence tells most, where no set of writers explains the failures: of several tests that set up the state only
together, in one order only, each tells something by itself.

A victim fails at one rate after the test and at another one elsewhere, both of any size. Runs in the same order count
once: that a fixed order always passes says nothing more about who writes than that it passed. The tests of one class
mostly owe their state to the same few: each victim draws its test from a distribution of the class, in which the prior
of the candidates is worth as much as one victim (a Dirichlet prior; the shares are found by collapsed variational
inference, CVB0 of Asuncion et al., 2009).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from flakediag.analysis.order.marginal import ANY, Doubles, log_marginal
from flakediag.analysis.order.pool import Explanation, Setting, candidate_prior
from flakediag.analysis.order.units import Rows, rows_of
from flakediag.analysis.order.writers import last_written
from flakediag.analysis.window import Bytes, Subject

Told = tuple[tuple[int, str, float], ...]
"""Tests by what they tell, the most telling first: place among the candidates, role, share."""

ROLES = ("polluter", "state-setter")
NAMED = 0.5  # from this share of writers with names on, nobody asks
_ROUNDS = 30
_MOST = 4


def tell_unnamed(
    setting: Setting,
    homes: Sequence[str],
    subjects: Sequence[Subject],
    failed: Mapping[int, Bytes],
    best: Sequence[Explanation | None],
) -> list[Told]:
    """The tests that tell most, for each subject that depends on the order though hardly anybody can be named.

    `homes`: the class of each subject. `failed`: how each test failed, whatever the signature: what is left undone
    together shows in many ways.
    """
    unnamed = [found is not None and found.factor > 0 and found.named < NAMED for found in best]
    told: dict[int, Told] = {}
    for home in dict.fromkeys(home for home, open_ in zip(homes, unnamed, strict=True) if open_):
        in_class = zip(homes, subjects, best, strict=True)
        of_class = {s.test for own, s, found in in_class if own == home and found and found.factor > 0}
        tests = sorted(of_class, key=lambda test: setting.candidates.place[test])
        told |= zip(tests, tell(setting, [(test, failed[test]) for test in tests]), strict=True)
    return [told[subject.test] if open_ else () for subject, open_ in zip(subjects, unnamed, strict=True)]


def tell(setting: Setting, victims: Sequence[tuple[int, Bytes]]) -> list[Told]:
    """For each victim of one class, (window's test, failed: int8[R]): the tests by what they tell.

    The shares of all tests would add up to one.
    """
    tests = len(setting.candidates.tests)
    prior = np.exp(candidate_prior(setting, [test for test, _ in victims])[:tests])
    prior = np.tile(prior / prior.sum(), 2)
    start = np.exp([setting.costs.starts_good, setting.costs.starts_bad])
    prior *= np.repeat(start, tests)
    each = [_likelihood(setting, test, failed) for test, failed in victims]
    shares = np.array([own * prior / (own * prior).sum() for own in each])
    for _ in range(_ROUNDS):
        for number, own in enumerate(each):
            posterior = own * (prior + shares.sum(axis=0) - shares[number])
            shares[number] = posterior / posterior.sum()
    found = []
    for own in shares:
        best = np.argsort(-own, kind="stable")[:_MOST]
        found.append(tuple((int(b) % tests, ROLES[int(b) // tests], float(own[b])) for b in best))
    return found


def _likelihood(setting: Setting, test: int, failed: Bytes) -> Doubles:
    """float64[2 T]: the likelihood, up to a factor, that each test is a polluter, and a state-setter.

    The victim fails more after a polluter than elsewhere, and less after a state-setter.
    """
    rows = _once(rows_of([(test, failed)], setting.orders), setting)
    tests = len(setting.candidates.tests)
    after = last_written(rows, setting.orders, setting.candidates, np.arange(tests)).T >= 0
    n = after.sum(axis=0)
    k = after[rows.failed == 1].sum(axis=0)
    rest_k, rest_n = rows.failures - k, len(rows) - n
    found = log_marginal(k, n, ANY) + log_marginal(rest_k, rest_n, ANY)
    found[setting.candidates.place[test]] = -np.inf
    more, less = k * rest_n > rest_k * n, k * rest_n < rest_k * n
    both = np.concatenate([np.where(more, found, -np.inf), np.where(less, found, -np.inf)])
    top = both.max()
    return np.exp(both - top) if np.isfinite(top) else np.ones(2 * tests)


def _once(rows: Rows, setting: Setting) -> Rows:
    """One row for each order and outcome."""
    _, first = np.unique(setting.orders.classes[rows.run] * 2 + rows.failed, return_index=True)
    return rows.keep(np.sort(first))
