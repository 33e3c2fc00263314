"""Reports that are no JUnit XML: recordings of real runners, and small ones by hand for what no runner here writes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from junit_samples import gzipped, read, read_one, refusals, runs, tarred, told, write, zipped

from flakediag.errors import UsageError
from flakediag.junit.formats import FORMATS, format_of
from flakediag.model import FileReport, FileStatus, Order, Outcome, RunReport

RECORDED = Path(__file__).parents[2] / "fixtures" / "dialects"


def recorded(name: str) -> RunReport:
    (report,) = read(RECORDED / name)
    assert isinstance(report, RunReport), report
    return report


def outcomes(report: RunReport) -> dict[str, list[str]]:
    """The outcome of every attempt, by test."""
    return {
        result.test.id: [*(one.outcome.name.lower() for one in result.earlier), result.outcome.name.lower()]
        for result in report.results
    }


# --- Playwright --------------------------------------------------------------------------------------------------


def test_playwright_says_in_json_what_it_says_in_junit_xml() -> None:
    ours, xml = recorded("playwright/report.json"), recorded("playwright/report.xml")
    assert outcomes(ours) == outcomes(xml)
    assert ours.run.producer == xml.run.producer == "playwright"
    assert ours.run.duration == xml.run.duration
    taken = {result.test: result.duration for result in xml.results}
    assert {r.test: r.duration for r in ours.results if r.outcome is not Outcome.SKIPPED} == {
        test: duration for test, duration in taken.items() if duration is not None
    }
    counted = [(f.cases, f.failures, f.errors, f.skipped) for f in (ours.files[0], xml.files[0])]
    assert counted[0] == counted[1]


def test_playwright_tells_every_attempt_with_its_failure() -> None:
    late = next(r for r in recorded("playwright/report.json").results if "second try" in r.test.name)
    assert (late.outcome, [one.outcome for one in late.earlier]) == (Outcome.PASSED, [Outcome.FAILED])
    failed = late.earlier[0].failure
    assert failed is not None
    assert failed.message.startswith("Error: the courier came\n\nexpect(received).toBe(expected)")  # without colours
    assert failed.text.endswith("/tests/basket.spec.ts:11:44")
    assert failed.output == "try 0"


def test_the_order_of_playwright_s_tests_is_that_in_which_they_ran() -> None:
    serial, parallel = recorded("playwright/serial.json"), recorded("playwright/report.json")
    assert (serial.run.order, parallel.run.order) == (Order.EXECUTION, Order.COMPLETION)
    titles = [result.test.name for result in serial.results]
    assert titles == [
        "a basket › adds up",
        "a basket › is delivered at the second try",
        "a basket › is gift-wrapped",
        "a basket › is refunded some day",
        "waits for the till",
        "search › by word › finds nothing",
        "search › finds café ☕",
    ]


def playwright(*tests: dict[str, object], status: str = "passed") -> str:
    specs = [{"title": "t", "file": "a.spec.ts", "tests": list(tests)}]
    return json.dumps(
        {
            "config": {"configFile": "", "fullyParallel": False},
            "suites": [{"title": "a.spec.ts", "file": "a.spec.ts", "specs": specs}],
            "errors": [],
            "stats": {"startTime": "2026-01-01T00:00:00Z", "duration": 10},
        }
    )


@pytest.mark.parametrize(
    ("results", "expected", "outcome"),
    [
        (["passed"], "passed", ["passed"]),
        (["failed"], "failed", ["passed"]),  # as the test said it would
        (["passed"], "failed", ["failed"]),  # although it said that it would fail
        (["timedOut"], "passed", ["error"]),
        (["failed", "timedOut", "passed"], "passed", ["failed", "error", "passed"]),
        (["skipped"], "skipped", ["skipped"]),
        (["skipped"], "passed", ["skipped"]),
        (["interrupted"], "passed", ["skipped"]),
        (["failed", "interrupted"], "passed", ["failed"]),  # the last attempt tells nothing
        ([], "passed", ["skipped"]),
        (["no such status"], "passed", ["error"]),
    ],
)
def test_what_playwright_expects_decides(tmp_path: Path, results: list[str], expected: str, outcome: list[str]) -> None:
    attempts = [{"status": status, "retry": number, "duration": 5} for number, status in enumerate(results)]
    test: dict[str, object] = {"expectedStatus": expected, "projectName": "", "results": attempts}
    assert list(outcomes(read_one(tmp_path, playwright(test), "r.json")).values()) == [outcome]


@pytest.mark.parametrize(
    ("milliseconds", "duration"),
    [(1500, 1.5), (0, 0.0), (-1, None), ("12", None), (10**400, None), (float("inf"), None), (float("nan"), None)],
)
@pytest.mark.parametrize("writer", ["playwright", "ctrf"])
def test_milliseconds(tmp_path: Path, writer: str, milliseconds: object, duration: float | None) -> None:
    attempt = {"status": "passed", "duration": milliseconds}
    test: dict[str, object] = {"expectedStatus": "passed", "projectName": "", "results": [attempt]}
    text = playwright(test) if writer == "playwright" else ctrf({"name": "t", **attempt})
    [result] = read_one(tmp_path, text, "r.json").results
    assert result.duration == duration


# --- go test -json -----------------------------------------------------------------------------------------------


def test_go_s_events_give_the_order_of_execution() -> None:
    report = recorded("go/serial.json")
    assert (report.run.producer, report.run.order) == ("go test", Order.EXECUTION)
    assert [f"{r.test.id.rpartition('/shop/')[2]} {r.outcome.name}" for r in report.results] == [
        "stock::TestAddsUp PASSED",
        "stock::TestShelf FAILED",  # a test begins before what is inside it
        "stock::TestShelf/is_full PASSED",
        "stock::TestShelf/is_counted FAILED",
        "stock::TestDelivery SKIPPED",
        "till::TestOpens PASSED",
    ]
    failed = report.results[3].failure
    assert failed is not None and "stock_test.go:17: counted 1, wanted 2" in failed.text
    assert report.run.started_at.tzinfo is UTC and report.run.started_at.year > 2020


def test_go_tests_in_parallel_stand_in_the_order_in_which_they_ended() -> None:
    report = recorded("go/parallel.json")
    assert report.run.order is Order.COMPLETION
    found = outcomes(report)
    assert found["example.com/shop/broken::"] == ["error"]  # did not build: only a line between the events says so
    assert found["example.com/shop/till::TestCloses"] == ["failed"]  # panics
    assert "example.com/shop/till::TestIsNeverReached" not in found
    ended = [result.test.name for result in report.results if "Parallel" in result.test.name]
    assert ended == ["TestParallelTwo", "TestParallelOne"]  # the first one sleeps longer


def test_go_s_count_makes_repetitions_and_no_retries() -> None:
    report = recorded("go/twice.json")
    shelf = [r for r in report.results if r.test.name == "TestShelf/is_counted"]
    assert [(r.outcome, r.attempts) for r in shelf] == [(Outcome.FAILED, 1), (Outcome.PASSED, 1)]


def events(*each: tuple[str, str] | tuple[str, str, str]) -> str:
    """Lines of `go test -json`: (action, package[, test]), a second apart."""
    return "".join(
        json.dumps(
            {
                "Time": f"2026-01-01T00:00:{number:02}.5+02:00",
                "Action": one[0],
                "Package": one[1],
                **({"Test": one[2]} if len(one) > 2 else {}),
            }
        )
        + "\n"
        for number, one in enumerate(each)
    )


def one_test(package: str, test: str, end: str) -> tuple[tuple[str, str, str], ...]:
    return ("run", package, test), (end, package, test)


def test_a_go_package_that_is_run_again_was_tried_again(tmp_path: Path) -> None:
    first = (("start", "p"), *one_test("p", "TestA", "pass"), *one_test("p", "TestB", "fail"), ("fail", "p"))
    again = (("start", "p"), *one_test("p", "TestB", "fail"), ("fail", "p"))
    last = (("start", "p"), *one_test("p", "TestB", "pass"), ("pass", "p"))
    report = read_one(tmp_path, events(*first, *again, *last), "r.json")
    assert outcomes(report) == {"p::TestA": ["passed"], "p::TestB": ["failed", "failed", "passed"]}
    assert report.files[0].failures == 0
    assert report.run.started_at == datetime(2025, 12, 31, 22, 0, 0, 500_000, tzinfo=UTC)


def test_go_packages_that_overlap_are_known_each_for_itself(tmp_path: Path) -> None:
    report = read_one(
        tmp_path,
        events(
            *[("run", "p", "TestA"), ("run", "q", "TestC"), ("pass", "q", "TestC"), ("pass", "p", "TestA")],
            *[*one_test("q", "TestD", "pass"), *one_test("p", "TestB", "pass"), ("pass", "p"), ("pass", "q")],
        ),
        "r.json",
    )
    assert (report.run.order, report.run.ordered_classes) == (Order.UNKNOWN, True)
    for package, tests in (("p", ["TestA", "TestB"]), ("q", ["TestC", "TestD"])):
        assert [r.test.name for r in report.results if r.test.classname == package] == tests


def test_what_a_dying_go_process_leaves_open_has_failed(tmp_path: Path) -> None:
    died = events(*one_test("p", "TestA", "pass"), ("run", "p", "TestB"), ("fail", "p"))
    assert outcomes(read_one(tmp_path, died, "r.json")) == {"p::TestA": ["passed"], "p::TestB": ["failed"]}
    cut = events(*one_test("p", "TestA", "pass"), ("run", "p", "TestB"))
    report = read_one(tmp_path, cut, "r.json")
    assert outcomes(report) == {"p::TestA": ["passed"]}
    assert report.files[0].partial and "1 tests are running" in report.files[0].partial


def test_newer_go_tells_what_the_compiler_said(tmp_path: Path) -> None:
    lines = [
        {"ImportPath": "p [p.test]", "Action": "build-output", "Output": "./p_test.go:5:2: undefined: thing\n"},
        {"ImportPath": "p [p.test]", "Action": "build-fail"},
        {"Action": "start", "Package": "p"},
        {"Action": "output", "Package": "p", "Output": "FAIL\tp [build failed]\n"},
        {"Action": "fail", "Package": "p", "Elapsed": 0, "FailedBuild": "p [p.test]"},
    ]
    (result,) = read_one(tmp_path, "".join(json.dumps(line) + "\n" for line in lines), "r.json").results
    assert (result.test.id, result.outcome) == ("p::", Outcome.ERROR)
    assert result.failure is not None and "undefined: thing" in result.failure.text


# --- TAP ---------------------------------------------------------------------------------------------------------


def test_tap_by_prove_names_the_files() -> None:
    report = recorded("tap/prove.txt")
    assert (report.run.producer, report.run.order) == ("tap", Order.EXECUTION)
    assert outcomes(report) == {
        "t/basket.t::is empty at first": ["passed"],
        "t/basket.t::adds up # of two": ["failed"],
        "t/basket.t::discounts > ten percent": ["passed"],
        "t/basket.t::discounts > by code > the code of the season": ["failed"],
        "t/basket.t::test 4": ["skipped"],
        "t/basket.t::wraps gifts": ["skipped"],
        "t/basket.t::test 6": ["passed"],
        "t/search.t::finds café": ["passed"],
        "t/search.t::finds nothing": ["passed"],
    }


def test_tap_by_node_tells_durations_and_errors() -> None:
    report = recorded("node/report.tap")
    assert outcomes(report) == {
        "::a basket > adds up": ["passed"],
        "::a basket > is delivered": ["failed"],
        "::a basket > is wrapped": ["skipped"],
        "::a basket > is refunded": ["skipped"],
        "::search > finds café ☕": ["passed"],
        "::search > says so": ["failed"],
    }
    assert all(result.duration is not None and result.duration < 1 for result in report.results)
    late, said = (result.failure for result in report.results if result.failure is not None)
    assert (late.type, late.message.splitlines()[0]) == ("AssertionError", "Expected values to be strictly equal:")
    assert late.text.startswith("TestContext.<anonymous>")
    assert (said.type, said.message) == ("TypeError", "two\nlines: # hash")


@pytest.mark.parametrize(
    ("line", "name", "outcome"),
    [
        ("ok 1 - adds up", "adds up", "passed"),
        ("ok 1 adds up", "adds up", "passed"),
        ("ok - adds up", "adds up", "passed"),
        ("not ok 1 - adds up", "adds up", "failed"),
        ("ok 1", "test 1", "passed"),
        ("not ok", "test 1", "failed"),
        ("ok 1 # SKIP no printer", "test 1", "skipped"),
        ("ok 1 - prints # skip", "prints", "skipped"),
        ("ok 1 - prints # SKIPPED: no printer", "prints", "skipped"),
        ("not ok 1 - wraps # TODO later", "wraps", "skipped"),
        ("ok 1 - wraps # TODO later", "wraps", "passed"),  # better than expected
        (r"ok 1 - number \# skip \\ it", r"number # skip \ it", "passed"),
        ("ok 1 - the # of things", "the # of things", "passed"),
        ("ok 1 - quick # time=12.5ms", "quick", "passed"),
        ("not ok 1 - slow in 12sec", "slow", "failed"),
        ("ok 1 - holds {", "holds", "passed"),
    ],
)
def test_a_line_of_tap(tmp_path: Path, line: str, name: str, outcome: str) -> None:
    report = read_one(tmp_path, f"TAP version 14\n{line}\n1..1\n", "r.tap")
    assert told(report) == [(f"::{name}", outcome, 1)]


def test_tap_durations(tmp_path: Path) -> None:
    text = "ok 1 - a # time=12.5ms\nok 2 - b in 3 sec\nok 3 - c\n  ---\n  duration_ms: 250\n  ...\nok 4 - d\n1..4\n"
    assert [result.duration for result in read_one(tmp_path, text, "r.tap").results] == [0.0125, 3.0, 0.25, None]


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("1..3\nok 1 - a\n", "3 tests were planned and 1 reported"),
        ("1..2\nok 1 - a\nBail out! no database\n", "the run was given up: Bail out! no database"),
    ],
)
def test_tap_that_stops_is_told(tmp_path: Path, text: str, note: str) -> None:
    report = read_one(tmp_path, text, "r.tap")
    assert told(report) == [("::a", "passed", 1)]
    assert note in report.notes


def test_a_test_around_others_counts_only_where_it_fails_by_itself(tmp_path: Path) -> None:
    text = "    ok 1 - in\n    1..1\nok 1 - out\n    ok 1 - in\n    1..2\nnot ok 2 - other\n1..2\n"
    assert outcomes(read_one(tmp_path, text, "r.tap")) == {
        "::out > in": ["passed"],
        "::other > in": ["passed"],
        "::other": ["failed"],
    }


def test_tap_that_ends_inside_a_test_is_partial(tmp_path: Path) -> None:
    report = read_one(tmp_path, "1..2\nok 1 - a\n# Subtest: out\n    ok 1 - in\n", "r.tap")
    assert told(report) == [("::a", "passed", 1), ("::out > in", "passed", 1)]
    assert report.files[0].partial


# --- CTRF --------------------------------------------------------------------------------------------------------


def test_ctrf_as_a_reporter_writes_it() -> None:
    report = recorded("ctrf/report.json")
    found = outcomes(report)
    assert found["desktop > basket.spec.ts > a basket::is delivered at the second try"] == ["failed", "passed"]
    assert found["desktop > basket.spec.ts::waits for the till"] == ["failed", "failed"]
    assert found["phone > basket.spec.ts > a basket::is gift-wrapped"] == ["skipped"]
    assert len(found) == 12 and report.run.duration and report.run.started_at.year > 2020


def ctrf(*tests: dict[str, object], **more: object) -> str:
    summary = {"tests": len(tests), "start": 1767225600000, "stop": 1767225610000}
    results = {"tool": {"name": "x"}, "summary": summary, "tests": list(tests), **more}
    return json.dumps({"reportFormat": "CTRF", "specVersion": "0.0.0", "results": results})


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ({"status": "passed"}, ["passed"]),
        ({"status": "failed"}, ["failed"]),
        ({"status": "pending"}, ["skipped"]),
        ({"status": "skipped"}, ["skipped"]),
        ({"status": "other"}, ["skipped"]),
        ({"status": "other", "message": "worker died"}, ["error"]),
        ({"status": "passed", "retries": 2, "flaky": True}, ["failed", "failed", "passed"]),
        ({"status": "passed", "flaky": True}, ["failed", "passed"]),
        ({"status": "passed", "retries": 2}, ["passed"]),  # allowed, not made
        ({"status": "failed", "retries": 1}, ["failed", "failed"]),
        (
            {"status": "passed", "retries": 1, "retryAttempts": [{"status": "failed", "message": "m"}]},
            ["failed", "passed"],
        ),
        (
            {"status": "failed", "retries": 1, "retryAttempts": [{"status": "failed"}, {"status": "failed"}]},
            ["failed", "failed"],
        ),
    ],
)
def test_ctrf_outcomes_and_attempts(tmp_path: Path, test: dict[str, object], expected: list[str]) -> None:
    report = read_one(tmp_path, ctrf({"name": "t", "duration": 1500, **test}), "r.json")
    assert list(outcomes(report).values()) == [expected]
    assert report.results[0].duration == 1.5


def test_ctrf_tells_where_when_and_of_what(tmp_path: Path) -> None:
    tests = [
        {"name": "b", "status": "passed", "duration": 1000, "start": 1767225603000, "stop": 1767225604000},
        {"name": "a", "status": "passed", "duration": 2000, "start": 1767225600000, "stop": 1767225602000},
    ]
    where = {"filePath": "tests/x.py", "suite": ["outer", "inner"], "browser": "firefox 131.0"}
    environment = {"commit": "0123456789abcdef", "branchName": "topic"}
    report = read_one(tmp_path, ctrf(*({**test, **where} for test in tests), environment=environment), "r.json")
    assert [result.test.id for result in report.results] == [
        "tests/x.py::outer > inner > a [firefox]",
        "tests/x.py::outer > inner > b [firefox]",
    ]
    assert (report.run.order, report.run.commit, report.run.branch) == (Order.EXECUTION, "0123456789abcdef", "topic")
    assert (report.run.started_at, report.run.duration) == (datetime(2026, 1, 1, tzinfo=UTC), 10.0)


# --- .NET, after the documentation of the formats -----------------------------------------------------------------

TRX = """\
<?xml version="1.0" encoding="utf-8"?>
<TestRun id="r" xmlns="http://microsoft.com/schemas/VisualStudio/TeamTest/2010">
  <Times creation="2026-01-01T10:00:00.0000000+01:00" start="2026-01-01T10:00:00.0000000+01:00"
    finish="2026-01-01T10:00:10.0000000+01:00" />
  <Results>
    <UnitTestResult testId="1" testName="Shop.Tests.Basket.AddsUp" duration="00:00:01.5000000" outcome="Passed"
      startTime="2026-01-01T10:00:05.0000000+01:00" endTime="2026-01-01T10:00:06.5000000+01:00" />
    <UnitTestResult testId="2" testName="Wraps" duration="00:01:02.2500000" outcome="Failed"
      startTime="2026-01-01T10:00:01.0000000+01:00" endTime="2026-01-01T10:00:02.0000000+01:00">
      <Output><StdOut>wrapping</StdOut><ErrorInfo><Message>Assert.AreEqual failed.</Message>
        <StackTrace>at Shop.Tests.Gifts.Wraps()</StackTrace></ErrorInfo></Output>
    </UnitTestResult>
    <UnitTestResult testId="3" testName="Rows" outcome="Failed" resultType="DataDrivenTest"
      startTime="2026-01-01T10:00:07.0000000+01:00" endTime="2026-01-01T10:00:09.0000000+01:00">
      <InnerResults>
        <UnitTestResult testId="3" testName="Rows (1)" outcome="Passed" resultType="DataDrivenDataRow"
          startTime="2026-01-01T10:00:07.0000000+01:00" endTime="2026-01-01T10:00:08.0000000+01:00" />
        <UnitTestResult testId="3" testName="Rows (2)" outcome="Timeout" resultType="DataDrivenDataRow"
          startTime="2026-01-01T10:00:08.0000000+01:00" endTime="2026-01-01T10:00:09.0000000+01:00" />
      </InnerResults>
    </UnitTestResult>
    <UnitTestResult testId="4" testName='Shop.Tests.Basket.Holds(what: "a.b")' outcome="NotExecuted" />
  </Results>
  <TestDefinitions>
    <UnitTest name="AddsUp" id="1"><TestMethod className="Shop.Tests.Basket" name="AddsUp" /></UnitTest>
    <UnitTest name="Wraps" id="2"><TestMethod className="Shop.Tests.Gifts, Shop.Tests, V=1" name="Wraps" /></UnitTest>
    <UnitTest name="Rows" id="3"><TestMethod className="Shop.Tests.Gifts" name="Rows" /></UnitTest>
  </TestDefinitions>
</TestRun>
"""


def test_trx(tmp_path: Path) -> None:
    report = read_one(tmp_path, TRX, "r.trx")
    assert told(report) == [
        ('Shop.Tests.Basket::Holds(what: "a.b")', "skipped", 1),  # never ran
        ("Shop.Tests.Gifts::Wraps", "failed", 1),
        ("Shop.Tests.Basket::AddsUp", "passed", 1),
        ("Shop.Tests.Gifts::Rows (1)", "passed", 1),
        ("Shop.Tests.Gifts::Rows (2)", "error", 1),
    ]
    assert (report.run.producer, report.run.order, report.run.duration) == ("vstest", Order.EXECUTION, 10.0)
    assert report.run.started_at == datetime(2026, 1, 1, 9, tzinfo=UTC)
    wraps = report.results[1]
    assert wraps.duration == 62.25
    assert wraps.failure == ("", "Assert.AreEqual failed.", "at Shop.Tests.Gifts.Wraps()", "wrapping")


def test_trx_with_a_byte_order_mark_and_cut_off(tmp_path: Path) -> None:
    whole = read_one(tmp_path, TRX.encode("utf-8-sig"), "bom.trx")
    assert len(whole.results) == 5
    cut = read_one(tmp_path, TRX[: TRX.index("<InnerResults>")], "cut.trx")
    # The classes stand at the end: a name that holds its class tells it, another one does not.
    assert {result.test.id for result in cut.results} == {"Shop.Tests.Basket::AddsUp", "::Wraps"}
    assert cut.files[0].partial


def test_nunit(tmp_path: Path) -> None:
    report = read_one(
        tmp_path,
        """<test-run id="0" start-time="2026-01-01 10:00:00Z" duration="3.5"><test-suite type="Assembly">
        <environment os-version="Linux 6.1" /><test-suite type="TestFixture">
        <test-case fullname='Shop.Basket.Holds("a.b")' name='Holds("a.b")' classname="Shop.Basket" result="Passed"
          start-time="2026-01-01 10:00:02Z" end-time="2026-01-01 10:00:03Z" duration="1.0" />
        <test-case fullname="Shop.Basket.Wraps" classname="Shop.Basket" result="Failed" duration="0.5"
          start-time="2026-01-01 10:00:01Z" end-time="2026-01-01 10:00:02Z"><failure>
          <message><![CDATA[Expected: 2]]></message><stack-trace>at Shop.Basket.Wraps()</stack-trace></failure>
          <output>wrapping</output></test-case>
        <test-case fullname="Shop.Basket.Dies" classname="Shop.Basket" result="Failed" label="Error" />
        <test-case fullname="Shop.Basket.Waits" classname="Shop.Basket" result="Skipped" label="Ignored" />
        <test-case fullname="Shop.Basket.Doubts" classname="Shop.Basket" result="Inconclusive" />
        </test-suite></test-suite></test-run>""",
    )
    assert outcomes(report) == {
        'Shop.Basket::Holds("a.b")': ["passed"],
        "Shop.Basket::Wraps": ["failed"],
        "Shop.Basket::Dies": ["error"],
        "Shop.Basket::Waits": ["skipped"],
        "Shop.Basket::Doubts": ["skipped"],
    }
    assert report.results[1].failure == ("", "Expected: 2", "at Shop.Basket.Wraps()", "wrapping")
    assert (report.run.producer, report.run.duration) == ("nunit", 3.5)


def test_xunit(tmp_path: Path) -> None:
    report = read_one(
        tmp_path,
        """<assemblies><assembly name="Shop.dll" run-date="2026-01-01" run-time="10:00:00" time="1.5"><collection>
        <test name="Shop.Basket.Holds(what: 2)" type="Shop.Basket" method="Holds" time="0.25" result="Pass" />
        <test name="wraps gifts" type="Shop.Basket" method="Wraps" time="0.5" result="Fail">
          <failure exception-type="Xunit.Sdk.EqualException"><message>Assert.Equal() Failure</message>
          <stack-trace>at Shop.Basket.Wraps()</stack-trace></failure><output>wrapping</output></test>
        <test name="Shop.Basket.Waits" type="Shop.Basket" method="Waits" result="Skip"><reason>later</reason></test>
        </collection></assembly></assemblies>""",
    )
    assert told(report) == [
        ("Shop.Basket::Holds(what: 2)", "passed", 1),
        ("Shop.Basket::wraps gifts", "failed", 1),
        ("Shop.Basket::Waits", "skipped", 1),
    ]
    failed = ("Xunit.Sdk.EqualException", "Assert.Equal() Failure", "at Shop.Basket.Wraps()", "wrapping")
    assert report.results[1].failure == failed
    assert (report.run.order, report.run.started_at) == (Order.UNKNOWN, datetime(2026, 1, 1, 10, tzinfo=UTC))


def test_what_xcode_s_converters_write_is_plain_junit(tmp_path: Path) -> None:
    report = read_one(
        tmp_path,
        """<testsuites name="Shop.xctest" tests="2" failures="1"><testsuite name="BasketTests" tests="2" failures="1">
        <testcase classname="BasketTests" name="testAddsUp" time="0.003"/>
        <testcase classname="BasketTests" name="testWraps"><failure message="XCTAssertEqual failed">
        BasketTests.swift:12</failure></testcase></testsuite></testsuites>""",
    )
    assert told(report) == [("BasketTests::testAddsUp", "passed", 1), ("BasketTests::testWraps", "failed", 1)]


# --- which is which ----------------------------------------------------------------------------------------------

REPORTS = {
    "trx": TRX,
    "nunit": '<!-- x --><test-run id="1"/>',
    "xunit": '<?xml version="1.0"?><assemblies/>',
    "playwright": playwright(),
    "ctrf": ctrf(),
    "gotest": "# p\n./x.go:1: oops\n" + events(*one_test("p", "TestA", "pass")),
    "tap": "some words before\nok 1 - a\n",
}
NO_REPORTS = [
    "",
    "{}",
    "[]",
    '{"name": "shop", "version": "1.0.0", "config": {"port": 1}}',
    '{"results": {"tests": []}}',
    '{"Time": 5, "Action": "run"}',
    '{"level":"info","Action":"run","msg":"x"}\n',
    "<testsuite/>",
    "<TestRunner/>",
    "ok\n",
    "okay 1 - no\n",
    "1..2 in words\n",
    "looks ok 1 - not\n",
    "\x00\x01",
]


@pytest.mark.parametrize("module", REPORTS)
def test_a_format_is_told_by_its_beginning(module: str) -> None:
    found = format_of(REPORTS[module].encode())
    assert found is not None and found.module == module
    for encoding in ("utf-8-sig", "utf-16"):
        assert format_of(REPORTS[module].encode(encoding)) is found


def test_every_format_has_a_beginning_here() -> None:
    assert [one.module for one in FORMATS] == list(REPORTS)


@pytest.mark.parametrize("text", NO_REPORTS)
def test_what_is_no_report_is_not_taken_for_one(text: str) -> None:
    assert format_of(text.encode()) is None


@pytest.mark.parametrize("name", ["r.json", "anything", "r.xml", "r.json.gz"])
@pytest.mark.parametrize("module", REPORTS)
def test_a_named_file_is_read_whatever_its_name(tmp_path: Path, module: str, name: str) -> None:
    data = gzipped(REPORTS[module]) if name.endswith(".gz") else REPORTS[module]
    assert len(runs(read(write(tmp_path, name, data)))) == 1
    assert len(runs(read("-", stdin=REPORTS[module].encode("utf-16")))) == 1


def test_a_folder_gives_the_reports_among_its_files(tmp_path: Path) -> None:
    for name, text in {
        "package.json": '{"name": "shop"}',
        "tsconfig.json": "{ // with comments\n}",
        "data.ndjson": '{"a": 1}\n{"a": 2}\n',
        "notes.tap": "beer\n",
        "broken.json": '{"config": {"fullyParallel": true}, "suites": [',
        "playwright.json": playwright({"expectedStatus": "passed", "results": [{"status": "passed"}]}),
        "events.jsonl": events(*one_test("p", "TestA", "pass")),
        "node.tap": "TAP version 13\nok 1 - a\n1..1\n",
        "dotnet.trx": TRX,
        "script.t": "ok 1 - not looked at\n",
    }.items():
        write(tmp_path, f"in/{name}", text)
    found = read(tmp_path)
    taken = sorted(Path(file.path).name for report in runs(found) for file in report.files)
    assert taken == ["dotnet.trx", "events.jsonl", "node.tap", "playwright.json"]
    assert [Path(path).name for path in refusals(found)] == ["broken.json"]
    # The same in an archive, of which no member is read twice.
    files: dict[str, str | bytes] = {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()}
    for name, data in {"a.zip": zipped(files), "a.tar.xz": tarred(files, "xz")}.items():
        inside = runs(read(write(tmp_path / "archives", name, data)))
        assert sorted(report.files[0].path.rpartition("!")[2] for report in inside) == taken


def test_what_has_nothing_to_do_with_tests_is_passed_over_unless_named(tmp_path: Path) -> None:
    write(tmp_path, "run.xml", "<testsuite name='s'><testcase classname='c' name='t'/></testsuite>")
    others = {
        "pom.xml": "<project/>",
        "coverage.xml": "<coverage/>",
        "beans.xml": "<beans/>",
    }
    for name, text in others.items():
        write(tmp_path, name, text)
    write(tmp_path, "page.xml", "<html/>")  # an error page in a report's place
    found = [report for report in read(tmp_path) if isinstance(report, FileReport)]
    assert {Path(one.path).name: one.status for one in found} == {
        **dict.fromkeys(others, FileStatus.PASSED_OVER),
        "page.xml": FileStatus.REFUSED,
    }
    (named,) = read(tmp_path / "pom.xml")
    assert isinstance(named, FileReport) and named.status is FileStatus.REFUSED
    assert "a Maven or Ant project file" in (named.reason or "")
    write(tmp_path, "sources/pom.xml", "<project/>")
    with pytest.raises(UsageError, match=r"no test report was found: .*pom\.xml"):
        read(tmp_path / "sources")


# --- limits ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "settings", "said"),
    [
        (playwright(*({"results": []} for _ in range(200))), {"max_value_parts": 100}, "max_value_parts"),
        (playwright({"x": "y" * 50_000}), {"max_value_bytes": 10_000, "chunk_bytes": 1000}, "max_value_bytes"),
        (playwright({"x": [[]]}).replace("[[]]", "[" * 5000 + "]" * 5000), {}, "max_depth"),
        (playwright().replace('"specs": ', '"suites": [{' * 200), {}, "max_depth"),
        (ctrf(*({"name": str(n), "status": "passed"} for n in range(50))), {"max_cases": 40}, "max_cases"),
        ("TAP version 13\n" + "ok - a\n" * 50, {"max_cases": 40}, "max_cases"),
        ("TAP version 13\nok 1 - " + "a" * 50_000, {"max_token_bytes": 10_000, "chunk_bytes": 1000}, "max_token_bytes"),
        ("TAP version 13\n" + "    ok - a\n" * 200_001, {}, "more than 200,000 tests inside one"),
        ("TAP version 13\n" + f"    ok - {'a' * 1000}\n" * 50, {"max_held": 40_000}, "max_held"),
        (TRX.replace("<Results>", "<a>" * 200), {}, "max_depth"),
        (TRX.replace("<Results>", "<a " + " ".join(f"a{n}=''" for n in range(1100)) + ">"), {}, "max_attributes"),
        ('<!DOCTYPE TestRun [<!ENTITY x "y">]>' + TRX.partition("\n")[2], {}, "document type"),
    ],
)
def test_limits_are_named(tmp_path: Path, text: str, settings: dict[str, object], said: str) -> None:
    (report,) = read(write(tmp_path, "r.json", text), **settings)
    assert isinstance(report, FileReport) and said in (report.reason or ""), report


@pytest.mark.parametrize("name", ["playwright/report.json", "ctrf/report.json", "node/report.tap", "go/serial.json"])
@pytest.mark.parametrize("chunk", [7, 100])
def test_it_does_not_matter_where_the_bytes_are_cut(name: str, chunk: int) -> None:
    (cut,) = read(RECORDED / name, chunk_bytes=chunk)
    assert isinstance(cut, RunReport)
    whole = recorded(name)
    assert (cut.results, cut.run.order, cut.run.digest) == (whole.results, whole.run.order, whole.run.digest)


@pytest.mark.parametrize("name", ["playwright/report.json", "ctrf/report.json", "node/report.tap", "go/serial.json"])
def test_a_report_that_ends_anywhere_gives_what_is_complete(tmp_path: Path, name: str) -> None:
    data = (RECORDED / name).read_bytes()
    whole = set(outcomes(recorded(name)))
    for end in range(0, len(data), len(data) // 60):
        (report,) = read(write(tmp_path, "cut", data[:end]))
        if isinstance(report, RunReport):
            assert len(report.results) <= len(whole)
            if name != "node/report.tap":  # a test inside another one has its whole name only when that ends
                assert set(outcomes(report)) <= whole


HOSTILE = "\x1b[31mred\x1b[0m \x1b]8;;x\x07 nul\0 lone\ud800 rtl\u202e \ufffe"


def test_characters_that_xml_may_not_hold_are_masked_and_colours_removed(tmp_path: Path) -> None:
    test = {"name": HOSTILE, "status": "failed", "duration": 1, "message": HOSTILE, "trace": HOSTILE}
    (result,) = read_one(tmp_path, ctrf(test), "r.json").results
    clean = "red �]8;;x� nul� lone� rtl\u202e �"
    assert result.test.name == clean
    assert result.failure is not None and result.failure.message == clean
