"""Measure how often flakediag is right, and write docs/accuracy.md: `make accuracy`, about ten minutes.

    python tools/accuracy.py [--quick] [-o FILE]

Every figure on the page is computed here. --quick takes a minute and fewer repetitions, and says so on the page.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import log2
from pathlib import Path
from textwrap import fill

import numpy as np
from labelled import BY_CHANCE, Labelled, Truth, fixtures, simulated

from flakediag.analysis.diagnose import diagnose
from flakediag.analysis.inject import LEAST_RUNS, Kind, survey
from flakediag.analysis.rates import rate_of
from flakediag.analysis.weights import weights
from flakediag.analysis.window import Window
from flakediag.model import Category, Finding, Rate, Verdict
from flakediag.selftest import AIMED, CYCLE, Outcome, sow
from flakediag.simulate import Chance, Flake, OrderDependence, Plan, Together, simulate

PAGE = Path(__file__).resolve().parents[1] / "docs" / "accuracy.md"
SEED = 20_000  # of the first simulated history here; the weights were chosen on others
GRID = (4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 22, 24, 26, 28, 30, 33, 36, 40, 45, 50, 56, 64, 72, 80)
BINS = (float(weights("combine")["bar"]), 0.6, 0.75, 0.9, 0.97, 1.0)
ROWS = (Category.ORDER, Category.TIMING, Category.PORT, Category.UNKNOWN)
NAMES = {Category.UNKNOWN: "chance"}


@dataclass(frozen=True)
class Size:
    """How many repetitions: plants for each recording, simulated histories, victims for each row of the curve (by the
    number of tests), histories without order dependence."""

    planted: int
    simulated: int
    victims: dict[int, int]
    without: int


FULL = Size(planted=54, simulated=16, victims={100: 40, 1_000: 40, 10_000: 10}, without=25)
QUICK = Size(planted=9, simulated=2, victims={100: 5, 1_000: 3}, without=2)


@dataclass(frozen=True)
class Case:
    """One flaky test: the truth, and what was said of it. `place`: of the first right partner among those accused."""

    right: frozenset[Category]
    called: Category | None  # None: not found flaky
    probability: float
    place: int | None
    port_named: bool | None = None

    @property
    def cause(self) -> Category:
        return Category.UNKNOWN if self.right == BY_CHANCE else next(iter(self.right))


# --- (a) and (b): labelled histories ---------------------------------------------------------------------------------


def judged(labelled: Labelled) -> tuple[list[Case], int]:
    """What is said of each flaky test, and how many others were called flaky."""
    found = {f.id: f for f in diagnose(labelled.window).tests if f.verdict is Verdict.FLAKY}
    cases = [_case(truth, found.get(test)) for test, truth in labelled.truth.items()]
    return cases, len(set(found) - set(labelled.truth))


def _case(truth: Truth, finding: Finding | None) -> Case:
    if finding is None or finding.cause is None:
        return Case(truth.right, None, 0.0, None)
    cause = finding.cause
    accused = list(dict.fromkeys(p for p in cause.partners if p.role != "cleaner"))
    hits = (n for n, p in enumerate(accused, 1) if p.id in truth.partners)
    place = next(hits, None) if cause.category is Category.ORDER else None
    return Case(
        truth.right,
        cause.category,
        cause.probability,
        place,
        None if truth.port is None else truth.port in cause.ports,
    )


def confusion(cases: Sequence[Case]) -> Iterator[str]:
    shown = [Category.ORDER, Category.TIMING, Category.PORT]
    yield "| truth | n | order-dependence | timing | port-conflict | another cause | unknown | not found flaky |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for cause in ROWS:
        mine = [case for case in cases if case.cause is cause]
        if not mine:
            continue
        called = Counter(case.called for case in mine)
        other = sum(n for c, n in called.items() if c not in (*shown, Category.UNKNOWN, None))
        cells = [*(called[c] for c in shown), other, called[Category.UNKNOWN], called[None]]
        yield (
            f"| {NAMES.get(cause, cause.value)} | {len(mine)} | "
            + " | ".join(str(cell or "·") for cell in cells)
            + " |"
        )


def partners(cases: Sequence[Case]) -> str:
    mine = [case for case in cases if case.cause is Category.ORDER]
    first = rate_of(sum(case.place == 1 for case in mine), len(mine))
    third = rate_of(sum((case.place or 9) <= 3 for case in mine), len(mine))
    return (
        f"Of the order-dependent tests a right partner is named first for {shown(first)}, "
        f"in the top three for {shown(third)}."
    )


def called_right(cases: Sequence[Case]) -> str:
    called = [case for case in cases if case.called not in (None, Category.UNKNOWN)]
    right = rate_of(sum(case.called in case.right for case in called), len(called))
    return f"A cause is named for {len(called)} of {len(cases)} tests; it is the right one for {shown(right)}."


def reliability(cases: Sequence[Case]) -> Iterator[str]:
    """Of the causes named: stated probability against share right, as a diagram in text."""
    yield "```text"
    yield "stated      n   mean stated   right   (95 %)       0 %                 50 %               100 %"
    for low, high in pairwise(BINS):
        last = high == BINS[-1]
        mine = [c for c in cases if c.called not in (None, Category.UNKNOWN) and low <= c.probability < high + last]
        name = f"{100 * low:.0f}–{100 * high:.0f} %"
        if not mine:
            yield f"{name:9} {0:3}"
            continue
        right = rate_of(sum(c.called in c.right for c in mine), len(mine))
        mean = sum(c.probability for c in mine) / len(mine)
        yield (
            f"{name:9} {len(mine):3}   {100 * mean:8.0f} %   {100 * right.value:4.0f} %   "
            f"{f'({100 * right.low:.0f}–{100 * right.high:.0f})':10}  {_bar(right, mean)}"
        )
    yield "```"


def _bar(right: Rate, mean: float) -> str:
    """The interval as dashes, the share right as #, the stated mean as |."""
    places = ["·"] * 41
    for place in range(round(40 * right.low), round(40 * right.high) + 1):
        places[place] = "-"
    places[round(40 * right.value)] = "#"
    places[round(40 * mean)] = "|" if places[round(40 * mean)] != "#" else "±"
    return "".join(places)


def shown(rate: Rate) -> str:
    if not rate.of:
        return "none (0 of 0)"
    return f"{100 * rate.value:.1f} % ({100 * rate.low:.1f}–{100 * rate.high:.1f} %, {rate.count} of {rate.of})"


def planted_cases(labelled: Labelled, count: int, seed: int) -> list[Case]:
    ground = survey(labelled.window)
    if len(ground.stable) == 0:
        return []
    wanted = [(CYCLE[n % len(CYCLE)], AIMED[n // len(CYCLE) % len(AIMED)]) for n in range(count)]
    outcomes, _ = sow(ground, wanted, np.random.default_rng(seed))
    return [_of_plant(outcome) for outcome in outcomes]


def _of_plant(one: Outcome) -> Case:
    return Case(one.plant.right, one.called, one.probability, one.place)


# --- (c): how many shuffled runs -------------------------------------------------------------------------------------


def head(window: Window, runs: int) -> Window:
    """The first runs of a window."""
    return replace(window.only(np.arange(len(window.runs)) < runs), runs=window.runs[:runs])


def runs_needed(tests: int, polluters: int, cleaner: bool, seed: int) -> int:
    """The fewest shuffled runs (of the grid) that name a polluter first; one beyond the grid where none do.

    By bisection, which takes it that what some runs tell, more runs tell as well.
    """
    victim, *writers = np.random.default_rng(seed).permutation(tests)[: 1 + polluters + cleaner].tolist()
    flake = OrderDependence(
        victims=(victim,),
        signature=_silent(victim),
        polluters=tuple(writers[:polluters]),
        cleaners=tuple(writers[polluters:]),
    )
    window, made = simulate(Plan(tests=tests, shuffled=GRID[-1]), [flake], seed)
    (id,) = made.polluters
    truth = Truth(frozenset({Category.ORDER}), frozenset(made.polluters[id]))
    low, high = 0, len(GRID)  # GRID[high] names it, everything below GRID[low] does not
    while low < high:
        middle = (low + high) // 2
        found = {f.id: f for f in diagnose(head(window, GRID[middle])).tests}
        if _case(truth, found.get(id)).place == 1:
            high = middle
        else:
            low = middle + 1
    return GRID[low] if low < len(GRID) else GRID[-1] + 1


def ideal_runs(tests: int, observers: int = 1_000) -> int:
    """The fewest runs (of the grid) after which half of the observers who know the model exactly are left with one
    suspect: the outcome never errs, one polluter, no cleaner.

    In a run the victim stands at u, uniform; another test stands before it with probability u, and goes on being a
    suspect where that agrees with the outcome. So the innocent suspects are thinned binomially, run by run.
    """
    rng = np.random.default_rng(SEED)
    place = rng.random((GRID[-1], observers))
    failed = rng.random(place.shape) < place
    innocent = np.full(observers, tests - 2)
    left = []
    for agree in np.where(failed, place, 1 - place):
        innocent = rng.binomial(innocent, agree)
        left.append(innocent)
    return next(runs for runs in GRID if np.mean(left[runs - 1] == 0) >= 0.5)


def quantile(needed: Sequence[int], share: float) -> str:
    value = sorted(needed)[max(0, -(-round(share * 1000) * len(needed) // 1000) - 1)]
    return str(value) if value <= GRID[-1] else f">{GRID[-1]}"


def curve(size: Size, until: float) -> Iterator[str]:
    cut = False
    yield (
        "| tests | log2 | polluters | cleaner | victims | half are named after | per log2 | nine in ten after "
        "| ideal observer, half |"
    )
    yield "|--:|--:|--:|---|--:|--:|--:|--:|--:|"
    for tests, victims in size.victims.items():
        for polluters in (1, 2, 3):
            for cleaner in (False, True):
                row = f"| {tests:,} | {log2(tests):.1f} | {polluters} | {'yes' if cleaner else 'no'} |"
                if time.monotonic() > until:
                    cut = True
                    yield f"{row} – | – | – | – | – |"
                    continue
                say(f"curve: {tests} tests, {polluters} polluters, cleaner {cleaner}")
                base = SEED + 10_000 * (2 * polluters + cleaner)
                needed = [runs_needed(tests, polluters, cleaner, base + n) for n in range(victims)]
                half = quantile(needed, 0.5)
                ratio = f"{int(half) / log2(tests):.2f}" if half.isdigit() else "–"
                ideal = ideal_runs(tests) if polluters == 1 and not cleaner else "–"
                yield f"{row} {len(needed)} | {half} | {ratio} | {quantile(needed, 0.9)} | {ideal} |"
    if cut:
        yield "\nRows with dashes were not measured: the time was up (`tools/accuracy.py --minutes`)."


# --- (d): false calls ------------------------------------------------------------------------------------------------


def without_order(histories: int) -> Iterator[str]:
    yield "| flaky tests without order dependence | n | called order-dependent | of these at 90 % or more |"
    yield "|---|--:|--:|--:|"
    groups: dict[str, list[Case]] = {
        name: [] for name in ("each by chance", "in slow runs together", "in some runs together")
    }
    for number in range(histories):
        say(f"false calls: history {number + 1} of {histories}")
        rng = np.random.default_rng([SEED, 4, number])
        tests = int(rng.choice((60, 150, 400)))
        plan = Plan(tests=tests, default=int(rng.integers(0, 20)), shuffled=int(rng.integers(12, 60)), mixed=True)
        drawn = rng.permutation(tests).tolist()
        flakes: dict[str, list[Flake]] = {
            "each by chance": [
                Chance(victims=(drawn.pop(),), signature=_silent(drawn.pop()), rate=float(rate))
                for rate in rng.uniform(0.03, 0.5, 6)
            ],
            "in slow runs together": [
                Together(victims=(drawn.pop(), drawn.pop()), signature=_silent(drawn.pop()), share=0.2, slow=1.5)
            ],
            "in some runs together": [
                Together(victims=(drawn.pop(), drawn.pop(), drawn.pop()), signature=_silent(drawn.pop()), share=0.15)
            ],
        }
        window, truth = simulate(plan, [flake for kind in flakes.values() for flake in kind], SEED + 5_000 + number)
        found = {f.id: f for f in diagnose(window).tests if f.verdict is Verdict.FLAKY}
        for name, kind in flakes.items():
            tests_of = [id for id, flake in truth.flakes.items() if any(flake is one for one in kind)]
            groups[name] += [_case(Truth(BY_CHANCE), found[id]) for id in tests_of if id in found]
    everything = [case for cases in groups.values() for case in cases]
    for name, cases in [*groups.items(), ("all", everything)]:
        wrong = [case for case in cases if case.called is Category.ORDER]
        surely = rate_of(sum(case.probability >= 0.9 for case in wrong), len(cases))
        yield f"| {name} | {len(cases)} | {shown(rate_of(len(wrong), len(cases)))} | {shown(surely)} |"


def _silent(number: int) -> str:
    """Words that speak for no cause."""
    return f"AssertionError: case {number} is wrong"


# --- the page --------------------------------------------------------------------------------------------------------


def prose(text: str) -> str:
    """The text with its paragraphs wrapped; headings, tables and remarks are left as they are."""
    parts = [part.strip() for part in text.split("\n\n")]
    start = "\n" if text.startswith("\n") else ""
    return start + "\n\n".join(part if part[0] in "#|<" else fill(part, 118) for part in parts if part) + "\n"


def say(text: str) -> None:
    print(text, file=sys.stderr)


def page(size: Size, quick: bool, until: float) -> Iterator[str]:
    yield prose(f"""# Accuracy

<!-- Made by `make accuracy` (tools/accuracy.py): every figure is computed, none is typed in. -->

How often flakediag is right, measured by one command, `make accuracy`, with fixed seeds. What to believe on
your own history is told by `flakediag selftest`; the figures below are no substitute.

{QUICKLY if quick else ""}

Intervals are 95 % (Wilson). *Chance* is a test that fails at a constant rate with a
bare assertion: nothing can tell its cause; `unknown` and `randomness` are right, any other cause is a mistake.
A partner counts as named by its own name only, not by that of its class or module.
""")
    say("recordings")
    recordings = list(fixtures())
    known: list[Case] = []
    yield from _recorded(recordings, known)
    yield prose(f"""
## Planted flakes

Into each recording above, up to {size.planted} flakes are planted among its stable tests (at least {LEAST_RUNS}
runs and no failure), in turn: {", ".join(kind.value for kind in Kind)}; failing in about
{", ".join(f"{100 * rate:.0f} %" for rate in AIMED)} of the runs (order-dependent ones as near as the recorded
orders allow). A kind that a recording cannot carry is left out there. The weights were not chosen on these;
their surroundings are the recordings.
""")
    planted: list[Case] = []
    for number, labelled in enumerate(recordings):
        say(f"planting into {labelled.name}")
        planted += planted_cases(labelled, size.planted, SEED + number)
    yield from _findings(planted)
    yield prose(f"""## Simulated histories

{size.simulated} histories of `flakediag.simulate`, seeds {SEED} to {SEED + size.simulated - 1}: 60, 150 or 400
tests, 18 to 63 serial runs, written and shuffled orders mixed. In each: a polluter, two polluters, a polluter
with a cleaner and a state-setter; four tests that fail by chance, two in slow runs and two by a taken port. The
generator draws from the same picture as the model (the last writer decides), so that order dependence is easier
here than in the world; the model was developed on histories of the same generator with other seeds.
""")
    made: list[Case] = []
    for number in range(size.simulated):
        say(f"simulated history {number + 1} of {size.simulated}")
        made += judged(simulated(SEED + number))[0]
    yield from _findings(made)
    yield from _together({"recorded": known, "planted": planted, "simulated": made})
    yield prose(f"""## How many shuffled runs name the polluter

Simulated suites, every run in a random order of the whole suite, one victim that fails after any of its
polluters unless the cleaner came between. Counted is the fewest runs, of {GRID[0]} to {GRID[-1]}, after which
the cause is called order dependence and a polluter is named first (found by bisection). To single out one of T
tests by outcomes of one bit each takes log2(T) runs at the least; with several polluters any of them will do. A
shuffled run tells less than one bit, because the victim often stands near an end: the *ideal observer* knows that
there is exactly one polluter and that the outcome never errs, and is counted when no other suspect is left.
""")
    yield from curve(size, until)
    yield prose(f"""
## False calls of order dependence

{size.without} simulated histories (60, 150 or 400 tests; up to 19 runs in the written order, 12 to 59 in
shuffled ones) whose flaky tests have no order dependence and whose words say nothing. Those that are found
flaky count.
""")
    yield from without_order(size.without)


QUICKLY = (
    "**From a quick run with few repetitions (`tools/accuracy.py --quick`): `make accuracy` makes the real figures.**"
)


def _together(sources: dict[str, Sequence[Case]]) -> Iterator[str]:
    """All labelled sources in one: what they are made of, and whether the stated odds hold."""
    everything = [case for cases in sources.values() for case in cases]
    mix = Counter(case.cause for case in everything)
    made_of = ", ".join(f"{NAMES.get(cause, cause.value)} {100 * mix[cause] / len(everything):.0f} %" for cause in ROWS)
    yield prose(f"""## The stated odds, all sources together

{", ".join(f"{len(cases)} {name}" for name, cases in sources.items())}: {made_of}. How often a stated
probability holds depends on this mix: where fewer tests fail by plain chance than here, the causes named at low odds
are right more often.
""")
    yield called_right(everything)
    yield ""
    yield from reliability(everything)
    yield ""


def _recorded(recordings: Sequence[Labelled], everything: list[Case]) -> Iterator[str]:
    yield prose("""## Recorded suites

The recordings under `fixtures/recordings`, made by the real runners; their causes are known because they were
built in. **In-sample**: rules and weights were chosen with these in view, so this shows that nothing broke
rather than how well it does elsewhere. The reports of gotestsum keep no order of execution, so that no partner
can be named there.

| recording | runs | tests | flaky | found | others called flaky | right | wrong | partner first | port named |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|""").rstrip()
    for labelled in recordings:
        cases, others = judged(labelled)
        everything += cases
        right = sum(case.called in case.right for case in cases)
        wrong = sum(case.called not in (*case.right, Category.UNKNOWN, None) for case in cases)
        ordered = [case for case in cases if case.cause is Category.ORDER]
        ports = [case for case in cases if case.port_named is not None]
        found = sum(case.called is not None for case in cases)
        yield (
            f"| {labelled.name} | {len(labelled.window.runs)} | {len(labelled.window.tests)} | {len(cases)} | "
            f"{found} | {others} | {right} | {wrong} | {sum(c.place == 1 for c in ordered)} of {len(ordered)} | "
            f"{sum(bool(c.port_named) for c in ports)} of {len(ports)} |"
        )
    yield ""
    yield from confusion(everything)


def _findings(cases: Sequence[Case]) -> Iterator[str]:
    yield from confusion(cases)
    yield ""
    yield called_right(cases)
    yield partners(cases)
    yield ""
    yield "Of the causes named, the stated probability (`|`) against the share right (`#`, its interval in dashes):"
    yield ""
    yield from reliability(cases)
    yield ""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a minute's worth of it")
    parser.add_argument("-o", "--output", type=Path, default=PAGE)
    parser.add_argument("--minutes", type=float, default=30, help="rows of the curve not begun by then are left open")
    options = parser.parse_args(argv)
    until = time.monotonic() + 60 * options.minutes
    text = "\n".join(page(QUICK if options.quick else FULL, options.quick, until)) + "\n"
    options.output.write_text(text, "utf-8")
    say(f"written: {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
