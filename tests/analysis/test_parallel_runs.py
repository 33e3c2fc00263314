"""Reports of several workers: recognised by their order, and weighed for what they can say."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from flakediag.analysis.interleaving import find_interleaved
from flakediag.analysis.order.explain import evidence_of
from flakediag.analysis.order.study import study
from flakediag.analysis.subjects import Subject
from flakediag.analysis.weights import weights
from flakediag.analysis.window import Window
from flakediag.model import Category, Evidence, Identity, Order
from flakediag.simulate import Chance, Flake, OrderDependence, Plan, simulate

FIGURES = weights("interleaving")
TESTS = tuple(Identity(f"pkg.mod_{n // 16}.Test{n // 8 % 2}", f"test_{n}") for n in range(96))
LISTED = np.arange(96)


def on_workers(rng: np.random.Generator, workers: int) -> np.ndarray:
    """The order in which tests end that workers take from one list, a chunk each at first."""
    done, free, chunk = [], np.zeros(workers), 96 // (4 * workers)
    queue = [list(LISTED[w * chunk : (w + 1) * chunk]) for w in range(workers)]
    rest = list(LISTED[workers * chunk :])
    while any(queue):
        worker = min((w for w in range(workers) if queue[w]), key=lambda w: free[w])
        free[worker] += rng.lognormal()
        done.append((free[worker], queue[worker].pop(0)))
        if len(queue[worker]) < 2 and rest:
            queue[worker] += rest[:2]
            rest = rest[2:]
    return np.array([test for _, test in sorted(done)])


def shuffled(rng: np.random.Generator, bucket: np.ndarray, *, inside: bool, outside: bool) -> np.ndarray:
    place = rng.permutation(96)[bucket] if outside else bucket
    return np.lexsort((rng.random(96) if inside else LISTED, place))


def moved_to_the_front(rng: np.random.Generator) -> np.ndarray:
    first = np.sort(rng.choice(96, 12, replace=False))
    return np.concatenate([first, np.setdiff1d(LISTED, first)])


SERIAL: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "the whole suite shuffled": lambda rng: rng.permutation(96),
    "modules shuffled": lambda rng: shuffled(rng, LISTED // 16, inside=False, outside=True),
    "classes shuffled": lambda rng: shuffled(rng, LISTED // 8, inside=False, outside=True),
    "modules and what is in them": lambda rng: shuffled(rng, LISTED // 16, inside=True, outside=True),
    "tests within classes": lambda rng: shuffled(rng, LISTED // 8, inside=True, outside=False),
    "tests within small classes": lambda rng: shuffled(rng, LISTED // 8, inside=True, outside=True),
    "failed ones first": moved_to_the_front,
    "reversed": lambda rng: LISTED[::-1],
    "a part of the suite": lambda rng: np.sort(rng.choice(96, 60, replace=False)),
}


def places(orders: list[np.ndarray]) -> np.ndarray:
    when = np.full((len(orders), 96), -1)
    for row, order in zip(when, orders, strict=True):
        row[order] = np.arange(len(order))
    return when


def recognised(orders: list[np.ndarray]) -> dict[int, int]:
    found = find_interleaved(places(orders), np.ones(len(orders), dtype=bool), TESTS, FIGURES)
    return {run: one.workers for run, one in found.items()}


@pytest.mark.parametrize("name", SERIAL)
def test_a_serial_run_in_another_order_is_not_taken_for_a_parallel_one(name: str) -> None:
    rng = np.random.default_rng(5)
    assert recognised([LISTED, LISTED, *(SERIAL[name](rng) for _ in range(60))]) == {}


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_that_share_a_list_are_recognised_and_counted(workers: int) -> None:
    rng = np.random.default_rng(6)
    found = recognised([LISTED, LISTED, *(on_workers(rng, workers) for _ in range(20))])
    assert len(found) >= 18
    assert set(found.values()) <= {workers - 1, workers}
    assert not {0, 1} & set(found)


def test_parallel_runs_are_recognised_where_no_order_was_used_twice() -> None:
    rng = np.random.default_rng(7)
    assert len(recognised([on_workers(rng, 2) for _ in range(12)])) >= 10


def test_of_two_workers_the_order_tells_in_part_who_ran_what() -> None:
    evens_late = np.array([1, 0, 3, 5, 2, 4, *range(6, 96)])
    rng = np.random.default_rng(8)
    order = on_workers(rng, 2)
    found = find_interleaved(places([LISTED, LISTED, order, evens_late]), np.ones(4, dtype=bool), TESTS, FIGURES)
    lanes = found[2].lanes
    assert lanes is not None
    place = places([order])[0]
    turned = [(a, b) for a in range(96) for b in range(a + 1, 96) if place[a] > place[b]]
    assert all(lanes[a] == lanes[b] ^ 1 for a, b in turned)
    assert 3 not in found  # too little to tell


def hint(window: Window) -> Evidence | None:
    failed = np.where(window.outcomes == 0, 0, 1).astype(np.int8)
    test = int(failed.any(axis=0).argmax())
    subject = Subject(test, "AssertionError", failed[:, test], tuple(window.failures))
    (case,) = study(window, [subject], weights("order"))
    return evidence_of(case, weights("order"))


def in_parallel(flake: Flake, runs: int, seed: int) -> Window:
    return simulate(Plan(tests=60, shuffled=runs, parallel=runs), [flake], seed)[0]


@pytest.mark.parametrize(
    ("flake", "role"),
    [
        (OrderDependence(victims=(30,), polluters=(7,)), "polluter"),
        (OrderDependence(victims=(30,), cleaners=(7,), brittle=True), "state-setter"),
    ],
)
def test_shuffled_parallel_runs_name_a_suspect_but_never_with_certainty(flake: Flake, role: str) -> None:
    window = in_parallel(flake, 80, 1)
    found = hint(window)
    assert found is not None and found.category is Category.ORDER
    assert (found.partners[0].id, found.partners[0].role) == (window.tests[7].id, role)
    assert 1.5 < found.weight <= weights("order")["parallel_most"]
    assert all(partner.probability < 0.96 for partner in found.partners)


def test_a_chance_failure_in_parallel_runs_suspects_hardly_anybody() -> None:
    flakes = [Chance(victims=(30,), rate=rate) for rate in (0.1, 0.3, 0.5)]
    weighed = [hint(in_parallel(flake, 40, seed)) for seed in range(35) for flake in flakes]
    assert sum(found is not None and found.weight > 1.3 for found in weighed) <= 2


def test_parallel_runs_move_what_serial_runs_say_by_little() -> None:
    flake = OrderDependence(victims=(30,), polluters=(7,))
    window, _ = simulate(Plan(tests=60, shuffled=60, parallel=30), [flake], 3)
    untold = replace(window, runs=tuple(replace(run, order=_unknown(run.order)) for run in window.runs))
    both, alone = hint(window), hint(untold)
    assert both is not None and alone is not None
    assert both.partners[0].id == alone.partners[0].id == window.tests[7].id
    moved = abs(both.data["log_bayes_factor"] - alone.data["log_bayes_factor"])
    assert 0 < moved <= weights("order")["parallel_most"] + 0.01


def _unknown(order: Order) -> Order:
    return Order.UNKNOWN if order is Order.COMPLETION else order
