"""Retries become attempts of one result; what only looks like a retry does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from junit_samples import case, failure, gzipped, pytest_report, read, read_one, runs, suite, told, write, zipped

from flakediag.model import Outcome, RunReport

TEARDOWN = failure('failed on teardown with "RuntimeError"', "late", tag="error")
SETUP = failure('failed on setup with "RuntimeError"', "early", tag="error")
XFAIL = '<skipped type="pytest.xfail" message=""/>'


def spelled(report: RunReport) -> list[str]:
    """Each result as the letters of its attempts: P, F, E, S."""
    return [
        result.test.name + ":" + "".join(o.name[0] for o in (*(a.outcome for a in result.earlier), result.outcome))
        for result in report.results
    ]


@pytest.mark.parametrize(
    ("cases", "tests", "expected"),
    [
        # The header counts fewer tests than there are cases: a bare case before another one is a failed attempt.
        ([case("a"), case("t"), case("t"), case("b")], 3, ["a:P", "t:FP", "b:P"]),
        ([case("t"), case("t"), case("t", failure())], 1, ["t:FFF"]),
        ([case("t"), case("t"), case("t", SETUP)], 1, ["t:FFE"]),
        ([case("t"), case("t"), case("t", XFAIL)], 1, ["t:SSS"]),  # run again although it failed as expected
        ([case("t"), case("u"), case("t"), case("u")], 2, ["t:FP", "u:FP"]),  # several workers
        # A failure, and its teardown's in a second case, are one attempt; such a pair is no uncounted test.
        ([case("t", failure()), case("t", TEARDOWN), case("u"), case("u")], 3, ["t:F", "u:P", "u:P"]),
        ([case("t"), case("t"), case("t", failure()), case("t", TEARDOWN)], 1, ["t:FFF"]),
        # Reruns after a failed teardown are counted, since the test itself passed.
        ([case("t"), case("t"), case("t", TEARDOWN)], 3, ["t:FFE"]),
        ([case("t", TEARDOWN)], 1, ["t:E"]),
        # As many as the header counts: repetitions, not retries.
        ([case("t"), case("t"), case("u", failure())], 3, ["t:P", "t:P", "u:F"]),
        ([case("t", failure()), case("t")], 2, ["t:F", "t:P"]),
        # More than there are cases: subtests are counted, and the same test twice was run again.
        ([case("a"), case("t"), case("t"), case("b")], 9, ["a:P", "t:FP", "b:P"]),
        ([case("t"), case("u"), case("t"), case("u", failure())], 9, ["t:FP", "u:FF"]),
        ([case("t", failure()), case("t", failure()), case("t")], 9, ["t:FFP"]),
        ([case("t", failure()), case("t", TEARDOWN), case("u")], 9, ["t:F", "u:P"]),
        # No header: only what directly precedes the same test.
        ([case("t"), case("t", failure()), case("u")], None, ["t:FF", "u:P"]),
        ([case("t"), case("u"), case("t", failure())], None, ["t:P", "u:P", "t:F"]),
        ([case("t", classname="a"), case("t", classname="b")], 1, ["t:P", "t:P"]),
    ],
)
def test_pytest_writes_retries_as_passes(
    tmp_path: Path, cases: list[str], tests: int | None, expected: list[str]
) -> None:
    header = {} if tests is None else {"tests": tests}
    report = read_one(tmp_path, suite(*cases, name="pytest", time=100, **header))
    assert spelled(report) == expected
    assert (report.files[0].cases, report.files[0].results) == (len(cases), len(expected))


def test_suites_that_were_merged_into_one_file_are_no_retries_of_each_other(tmp_path: Path) -> None:
    first = suite(case("t"), case("t"), name="pytest", tests=1, time=100)
    second = suite(case("t", TEARDOWN), name="pytest", tests=1, time=100)
    assert spelled(read_one(tmp_path, f"<testsuites>{first}{second}</testsuites>")) == ["t:FP", "t:E"]
    first = suite(case("t"), name="pytest", tests=1, time=100)
    assert spelled(read_one(tmp_path, f"<testsuites>{first}{second}</testsuites>")) == ["t:P", "t:E"]


def test_the_failure_of_a_silent_retry_is_unknown_and_that_of_both_phases_is_told(tmp_path: Path) -> None:
    cases = [case("t", time="0.1"), case("t", failure("body"), time="0.2"), case("t", TEARDOWN, time="0.4")]
    (result,) = read_one(tmp_path, pytest_report(*cases, tests=1)).results
    assert result.earlier == ((Outcome.FAILED, 0.1, None),)
    assert result.outcome is Outcome.FAILED and result.duration == pytest.approx(0.6)
    assert result.failure and result.failure.message == "body"
    assert "late" in result.failure.text and "failed on teardown" in result.failure.text


def rerun(name: str, message: str, time: object = "0.5") -> str:
    return f'<{name} message="{message}" type="E" time="{time}"><stackTrace>at {message}</stackTrace></{name}>'


SUREFIRE = {"flakes": 0}


@pytest.mark.parametrize(
    ("body", "expected", "messages"),
    [
        (rerun("flakyFailure", "1") + rerun("flakyError", "2"), "FEP", ["1", "2", None]),
        (failure("1") + rerun("rerunFailure", "2") + rerun("rerunError", "3"), "FFE", ["1", "2", "3"]),
        (rerun("rerunFailure", "2") + failure("1"), "FF", ["1", "2"]),  # Playwright writes them the other way round
        (failure("1", tag="error"), "E", ["1"]),
    ],
)
def test_surefire_children_are_attempts(tmp_path: Path, body: str, expected: str, messages: list[str | None]) -> None:
    report = read_one(tmp_path, suite(case("t", body), **SUREFIRE), "TEST-C.xml")
    assert report.run.producer == "surefire"
    assert spelled(report) == [f"t:{expected}"]
    (result,) = report.results
    failures = [*(attempt.failure for attempt in result.earlier), result.failure]
    assert [one.message if one else None for one in failures] == messages


GO = '<properties><property name="go.version" value="go1.22 linux/amd64"/></properties>'
GRADLE = {
    "tests": 1,
    "skipped": 0,
    "failures": 0,
    "errors": 0,
    "timestamp": "2024-01-01T00:00:00",
    "hostname": "h",
    "time": 1,
}


@pytest.mark.parametrize(
    ("content", "producer", "expected"),
    [
        (suite(GO, case("t", failure(), time="0.000000"), case("t", time="0.000000")), "gotestsum", ["t:FP"]),
        (suite(GO, case("t", failure(), time="0.000000"), case("t", failure())), "gotestsum", ["t:FF"]),
        (suite(GO, case("t", time="0.000000"), case("t")), "gotestsum", ["t:P", "t:P"]),  # -count=2
        (suite(case("t", failure()), case("t"), **GRADLE), "gradle", ["t:FP"]),
        (suite(case("t"), case("t", failure()), **GRADLE), "gradle", ["t:PF"]),
        (suite(case("t", failure()), case("t", classname="other"), **GRADLE), "gradle", ["t:F", "t:P"]),
        # Nobody knows what equal names mean to an unknown producer: two tests with the same title.
        (suite(case("t", failure()), case("t")), "junit", ["t:F", "t:P"]),
    ],
)
def test_equal_names_of_one_suite(tmp_path: Path, content: str, producer: str, expected: list[str]) -> None:
    report = read_one(tmp_path, content)
    assert report.run.producer == producer
    assert spelled(report) == expected


def test_equal_failures_are_attempts_to_vitest_and_assertions_to_others(tmp_path: Path) -> None:
    body = failure("same", "one") + failure("same", "two")
    inner = suite(case("t", body), case("u", failure("x") + failure("y")), timestamp="2024-01-01T00:00:00.5Z", time=1)
    report = read_one(tmp_path, f'<testsuites name="vitest tests">{inner}</testsuites>')
    assert spelled(report) == ["t:FF", "u:F"]
    other = read_one(tmp_path, suite(case("t", body)))
    assert spelled(other) == ["t:F"]
    assert other.results[0].failure and other.results[0].failure.text == "one\n\nsame\ntwo"


def test_surefire_may_write_the_reruns_to_another_file(tmp_path: Path) -> None:
    first = suite(case("t", failure("1")), case("u"), case("v", failure("v")), name="a.T$Inner", **SUREFIRE)
    second = suite(case("t"), case("v", failure("v1") + rerun("rerunFailure", "v2")), name="a.T", **SUREFIRE)
    for place in ("one", "two"):
        write(tmp_path, f"{place}/TEST-a.T$Inner.xml", first if place == "one" else second)
        write(tmp_path, f"{place}/TEST-a.T.xml", second if place == "one" else first)
        (report,) = runs(read(tmp_path / place))
        assert sorted(spelled(report)) == ["t:FP", "u:P", "v:FFF"]


def test_a_test_that_passed_in_two_files_was_not_tried_again(tmp_path: Path) -> None:
    write(tmp_path, "TEST-a.A.xml", suite(case("t", time=1), name="a.A", **SUREFIRE))
    write(tmp_path, "TEST-a.B.xml", suite(case("t", time=2), name="a.B", **SUREFIRE))
    (report,) = runs(read(tmp_path))
    assert spelled(report) == ["t:P", "t:P"]


def test_tests_that_were_written_twice_count_once(tmp_path: Path) -> None:
    body = case("t", rerun("flakyFailure", "1"), time=3)
    write(tmp_path, "TEST-a.A.xml", suite(body, name="a.A", **SUREFIRE))
    write(tmp_path, "TEST-a.B.xml", suite(body, case("u"), name="a.B", **SUREFIRE))
    (report,) = runs(read(tmp_path))
    assert spelled(report) == ["t:FP", "u:P"]


def test_archives_say_the_same_as_files(tmp_path: Path) -> None:
    content = pytest_report(case("t"), case("t", failure()), tests=1)
    plain = read_one(tmp_path, content)
    assert (
        told(plain)
        == told(read_one(tmp_path, gzipped(content), "a.gz"))
        == told(runs(read("-", stdin=zipped({"a.xml": content})))[0])
    )
