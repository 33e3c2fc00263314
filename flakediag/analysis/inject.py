"""Known flakes planted into a history, to see how many of them the diagnosis would find there. Pure and seeded.

A plant turns some passes of a stable test into failures, by a rule that is written down beside it: after a polluter in
the order on record, in slow runs, in runs picked at random. Only the rows of the planted tests change. The words of
order-dependent, slow and random plants are bare assertions drawn alike, so that they tell nothing about the cause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from flakediag import tables
from flakediag.analysis.evidence.timing import slowdowns
from flakediag.analysis.frameworks import framework_of
from flakediag.analysis.outage import outages
from flakediag.analysis.signature import signature_of
from flakediag.analysis.window import Failure, Window
from flakediag.model import Category, FailureDetail, Order, Outcome, Run

LEAST_RUNS = 8  # a test that ran less often carries no plant
TRIES = 12  # tests that are tried for an order-dependent plant
PAIRS = 200  # pairs of writers that are looked at for each of them
TIMEOUTS = (1, 2, 5, 10)  # seconds


class Kind(StrEnum):
    POLLUTED = "polluter"
    CLEANED = "polluter and cleaner"
    BRITTLE = "state-setter"
    TIMEOUT = "timeout"
    SLOW = "slow runs"
    PORT = "bind error"
    PORT_IN_OUTPUT = "bind error in the output"
    CHANCE = "chance"


CAUSES: dict[Kind, Category] = {
    Kind.POLLUTED: Category.ORDER,
    Kind.CLEANED: Category.ORDER,
    Kind.BRITTLE: Category.ORDER,
    Kind.TIMEOUT: Category.TIMING,
    Kind.SLOW: Category.TIMING,
    Kind.PORT: Category.PORT,
    Kind.PORT_IN_OUTPUT: Category.PORT,
    Kind.CHANCE: Category.UNKNOWN,
}
"""The cause that a diagnosis should name. Nothing tells why a test fails by chance: `RANDOMNESS` is right there too."""

ORDERED = (Kind.POLLUTED, Kind.CLEANED, Kind.BRITTLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """One planted flake, by indices into the window: the test, the runs (ascending) in which it fails, and the truth.

    `partners` are the tests to be named: the polluter, or the state-setter of a brittle test.
    """

    kind: Kind
    test: int
    runs: tuple[int, ...]
    aimed: float  # the failure rate that was asked for; an order may only offer others
    words: FailureDetail
    partners: tuple[int, ...] = ()
    cleaners: tuple[int, ...] = ()
    port: int | None = None
    seconds: tuple[float, ...] = ()  # how long it took in these runs, empty where as recorded

    @property
    def right(self) -> frozenset[Category]:
        cause = CAUSES[self.kind]
        return frozenset({cause, Category.RANDOMNESS} if cause is Category.UNKNOWN else {cause})


@dataclass(frozen=True)
class Ground:
    """What can be planted where. stable: the tests (indices) that can carry a plant; usable: bool[R, T], executed in a
    run that counts; slowness: float64[R], NaN where not known."""

    window: Window
    stable: NDArray[np.int64]
    usable: NDArray[np.bool_]
    slowness: NDArray[np.float64]

    @property
    def order_varies(self) -> bool:
        """Some two serial runs have their common tests in different orders, or one of them lacks a test."""
        serial = np.flatnonzero(self.window.serial)
        return len(serial) > 1 and len(np.unique(self.window.positions[serial], axis=0)) > 1


def survey(window: Window) -> Ground:
    counted = ~outages(window)
    usable = window.executed & counted[:, None]
    clean = ~(window.failed & counted[:, None]).any(axis=0)
    rows = np.bincount(window.run.astype(np.int64) * len(window.tests) + window.test, minlength=usable.size)
    once = rows.reshape(window.shape).max(axis=0, initial=0) == 1
    stable = np.flatnonzero(clean & once & (usable.sum(axis=0) >= LEAST_RUNS))
    return Ground(window, stable, usable, slowdowns(window))


def plant(ground: Ground, kind: Kind, rate: float, taken: set[int], rng: np.random.Generator) -> Plant | None:
    """A plant of this kind that fails in about `rate` of its runs; None where this history cannot carry one.

    `taken` are the tests that have a part in other plants; the new plant's are added.
    """
    free = np.array([test for test in ground.stable if test not in taken], dtype=np.int64)
    if kind in ORDERED:
        made = _ordered(ground, kind, rate, free, rng) if ground.order_varies else None
    elif len(free) == 0 or (kind is Kind.SLOW and np.isnan(ground.slowness).all()):
        made = None
    else:
        made = _timed(ground, kind, rate, int(rng.choice(free)), rng)
    if made is not None:
        taken |= {made.test, *made.partners, *made.cleaners}
    return made


def inject(window: Window, plants: Sequence[Plant]) -> Window:
    """The window in which the planted tests fail in their runs; everything else is as it was."""
    outcome, duration = window.outcome.copy(), window.duration.copy()
    failures = list(window.failures)
    for one in plants:
        rows = np.flatnonzero((window.test == one.test) & np.isin(window.run, one.runs))
        rows = rows[np.argsort(window.run[rows], kind="stable")]
        outcome[rows] = Outcome.FAILED
        if one.seconds:
            known = ~np.isnan(duration[rows])  # where a report says nothing of times, it would not now
            duration[rows[known]] = np.array(one.seconds, dtype=np.float32)[known]
        signature = signature_of(one.words)
        for row in rows:
            place, attempt = int(window.position[row]), int(window.attempts[row])
            failures.append(
                Failure(int(window.run[row]), one.test, place, attempt, Outcome.FAILED, signature, one.words)
            )
    failures.sort(key=lambda f: (f.run, f.position, f.attempt))
    return replace(window, outcome=outcome, duration=duration, failures=tuple(failures))


def shuffled_on(window: Window, runs: int, seed: int) -> Window:
    """The window with so many runs more: the last serial run (or the last one) again, in random orders.

    What the history would be if the suite were shuffled from now on; tests that have failed before pass there.
    """
    rng = np.random.default_rng(seed)
    serial = np.flatnonzero(window.serial)
    rows = np.flatnonzero(window.run == (serial[-1] if len(serial) else len(window.runs) - 1))
    rows = rows[window.outcome[rows] != Outcome.SKIPPED]
    last = window.runs[-1]
    parts = [rows[rng.permutation(len(rows))] for _ in range(runs)]
    picked = np.concatenate([np.empty(0, dtype=np.int64), *parts])
    number = np.repeat(np.arange(runs, dtype=np.int32), len(rows))
    made = tuple(
        replace(
            last, started_at=last.started_at + timedelta(hours=n), digest=f"{n:064x}", id=None, order=Order.EXECUTION
        )
        for n in range(1, runs + 1)
    )
    position = np.tile(np.arange(len(rows), dtype=np.int32), runs)
    return Window(
        runs=(*window.runs, *made),
        tests=window.tests,
        run=np.concatenate([window.run, number + len(window.runs)]),
        test=np.concatenate([window.test, window.test[picked]]),
        position=np.concatenate([window.position, position]),
        outcome=np.concatenate([window.outcome, np.full(len(picked), Outcome.PASSED, dtype=np.int8)]),
        attempts=np.concatenate([window.attempts, np.ones(len(picked), dtype=np.int8)]),
        duration=np.concatenate([window.duration, window.duration[picked]]),
        failures=window.failures,
    )


# --- failing by the order ------------------------------------------------------------------------------------------


def fails_after(
    victim: NDArray[np.int32], bad: NDArray[np.int32] | None, good: NDArray[np.int32] | None, *, brittle: bool
) -> NDArray[np.bool_]:
    """The last-writer rule: the last writer before the victim wrote bad, or nobody wrote and the state starts bad.

    Places in the run's order, int32[R] or [R, n]; -1 where the test did not run.
    """
    never = np.full_like(victim, -1)
    latest_bad = never if bad is None else np.where(bad < victim, bad, -1)
    latest_good = never if good is None else np.where(good < victim, good, -1)
    fails: NDArray[np.bool_] = (latest_bad > latest_good) | (brittle & (latest_bad == latest_good))
    return fails


def _ordered(
    ground: Ground, kind: Kind, rate: float, free: NDArray[np.int64], rng: np.random.Generator
) -> Plant | None:
    """The test and writers, among some drawn at random, whose recorded orders come nearest to the rate."""
    best: tuple[float, int, int, int] | None = None
    for victim in rng.permutation(free)[:TRIES]:
        runs = np.flatnonzero(ground.usable[:, victim] & ground.window.serial)
        if len(runs) < LEAST_RUNS:
            continue
        first, second = _pairs(ground, int(victim), free, rng)
        if len(first) == 0:
            continue
        fails = _by_rule(kind, *(_places(ground, runs, tests) for tests in (np.array([victim]), first, second)))
        count = fails.sum(axis=0)
        # Where the order gives no such rate, the nearest will do; a test that always or never fails is no flake.
        distance = np.where((count > 0) & (count < len(runs)), np.abs(count / len(runs) - rate), np.inf)
        near = np.flatnonzero(distance <= distance.min() + 0.02)
        choice = int(rng.choice(near))
        if np.isfinite(distance[choice]) and (best is None or distance[choice] < best[0]):
            best = float(distance[choice]), int(victim), int(first[choice]), int(second[choice])
        if best is not None and best[0] < 0.05:
            break
    if best is None:
        return None
    _, victim, writer, cleaner = best
    runs = np.flatnonzero(ground.usable[:, victim])
    trio = np.array([victim, writer, cleaner])
    places = _when(ground, runs, trio, rng)
    fails = _by_rule(kind, places[:, [0]], places[:, [1]], places[:, [2]])[:, 0]
    return Plant(
        kind=kind,
        test=victim,
        runs=tuple(int(run) for run in runs[fails]),
        aimed=rate,
        words=_words(ground.window.runs[-1], "assertion", rng),
        partners=(writer,),
        cleaners=(cleaner,) if kind is Kind.CLEANED else (),
    )


def _by_rule(
    kind: Kind, victim: NDArray[np.int32], writer: NDArray[np.int32], cleaner: NDArray[np.int32]
) -> NDArray[np.bool_]:
    if kind is Kind.BRITTLE:
        return fails_after(victim, None, writer, brittle=True)
    return fails_after(victim, writer, cleaner if kind is Kind.CLEANED else None, brittle=False)


def _pairs(
    ground: Ground, victim: int, free: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Writers and cleaners to try: half of the writers from the victim's own class, where most real ones are."""
    others = free[free != victim]
    home = ground.window.tests[victim].classname
    siblings = np.array([t for t in others if ground.window.tests[t].classname == home], dtype=np.int64)
    if len(others) < 2:
        return others[:0], others[:0]
    writers = rng.choice(others, PAIRS)
    if len(siblings):
        writers[: PAIRS // 2] = rng.choice(siblings, PAIRS // 2)
    cleaners = rng.choice(others, PAIRS)
    apart = writers != cleaners
    return writers[apart], cleaners[apart]


def _places(ground: Ground, runs: NDArray[np.int64], tests: NDArray[np.int64]) -> NDArray[np.int32]:
    """int32[R, n]: the places of the tests in these runs, -1 where one did not execute."""
    found: NDArray[np.int32] = np.where(
        ground.window.executed[np.ix_(runs, tests)], ground.window.positions[np.ix_(runs, tests)], -1
    )
    return found


def _when(
    ground: Ground, runs: NDArray[np.int64], tests: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int32]:
    """As `_places`, but in parallel runs with a worker for each test (another one counts as absent), and in runs whose
    order is not known in an order drawn at random: what happened there without anybody having written it down."""
    places = _places(ground, runs, tests)
    for row, run in enumerate(runs):
        order = ground.window.runs[run].order
        if order is Order.EXECUTION:
            continue
        if order is Order.COMPLETION:
            elsewhere = rng.random(len(tests)) < 0.5
            elsewhere[0] = False  # the victim is where it is
            places[row, elsewhere] = -1
        else:
            ran = places[row] >= 0
            places[row, ran] = rng.permutation(len(tests))[ran]
    return places


# --- failing by time, port or chance -------------------------------------------------------------------------------


def _timed(ground: Ground, kind: Kind, rate: float, test: int, rng: np.random.Generator) -> Plant:
    ran = np.flatnonzero(ground.usable[:, test])
    count = min(max(1, round(rate * len(ran))), len(ran) - 1)
    runs = np.sort(_slowest(ground, ran, count, rng) if kind is Kind.SLOW else rng.choice(ran, count, replace=False))
    usual = np.nan_to_num(ground.window.durations[runs, test].astype(np.float64), nan=0.1)
    last = ground.window.runs[-1]
    port: int | None = None
    seconds: tuple[float, ...] = ()
    if kind is Kind.TIMEOUT:
        limit = int(rng.choice([s for s in TIMEOUTS if s > 2 * usual.max()] or [round(3 * usual.max()) + 1]))
        seconds = tuple(float(limit * (1 + x)) for x in rng.uniform(0.0005, 0.01, count))
        words = _words(last, "timeout", rng, limit=limit)
    elif kind in (Kind.PORT, Kind.PORT_IN_OUTPUT):
        port = int(rng.integers(1_100, 32_000))
        seconds = tuple(float(min(u, 0.002)) for u in usual)
        words = _words(last, "bind", rng, port=port)
        if kind is Kind.PORT_IN_OUTPUT:
            words = _words(last, "assertion", rng)._replace(output=f"server: {words.message}\nserver: not started")
    else:
        words = _words(last, "assertion", rng)
        if kind is Kind.SLOW:
            seconds = tuple(float(x) for x in usual * rng.uniform(1.2, 2.5, count))
    chosen = tuple(int(run) for run in runs)
    return Plant(kind=kind, test=test, runs=chosen, aimed=rate, words=words, port=port, seconds=seconds)


def _slowest(ground: Ground, ran: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The slowest runs, with some luck in it: a run's rank moves by up to a sixth of their number."""
    slowness = np.nan_to_num(ground.slowness[ran], nan=0.0)
    rank = np.argsort(np.argsort(slowness, kind="stable")) + rng.uniform(0, len(ran) / 6, len(ran))
    chosen: NDArray[np.int64] = ran[np.argsort(-rank, kind="stable")[:count]]
    return chosen


# --- what a failure says -------------------------------------------------------------------------------------------

# Two of these tell one plant's assertion from another's: as people name what they compare.
_THINGS = (
    "basket",
    "colour",
    "depth",
    "draft",
    "invoice",
    "label",
    "margin",
    "owner",
    "parcel",
    "sheet",
    "total",
    "weight",
)


def _phrases() -> dict[str, dict[str, list[str]]]:
    """framework -> what happened -> type and message."""
    return tables.read("analysis/inject.toml")


def _words(run: Run, what: str, rng: np.random.Generator, *, port: int = 0, limit: int = 0) -> FailureDetail:
    framework = framework_of(run.producer)
    kind, message = _phrases().get(framework, _phrases()["pytest"])[what]
    a, b = _values(rng)
    message = message.format(a=a, b=b, s=limit, port=port, w=" ".join(rng.choice(_THINGS, 2)))
    text = "\n".join(f"E   {line}" for line in message.splitlines()) if framework == "pytest" else message
    return FailureDetail(kind, message, text)


def _values(rng: np.random.Generator) -> tuple[str, str]:
    """What was found and what was expected: two numbers, two words, or a plain no."""
    form = rng.integers(3)
    if form == 2:
        return "False", "True"
    pair = rng.choice(np.arange(2, 100), 2, replace=False) if form else rng.choice(_THINGS, 2, replace=False)
    return (str(pair[0]), str(pair[1])) if form else (f"'{pair[0]}'", f"'{pair[1]}'")
