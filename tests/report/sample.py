"""A report made by hand: what the formats and the commands are tried on, without a history or an analysis."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from flakediag.model import (
    Alternative,
    Artefact,
    Boundary,
    Category,
    Cluster,
    Diagnosis,
    Evidence,
    Example,
    FailureDetail,
    Finding,
    Fix,
    GateDecision,
    GateStatus,
    HistorySummary,
    Identity,
    Impact,
    Metric,
    Order,
    OrderSample,
    Outage,
    Outcome,
    Partner,
    RanBefore,
    Ratchet,
    Rate,
    RatePoint,
    Report,
    Run,
    RunPoint,
    Series,
    SignatureFinding,
    SuiteRates,
    TimelineEntry,
    Verdict,
)

START = datetime(2026, 1, 3, 9, 30, tzinfo=UTC)
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

# Everything that a name could do to a terminal, a CI log, a web page or a spreadsheet.
HOSTILE = "test_x[red]\x1b[31m\u202egnp\u2066\n::error::pwned\r##[error]x<script>alert(1)</script>|`@all` [/foo] #12"


def run(number: int = 1) -> Run:
    return Run(
        started_at=START + timedelta(days=number),
        digest=f"{number:064x}",
        id=number,
        commit=f"{number // 3:040x}",
        branch="main",
        job="integration",
        producer="pytest",
        order=Order.EXECUTION,
        duration=90.0,
    )


ORDER = Diagnosis(
    Category.ORDER,
    0.981,
    (Alternative(Category.TIMING, 0.012),),
    (
        Evidence(
            "last-writer",
            Category.ORDER,
            6.1,
            "failed in 23 of 23 runs where tests.test_import::test_import_orders ran before it, in 0 of 29 others",
            {"bad": [23, 23], "good": (0, 29)},
        ),
        Evidence("timing-slow-runs", Category.TIMING, -0.8, "does not fail more in slow runs", {"z": float("nan")}),
    ),
    (
        Partner("tests.test_import::test_import_orders", "test", "polluter", 0.93),
        Partner("tests.test_import::test_cleanup", "test", "cleaner", 0.31),
    ),
)
TIMING = Diagnosis(
    Category.TIMING,
    0.87,
    (Alternative(Category.CONCURRENCY, 0.06),),
    (Evidence("timing-plateau", Category.TIMING, 2.6, "fails at 5 s, 4 of 4; passes in 0.31 s", {"seconds": 5.0}),),
)
PORT = Diagnosis(
    Category.PORT,
    0.95,
    (),
    (Evidence("ports", Category.PORT, 5.0, "could not bind port 8099: address already in use", {"port": 8099}),),
    (Partner("tests.test_webhook::test_callback", "test", "port-user", 0.7),),
    (8099,),
)
OPEN = Diagnosis(
    Category.UNKNOWN,
    0.6,
    (Alternative(Category.TIMING, 0.31),),
    settle="the order never varied: run the suite shuffled a few times",
)


BEFORE = RanBefore("tests.test_import::test_import_orders", "polluter", (23, 23), (0, 29), (3, 1, None, -4))


def timeline(failing: int) -> tuple[TimelineEntry, ...]:
    return tuple(
        TimelineEntry(
            run(number),
            Outcome.FAILED if number % 52 < failing * 2 and number % 2 else Outcome.PASSED,
            2 if number % 17 == 0 else 1,
            0.3 + (5 if number % 2 else 0),
            number % 40,
            "AssertionError: assert <n> == <n>" if number % 2 else None,
        )
        for number in range(52)
    )


def finding(
    test: Identity,
    diagnosis: Diagnosis | None,
    *,
    rank: int = 0,
    failures: int = 23,
    verdict: Verdict = Verdict.FLAKY,
    fix: Fix | None = None,
    cluster: int | None = None,
) -> Finding:
    signatures = (
        (
            SignatureFinding(
                "AssertionError: assert <n> == <n>",
                failures,
                diagnosis,
                START,
                NOW,
                Boundary.DATABASE,
                (Artefact("SQLSTATE", "23505"),),
                FailureDetail(
                    "AssertionError", "assert 3 == 2", "def test():\n>   assert 3 == 2\nE   assert 3 == 2", "log"
                ),
            ),
        )
        if diagnosis
        else ()
    )
    return Finding(
        test=test,
        verdict=verdict,
        runs=52,
        failures=failures,
        rate=Rate(failures, 52, failures / 52, max(0.0, failures / 52 - 0.13), min(1.0, failures / 52 + 0.14)),
        framework="pytest",
        rank=rank,
        reason="passed and failed on commit 3f2a91c",
        cause=diagnosis,
        signatures=signatures,
        boundary=Boundary.DATABASE if diagnosis else None,
        artefacts=(Artefact("SQLSTATE", "23505"),) if diagnosis else (),
        cluster=cluster,
        impact=Impact(9, 41.5, 0.83) if verdict is Verdict.FLAKY else Impact(0, 0.0, 0.0),
        fix=fix,
        first_seen=START,
        last_failed=NOW,
        timeline=timeline(failures) if diagnosis else (),
    )


FIX = Fix(
    "Isolate the database rows that tests.test_import::test_import_orders leaves behind: roll each transaction back",
    ("Run every test inside a transaction that is rolled back.",),
    Example("pytest", "import pytest\n\n\n@pytest.fixture\ndef rolled_back():\n    yield\n"),
    "pytest tests/test_import.py::test_import_orders tests/test_orders.py::TestOrders::test_total",
)
TOTAL = finding(
    Identity("tests.test_orders.TestOrders", "test_total", "tests/test_orders.py"), ORDER, rank=1, fix=FIX, cluster=1
)
SENT = finding(
    Identity("tests.integration.test_confirmation_mail", "test_confirmation_is_sent_once_per_order[en-GB-html]"),
    TIMING,
    rank=2,
    failures=4,
    fix=Fix("Await the condition with a roomier deadline: the test gives up after 5 s"),
)
BOUND = finding(
    Identity("tests.test_payments", "test_webhook"),
    PORT,
    rank=3,
    failures=3,
    fix=Fix("Bind port 0 instead of port 8099 and pass the chosen port on"),
)
RARE = finding(Identity("tests.test_search", "test_like"), OPEN, rank=4, failures=1)
BROKEN = replace(
    finding(Identity("tests.test_stock", "test_reserve"), None, verdict=Verdict.BROKEN, failures=12),
    since_commit="9" * 40,
    reason="failed in all of the last 12 runs",
)
YOUNG = finding(Identity("tests.test_stock", "test_new"), None, verdict=Verdict.INSUFFICIENT, failures=1)
NASTY = finding(
    Identity(HOSTILE, HOSTILE, HOSTILE), ORDER, rank=5, fix=replace(FIX, summary=HOSTILE, reproduce=HOSTILE)
)


def report(*findings: Finding) -> Report:
    return Report(
        generated_at=NOW,
        project="default",
        branch="main",
        history=HistorySummary(52, 125, 6500, START, NOW),
        rates=SuiteRates(
            Rate(15, 125, 0.12, 0.074, 0.188), Rate(16, 52, 0.308, 0.2, 0.44), Rate(31, 6500, 31 / 6500, 0.0034, 0.0068)
        ),
        tests=findings or (TOTAL, SENT, BOUND, RARE, BROKEN, YOUNG),
        clusters=(Cluster(1, (TOTAL.id, SENT.id), Category.ORDER, "rows left by test_import_orders"),),
        outages=(Outage(run(17), 80, 125),),
        notes=("8 of 52 runs were parallel: their order says little",),
    )


def quiet_report(runs: int = 45) -> Report:
    """A history without a flaky test."""
    none = Rate(0, 125 if runs else 0, 0.0, 0.0, 0.03 if runs else 1.0)
    dates = (START, NOW) if runs else (None, None)
    return replace(
        report(),
        history=HistorySummary(runs, 125 if runs else 0, 125 * runs, *dates),
        rates=SuiteRates(none, none, none),
        tests=(),
        clusters=(),
        outages=(),
        notes=(),
    )


def drawn(of: Report) -> Report:
    """The report with what pictures are drawn from."""
    known = [entry.run for entry in next(f.timeline for f in of.tests if f.timeline)]
    points = tuple(RunPoint(run, 125, 1 + place % 3, place % 3, place == 17) for place, run in enumerate(known))
    rates = tuple(
        RatePoint(first, first + 12, 13, replace(of.rates, flaky_tests=Rate(count, 125, count / 125, 0.01, 0.09)))
        for first, count in ((0, 5), (13, 9), (26, 2), (39, 4))
    )
    orders = {f.id: OrderSample((31, 33, 30, 32), 2, (BEFORE,)) for f in of.tests if f.verdict is Verdict.FLAKY}
    return replace(of, series=Series(points, rates, orders))


RATCHET = Ratchet(rates={Metric.TESTS: Rate(15, 125, 0.12, 0.074, 0.188)}, flaky=frozenset(), updated=NOW.date())


def decision(status: GateStatus = GateStatus.TRIPPED) -> GateDecision:
    return GateDecision(
        status=status,
        metric=Metric.TESTS,
        threshold=0.01,
        rate=Rate(15, 125, 0.12, 0.074, 0.188),
        runs=52,
        min_runs=10,
        reason="12.0 % is above the limit",
        offenders=(TOTAL, SENT),
    )
