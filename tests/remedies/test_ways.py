"""How to get missing evidence: in the words of the framework, and harmless whatever the test is called."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from flakediag.model import (
    Category,
    Diagnosis,
    Finding,
    Gap,
    Identity,
    Order,
    Outcome,
    Rate,
    Run,
    SignatureFinding,
    TimelineEntry,
    Verdict,
)
from flakediag.remedies.settle import _catalogue, way, with_ways

NOW = datetime(2026, 3, 1, 23, 59, 30, tzinfo=UTC)
KINDS = ("order", "alone", "load", "times", "output", "host", "facts", "commit", "seed", "clock", "offline")


def finding(framework: str = "pytest", producer: str = "pytest", name: str = "test_total") -> Finding:
    run = Run(started_at=NOW, digest="d", producer=producer, order=Order.EXECUTION)
    return Finding(
        test=Identity("tests.test_orders", name),
        verdict=Verdict.FLAKY,
        runs=20,
        failures=3,
        rate=Rate(3, 20, 0.15, 0.05, 0.4),
        framework=framework,
        last_failed=NOW,
        timeline=(TimelineEntry(run, Outcome.PASSED, 1, 0.1, 0),),
    )


ORDER = Gap("order", "the order never varied")

SHUFFLES = [
    ("pytest", "pytest", "--random-order-bucket=global"),
    ("junit", "surefire", "junit.jupiter.testclass.order.default"),
    ("junit", "surefire", "-Dsurefire.runOrder=random"),
    ("junit", "gradle", "junit-platform.properties"),
    ("jest", "jest", "--randomize"),
    ("vitest", "vitest", "--sequence.shuffle"),
    ("go", "gotestsum", "-shuffle=on"),
    ("rspec", "rspec", "--order random"),
    ("dotnet", "dotnet", "ITestCaseOrderer"),
    ("unknown", "phpunit", "--order-by=random"),
    ("unknown", "mocha", "choma"),
    ("unknown", "playwright", "no option"),
    ("unknown", "junit", "random order"),
]


@pytest.mark.parametrize(("framework", "producer", "said"), SHUFFLES)
def test_each_framework_shuffles_in_its_own_way(framework: str, producer: str, said: str) -> None:
    assert said in (way(ORDER, finding(framework, producer)) or "")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("framework", ["pytest", "junit", "jest", "vitest", "go", "rspec", "dotnet", "unknown"])
def test_no_placeholder_is_left_over(kind: str, framework: str) -> None:
    found = way(Gap(kind, "30 repetitions of the test alone"), finding(framework, framework))
    assert found is None or "<<" not in found
    assert kind in _catalogue()


def test_commands_name_the_test_and_the_number() -> None:
    alone = Gap("alone", "29 repetitions of the test alone would tell")
    assert way(alone, finding()) == "`flakediag confirm --by order tests.test_orders::test_total`"
    assert (
        way(replace(alone, kind="load"), finding()) == "`flakediag confirm --by timing tests.test_orders::test_total`"
    )
    assert "seq 29" in (way(alone, finding("dotnet", "dotnet")) or "")
    assert "yes >/dev/null" in (way(replace(alone, kind="load"), finding("dotnet", "dotnet")) or "")
    assert (way(Gap("clock", "repetitions"), finding()) or "").startswith("`faketime '2026-03-01 23:59:30' pytest ")


def test_a_runner_that_is_not_known_gets_no_command() -> None:
    assert way(Gap("alone", "29 repetitions"), finding("unknown", "catch2")) is None
    assert way(Gap("failures", "it failed only once"), finding()) is None


@pytest.mark.parametrize("name", ["x; rm -rf /", "$(id)", "`id`", "a\nb", "<<moment>>"])
def test_a_hostile_name_stays_a_word(name: str) -> None:
    found = way(Gap("alone", "5 repetitions"), finding(name=name))
    assert found is None or f"'tests.test_orders::{name}'" in found


def test_a_finding_gets_its_ways_and_settles_by_the_first() -> None:
    open_ = Diagnosis(Category.UNKNOWN, 0.5, settle=ORDER.summary, missing=(ORDER, Gap("failures", "it failed once")))
    mine = SignatureFinding("no", 3, open_, NOW, NOW)
    found = with_ways(replace(finding(), cause=open_, signatures=(mine,)))
    assert found.cause is not None
    assert found.cause.settle == f"the order never varied: {found.cause.missing[0].how}"
    assert found.cause == found.signatures[0].diagnosis
    assert found.cause.missing[1].how is None
    assert with_ways(finding()) == finding()
