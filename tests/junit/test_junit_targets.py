"""Bazel's tree of test logs: a build is a run, attempts are attempts, targets are told apart where they must be."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from junit_samples import case, failure, pytest_report, read, runs, suite, tarred, told, write

from flakediag import service
from flakediag.junit.targets import Part, part_of
from flakediag.model import FileStatus, Order, RunReport

LAST = 1 << 30


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("bazel-testlogs/shop/cart_test/test.xml", Part("bazel-testlogs", "shop/cart_test", "", LAST)),
        ("x/testlogs/cart/test_attempts/attempt_2.xml", Part("x/testlogs", "cart", "", 2)),
        ("testlogs/a/shard_1_of_2/test.xml", Part("testlogs", "a", "shard_1_of_2", LAST)),
        ("testlogs/a/run_1_of_3/test.xml.gz", Part("testlogs", "a", "run_1_of_3", LAST)),
        (
            "testlogs/a/shard_1_of_2_run_3_of_3/test_attempts/attempt_1.xml",
            Part("testlogs", "a", "shard_1_of_2_run_3_of_3", 1),
        ),
        ("logs.tar.gz!bazel-testlogs/a/test.xml", Part("logs.tar.gz!bazel-testlogs", "a", "", LAST)),
        ("C:\\w\\bazel-testlogs\\a\\test.xml", Part("C:/w/bazel-testlogs", "a", "", LAST)),
    ],
)
def test_a_path_says_target_process_and_attempt(path: str, part: Part) -> None:
    assert part_of(path) == part


@pytest.mark.parametrize(
    "path",
    ["test.xml", "testlogs/test.xml", "build/test.xml", "my-testlogs2/a/test.xml", "bazel-testlogs/a/coverage.xml"],
)
def test_other_paths_are_no_part_of_a_tree(path: str) -> None:
    assert part_of(path) is None


def built(folder: Path, files: dict[str, str]) -> RunReport:
    """The one run of a tree."""
    for name, content in files.items():
        write(folder, f"bazel-testlogs/{name}", content)
    (report,) = runs(read(folder))
    return report


def pytest_file(*cases: str) -> str:
    return pytest_report(*cases, timestamp="2026-03-01T10:00:00Z")


def test_attempts_of_a_target_are_attempts_of_its_tests(tmp_path: Path) -> None:
    report = built(
        tmp_path,
        {
            "cart/test.xml": pytest_file(case("a"), case("b")),
            "cart/test_attempts/attempt_1.xml": pytest_file(case("a", failure("one")), case("b", failure("lost"))),
            "cart/test_attempts/attempt_2.xml": pytest_file(case("a", failure("two")), case("b")),
        },
    )
    assert told(report) == [("pkg.test_mod::a", "passed", 3), ("pkg.test_mod::b", "passed", 3)]
    a, b = report.results
    assert [attempt.failure.message for attempt in a.earlier if attempt.failure] == ["one", "two"]
    assert [attempt.outcome.failed for attempt in b.earlier] == [True, False]
    assert report.run.order is Order.EXECUTION  # one process at a time
    assert any("4 retries" in note for note in report.notes)


def test_a_test_that_the_last_attempt_did_not_reach_keeps_its_own(tmp_path: Path) -> None:
    report = built(
        tmp_path,
        {
            "cart/test.xml": pytest_file(case("a")),
            "cart/test_attempts/attempt_1.xml": pytest_file(case("a"), case("b", failure())),
        },
    )
    assert told(report) == [("pkg.test_mod::a", "passed", 2), ("pkg.test_mod::b", "failed", 1)]


def test_shards_of_a_target_are_one_run_whose_order_is_not_known(tmp_path: Path) -> None:
    report = built(
        tmp_path,
        {
            "cart/shard_1_of_2/test.xml": pytest_file(case("a"), case("b")),
            "cart/shard_2_of_2/test.xml": pytest_file(case("c", failure())),
        },
    )
    assert told(report) == [
        ("pkg.test_mod::a", "passed", 1),
        ("pkg.test_mod::b", "passed", 1),
        ("pkg.test_mod::c", "failed", 1),
    ]
    assert (report.run.order, report.run.ordered_classes) == (Order.UNKNOWN, True)


def test_tests_that_several_targets_have_are_told_apart_by_target(tmp_path: Path) -> None:
    report = built(
        tmp_path,
        {
            "cart/fast/test.xml": pytest_file(case("a"), case("b")),
            "cart/slow/test.xml": pytest_file(case("a", failure())),
        },
    )
    assert told(report) == [
        ("pkg.test_mod::a [cart/fast]", "passed", 1),
        ("pkg.test_mod::b", "passed", 1),
        ("pkg.test_mod::a [cart/slow]", "failed", 1),
    ]


def test_repetitions_are_further_runs_of_the_same_test(tmp_path: Path) -> None:
    report = built(
        tmp_path,
        {
            "cart/run_1_of_2/test.xml": pytest_file(case("a")),
            "cart/run_2_of_2/test.xml": pytest_file(case("a", failure())),
        },
    )
    assert told(report) == [("pkg.test_mod::a", "passed", 1), ("pkg.test_mod::a", "failed", 1)]


def test_two_trees_are_two_runs_also_in_an_archive(tmp_path: Path) -> None:
    files = {
        f"{build}/bazel-testlogs/{name}/test.xml": pytest_file(case(name, time=build))
        for build in "12"
        for name in "ab"
    }
    archive = write(tmp_path, "logs.tar", tarred(files))
    expected = [("pkg.test_mod::a", "passed", 1), ("pkg.test_mod::b", "passed", 1)]
    assert [told(report) for report in runs(read(archive))] == [expected, expected]


def test_a_target_without_a_report_of_its_own_is_a_test(tmp_path: Path) -> None:
    """Bazel writes one that only says whether the target passed; failed attempts may be the same to the byte."""
    target = suite(
        '<testcase name="shop/cart_test" status="run" duration="0" time="0">'
        '<error message="exited with error code 1"></error></testcase>',
        name="shop/cart_test",
        tests=1,
        failures=0,
        errors=1,
    )
    tree = tmp_path / "bazel-testlogs" / "shop" / "cart_test"
    for name in ("test.xml", "test_attempts/attempt_1.xml", "test_attempts/attempt_2.xml"):
        write(tree, name, f"<testsuites>{target}</testsuites>")
    (report,) = runs(read(tmp_path))
    assert report.run.producer == "bazel"
    assert told(report) == [("shop/cart_test::shop/cart_test", "error", 3)]
    summary = service.ingest(
        tmp_path / "history.db", [str(tmp_path)], service.RunInfo(), now=datetime(2026, 3, 1, tzinfo=UTC), environ={}
    )
    assert (summary.runs, summary.results) == (1, 1)
    assert {file.status for file in summary.files} == {FileStatus.STORED}
