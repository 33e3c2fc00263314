"""The gate's rules, owners and backtests in words: names are harmless, and nothing is lost."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import pytest

from flakediag.model import (
    Backtest,
    GateResult,
    GateRule,
    GateStatus,
    Metric,
    Rate,
    ReplayedFailure,
    ReplayedRegression,
    ReplayedRun,
    Truth,
)
from flakediag.report import backtest, decision, owners
from flakediag.report.format import Options
from report import sample

RULE = GateRule(metric=Metric.TESTS, limit=0.01, path=sample.HOSTILE)
RESULT = GateResult(
    rule=RULE, status=GateStatus.TRIPPED, rate=Rate(1, 9, 1 / 9, 0.02, 0.4), reason="above", offenders=(sample.NASTY,)
)
OTHER = replace(RESULT, rule=replace(RULE, path=None, owner=sample.HOSTILE), rate=Rate(0, 0, 0.0, 0.0, 1.0))
DECISION = replace(sample.decision(), results=(RESULT, OTHER), baseline=sample.HOSTILE, unplaced=3)
OWNED = sample.report(
    replace(sample.NASTY, owners=(sample.HOSTILE,)), replace(sample.TOTAL, owners=()), replace(sample.SENT, owners=None)
)
RUNS = [sample.run(number) for number in range(1, 5)]


def replayed(number: int, *truths: Truth, blocked: bool = True) -> ReplayedRun:
    failures = tuple(ReplayedFailure(sample.NASTY.test, sample.HOSTILE, truth, blocked) for truth in truths)
    return ReplayedRun(run=RUNS[number], blocked=blocked, failures=failures, minutes=2.0, reason=sample.HOSTILE)


BACKTEST = Backtest(
    policy="check",
    rule=sample.HOSTILE,
    branch=sample.HOSTILE,
    runs=9,
    learned=2,
    replayed=(
        replayed(0, Truth.FLAKE),
        replayed(1, Truth.FLAKE, blocked=False),
        replayed(2, Truth.FLAKE, Truth.REGRESSION, blocked=False),
        replayed(3, Truth.OPEN, blocked=False),
    ),
    regressions=(
        ReplayedRegression(test=sample.NASTY.test, first=RUNS[2], let_through=(RUNS[2],), caught=None),
        ReplayedRegression(test=sample.TOTAL.test, first=RUNS[0], let_through=(), caught=RUNS[0]),
    ),
)


def outputs() -> dict[str, str]:
    made = {}
    for width in (None, 80):
        options = Options(width=width)
        for name in decision.FORMATS:
            decision.write(DECISION, name, stream := io.StringIO(), options)
            made[f"gate {name} {width}"] = stream.getvalue()
        for name in owners.FORMATS:
            owners.write(OWNED, sample.HOSTILE, name, stream := io.StringIO(), options)
            made[f"owners {name} {width}"] = stream.getvalue()
        for name in backtest.FORMATS:
            backtest.write(BACKTEST, name, stream := io.StringIO(), options)
            made[f"backtest {name} {width}"] = stream.getvalue()
    return made


@pytest.mark.parametrize("name", outputs())
def test_a_hostile_name_is_harmless(name: str) -> None:
    text = outputs()[name]
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", text)
    assert "##[" not in text
    if "None" in name:  # a terminal is no CI log, and wraps where it has to
        assert not any(line.lstrip().startswith("::") for line in text.splitlines())
    if "markdown" in name:
        assert "<script" not in text
        assert "`" not in text


def test_the_figures_of_a_backtest() -> None:
    found = backtest.figures(BACKTEST)
    numbers = [[run.run.id for run in part] for part in (found.red, found.flaky, found.blocked, found.false_blocks)]
    ids = [run.id for run in RUNS]
    assert numbers == [ids, ids[:2], ids[:1], ids[:1]]
    assert [run.run.id for run in found.excused] == ids[1:2]
    assert [run.run.id for run in found.undecided] == ids[3:]
    assert [regression.test for regression in found.escaped] == [sample.NASTY.test]
    document = backtest.as_document(BACKTEST)
    assert (document["minutes_saved"], document["minutes_of_false_blocks"], document["escaped"]) == (2.0, 2.0, 1)


def test_a_green_run_that_was_blocked_is_a_false_block() -> None:
    green = replayed(0)
    found = backtest.figures(replace(BACKTEST, replayed=(green,)))
    assert (found.red, found.false_blocks) == ((), (green,))


def test_nobody_and_unknown_are_told_apart() -> None:
    owners.write(OWNED, "CODEOWNERS", "json", stream := io.StringIO(), Options())
    rows = {(row["owner"], row["known"]): row["tests"] for row in json.loads(stream.getvalue())["owners"]}
    assert rows == {
        (sample.HOSTILE, True): [sample.NASTY.id],
        (None, True): [sample.TOTAL.id],
        (None, False): [sample.SENT.id],
    }
