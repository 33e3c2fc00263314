"""What flakediag can find in a given history: known flakes are planted into a copy of it and diagnosed.

The history itself is only read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from math import ceil, log

import numpy as np

from flakediag.analysis.diagnose import diagnose
from flakediag.analysis.frameworks import framework_of
from flakediag.analysis.inject import (
    CAUSES,
    LEAST_RUNS,
    ORDERED,
    Ground,
    Kind,
    Plant,
    inject,
    plant,
    shuffled_on,
    survey,
)
from flakediag.analysis.rates import rate_of
from flakediag.analysis.window import Window
from flakediag.errors import UsageError
from flakediag.history import History
from flakediag.location import Location
from flakediag.model import Category, Finding, Order, Rate, Scope, Verdict
from flakediag.service import Progress, resolve

CYCLE = (
    *(Kind.POLLUTED, Kind.TIMEOUT, Kind.CHANCE, Kind.PORT, Kind.CLEANED),
    *(Kind.SLOW, Kind.CHANCE, Kind.PORT_IN_OUTPUT, Kind.BRITTLE),
)
AIMED = (0.03, 0.1, 0.35)  # failure rates, one for each time round the cycle
TOGETHER = 16  # plants in one copy of the history, and no more than an eighth of its stable tests
WHAT_IF = 12  # order-dependent plants in the history with shuffled runs added
SURE = 0.9
SHUFFLE = {
    "pytest": "pytest --random-order-bucket=global (pytest-random-order)",
    "junit": "-Dsurefire.runOrder=random, and @TestMethodOrder(MethodOrderer.Random.class) for the methods",
    "jest": "jest --randomize (within each file)",
    "vitest": "vitest --sequence.shuffle",
    "go": "go test -shuffle=on",
    "rspec": "rspec --order random",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one plant. `called` is None where the test was not found to be flaky; `place` is that of the first
    right partner among those named (from 1), None where none was named."""

    plant: Plant
    called: Category | None
    probability: float
    place: int | None

    @property
    def right(self) -> bool:
        return self.called in self.plant.right

    @property
    def wrong(self) -> bool:
        """A cause was named, and it is another one. `unknown` is never wrong."""
        return self.called not in (None, Category.UNKNOWN) and not self.right


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How a group of plants fared, each rate out of the plants; those of partners are None without order dependence."""

    name: str
    cause: Category | None
    planted: int
    flaky: Rate
    named: Rate
    partner_first: Rate | None
    partner_top3: Rate | None
    wrong: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class WithShuffles:
    """The same question for order dependence, asked of the history with so many shuffled runs added."""

    runs: int
    tally: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Selftest:
    """`sure`: of the causes named at 90 % or more, those that were right. `stopped`: the time was up before the end."""

    seed: int
    runs: int
    tests: int
    stable: int
    serial_runs: int
    order_varies: bool
    kinds: tuple[Tally, ...]
    failures: tuple[Tally, ...]  # by the number of failures on record
    sure: Rate
    with_shuffles: WithShuffles | None
    believe: tuple[str, ...]
    stopped: bool


def selftest(
    db: Location,
    scope: Scope,
    *,
    plants: int,
    seed: int,
    clock: Callable[[], float],
    seconds: float,
    progress: Progress | None = None,
) -> Selftest:
    """Plant flakes into a copy of the history at `db` and see what is found; stops planting after `seconds`.

    Raises `UsageError` where no test ran often enough without failing.
    """
    with History.open(db, "read") as history:
        window = history.window(resolve(history, scope))
    return examine(window, plants=plants, seed=seed, until=clock() + seconds, clock=clock, progress=progress)


def examine(
    window: Window,
    *,
    plants: int,
    seed: int,
    until: float = float("inf"),
    clock: Callable[[], float] = lambda: 0.0,
    progress: Progress | None = None,
) -> Selftest:
    """As `selftest`, for a window. The same window, plants and seed give the same result, if the time suffices."""
    ground = survey(window)
    if len(ground.stable) == 0:
        raise UsageError(
            f"no test of this history ran {LEAST_RUNS} times without failing, so that nothing can be planted",
            "ingest more runs, or look further back: --since DATE",
        )
    rng = np.random.default_rng(seed)
    wanted = [(kind, AIMED[n // len(CYCLE) % len(AIMED)]) for n, kind in zip(range(plants), cycle(CYCLE), strict=False)]
    outcomes, stopped = sow(ground, wanted, rng, until, clock, progress)
    first = _tally("order dependence", None, [o for o in outcomes if o.plant.kind in ORDERED]).partner_first
    with_shuffles = None
    if not stopped and (first is None or first.value < 0.5) and plants:
        runs = shuffles_needed(len(window.tests))
        more = [(ORDERED[n % len(ORDERED)], AIMED[-1]) for n in range(min(WHAT_IF, plants))]
        found, cut = sow(survey(shuffled_on(window, runs, seed)), more, rng, until, clock, None)
        stopped |= cut
        if found:
            with_shuffles = WithShuffles(runs=runs, tally=_tally("order dependence", Category.ORDER, found))
    named = [o for o in outcomes if o.called not in (None, Category.UNKNOWN) and o.probability >= SURE]
    kinds = tuple(_tally(kind.value, CAUSES[kind], [o for o in outcomes if o.plant.kind is kind]) for kind in Kind)
    sure = rate_of(sum(o.right for o in named), len(named))
    return Selftest(
        seed=seed,
        runs=len(window.runs),
        tests=len(window.tests),
        stable=len(ground.stable),
        serial_runs=int(window.serial.sum()),
        order_varies=ground.order_varies,
        kinds=kinds,
        failures=_by_failures(outcomes),
        sure=sure,
        with_shuffles=with_shuffles,
        believe=_believe(window, ground, kinds, outcomes, sure, with_shuffles),
        stopped=stopped,
    )


def shuffles_needed(tests: int) -> int:
    """Shuffled runs to ask for: in each, another test stands to the victim as its polluter does with probability 2/3
    (u² + (1 - u)² averaged over the victim's place u), so tests × (2/3)^n suspects are left after n; at least 12."""
    return max(12, ceil(log(max(2, tests)) / log(1.5)))


def sow(
    ground: Ground,
    wanted: Sequence[tuple[Kind, float]],
    rng: np.random.Generator,
    until: float = float("inf"),
    clock: Callable[[], float] = lambda: 0.0,
    progress: Progress | None = None,
) -> tuple[list[Outcome], bool]:
    """Plant (kind, failure rate) by (kind, failure rate) and diagnose, in batches.

    Returns what became of those that could be planted, and whether the time was up before all were tried.
    """
    size = max(1, min(TOGETHER, len(ground.stable) // 8))
    outcomes: list[Outcome] = []
    for start in range(0, len(wanted), size):
        if clock() >= until:
            return outcomes, True
        if progress:
            progress(start, len(wanted), "planting and diagnosing")
        outcomes += harvest(ground.window, sown(ground, wanted[start : start + size], rng))
    if progress:
        progress(len(wanted), len(wanted), "done")
    return outcomes, False


def sown(ground: Ground, wanted: Sequence[tuple[Kind, float]], rng: np.random.Generator) -> list[Plant]:
    """The plants to be planted at once; fewer than wanted where the history cannot carry them."""
    taken: set[int] = set()
    made = (plant(ground, kind, rate, taken, rng) for kind, rate in wanted)
    return [one for one in made if one is not None]


def harvest(window: Window, plants: Sequence[Plant]) -> list[Outcome]:
    """What the diagnosis says of these plants, all planted at once."""
    if not plants:
        return []
    found = {finding.test: finding for finding in diagnose(inject(window, plants)).tests}
    return [_outcome(window, one, found.get(window.tests[one.test])) for one in plants]


def _outcome(window: Window, one: Plant, finding: Finding | None) -> Outcome:
    if finding is None or finding.verdict is not Verdict.FLAKY or finding.cause is None:
        return Outcome(one, None, 0.0, None)
    cause = finding.cause
    place = None
    if cause.category is Category.ORDER:
        right = {window.tests[test].id for test in one.partners}
        accused = list(dict.fromkeys(p.id for p in cause.partners if p.role != "cleaner"))
        place = next((n for n, id in enumerate(accused, 1) if id in right), None)
    return Outcome(one, cause.category, cause.probability, place)


def _tally(name: str, cause: Category | None, outcomes: Sequence[Outcome]) -> Tally:
    count = len(outcomes)
    ordered = [o for o in outcomes if o.plant.kind in ORDERED]
    return Tally(
        name=name,
        cause=cause,
        planted=count,
        flaky=rate_of(sum(o.called is not None for o in outcomes), count),
        named=rate_of(sum(o.right for o in outcomes), count),
        partner_first=rate_of(sum(o.place == 1 for o in ordered), len(ordered)) if ordered else None,
        partner_top3=rate_of(sum((o.place or 9) <= 3 for o in ordered), len(ordered)) if ordered else None,
        wrong=rate_of(sum(o.wrong for o in outcomes), count),
    )


def _by_failures(outcomes: Sequence[Outcome]) -> tuple[Tally, ...]:
    bounds = ((1, 2, "1–2"), (3, 5, "3–5"), (6, 15, "6–15"), (16, 10**9, "16 or more"))
    groups = ((name, [o for o in outcomes if low <= len(o.plant.runs) <= high]) for low, high, name in bounds)
    return tuple(_tally(name, None, mine) for name, mine in groups if mine)


def _believe(
    window: Window,
    ground: Ground,
    kinds: Sequence[Tally],
    outcomes: Sequence[Outcome],
    sure: Rate,
    with_shuffles: WithShuffles | None,
) -> tuple[str, ...]:
    """What the figures mean for whoever reads a report on this history, one sentence each."""
    said = []
    if sure.of:
        said.append(f"a cause stated at 90 % or more was the right one {sure.count} of {sure.of} times")
    else:
        said.append("no cause was stated at 90 % or more: take every cause in this history for a hint")
    for cause, what in (
        (Category.ORDER, "order dependence"),
        (Category.TIMING, "timing"),
        (Category.PORT, "a port conflict"),
    ):
        mine = [tally for tally in kinds if tally.cause is cause and tally.planted]
        planted = sum(t.planted for t in mine)
        if planted:
            said.append(f"{what} is named in {sum(t.named.count for t in mine)} of {planted} cases")
    if not any(o.plant.kind is Kind.SLOW for o in outcomes) and any(o.plant.kind is Kind.TIMEOUT for o in outcomes):
        said.append("the durations on record do not say which runs were slow: failing in slow runs cannot be seen here")
    luck = [o for o in outcomes if o.plant.kind is Kind.CHANCE]
    fooled = [o.probability for o in luck if o.wrong]
    if fooled:
        said.append(
            f"of {len(luck)} tests that fail by chance with a bare assertion, {len(fooled)} were given a cause, "
            f"stated at {100 * sum(fooled) / len(fooled):.0f} % on average and {100 * max(fooled):.0f} % at most: "
            "distrust causes that are stated no higher"
        )
    elif luck:
        said.append(f"none of {len(luck)} tests that fail by chance was given a cause")
    rare = [o for o in outcomes if len(o.plant.runs) <= 2]
    if rare and sum(o.right for o in rare) < len(rare) / 2:
        said.append(
            "one or two failures are rarely enough to say why: wait for more, or ask for `unknown` to be settled"
        )
    return (*said, *_about_orders(window, ground, kinds, with_shuffles))


def _about_orders(
    window: Window, ground: Ground, kinds: Sequence[Tally], with_shuffles: WithShuffles | None
) -> tuple[str, ...]:
    planted = sum(t.planted for t in kinds if t.cause is Category.ORDER)
    serial, parallel = int(window.serial.sum()), sum(run.order is Order.COMPLETION for run in window.runs)
    said = []
    if planted and with_shuffles is not None:
        said.append("polluters are named too seldom to rely on it: the recorded orders tell too few tests apart")
    if planted == 0:
        if not serial:
            why = f"no run has a known order of execution ({parallel} of {len(window.runs)} were parallel)"
        elif not ground.order_varies:
            why = f"your order never varied in {serial} serial runs"
        else:
            why = "no two stable tests change places often enough"
        said.append(f"{why}: order dependence cannot be found here")
    if with_shuffles is not None:
        tally, runs = with_shuffles.tally, with_shuffles.runs
        first = tally.partner_first
        known = "" if serial else ", in one process and with a report that keeps their order,"
        how = SHUFFLE.get(framework_of(window.runs[-1].producer))
        hint = f" ({how})" if how else ""
        if first is not None and first.count:
            said.append(
                f"{runs} runs shuffled over the whole suite{hint}{known} would change that: with them in a copy of "
                f"this history, the right partner is named first in {first.count} of {first.of} cases"
            )
        else:
            said.append(f"{runs} runs shuffled over the whole suite{hint}{known} would not be enough to change that")
    return tuple(said)
