"""A report of many flaky tests, with what pictures need: for the page's load time and its heatmap."""

from __future__ import annotations

import random
from dataclasses import replace

from flakediag.model import (
    Category,
    Cluster,
    Diagnosis,
    Finding,
    Impact,
    OrderSample,
    Outcome,
    Partner,
    Rate,
    RatePoint,
    Report,
    RunPoint,
    Series,
    SuiteRates,
    TimelineEntry,
)
from report import sample

CAUSES = (sample.ORDER, sample.TIMING, sample.PORT, sample.OPEN)


def large(tests: int, runs: int) -> Report:
    """`tests` flaky tests, each in all of `runs` runs; the same ones every time."""
    chance = random.Random(1)
    known = [sample.run(number) for number in range(1, runs + 1)]
    # A few outcomes of each run are shared by all tests: making each anew would take most of a test's time.
    lives = [
        [TimelineEntry(run, outcome, 1, chance.random(), place) for place in range(4)]
        for run in known
        for outcome in (Outcome.PASSED, Outcome.FAILED)
    ]
    findings = tuple(_finding(number, lives, chance) for number in range(tests))
    points = tuple(
        RunPoint(run, tests, failed := chance.randrange(tests // 2), failed, place == runs // 2)
        for place, run in enumerate(known)
    )
    rates = tuple(
        RatePoint(first, min(first + 4, runs - 1), 5, SuiteRates(rate, rate, rate))
        for first in range(0, runs, max(5, runs // 24))
        for rate in [Rate(1, 10, 0.1 + first / runs / 3, 0.05, 0.5)]
    )
    orders = {
        finding.id: OrderSample(
            tuple(range(min(24, runs))),
            min(12, runs),
            (replace(sample.BEFORE, gaps=tuple(chance.randrange(-9, 9) or None for _ in range(min(24, runs)))),),
        )
        for finding in findings
    }
    some = tuple(finding.id for finding in findings if finding.cluster == 1)
    return replace(
        sample.report(*findings),
        clusters=(Cluster(1, some, Category.ORDER, f"{len(some)} tests depend on tests.test_import"),),
        series=Series(points, rates, orders),
    )


def _finding(number: int, lives: list[list[TimelineEntry]], chance: random.Random) -> Finding:
    cause: Diagnosis = CAUSES[number % len(CAUSES)]
    partner = Partner(f"tests.test_module_{number % 97:03d}::test_writer_{number:05d}", "test", "polluter", 0.9)
    evidence = tuple(replace(e, summary=f"{e.summary}, told by {partner.id}") for e in cause.evidence)
    own = replace(cause, partners=(partner, *cause.partners), evidence=evidence)
    made = sample.finding(
        sample.Identity(f"tests.area_{number % 31:02d}.test_module_{number % 97:03d}", f"test_case_{number:05d}"),
        own,
        rank=number + 1,
        fix=sample.FIX,
        cluster=1 if number % 50 == 0 else None,
    )
    often = chance.random()
    timeline = tuple(lives[2 * run + (chance.random() < often)][(number + run) % 4] for run in range(len(lives) // 2))
    failures = sum(entry.outcome is Outcome.FAILED for entry in timeline)
    value = failures / len(timeline)
    return replace(
        made,
        timeline=timeline,
        runs=len(timeline),
        failures=failures,
        rate=Rate(failures, len(timeline), value, max(0.0, value - 0.1), min(1.0, value + 0.1)),
        impact=Impact(failures, failures * 0.7, value),
    )
