"""Which failures of the run at hand are excused, and which block."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from report.validation import valid
from reports import pytest_report, write_runs

from flakediag import checks, service
from flakediag.ci import CiInfo
from flakediag.cli.app import app
from flakediag.errors import ExitCode, UsageError
from flakediag.model import Check, CheckedFailure, FailureStatus, QuarantineEntry, Scope
from flakediag.service import RunInfo

NOW = datetime(2026, 3, 2, tzinfo=UTC)
RUNS = 12
MINUTE = 600  # of the run at hand: long after the others


@pytest.fixture(autouse=True)
def outside_of_any_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (service, checks):
        monkeypatch.setattr(module, "from_environ", lambda environ: CiInfo(provider="git"))


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A history of one commit: test_0 fails now and then, test_1 never; the others fill the suite."""
    rows = [("F" if r % 3 == 0 else ".") + "." * 19 for r in range(RUNS)]
    db = tmp_path / "history.db"
    folder = write_runs(tmp_path / "r", rows, commits="a" * RUNS)
    service.ingest(db, [str(folder)], RunInfo(), now=NOW, environ={})
    return db


def checked(db: Path, tmp_path: Path, outcomes: dict[int, str], **more: object) -> Check:
    return checks.check(
        db,
        [str(report_of(tmp_path, outcomes))],
        RunInfo(commit="b" * 40),
        Scope(),
        now=NOW,
        environ={},
        **more,  # type: ignore[arg-type]
    )


def report_of(tmp_path: Path, outcomes: dict[int, str], tests: int = 20, minute: int = MINUTE) -> Path:
    path = tmp_path / f"now-{minute}.xml"
    rows = [(f"test_{t}", outcomes.get(t, ".")) for t in range(tests)]
    path.write_text(pytest_report(rows, minute=minute), encoding="utf-8")
    return path


def only(check: Check) -> CheckedFailure:
    (run,) = check.runs
    (failure,) = run.failures
    return failure


def test_a_run_without_failures_blocks_nothing(db: Path, tmp_path: Path) -> None:
    check = checked(db, tmp_path, {})
    assert not check.blocks
    assert (check.runs[0].executed, check.runs[0].failures, check.runs[0].runs_before) == (20, (), RUNS)


def test_a_flaky_test_that_fails_as_before_is_excused(db: Path, tmp_path: Path) -> None:
    check = checked(db, tmp_path, {0: "F"})
    assert only(check).status is FailureStatus.KNOWN_FLAKE
    assert "4 of 12 runs" in only(check).reason
    assert not check.blocks


def test_a_flaky_test_that_fails_in_a_new_way_blocks(db: Path, tmp_path: Path) -> None:
    check = checked(db, tmp_path, {0: "KeyError: total"})
    assert only(check).status is FailureStatus.NEW_WAY
    assert check.blocks


def test_numbers_in_the_message_do_not_make_a_new_way(db: Path, tmp_path: Path) -> None:
    assert only(checked(db, tmp_path, {0: "assert 7 == 9"})).status is FailureStatus.KNOWN_FLAKE


def test_a_stable_test_that_fails_blocks(db: Path, tmp_path: Path) -> None:
    failure = only(checked(db, tmp_path, {1: "F"}))
    assert failure.status is FailureStatus.NEW_FAILURE
    assert failure.reason == "passed in all of its 12 runs before"


def test_a_test_that_was_never_seen_blocks_when_it_fails(db: Path, tmp_path: Path) -> None:
    path = report_of(tmp_path, {20: "F"}, tests=21)
    check = checks.check(db, [str(path)], RunInfo(), Scope(), now=NOW, environ={})
    assert only(check).status is FailureStatus.NEW_FAILURE
    assert only(check).reason == "never seen before this run"


def test_a_second_failure_running_is_not_excused(db: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    service.ingest(db, [str(report_of(again, {0: "F"}, minute=MINUTE - 1))], RunInfo(), now=NOW, environ={})
    failure = only(checked(db, tmp_path, {0: "F"}))
    assert failure.status is FailureStatus.TWICE_RUNNING
    assert f"run {RUNS + 1}" in failure.reason


def test_the_latest_result_on_the_run_s_own_branch_counts_as_well(tmp_path: Path) -> None:
    db = tmp_path / "history.db"
    rows = [("F" if r % 3 == 0 else ".") + "." * 19 for r in range(RUNS)]
    service.ingest(
        db, [str(write_runs(tmp_path / "r", rows, commits="a" * RUNS))], RunInfo(branch="main"), now=NOW, environ={}
    )
    topic = tmp_path / "topic"
    topic.mkdir()
    before = report_of(topic, {0: "F"}, minute=MINUTE - 1)
    service.ingest(db, [str(before)], RunInfo(branch="topic"), now=NOW, environ={})
    path = str(report_of(tmp_path, {0: "F"}))
    on_topic = checks.check(db, [path], RunInfo(branch="topic"), Scope(), now=NOW, environ={})
    elsewhere = checks.check(db, [path], RunInfo(branch="other"), Scope(), now=NOW, environ={})
    assert only(on_topic).status is FailureStatus.TWICE_RUNNING
    assert only(elsewhere).status is FailureStatus.KNOWN_FLAKE


def test_a_test_that_was_broken_before_blocks_and_says_so(tmp_path: Path) -> None:
    db = tmp_path / "history.db"
    rows = ["." * 20] * 6 + ["F" + "." * 19] * 8
    folder = write_runs(tmp_path / "r", rows, commits="abcdef" + "123456789"[:8])
    service.ingest(db, [str(folder)], RunInfo(), now=NOW, environ={})
    assert only(checked(db, tmp_path, {0: "F"})).status is FailureStatus.BROKEN_BEFORE


def test_a_stored_run_is_judged_by_the_runs_before_it(db: Path) -> None:
    first = checks.check(db, ["1"], RunInfo(), Scope(), now=NOW, environ={})
    assert only(first).status is FailureStatus.NEW_FAILURE
    last = checks.check(db, [str(RUNS - 2)], RunInfo(), Scope(), now=NOW, environ={})
    assert only(last).status is FailureStatus.KNOWN_FLAKE
    assert last.runs[0].runs_before == RUNS - 3
    with pytest.raises(UsageError, match="no run 99"):
        checks.check(db, ["99"], RunInfo(), Scope(), now=NOW, environ={})


def test_a_new_failure_that_passed_on_the_same_commit_is_called_intermittent(db: Path, tmp_path: Path) -> None:
    path = report_of(tmp_path, {1: "F"})
    check = checks.check(db, [str(path)], RunInfo(commit="a" * 40), Scope(), now=NOW, environ={})
    assert only(check).blocks
    assert "passed on this very commit in run 12" in only(check).reason


def test_a_run_that_looks_like_an_outage_says_so(db: Path, tmp_path: Path) -> None:
    check = checked(db, tmp_path, dict.fromkeys(range(18), "ConnectionRefusedError"))
    assert check.runs[0].outage
    assert check.blocks


def test_a_failure_that_recovered_is_shown_and_does_not_block(db: Path, tmp_path: Path) -> None:
    path = tmp_path / "now.xml"
    retried = (
        '<testcase classname="A" name="b" time="0.1"><flakyFailure message="boom" type="E">boom</flakyFailure>'
        "</testcase>"
    )
    path.write_text(f'<testsuite name="A" tests="1">{retried}</testsuite>', encoding="utf-8")
    check = checks.check(db, [str(path)], RunInfo(), Scope(), now=NOW, environ={})
    assert only(check).recovered
    assert not check.blocks


ENTRY = QuarantineEntry(
    test="tests.test_shop::test_1",
    signature="AssertionError: assert <n> == <n>",
    reason="waits for the new scheduler",
    added=date(2026, 2, 20),
    expires=date(2026, 3, 2),
)


def test_a_quarantined_way_of_failing_is_excused_until_its_last_day(db: Path, tmp_path: Path) -> None:
    signature = only(checked(db, tmp_path, {1: "F"})).signature
    entry = QuarantineEntry(
        test=ENTRY.test, signature=signature, reason=ENTRY.reason, added=ENTRY.added, expires=ENTRY.expires
    )
    assert only(checked(db, tmp_path, {1: "F"}, quarantine=[entry])).status is FailureStatus.QUARANTINED
    assert only(checked(db, tmp_path, {1: "KeyError: x"}, quarantine=[entry])).blocks
    tomorrow = datetime(2026, 3, 3, tzinfo=UTC)
    path = str(report_of(tmp_path, {1: "F"}))
    late = checks.check(db, [path], RunInfo(), Scope(), now=tomorrow, environ={}, quarantine=[entry])
    assert late.blocks


def test_of_two_entries_that_excuse_a_failure_the_last_to_end_is_named(db: Path, tmp_path: Path) -> None:
    whole = replace(ENTRY, signature=None, expires=date(2026, 3, 9))
    one = replace(ENTRY, signature=only(checked(db, tmp_path, {1: "F"})).signature)
    for entries in ([one, whole], [whole, one]):
        failure = only(checked(db, tmp_path, {1: "F"}, quarantine=entries))
        assert "until 2026-03-09" in failure.reason


def run(db: Path, *args: str) -> Result:
    return CliRunner().invoke(app, ["--db", str(db), "check", *args], prog_name="flakediag")


def test_the_exit_code_says_whether_anything_blocks(db: Path, tmp_path: Path) -> None:
    excused = run(db, str(report_of(tmp_path, {0: "F"})))
    assert (excused.exit_code, "not blocked" in excused.stdout) == (ExitCode.OK, True)
    blocked = run(db, str(report_of(tmp_path, {1: "F"})))
    assert (blocked.exit_code, "new failure" in blocked.stdout) == (ExitCode.GATE_TRIPPED, True)
    nothing = run(db, str(report_of(tmp_path, dict.fromkeys(range(20), "s"))))
    assert (nothing.exit_code, "not blocked" in nothing.stdout) == (ExitCode.NOT_ENOUGH_EVIDENCE, False)
    assert "nothing to judge" in nothing.stdout
    broken = tmp_path / "broken.xml"
    broken.write_text("<testsuite", encoding="utf-8")
    unread = run(db, str(broken), str(report_of(tmp_path, {0: "F"})))
    assert (unread.exit_code, "broken.xml" in unread.stdout) == (ExitCode.SOME_FILES_UNREADABLE, True)


@pytest.mark.parametrize("scope", [["--branch", "nowhere"], ["--project", "nobody"]], ids=" ".join)
def test_the_runs_that_it_is_judged_by_can_be_chosen(db: Path, tmp_path: Path, scope: list[str]) -> None:
    refused = run(db, str(report_of(tmp_path, {})), *scope)
    assert (refused.exit_code, scope[1] in refused.stderr) == (ExitCode.USAGE, True)


def test_a_stored_run_is_not_judged_by_the_history_of_another_project(db: Path, tmp_path: Path) -> None:
    service.ingest(db, [str(report_of(tmp_path, {1: "F"}))], RunInfo(project="other"), now=NOW, environ={})
    refused = run(db, str(RUNS + 1), "--project", "default")
    assert (refused.exit_code, "project 'other'" in refused.stderr) == (ExitCode.USAGE, True)
    assert run(db, str(RUNS + 1), "--project", "other").exit_code == ExitCode.GATE_TRIPPED


def test_a_number_that_no_run_can_have_is_refused(db: Path) -> None:
    assert run(db, "9" * 18).exit_code == ExitCode.USAGE
    assert run(db, "9" * 5000).exit_code == ExitCode.USAGE


def test_json_and_markdown_hold_the_same_judgement(db: Path, tmp_path: Path) -> None:
    path = str(report_of(tmp_path, {0: "F", 1: "&lt;b&gt; &amp; `|"}))
    said = valid(json.loads(run(db, path, "--format", "json").stdout), "check")
    failures = {f["id"]: f["status"] for f in said["runs"][0]["failures"]}
    assert failures == {"tests.test_shop::test_0": "known-flake", "tests.test_shop::test_1": "new-failure"}
    page = run(db, path, "--format", "markdown").stdout
    assert "\n### Blocked: 1 failure blocks, 1 excused (20 tests executed)\n" in page
    assert "<b>" not in page
