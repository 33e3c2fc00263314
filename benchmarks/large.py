"""A large made-up history, written through the same door as any other: T tests × R runs, of which some are flaky.

    python benchmarks/large.py HISTORY [--tests 10000] [--runs 1000] [--flaky 100]

Every run is shuffled. Of the flaky tests six in ten are victims of a polluter of their own, two in ten are slow when
they fail, two in ten fail by chance.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import numpy as np

from flakediag.analysis.signature import signature_of
from flakediag.history import History
from flakediag.model import CaseResult, FailureDetail, Identity, InputFile, Order, Outcome, Run, RunReport

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
TRACE = "Traceback (most recent call last):\n" + '  File "tests/test_part.py", line 12, in test\n' * 30


def reports(tests: int, runs: int, flaky: int, seed: int = 7) -> Iterator[RunReport]:
    draw = np.random.default_rng(seed)
    names = [Identity(f"tests.group_{n // 25:03}.test_part", f"test_case_{n}") for n in range(tests)]
    affected = draw.choice(tests, size=2 * flaky, replace=False)
    victims, polluters = affected[:flaky], affected[flaky:]
    by_order, slow = 6 * flaky // 10, 8 * flaky // 10
    usual = draw.gamma(2.0, 0.05, tests).round(3)
    for number in range(runs):
        order = draw.permutation(tests)
        place = np.empty(tests, dtype=np.int64)
        place[order] = np.arange(tests)
        fails = np.zeros(flaky, dtype=bool)
        fails[:by_order] = place[polluters[:by_order]] < place[victims[:by_order]]
        fails[by_order:] = draw.random(flaky - by_order) < 0.1
        durations = (usual * draw.uniform(0.9, 1.2, tests)).round(3)
        durations[victims[by_order:slow][fails[by_order:slow]]] = 5.0
        failing = {int(victims[v]): v for v in np.flatnonzero(fails)}
        results = tuple(
            CaseResult(
                names[test], Outcome.FAILED, float(durations[test]), _failure(failing[test], number, by_order, slow)
            )
            if test in failing
            else CaseResult(names[test], Outcome.PASSED, float(durations[test]))
            for test in order.tolist()
        )
        digest = sha256(b"%d %d" % (seed, number)).hexdigest()
        yield RunReport(
            run=Run(
                started_at=BEGAN + timedelta(hours=2 * number),
                digest=digest,
                commit=f"{number // 10:040x}",
                branch="main",
                producer="pytest",
                order=Order.EXECUTION,
                duration=float(durations.sum()),
            ),
            results=results,
            files=(InputFile(path=f"run-{number}.xml", digest=digest, cases=tests),),
        )


def _failure(victim: int, run: int, by_order: int, slow: int) -> FailureDetail:
    if victim < by_order:
        return FailureDetail("AssertionError", f"assert {run} == {victim}", f"{TRACE}E   assert {run} == {victim}")
    if victim < slow:
        return FailureDetail("TimeoutError", "timed out after 5 seconds", f"{TRACE}E   in run {run}")
    return FailureDetail("AssertionError", "unexpected value", f"{TRACE}E   in run {run}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("history", type=Path)
    parser.add_argument("--tests", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--flaky", type=int, default=100)
    asked = parser.parse_args()
    with History.open(asked.history, "write") as history:
        history.add_runs(reports(asked.tests, asked.runs, asked.flaky), signature_of)


if __name__ == "__main__":
    main()
