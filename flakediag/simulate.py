"""Histories with known flakes, for tests, calibration and the user's own doubts. Pure and seeded.

A suite of T tests (`pkg.mod_03.TestB::test_17`) runs R times. Each flake says which tests fail when; the truth comes
back with the window. The clock starts at a fixed moment, so that the same seed gives the same history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.window import Failure, Window
from flakediag.model import FailureDetail, Identity, Order, Outcome, Run

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Flake:
    """Some tests that fail for one reason, with one signature."""

    victims: tuple[int, ...]
    signature: str = "AssertionError: assert <n> == <n>"


@dataclass(frozen=True, kw_only=True)
class OrderDependence(Flake):
    """Fails after a polluter unless a cleaner came between; a brittle test also while no cleaner (state-setter) ran.

    With `chain`, the polluters (or the state-setters of a brittle test) work only when all of them have run.
    `noise` is the chance that the outcome is the opposite one.
    """

    polluters: tuple[int, ...] = ()
    cleaners: tuple[int, ...] = ()
    brittle: bool = False
    chain: bool = False
    noise: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Chance(Flake):
    """Each victim fails on its own at a constant rate (a race, randomness)."""

    rate: float


@dataclass(frozen=True, kw_only=True)
class Together(Flake):
    """In a share of the runs all victims fail together at `rate`: a taken port, an outage; with `slow`, a busy host."""

    share: float
    rate: float = 0.95
    slow: float = 1.0  # how much longer tests take in such a run


@dataclass(frozen=True, kw_only=True)
class Regression(Flake):
    """Broken from one share of the history on until another."""

    start: float
    end: float = 1.0


@dataclass(frozen=True, kw_only=True)
class LeftBehind(Flake):
    """State on the host that outlives the run: polluters write it, cleaners undo it, a victim fails where it stands.

    With `consumed`, a victim that met the state undoes it. With `when_failing`, a polluter leaves something
    behind only where it fails (it does so by chance, at that rate), as a test does that is never torn down. With
    `at_exit` it is written as the run ends: it shows in later runs only. `noise` is the chance that the outcome is the
    opposite one.
    """

    polluters: tuple[int, ...]
    cleaners: tuple[int, ...] = ()
    consumed: bool = False
    when_failing: float | None = None
    at_exit: bool = False
    noise: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Stretches(Flake):
    """Each host is bad for a while now and then; meanwhile every victim fails at `rate`."""

    enter: float
    leave: float
    rate: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How the suite is run: `default` runs in the written order, then `shuffled` ones, some `parallel` on two workers.

    `shuffle` is "suite", "module" (modules shuffled, tests within them too) or "class". Reports of parallel runs hold
    completion order; where `recognised` is false they claim to hold execution order.
    """

    tests: int
    default: int = 0
    shuffled: int = 0
    shuffle: str = "suite"
    parallel: int = 0
    recognised: bool = True
    per_class: int = 10
    mixed: bool = False  # default and shuffled runs alternate by chance instead of one after the other
    hosts: int = 0  # that the runs are spread over by chance; none is recorded where it is 0
    fresh_hosts: bool = False  # each run has a host name of its own, and finds nothing left behind
    share: float = 1.0  # of the classes that a run executes, picked anew for each


@dataclass(frozen=True)
class Truth:
    """What the history was made of: flakes by the ids of their victims, and the ids of the writers."""

    flakes: Mapping[str, Flake]
    polluters: Mapping[str, tuple[str, ...]]
    cleaners: Mapping[str, tuple[str, ...]]


def identities(tests: int, per_class: int) -> tuple[Identity, ...]:
    """Two classes to a module, five modules to a package."""
    names = []
    for number in range(tests):
        group = number // per_class
        module, package = group // 2, group // 10
        home = f"tests.area_{package:03d}.test_module_{module:04d}.Test{'AB'[group % 2]}"
        names.append(Identity(home, f"test_case_{number:05d}"))
    return tuple(names)


def simulate(plan: Plan, flakes: Sequence[Flake], seed: int) -> tuple[Window, Truth]:
    rng = np.random.default_rng(seed)
    tests = identities(plan.tests, plan.per_class)
    kinds = np.array([False] * plan.default + [True] * plan.shuffled)
    if plan.mixed:
        rng.shuffle(kinds)
    parallel = np.zeros(len(kinds), dtype=bool)
    parallel[rng.permutation(np.flatnonzero(kinds))[: plan.parallel]] = True
    runs = len(kinds)
    when = np.empty((runs, plan.tests), dtype=np.int32)  # when a test executed in its process
    worker = np.zeros((runs, plan.tests), dtype=np.int8)
    recorded = np.empty((runs, plan.tests), dtype=np.int32)  # tests in the order of the report
    for run in range(runs):
        order = _order(plan, rng) if kinds[run] else np.arange(plan.tests)
        when[run, order] = np.arange(plan.tests)
        if parallel[run]:
            worker[run] = rng.integers(0, 2, plan.tests)
        recorded[run] = order
    absent = _absent(plan, runs, rng)
    when[absent] = plan.tests  # later than everybody
    host = np.arange(runs) if plan.fresh_hosts else rng.integers(0, max(1, plan.hosts), runs)
    failed = np.full((runs, plan.tests), -1, dtype=np.int16)  # the flake that failed it
    slowness = np.ones(runs)
    for number, flake in enumerate(flakes):
        if isinstance(flake, LeftBehind | Stretches):
            outcomes = _on_hosts(flake, when, host, failed, number, rng)
        else:
            outcomes = _outcomes(flake, when, worker, slowness, rng)
        for test, fails in zip(flake.victims, outcomes, strict=True):
            failed[fails & ~absent[:, test] & (failed[:, test] < 0), test] = number
    named = host if plan.hosts or plan.fresh_hosts else None
    window = _window(plan, tests, flakes, recorded, absent, failed, parallel, named, slowness, rng)
    return window, _truth(tests, flakes)


def _absent(plan: Plan, runs: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """bool[R, T]: the tests that a run does not execute."""
    group = np.arange(plan.tests) // plan.per_class
    if plan.share >= 1:
        return np.zeros((runs, plan.tests), dtype=np.bool_)
    left_out: NDArray[np.bool_] = rng.random((runs, int(group.max()) + 1)) >= plan.share
    return left_out[:, group]


def _on_hosts(
    flake: LeftBehind | Stretches,
    when: NDArray[np.int32],
    host: NDArray[np.int64],
    failed: NDArray[np.int16],
    number: int,
    rng: np.random.Generator,
) -> list[NDArray[np.bool_]]:
    """bool[R] for each victim: the runs in which it fails. Polluters that fail are entered into `failed`."""
    runs, tests = when.shape
    found = np.zeros((len(flake.victims), runs), dtype=np.bool_)
    state: dict[int, bool] = {}
    for run in range(runs):
        now = state.get(int(host[run]), False)
        if isinstance(flake, Stretches):
            now = rng.random() >= flake.leave if now else rng.random() < flake.enter
            found[:, run] = now & (rng.random(len(flake.victims)) < flake.rate)
            state[int(host[run])] = now
            continue
        late = False  # what shows in later runs only
        involved = {*flake.victims, *flake.polluters, *flake.cleaners}
        for test in sorted((t for t in involved if when[run, t] < tests), key=lambda t: int(when[run, t])):
            if test in flake.victims:
                found[flake.victims.index(test), run] = now ^ (rng.random() < flake.noise)
                now = now and not flake.consumed
            if test in flake.cleaners:
                now = False
            if test in flake.polluters:
                writes = flake.when_failing is None or rng.random() < flake.when_failing
                if flake.when_failing is not None and writes:
                    failed[run, test] = number
                now, late = (now, late or writes) if flake.at_exit else (now or writes, late)
        state[int(host[run])] = now or late
    return list(found)


def _order(plan: Plan, rng: np.random.Generator) -> NDArray[np.int64]:
    if plan.shuffle == "suite":
        anywhere: NDArray[np.int64] = rng.permutation(plan.tests)
        return anywhere
    bucket = np.arange(plan.tests) // (plan.per_class * (2 if plan.shuffle == "module" else 1))
    place = rng.permutation(int(bucket.max()) + 1)[bucket]
    return np.lexsort((rng.random(plan.tests), place))


def _outcomes(
    flake: Flake,
    when: NDArray[np.int32],
    worker: NDArray[np.int8],
    slowness: NDArray[np.float64],
    rng: np.random.Generator,
) -> list[NDArray[np.bool_]]:
    """bool[R] for each victim: the runs in which it fails."""
    runs = len(when)
    if isinstance(flake, OrderDependence):
        return [_order_dependent(flake, test, when, worker, rng) for test in flake.victims]
    if isinstance(flake, Chance):
        return [rng.random(runs) < flake.rate for _ in flake.victims]
    if isinstance(flake, Together):
        hit = rng.random(runs) < flake.share
        slowness[hit] *= flake.slow
        return [hit & (rng.random(runs) < flake.rate) for _ in flake.victims]
    if isinstance(flake, Regression):
        date = np.arange(runs) / runs
        return [(date >= flake.start) & (date < flake.end) for _ in flake.victims]
    raise TypeError(f"not a flake that can be simulated: {flake!r}")


def _order_dependent(
    flake: OrderDependence, test: int, when: NDArray[np.int32], worker: NDArray[np.int8], rng: np.random.Generator
) -> NDArray[np.bool_]:
    def last(writers: tuple[int, ...], together: bool, start: int) -> NDArray[np.int32]:
        columns = [w for w in writers if w != test]
        if not columns:
            return np.full(len(when), start, dtype=np.int32)
        seen = (when[:, columns] < when[:, [test]]) & (worker[:, columns] == worker[:, [test]])
        latest = np.where(seen, when[:, columns], -2).max(axis=1)
        if together:
            latest = np.where(seen.all(axis=1), latest, -2)
        floored: NDArray[np.int32] = np.maximum(latest, start).astype(np.int32)
        return floored

    bad = last(flake.polluters, flake.chain and not flake.brittle, -1 if flake.brittle else -2)
    good = last(flake.cleaners, flake.chain and flake.brittle, -2 if flake.brittle else -1)
    fails: NDArray[np.bool_] = (bad > good) ^ (rng.random(len(when)) < flake.noise)
    return fails


def _window(
    plan: Plan,
    tests: tuple[Identity, ...],
    flakes: Sequence[Flake],
    recorded: NDArray[np.int32],
    absent: NDArray[np.bool_],
    failed: NDArray[np.int16],
    parallel: NDArray[np.bool_],
    host: NDArray[np.int64] | None,
    slowness: NDArray[np.float64],
    rng: np.random.Generator,
) -> Window:
    runs, count = recorded.shape
    completion = Order.COMPLETION if plan.recognised else Order.EXECUTION
    known = tuple(
        Run(
            started_at=START + timedelta(hours=number),
            digest=f"{number:064x}",
            producer="pytest",
            commit=f"{1:040x}",
            branch="main",
            host=None if host is None else f"runner-{host[number]}",
            id=number + 1,
            order=completion if parallel[number] else Order.EXECUTION,
        )
        for number in range(runs)
    )
    present = ~np.take_along_axis(absent, recorded.astype(np.int64), axis=1)
    position = (present.cumsum(axis=1, dtype=np.int32) - 1)[present]
    test = recorded[present].astype(np.int32)
    run = np.repeat(np.arange(runs, dtype=np.int32), count)[present.ravel()]
    outcome = np.where(failed[run, test] >= 0, Outcome.FAILED, Outcome.PASSED).astype(np.int8)
    usual = rng.uniform(0.01, 0.3, (count,))
    duration = (usual[test] * slowness[run] * rng.uniform(0.9, 1.1, len(test))).astype(np.float32)
    failures = []
    for row in np.flatnonzero(outcome == Outcome.FAILED):
        text = flakes[failed[run[row], test[row]]].signature
        detail = FailureDetail(text.partition(":")[0], text.partition(": ")[2], text)
        failures.append(Failure(int(run[row]), int(test[row]), int(position[row]), 1, Outcome.FAILED, text, detail))
    attempts = np.ones(len(test), dtype=np.int8)
    return Window(known, tests, run, test, position, outcome, attempts, duration, tuple(failures))


def _truth(tests: tuple[Identity, ...], flakes: Sequence[Flake]) -> Truth:
    ids = [test.id for test in tests]
    named = {ids[test]: flake for flake in flakes for test in flake.victims}
    writers = {test: flake for test, flake in named.items() if isinstance(flake, OrderDependence)}
    return Truth(
        flakes=named,
        polluters={test: tuple(ids[p] for p in flake.polluters) for test, flake in writers.items()},
        cleaners={test: tuple(ids[c] for c in flake.cleaners) for test, flake in writers.items()},
    )
