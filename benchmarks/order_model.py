"""What the order model costs on a large history, and how many shuffled runs it needs to name a polluter.

    python benchmarks/order_model.py [--tests 10000] [--runs 500] [--subjects 100] [--repeat 20] [--curve 100,1000]

The large case: order dependences with and without a cleaner, a polluting class, races, and a cause of whole runs, in a
history of which two fifths ran in the written order. CPU and wall seconds of the analysis, and the peak memory of the
process before it (the history as arrays) and after it.

The curve: one polluter, every run shuffled over the whole suite. The shares of `--repeat` simulated histories in which
the polluter is named first are made rising with the number of runs, and crossed at 50 % and 90 %; beside them the
information limit, log2(tests).
"""

from __future__ import annotations

import argparse
import resource
import time
from math import log2

import numpy as np

from flakediag.analysis.evidence.order import find
from flakediag.analysis.subjects import subjects_of
from flakediag.analysis.window import Subject, Window
from flakediag.model import Evidence
from flakediag.simulate import Chance, Flake, OrderDependence, Plan, Together, Truth, simulate

STEPS = (0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.3, 2.6, 3.0)  # times the limit


def subjects(window: Window) -> list[Subject]:
    """One for each test and signature that failed, as the diagnosis makes them."""
    tests = sorted({failure.test for failure in window.failures})
    return subjects_of(window, tests, np.ones(len(window.runs), dtype=np.bool_))


def large_history(tests: int, runs: int, wanted: int) -> tuple[Window, Truth]:
    pick = np.random.default_rng(1).permutation(tests)
    dependent, racing = int(wanted * 0.4), int(wanted * 0.3)
    together = wanted - dependent - racing - 20
    flakes: list[Flake] = [
        OrderDependence(victims=(int(v),), polluters=(int(p),), cleaners=(int(c),), signature=f"AssertionError: {n}")
        for n, (v, p, c) in enumerate(pick[: 3 * dependent].reshape(-1, 3))
    ]
    flakes.append(
        OrderDependence(victims=tuple(range(100, 120)), polluters=tuple(range(500, 510)), signature="KeyError: <q>")
    )
    flakes += [
        Chance(victims=(int(v),), rate=0.1, signature=f"TimeoutError: {n}") for n, v in enumerate(pick[-racing:])
    ]
    outage = tuple(int(v) for v in pick[-racing - together : -racing])
    flakes.append(Together(victims=outage, share=0.1, signature="ConnectionError"))
    default = runs * 2 // 5
    return simulate(Plan(tests=tests, default=default, shuffled=runs - default, mixed=True), flakes, 1)


def peak() -> float:
    """Megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def named_first(window: Window, subject: Subject, found: list[Evidence], truth: Truth) -> bool:
    partners = found[0].partners if found else ()
    polluters = truth.polluters.get(window.tests[subject.test].id, ())
    return bool(partners) and (
        partners[0].id in polluters
        or (partners[0].kind == "group" and any(one.startswith(partners[0].id) for one in polluters))
    )


def large(tests: int, runs: int, wanted: int) -> None:
    window, truth = large_history(tests, runs, wanted)
    asked = subjects(window)
    before = peak()
    cpu, wall = time.process_time(), time.perf_counter()
    found = find(window, asked)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    pairs = list(zip(asked, found, strict=True))
    dependent = [pair for pair in pairs if window.tests[pair[0].test].id in truth.polluters]
    right = sum(named_first(window, subject, own, truth) for subject, own in dependent)
    others = [own for subject, own in pairs if window.tests[subject.test].id not in truth.polluters]
    wrong = sum(bool(own) and own[0].weight > 1.25 for own in others)
    print(f"{tests:,} tests × {runs} runs, {len(asked)} ways to fail")
    print(f"  {'CPU':24}{cpu:8.1f} s")
    print(f"  {'wall':24}{wall:8.1f} s")
    print(f"  {'memory before, after':24}{before:8.0f} MB, {peak():.0f} MB")
    print(f"  {'polluter named first':24}{right:8} of {len(dependent)}")
    print(f"  {'wrongly called order':24}{wrong:8} of {len(others)}")


def share_named(tests: int, runs: int, repeat: int) -> float:
    """In how many of `repeat` histories the one polluter is named first."""
    hits = 0
    for seed in range(repeat):
        victim, polluter = (int(n) for n in np.random.default_rng([seed, tests]).choice(tests, 2, replace=False))
        flake = OrderDependence(victims=(victim,), polluters=(polluter,))
        window, truth = simulate(Plan(tests=tests, shuffled=runs), [flake], seed)
        asked = subjects(window)
        hits += any(named_first(window, s, own, truth) for s, own in zip(asked, find(window, asked), strict=True))
    return hits / repeat


def crossing(runs: list[int], shares: list[float], level: float) -> str:
    """The number of runs at which a rising line through the points reaches `level`."""
    rising = np.maximum.accumulate(shares)
    if rising[-1] < level:
        return f"> {runs[-1]}"
    after = int(np.argmax(rising >= level))
    if after == 0:
        return f"≤ {runs[0]}"
    low, high = rising[after - 1], rising[after]
    return f"{runs[after - 1] + (runs[after] - runs[after - 1]) * (level - low) / (high - low):.0f}"


def curve(sizes: list[int], repeat: int) -> None:
    print(f"shuffled runs until the one polluter is named first, {repeat} histories a point")
    print(f"  {'tests':>8}{'limit':>8}{'50 %':>8}{'90 %':>8}   shares")
    for tests in sizes:
        runs = sorted({round(step * log2(tests)) for step in STEPS})
        shares: list[float] = []
        for number in runs:
            shares.append(share_named(tests, number, repeat))
            if shares[-1] >= 0.97:
                break
        seen = runs[: len(shares)]
        points = ", ".join(f"{number}: {share:.2f}" for number, share in zip(seen, shares, strict=True))
        half, most = crossing(seen, shares, 0.5), crossing(seen, shares, 0.9)
        print(f"  {tests:>8,}{log2(tests):>8.1f}{half:>8}{most:>8}   {points}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tests", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--subjects", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--curve", default="100,1000,10000", help="numbers of tests, with commas; empty for none")
    chosen = parser.parse_args()
    large(chosen.tests, chosen.runs, chosen.subjects)
    if chosen.curve:
        curve([int(size) for size in chosen.curve.split(",")], chosen.repeat)


if __name__ == "__main__":
    main()
