"""What else could explain the rows: chance, the moment, the run, the machine — on equal terms with order.

Every rival is a marginal likelihood of the same rows, its figures integrated out:
- chance: one rate, for each victim its own, or one for all;
- a change: the rate differs before and after a moment (a commit), or above and below a slowness of the run;
- a latent state of the run, its commit, host, job or shard (a busy machine, a taken port, an outage): each is good or
  bad, the same for all victims.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.marginal import Doubles, Prior, log_marginal, log_sum
from flakediag.analysis.order.units import Rows

Numbers = NDArray[np.integer]


def rivals(
    rows: Rows, groups: Mapping[str, Numbers], scales: Mapping[str, Doubles], chance: Prior, when_good: Prior
) -> dict[str, float]:
    """The log marginal likelihood of each rival.

    `groups`: name -> int[R], what the runs of a latent state have in common. `scales`: name -> float[R], what runs are
    ordered by where a rate may change at a threshold.
    """
    members = len(rows.tests)
    k = np.bincount(rows.member, rows.failed, members).astype(np.int64)
    n = np.bincount(rows.member, minlength=members)
    found = {"chance": float(log_marginal(k, n, chance).sum())}
    if members > 1:
        found["shared chance"] = float(log_marginal(k.sum(), n.sum(), chance))
        found["run"] = latent(rows, rows.run, chance, when_good)
    for name, number in groups.items():
        of_row = number[rows.run]
        if len(np.unique(of_row)) > 1:
            found[name] = latent(rows, of_row, chance, when_good)
    for name, scale in scales.items():
        found[name] = change(rows, scale[rows.run], chance)
    return found


def combined(found: Mapping[str, float]) -> float:
    """The marginal likelihood of "something else": chance and what befalls whole runs are the usual causes."""
    shares = np.array([_USUAL.get(name, 1.0) for name in found])
    return log_sum(np.array(list(found.values())) + np.log(shares / shares.sum()))


_USUAL = {"chance": 4.0, "shared chance": 4.0, "run": 4.0}


def latent(rows: Rows, group: Numbers, chance: Prior, when_good: Prior) -> float:
    """A hidden good or bad for each group of rows; bad ones share one rate (or one for each victim), good ones another.

    With one rate for all victims, the states of the groups are summed over, and the share of bad groups and both rates
    over a grid. With a rate for each victim, the states are those that are likeliest under the one rate.
    """
    _, index = np.unique(group, return_inverse=True)
    count = int(index.max()) + 1
    k = np.bincount(index, rows.failed, count).astype(np.float64)
    n = np.bincount(index, minlength=count).astype(np.float64)
    shared, bad = _hidden(k, n)
    members = len(rows.tests)
    if members == 1:
        return shared
    in_bad = bad[index]
    own_k = np.bincount(rows.member[in_bad], rows.failed[in_bad], members).astype(np.int64)
    own_n = np.bincount(rows.member[in_bad], minlength=members)
    good_k, good_n = int(rows.failed[~in_bad].sum()), int((~in_bad).sum())
    assignment = float(log_marginal(int(bad.sum()), count, ((1.0, 1, 1),)))
    apart = float(log_marginal(own_k, own_n, chance).sum()) + float(log_marginal(good_k, good_n, when_good))
    return log_sum([shared, assignment + apart]) - float(np.log(2))


_SHARES = np.array([0.015, 0.03, 0.06, 0.12, 0.2, 0.3, 0.45, 0.6, 0.8])  # of groups that are bad
_HIGH = np.arange(0.05, 1.0, 0.1)  # the rate in them
_LOW = np.array([0.002, 0.01, 0.025, 0.05, 0.1])  # and in the others


def _hidden(k: Doubles, n: Doubles) -> tuple[float, NDArray[np.bool_]]:
    """ln of the marginal likelihood of k failures in n rows of each group, and which groups are likelier bad."""
    pairs, inverse, times = np.unique(np.stack([k, n]), axis=1, return_inverse=True, return_counts=True)
    high = pairs[0] * np.log(_HIGH)[:, None] + (pairs[1] - pairs[0]) * np.log1p(-_HIGH)[:, None]  # [H, pairs]
    low = pairs[0] * np.log(_LOW)[:, None] + (pairs[1] - pairs[0]) * np.log1p(-_LOW)[:, None]  # [L, pairs]
    share = _SHARES[:, None, None, None]
    bad, good = np.log(share) + high[None, :, None], np.log1p(-share) + low[None, None]
    either = np.logaddexp(bad, good)  # [S, H, L, pairs]
    total = either @ times.astype(np.float64)
    best = np.unravel_index(int(total.argmax()), total.shape)
    lean: NDArray[np.bool_] = (bad[best[0], best[1], 0] > good[best[0], 0, best[2]])[inverse.reshape(-1)]
    return log_sum(total.ravel()) - float(np.log(total.size)), lean


def change(rows: Rows, scale: Doubles, chance: Prior) -> float:
    """One rate up to a threshold on `scale`, another beyond it, for each victim; the threshold integrated out."""
    levels = np.unique(scale)
    if len(levels) < 2:
        return float("-inf")
    index = np.searchsorted(levels, scale)
    members = len(rows.tests)
    shape = (members, len(levels))
    cell = rows.member * len(levels) + index
    k = np.bincount(cell, rows.failed, members * len(levels)).astype(np.int64).reshape(shape).cumsum(axis=1)
    n = np.bincount(cell, minlength=members * len(levels)).reshape(shape).cumsum(axis=1)
    below = log_marginal(k[:, :-1], n[:, :-1], chance)
    above = log_marginal(k[:, -1:] - k[:, :-1], n[:, -1:] - n[:, :-1], chance)
    return log_sum((below + above).sum(axis=0)) - float(np.log(len(levels) - 1))
