"""Files become runs: when, on which commit, where, and which files belong together."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from junit_samples import (
    NOW,
    case,
    failure,
    pytest_report,
    read,
    read_one,
    refusals,
    runs,
    suite,
    tarred,
    told,
    write,
    zipped,
)

from flakediag.model import FileReport, FileStatus, Order, RunReport

SUREFIRE = {"flakes": 0}


def java(name: str, *cases: str, **more: object) -> str:
    return suite(*(cases or (case("t", classname=name),)), name=name, **{**SUREFIRE, **more})


def folder(path: Path, **files: str) -> Path:
    for name, content in files.items():
        write(path, f"TEST-{name}.xml", content)
    return path


def test_a_run_says_what_its_report_says(tmp_path: Path) -> None:
    properties = {
        "git.commit.sha": "0123456789abcdef0123456789abcdef01234567",
        "git.branch": "refs/heads/feature/x",
        "os.name": "Linux",
        "java.class.path": "a.jar:b.jar",
        "seed": "42",
        "python_version": "3.12",
    }
    body = "".join(f'<property name="{key}" value="{value}"/>' for key, value in properties.items())
    report = read_one(
        tmp_path,
        pytest_report(
            f"<properties>{body}</properties>",
            case("t"),
            timestamp="2024-03-01T10:20:30+01:00",
            hostname="ci-7",
            time=3,
        ),
    )
    run = report.run
    assert run.started_at == datetime(2024, 3, 1, 9, 20, 30, tzinfo=UTC)
    assert (run.commit, run.branch, run.host) == (properties["git.commit.sha"], "feature/x", "ci-7")
    assert (run.duration, run.producer, run.order, run.parallelism) == (3.0, "pytest", Order.EXECUTION, 0.167)
    assert run.properties == {"os.name": "Linux", "seed": "42", "python_version": "3.12"}
    assert len(run.digest) == 64 and run.digest == report.files[0].digest


@pytest.mark.parametrize(
    ("properties", "commit", "branch"),
    [
        ({"vcs.ref.head.revision": "ABCDEF1".lower(), "vcs.ref.head.name": "main"}, "abcdef1", "main"),
        ({"env.GIT_COMMIT": "a" * 40, "GIT_BRANCH": "origin/main"}, "a" * 40, "main"),
        ({"commit": "r1234", "branch": "two words"}, None, None),
        ({"revision": "$Revision$"}, None, None),
        ({"java.version": "21"}, None, None),
    ],
)
def test_commit_and_branch_are_taken_where_they_look_like_it(
    tmp_path: Path, properties: dict[str, str], commit: str | None, branch: str | None
) -> None:
    body = "".join(f'<property name="{key}" value="{value}"/>' for key, value in properties.items())
    run = read_one(tmp_path, suite(f"<properties>{body}</properties>", case("t"))).run
    assert (run.commit, run.branch) == (commit, branch)


@pytest.mark.parametrize("host", ["", "localhost", "tbd", "(empty)"])
def test_hosts_that_say_nothing_are_unknown(tmp_path: Path, host: str) -> None:
    assert read_one(tmp_path, suite(case("t"), hostname=host)).run.host is None


@pytest.mark.parametrize("timestamp", ["", "0001-01-01T00:00:00", "1970-01-01T00:00:00", "soon"])
def test_without_a_moment_the_time_of_reading_is_taken(tmp_path: Path, timestamp: str) -> None:
    report = read_one(tmp_path, suite(case("t"), timestamp=timestamp))
    assert report.run.started_at == NOW
    assert any("no moment" in note for note in report.notes)


def test_the_earliest_moment_counts_and_an_assumed_zone_is_told(tmp_path: Path) -> None:
    parts = [suite(case("t"), name=f"s{n}", timestamp=f"2024-03-01T10:20:3{n}") for n in (5, 2, 7)]
    report = read_one(tmp_path, f"<testsuites>{''.join(parts)}</testsuites>")
    assert report.run.started_at == datetime(2024, 3, 1, 10, 20, 32, tzinfo=UTC)
    assert any("no zone" in note for note in report.notes)
    cases = [case("a", timestamp="2024-03-01T10:20:39Z"), case("b", timestamp="2024-03-01T10:20:31Z")]
    assert read_one(tmp_path, suite(*cases)).run.started_at == datetime(2024, 3, 1, 10, 20, 31, tzinfo=UTC)


def test_useful_properties_are_bounded(tmp_path: Path) -> None:
    body = "".join(f'<property name="p{n}.seed" value="{"v" * 500}"/>' for n in range(100))
    kept = read_one(tmp_path, suite(f"<properties>{body}</properties>", case("t"))).run.properties
    assert len(kept) == 24 and {len(value) for value in kept.values()} == {200}


def test_counts_are_of_what_is_written(tmp_path: Path) -> None:
    cases = [
        case("a"),
        case("b", failure() + "<error/>"),
        case("c", "<skipped/>"),
        case("d", failure()),
        case("e", status="skipped"),
    ]
    (file,) = read_one(tmp_path, suite(*cases, tests=99, failures=77)).files
    assert (file.cases, file.results, file.failures, file.errors, file.skipped) == (5, 5, 2, 1, 2)


# --- files that belong together ----------------------------------------------------------------------------------


def test_a_file_per_class_makes_a_run_per_folder(tmp_path: Path) -> None:
    for run in ("run-1", "run-2"):
        folder(tmp_path / run, **{"a.A": java("a.A", time=1), "a.B": java("a.B", case("u", classname="a.B"), time=2)})
        write(tmp_path / run, "notes.xml", pytest_report(case(f"t{run}")))
    write(tmp_path / "run-2", "TEST-a.A.xml", java("a.A", case("t", failure(), classname="a.A"), time=1))
    grouped = [report for report in runs(read(tmp_path)) if report.run.producer == "surefire"]
    assert [told(report) for report in grouped] == [
        [("a.A::t", "passed", 1), ("a.B::u", "passed", 1)],
        [("a.A::t", "failed", 1), ("a.B::u", "passed", 1)],
    ]
    assert [len(report.files) for report in grouped] == [2, 2]
    assert len({report.run.digest for report in grouped}) == 2
    # One after the other, or all at once: the same runs.
    named = runs(read(*sorted((tmp_path / "run-1").glob("TEST-*"))))
    assert [report.run for report in named] == [grouped[0].run]


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_archives_are_folders(pack: object, tmp_path: Path) -> None:
    files = {
        f"{run}TEST-a.{name}.xml": java(f"a.{name}", time=len(run)) for run in ("", "r1/", "run/") for name in "BA"
    }
    found = runs(read("-", stdin=pack(files)))  # type: ignore[operator]
    assert [[file.path for file in report.files] for report in found] == [
        [f"-!{run}TEST-a.A.xml", f"-!{run}TEST-a.B.xml"] for run in ("", "r1/", "run/")
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(seed=st.integers(min_value=0, max_value=10_000))
def test_the_order_in_which_files_are_named_does_not_matter(tmp_path: Path, seed: int) -> None:
    names = ["a.A", "a.B", "a.C$Inner", "a.C"]
    for number, name in enumerate(names):
        content = java(
            name, case("t", classname=name), case("again", failure() if number == 2 else "", classname="a.X")
        )
        write(tmp_path, f"TEST-{name}.xml", content)
    paths = [tmp_path / f"TEST-{name}.xml" for name in names]
    straight = runs(read(*paths))
    shuffled = random.Random(seed).sample(paths, len(paths))
    assert runs(read(*shuffled)) == straight


def test_timestamps_order_the_classes(tmp_path: Path) -> None:
    files = {
        "a.A": java("a.A", timestamp="2024-03-01T10:00:20", time=4),
        "a.B": java("a.B", timestamp="2024-03-01T10:00:10", time=5),
        "a.C": java("a.C", timestamp="2024-03-01T10:00:30", time=6),
    }
    (report,) = runs(read(folder(tmp_path, **files)))
    assert [result.test.classname for result in report.results] == ["a.B", "a.A", "a.C"]
    assert (report.run.order, report.run.duration) == (Order.EXECUTION, 26.0)
    assert report.run.started_at == datetime(2024, 3, 1, 10, 0, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stamps", "times"),
    [
        (("2024-03-01T10:00:00", "2024-03-01T10:00:01"), (30, 30)),  # both at once
        (("2024-03-01T10:00:00", "2024-03-01T10:00:00"), (0.6, 0.6)),  # in the same second
        (("", ""), (1, 1)),
        (("2024-03-01T10:00:00", ""), (1, 1)),
    ],
)
def test_where_the_order_of_the_classes_cannot_be_told_it_is_unknown(
    tmp_path: Path, stamps: tuple[str, str], times: tuple[float, float]
) -> None:
    for name, stamp, time in zip("AB", stamps, times, strict=True):
        path = write(tmp_path, f"TEST-{name}.xml", java(name, timestamp=stamp, time=time))
        os.utime(path, (1_700_000_000, 1_700_000_000))
    (report,) = runs(read(tmp_path))
    assert report.run.order is Order.UNKNOWN
    assert report.run.ordered_classes  # but that of the tests in each is known
    assert [result.test.classname for result in report.results] == ["A", "B"]
    assert any("order" in note or "order of" in note or "which order" in note for note in report.notes)


@pytest.mark.parametrize(
    ("written", "order"),
    [
        ({"A": 9.0, "B": 3.0, "C": 6.0}, Order.EXECUTION),  # each after the time that its class took
        ({"A": 9.0, "B": 3.0, "C": 3.0}, Order.UNKNOWN),
        ({"A": 3.002, "B": 3.0, "C": 3.001}, Order.UNKNOWN),  # unpacked or checked out
    ],
)
def test_the_order_in_which_a_running_suite_wrote_its_files(
    tmp_path: Path, written: dict[str, float], order: Order
) -> None:
    for name, moment in written.items():
        path = write(tmp_path, f"TEST-{name}.xml", java(name, time=2))
        os.utime(path, (1_700_000_000 + moment, 1_700_000_000 + moment))
    (report,) = runs(read(tmp_path))
    assert report.run.order is order
    classes = [result.test.classname for result in report.results]
    assert classes == (["B", "C", "A"] if order is Order.EXECUTION else ["A", "B", "C"])


def test_several_runs_of_one_suite_in_a_folder_stay_several(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write(tmp_path, f"run-{number}.xml", java("a.A", time=number))
    assert [len(report.files) for report in runs(read(tmp_path))] == [1, 1, 1]


def test_ants_summary_repeats_its_folder_but_counts_alone(tmp_path: Path) -> None:
    inner = suite(case("t", classname="a.A"), name="A", package="a", time=1)
    write(tmp_path, "x/TESTS-TestSuites.xml", f"<testsuites>{inner}</testsuites>")
    folder(tmp_path / "x", **{"a.A": java("a.A", time=1)})
    found = read(tmp_path / "x")
    assert [len(report.results) for report in runs(found)] == [1]
    assert refusals(found) == {f"{tmp_path}/x/TESTS-TestSuites.xml": "it repeats the other files of its folder"}
    write(tmp_path, "y/TESTS-TestSuites.xml", f"<testsuites>{inner}</testsuites>")
    folder(tmp_path / "y", **{"b.B": java("b.B", time=1)})
    assert sum(len(report.results) for report in runs(read(tmp_path / "y"))) == 2


@pytest.mark.parametrize("files", [1, 2])
def test_a_summary_without_a_suite_of_its_own_repeats_nothing(tmp_path: Path, files: int) -> None:
    for number in range(files):
        write(tmp_path, f"{number}/TESTS-TestSuites.xml", f"<testsuites>{case('t', time=number)}</testsuites>")
    assert [len(report.results) for report in runs(read(tmp_path))] == [1] * files


def test_a_whole_run_twice_is_a_duplicate_but_an_equal_class_in_another_run_is_not(tmp_path: Path) -> None:
    folder(tmp_path / "r1", A=java("A"), B=java("B", time=1))
    folder(tmp_path / "r2", A=java("A"), B=java("B", time=2))
    folder(tmp_path / "r3", A=java("A"), B=java("B", time=1))
    found = read(tmp_path)
    assert [len(report.results) for report in runs(found)] == [2, 2]
    duplicates = [report for report in found if isinstance(report, FileReport)]
    assert [(Path(report.path).parent.name, report.status) for report in duplicates] == [
        ("r3", FileStatus.DUPLICATE)
    ] * 2


def test_a_broken_file_of_a_folder_does_not_stop_the_others(tmp_path: Path) -> None:
    folder(tmp_path, A=java("A"), B="<html/>", C=java("C", case("t"), case("u", failure()))[:-40])
    found = read(tmp_path)
    (report,) = runs(found)
    assert isinstance(report, RunReport)
    assert {Path(file.path).name: bool(file.partial) for file in report.files} == {
        "TEST-A.xml": False,
        "TEST-C.xml": True,
    }
    assert list(refusals(found)) == [f"{tmp_path}/TEST-B.xml"]
