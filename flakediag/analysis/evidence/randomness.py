"""Randomness, by what is absent: failures at a constant rate, without a pattern over time, in nobody's company.

A weak piece of evidence: many causes look like that in a history that carries no facts. It needs many runs, an order
that varied, and failures that do not come in stretches.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.ordering import in_order
from flakediag.analysis.weights import weights
from flakediag.analysis.window import Subject, Window
from flakediag.model import Category, Evidence

MIN_RUNS = 30
MIN_FAILURES = 6


def find(window: Window, subjects: Sequence[Subject]) -> list[list[Evidence]]:
    """Evidence of kind "randomness", for subjects whose failures are spread like draws from an urn."""
    varied = order_varied(window)
    alone = _alone(subjects)
    return [_of(subject, alone[n]) if varied else [] for n, subject in enumerate(subjects)]


def order_varied(window: Window) -> bool:
    """At least a third of the neighbouring serial runs had their common tests in another order.

    No two tests of a run have one position.
    """
    runs = np.flatnonzero(window.serial)
    if len(runs) < MIN_RUNS:
        return False
    changed = 0
    for one, other in pairwise(window.positions[run] for run in runs):
        both = (one >= 0) & (other >= 0)
        there = other[both].take(in_order(one[both]))
        changed += bool((there[1:] < there[:-1]).any())
        if changed * 3 >= len(runs) - 1:
            return True
    return False


def _alone(subjects: Sequence[Subject]) -> NDArray[np.float64]:
    """float64[S]: the largest correlation of each subject's failures with those of any other test."""
    if not subjects:
        return np.zeros(0)
    failed = np.array([s.failed == 1 for s in subjects], dtype=np.float64)
    centred = failed - failed.mean(axis=1, keepdims=True)
    norm = np.sqrt((centred**2).sum(axis=1))
    correlation = centred @ centred.T / np.maximum(np.outer(norm, norm), 1e-9)
    tests = np.array([s.test for s in subjects])
    correlation[tests[:, None] == tests[None, :]] = 0.0
    return np.asarray(np.abs(correlation).max(axis=1), dtype=np.float64)


def _of(subject: Subject, correlation: float) -> list[Evidence]:
    seen = subject.failed[subject.failed >= 0]
    failures, runs = int((seen == 1).sum()), len(seen)
    if runs < MIN_RUNS or failures < MIN_FAILURES or failures > runs - MIN_FAILURES or correlation > 0.5:
        return []
    # Runs test of Wald and Wolfowitz: the number of stretches of equal outcomes, against independent draws.
    stretches = 1 + int((seen[1:] != seen[:-1]).sum())
    passes = runs - failures
    mean = 2 * failures * passes / runs + 1
    spread = sqrt(max((mean - 1) * (mean - 2) / (runs - 1), 1e-9))
    if abs(stretches - mean) > 1.5 * spread:
        return []
    summary = f"fails now and then ({failures} of {runs} runs), without a pattern over time and in nobody's company"
    data = {"rate": round(failures / runs, 4), "stretches": stretches, "expected_stretches": round(mean, 1)}
    return [Evidence("randomness", Category.RANDOMNESS, weights("randomness")["constant_rate"], summary, data)]
