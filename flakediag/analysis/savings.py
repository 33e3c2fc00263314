"""What mending a problem would save, and the sequence of fixes that turns runs green soonest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.cluster import Ticket
from flakediag.analysis.rates import rate_of
from flakediag.analysis.window import Window
from flakediag.model import FixStep, Impact, Savings

Flags = NDArray[np.bool_]


def fixes_of(window: Window, tickets: Sequence[Ticket], counted: Flags, costs: Sequence[Impact]) -> list[FixStep]:
    """The tickets in the order in which to mend them, each with the red runs before and after.

    counted: bool[R], False for outages; costs: the impact of each test of the window. A run is red where some test
    ended failed in it (a test that passed on a retry did not). It turns green once everything is mended that its failed
    tests failed of; where one of these is not on a ticket (a broken test), or the run is an outage, it stays red.
    """
    if not tickets:
        return []
    red, needs = _needs(window, tickets, counted)
    alone = needs[needs.sum(axis=1) == 1].sum(axis=0)
    minutes = _minutes(tickets, costs)
    runs, before = len(window.runs), int(red.sum())
    steps, mended = [], np.zeros(len(tickets), dtype=np.bool_)
    sequence = _sequence(needs)
    rest = sorted(set(range(len(tickets))) - set(sequence), key=lambda k: (-minutes[k], tickets[k].tests))
    for k in (*sequence, *rest):
        mended[k] = True
        after = int(red.sum()) - int(((needs & ~mended).sum(axis=1) == 0)[needs.any(axis=1)].sum())
        ticket = tickets[k]
        saves = Savings(int(alone[k]), float(minutes[k]))
        steps.append(
            FixStep(
                tests=ticket.tests,
                cluster=ticket.cluster,
                category=ticket.category,
                summary=ticket.summary,
                saves=saves,
                before=rate_of(before, runs),
                after=rate_of(after, runs),
            )
        )
        before = after
    return steps


def _needs(window: Window, tickets: Sequence[Ticket], counted: Flags) -> tuple[Flags, Flags]:
    """bool[R] the red runs, and bool[R, K] the tickets that have to be mended for a run to be green.

    Rows of runs that are green, or that no fix turns green, are empty. A failed test of which nothing is known but that
    it failed needs all its tickets.
    """
    red = window.ended_failed
    needs = np.zeros((len(window.runs), len(tickets)), dtype=np.bool_)
    stays = ~counted
    of_test: dict[int, dict[int, Flags]] = defaultdict(dict)
    for k, ticket in enumerate(tickets):
        for member in ticket.members:
            mine = of_test[member.test]
            mine[k] = mine[k] | member.failed if k in mine else member.failed
    for test in np.flatnonzero(red.any(axis=0)):
        mine = of_test.get(int(test), {})
        if not mine:
            stays = stays | red[:, test]
            continue
        silent = red[:, test] & ~np.any(list(mine.values()), axis=0)
        for k, failed in mine.items():
            needs[:, k] |= (red[:, test] & failed) | silent
    needs[stays] = False
    return np.asarray(red.any(axis=1)), needs


def _minutes(tickets: Sequence[Ticket], costs: Sequence[Impact]) -> NDArray[np.float64]:
    """float64[K]: the minutes lost on each ticket; a test's are split by how often it failed of what."""
    failures: dict[int, int] = defaultdict(int)
    for member in (m for ticket in tickets for m in ticket.members):
        failures[member.test] += int(member.failed.sum())
    return np.array(
        [
            sum(costs[m.test].minutes * int(m.failed.sum()) / max(1, failures[m.test]) for m in ticket.members)
            for ticket in tickets
        ]
    )


def _sequence(needs: Flags) -> list[int]:
    """The tickets that turn runs green, in greedy order.

    Most runs need more than one fix, so single fixes are no sound steps: each step takes the set of fixes that some run
    still needs and that turns most runs green per fix (the greedy rule of set cover); within it, the fix that turns
    most of them green at once comes first, else the one that most runs wait for.
    """
    found: list[int] = []
    left = needs[needs.any(axis=1)].astype(np.float32)
    while len(left):
        # A run turns green where what another one needs leaves nothing of its own needs.
        size = left.sum(axis=1)
        green = (left @ left.T == size[:, None]).sum(axis=0)
        best = left[np.lexsort((size, -green / size))[0]] > 0
        for _ in range(int(best.sum())):
            at_once, waiting = (left.sum(axis=1) == 1).astype(np.float32) @ left, left.sum(axis=0)
            k = min(np.flatnonzero(best).tolist(), key=lambda k: (-at_once[k], -waiting[k], k))
            found.append(k)
            best[k] = False
            left[:, k] = 0.0
            left = left[left.any(axis=1)]
    return found
