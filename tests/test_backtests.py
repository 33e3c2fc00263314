"""A policy replayed over a history: what it blocks, what it excuses, what it lets escape."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from report.validation import valid
from reports import write_runs

from flakediag import backtests, checks, gates, service
from flakediag.ci import CiInfo
from flakediag.cli.app import app
from flakediag.errors import ExitCode
from flakediag.history import History
from flakediag.model import (
    GatePolicy,
    GateRule,
    GateStatus,
    Metric,
    QuarantineEntry,
    Scope,
    Truth,
)
from flakediag.report.backtest import figures
from flakediag.service import RunInfo

NOW = datetime(2026, 3, 2, tzinfo=UTC)
ORDERS = Path(__file__).parents[1] / "fixtures" / "recordings" / "orders" / "before.tar.xz"
FLAKY = "F..F...F.." * 2  # of the first twenty runs; each commit is run twice
COMMITS = "aabbccddeeffgghhiijj"


@pytest.fixture(autouse=True)
def outside_of_any_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (service, checks):
        monkeypatch.setattr(module, "from_environ", lambda environ: CiInfo(provider="git"))


def stored(folder: Path, first: str, second: str = "", *, commits: str = COMMITS, messages: bool = False) -> Path:
    """A history of twenty tests; `first` and `second` are the outcomes of the first two, run by run."""
    rows = [f"{a}{second[r] if second else '.'}{'.' * 18}" for r, a in enumerate(first)]
    db = folder / "history.db"
    reports = write_runs(folder / "r", rows, commits=commits)
    if messages:  # from the break on, the test fails in another way
        for file in sorted(reports.iterdir())[len(FLAKY) :]:
            file.write_text(file.read_text().replace("assert 2 == 1", "KeyError: total"))
    service.ingest(db, [str(reports)], RunInfo(), now=NOW, environ={})
    return db


BROKEN = FLAKY + "F" * 10
BREAKS_AT = len(FLAKY) + 1  # the first run, by its number, of the commit that broke the test
WITH_BREAK = COMMITS + "kkllmmnnoo"


def test_a_break_in_a_flaky_test_that_fails_as_it_always_did_escapes_once(tmp_path: Path) -> None:
    found = backtests.backtest(stored(tmp_path, BROKEN, commits=WITH_BREAK), Scope(), backtests.check())
    (regression,) = found.regressions
    assert regression.test.name == "test_0"
    assert regression.first.id == BREAKS_AT
    assert regression.escaped
    assert [run.id for run in regression.let_through] == [BREAKS_AT]
    assert regression.caught is not None
    assert regression.caught.id == BREAKS_AT + 1  # the second failure running is not excused


def test_a_break_that_shows_in_a_new_way_is_stopped_at_once(tmp_path: Path) -> None:
    db = stored(tmp_path, BROKEN, commits=WITH_BREAK, messages=True)
    (regression,) = backtests.backtest(db, Scope(), backtests.check()).regressions
    assert (regression.escaped, regression.caught) == (False, regression.first)


def test_a_quarantine_lets_the_same_break_through_for_its_whole_term(tmp_path: Path) -> None:
    db = stored(tmp_path, BROKEN, commits=WITH_BREAK)
    (regression,) = backtests.backtest(db, Scope(), backtests.auto_quarantine(30)).regressions
    assert regression.escaped
    assert len(regression.let_through) == 10
    assert regression.caught is None


def test_entries_excuse_their_signature_in_every_run(tmp_path: Path) -> None:
    db = stored(tmp_path, FLAKY)
    entry = QuarantineEntry(
        test="tests.test_shop::test_0",
        signature="AssertionError: assert <n> == <n>",
        reason="known",
        added=date(2026, 3, 1),
        expires=date(2026, 3, 1),
    )
    with History.open(db) as history:
        signature = history.window(Scope()).failures[0].signature
    mine = QuarantineEntry(
        test=entry.test, signature=signature, reason="known", added=entry.added, expires=entry.expires
    )
    assert not figures(backtests.backtest(db, Scope(), backtests.quarantine([mine]))).blocked
    other = QuarantineEntry(
        test=entry.test, signature="KeyError: x", reason="known", added=entry.added, expires=entry.expires
    )
    replayed = figures(backtests.backtest(db, Scope(), backtests.quarantine([other])))
    assert len(replayed.blocked) == len(replayed.false_blocks) == FLAKY.count("F")


def test_what_check_learns_it_no_longer_blocks(tmp_path: Path) -> None:
    found = figures(backtests.backtest(stored(tmp_path, FLAKY), Scope(), backtests.check()))
    assert len(found.red) == len(found.flaky) == FLAKY.count("F")
    assert [run.run.id for run in found.false_blocks] == [1]  # nothing was known yet
    assert len(found.excused) == FLAKY.count("F") - 1
    assert sum(run.minutes for run in found.excused) == pytest.approx(len(found.excused) * 20 / 60)


def test_runs_that_only_teach_are_not_counted(tmp_path: Path) -> None:
    db = stored(tmp_path, FLAKY)
    whole, taught = (backtests.backtest(db, Scope(), backtests.check(), learn=n) for n in (0, 4))
    assert (taught.runs, taught.learned) == (whole.runs - 4, 4)
    assert taught.replayed == tuple(run for run in whole.replayed if (run.run.id or 0) > 4)


def test_a_stable_test_that_breaks_is_a_regression_and_no_false_block(tmp_path: Path) -> None:
    db = stored(tmp_path, "." * 20, "." * 12 + "F" * 8)
    found = backtests.backtest(db, Scope(), backtests.check())
    assert [(r.test.name, r.first.id, r.escaped) for r in found.regressions] == [("test_1", 13, False)]
    assert not figures(found).false_blocks
    assert {f.truth for run in found.replayed for f in run.failures} == {Truth.REGRESSION}


def test_a_single_failure_is_neither_called_a_flake_nor_a_regression(tmp_path: Path) -> None:
    db = stored(tmp_path, "." * 9 + "F" + "." * 10, commits="abcdefghijklmnopqrst".replace("g", "9"))
    (run,) = backtests.backtest(db, Scope(), backtests.auto_quarantine(14)).replayed
    assert [failure.truth for failure in run.failures] == [Truth.OPEN]


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    db = tmp_path_factory.mktemp("orders") / "history.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "from_environ", lambda environ: CiInfo(provider="none"))
        service.ingest(db, [str(ORDERS)], RunInfo(), now=NOW, environ={})
    return db


def test_the_replay_of_check_is_what_check_says_run_by_run(orders: Path) -> None:
    replayed = {run.run.id: run for run in backtests.backtest(orders, Scope(), backtests.check()).replayed}
    for number in (1, 5, 13, 22, 23, 40, 66):
        (checked,) = checks.check(orders, [str(number)], RunInfo(), Scope(), now=NOW, environ={}).runs
        blocking = {failure.test for failure in checked.failures if failure.blocks}
        failures = replayed[number].failures if number in replayed else ()
        assert {f.test for f in failures if f.blocks} == blocking, number


def test_the_replay_of_the_gate_is_what_the_gate_says_at_its_run(orders: Path) -> None:
    policy = GatePolicy(
        rules=(GateRule(metric=Metric.TESTS, limit=0.06), GateRule(metric=Metric.EXECUTIONS, limit=0.03))
    )
    blocked = {
        run.run.id for run in backtests.backtest(orders, Scope(), backtests.gate(policy, None)).replayed if run.blocked
    }
    listed = sorted(service.runs(orders, Scope()), key=lambda one: one.run.started_at)
    for place in (5, 9, 14, 30):
        decision, _ = gates.gate(orders, Scope(before=listed[place + 1].run.started_at), policy, now=NOW)
        assert (decision.status is GateStatus.TRIPPED) == (listed[place].run.id in blocked), place


def test_the_bundled_history_comes_out_as_its_page_says(orders: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "backtest.md").read_text("utf-8")
    for args in (["check"], ["quarantine", "--auto", "14"], ["gate", "--max-flaky-rate", "5%"]):
        text = run(orders, *args).stdout
        assert text in page, f"{' '.join(args)}:\n{text}"


def run(db: Path, *args: str) -> Result:
    return CliRunner().invoke(app, ["--db", str(db), "backtest", *args], prog_name="flakediag")


def test_the_document_fits_its_schema(orders: Path) -> None:
    document = valid(json.loads(run(orders, "check", "--format", "json").stdout), "backtest")
    assert document["runs"] == 66
    assert document["blocked"] == sum(entry["blocked"] for entry in document["replayed"])


def test_a_term_beyond_the_calendar_never_ends(orders: Path) -> None:
    ended = run(orders, "quarantine", "--auto", "9" * 12)
    assert (ended.exit_code, "let through" in ended.stdout) == (ExitCode.OK, True)


def test_the_rule_of_a_gate_names_the_part_that_it_looks_at(
    orders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[[tool.flakediag.gate.rules]]\npath = "tests/"\nmax = "5%"\n')
    assert "on tests of tests/ at most 5 %" in " ".join(run(orders, "gate").stdout.split())


@pytest.mark.parametrize(
    "args",
    [["gate"], ["check", "--auto", "3"], ["check", "--max-flaky-rate", "1%"], ["quarantine"], ["luck"]],
)
def test_a_policy_that_makes_no_sense_is_refused(
    orders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(orders, *args).exit_code == ExitCode.USAGE
