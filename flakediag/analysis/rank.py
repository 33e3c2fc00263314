"""What a flaky test costs, and so which one to mend first (docs/ranking.md)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.window import Window
from flakediag.model import Impact

HALF_LIFE_DAYS = 14.0  # a red run two weeks ago counts half
RED, LOST = 0.7, 0.3  # shares of red runs and of lost minutes in the score


def impacts(window: Window, counted: NDArray[np.bool_]) -> list[Impact]:
    """The impact of each test of the window, T of them.

    A run is red for a test that ended failed in it. The time lost is the run's duration, shared by all tests that
    ended failed in it, plus what the test's own repeated attempts took. The score, between 0 and 1, is
    0.7 × (its share of the runs turned red) + 0.3 × (its share of the time), both faded by age with a half-life of
    14 days before the newest run.
    """
    length, fade, tests = lengths(window), _fade(window), len(window.tests)
    runs, red = np.nonzero(window.ended_failed & counted[:, None])  # few of all results: the sums are made of these
    share = (length / np.maximum(np.bincount(runs, minlength=len(window.runs)), 1))[runs]
    retried = window.retried
    again = (retried.attempts - 1) * np.nan_to_num(retried.duration.astype(np.float64))
    lost_in, losers = np.concatenate([runs, retried.run]), np.concatenate([red, retried.test])
    lost = np.concatenate([share, again])
    all_runs = float((fade * counted).sum()) or 1.0
    all_time = float((fade * counted * length).sum()) or 1.0
    of_time = np.bincount(losers, fade[lost_in] * lost, minlength=tests) / all_time
    score = RED * np.bincount(red, fade[runs], minlength=tests) / all_runs + LOST * np.minimum(1.0, of_time)
    return [
        Impact(int(count), float(minutes), float(value))
        for count, minutes, value in zip(
            np.bincount(red, minlength=tests), np.bincount(losers, lost, minlength=tests) / 60, score, strict=True
        )
    ]


def lengths(window: Window) -> NDArray[np.float64]:
    """float64[R]: the seconds that each run took, by its report or else by its tests."""
    known = np.array([run.duration if run.duration is not None else np.nan for run in window.runs], dtype=np.float64)
    if not np.isnan(known).any():
        return known
    summed = np.where(window.executed, np.nan_to_num(window.durations.astype(np.float64)), 0.0).sum(axis=1)
    found: NDArray[np.float64] = np.where(np.isnan(known), summed, known)
    return found


def _fade(window: Window) -> NDArray[np.float64]:
    """float64[R]: 1 for the newest run, a half for one that is a half-life older."""
    if not window.runs:
        return np.zeros(0)
    newest = max(run.started_at for run in window.runs)
    age = np.array([(newest - run.started_at).total_seconds() / 86400 for run in window.runs])
    return np.asarray(0.5 ** (age / HALF_LIFE_DAYS), dtype=np.float64)
