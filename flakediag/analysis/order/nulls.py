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
    """The marginal likelihood of "something else", each rival equally likely beforehand."""
    return log_sum(list(found.values())) - float(np.log(len(found)))


def latent(rows: Rows, group: Numbers, chance: Prior, when_good: Prior) -> float:
    """A hidden good or bad for each group of rows; bad ones share one rate (or one for each victim), good ones another.

    The assignment is the most likely one (hard expectation-maximisation from the groups' own rates), its prior
    B(1 + bad, 1 + groups - bad): the share of bad groups integrated out.
    """
    _, index = np.unique(group, return_inverse=True)
    count = int(index.max()) + 1
    k = np.bincount(index, rows.failed, count)
    n = np.bincount(index, minlength=count).astype(np.float64)
    bad = k / n > k.sum() / n.sum()
    for _ in range(8):
        high = (k[bad].sum() + 1.0) / (n[bad].sum() + 2.0)
        low = (k[~bad].sum() + 0.2) / (n[~bad].sum() + 4.0)
        share = (bad.sum() + 1.0) / (count + 2.0)
        lean = k * np.log(high / low) + (n - k) * np.log((1 - high) / (1 - low)) + np.log(share / (1 - share))
        now = lean > 0
        if (now == bad).all():
            break
        bad = now
    in_bad = bad[index]
    members = len(rows.tests)
    own_k = np.bincount(rows.member[in_bad], rows.failed[in_bad], members).astype(np.int64)
    own_n = np.bincount(rows.member[in_bad], minlength=members)
    good_k, good_n = int(rows.failed[~in_bad].sum()), int((~in_bad).sum())
    assignment = log_marginal(int(bad.sum()), count, ((1.0, 1, 1),))
    apart = float(log_marginal(own_k, own_n, chance).sum())
    together = float(log_marginal(own_k.sum(), own_n.sum(), chance))
    return float(assignment + log_marginal(good_k, good_n, when_good)) + log_sum([apart, together]) - float(np.log(2))


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
