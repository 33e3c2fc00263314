"""The verbs, from report files to answers."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from reports import pytest_report, write_runs

from flakediag import gates, service
from flakediag.ci import CiInfo
from flakediag.errors import HistoryError, OutdatedHistoryError, UsageError
from flakediag.history import History
from flakediag.location import Location
from flakediag.model import FileStatus, GatePolicy, GateRule, GateStatus, IngestSummary, Metric, Scope, Verdict
from flakediag.service import RunInfo

NOW = datetime(2026, 3, 2, tzinfo=UTC)
A, B = "a" * 40, "b" * 40
EVERYTHING = Scope()


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture(autouse=True)
def outside_of_any_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "from_environ", lambda environ: CiInfo(provider="git"))


def ingest(db: Path, *paths: Path, **info: object) -> IngestSummary:
    return service.ingest(db, [str(p) for p in paths], RunInfo(**info), now=NOW, environ={})  # type: ignore[arg-type]


def verdicts(db: Path, scope: Scope = EVERYTHING) -> dict[str, Verdict]:
    return {t.test.name: t.verdict for t in service.report(db, scope, now=NOW).tests}


def test_flaky_broken_and_fixed_are_told_apart(db: Path, tmp_path: Path) -> None:
    rows = [".F.."] * 3 + ["...."] * 7 + ["..FF"] * 8 + ["..F."] * 8
    rows += [".FF."] * 1
    reports = write_runs(tmp_path / "r", rows, commits="a" * 10 + "b" * 8 + "c" * 9)
    summary = ingest(db, reports)
    assert (summary.runs, summary.results, summary.new_flaky) == (27, 108, ("tests.test_shop::test_1",))
    assert verdicts(db) == {"test_1": Verdict.FLAKY, "test_2": Verdict.BROKEN, "test_3": Verdict.FIXED}
    broken = service.show(db, "test_2", Scope(), now=NOW)
    assert broken.since_commit == "b" * 40


def test_the_same_report_twice_is_one_run(db: Path, tmp_path: Path) -> None:
    reports = write_runs(tmp_path / "r", ["F.", ".."], commits="aa")
    ingest(db, reports)
    before = service.report(db, Scope(), now=NOW)
    again = ingest(db, reports)
    assert (again.runs, again.results, again.new_flaky) == (0, 0, ())
    assert {f.status for f in again.files} == {FileStatus.DUPLICATE}
    assert service.report(db, Scope(), now=NOW) == before


def test_only_what_this_ingest_made_flaky_is_new(db: Path, tmp_path: Path) -> None:
    ingest(db, write_runs(tmp_path / "one", ["F.", ".."], commits="aa"))
    more = write_runs(tmp_path / "two", ["..", "..", "FF", ".."], commits="aaaa")
    assert ingest(db, more).new_flaky == ("tests.test_shop::test_1",)


def test_a_bad_file_is_refused_by_name_and_the_others_are_stored(db: Path, tmp_path: Path) -> None:
    reports = write_runs(tmp_path / "r", ["..", "F."])
    (reports / "run-bad.xml").write_text("<html><body>502 Bad Gateway</body></html>")
    (reports / "run-cut.xml").write_text(pytest_report([("test_0", "."), ("test_1", ".")], minute=9)[:-60])
    files = {Path(f.path).name: f for f in ingest(db, reports).files}
    assert {name: f.status for name, f in files.items()} == {
        "run-000.xml": FileStatus.STORED,
        "run-001.xml": FileStatus.STORED,
        "run-bad.xml": FileStatus.REFUSED,
        "run-cut.xml": FileStatus.PARTIAL,
    }
    assert files["run-bad.xml"].reason
    assert "line" in (files["run-cut.xml"].reason or "")


def test_nothing_readable_makes_no_history(db: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.xml"
    bad.write_text("<html/>")
    assert ingest(db, bad).runs == 0
    assert not db.exists()
    with pytest.raises(UsageError):
        ingest(db, tmp_path / "nowhere.xml")
    assert not db.exists()


def test_flags_win_over_the_report_and_the_report_over_the_environment(
    db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        service, "from_environ", lambda environ: CiInfo(provider="gitlab", commit=B, branch="ci", job="j")
    )
    said = tmp_path / "said.xml"
    said.write_text(pytest_report([("t", ".")], commit=A, branch="said"))
    silent = tmp_path / "silent.xml"
    silent.write_text(pytest_report([("t", ".")], minute=1))
    ingest(db, said)
    ingest(db, silent, branch="flag")
    newest, oldest = (s.run for s in service.runs(db, Scope()))
    assert (oldest.commit, oldest.branch, oldest.job) == (A, "said", "j")
    assert (newest.commit, newest.branch, newest.job) == (B, "flag", "j")


@pytest.mark.parametrize(("committed", "commit"), [("2026-02-01", A), ("2026-04-01", None)])
def test_a_checkout_speaks_only_for_runs_that_could_come_from_it(
    db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, committed: str, commit: str | None
) -> None:
    moment = datetime.fromisoformat(committed).replace(tzinfo=UTC)
    here = CiInfo(provider="git", commit=A, commit_time=moment, branch="main")
    monkeypatch.setattr(service, "from_environ", lambda environ: here)
    summary = ingest(db, write_runs(tmp_path / "r", [".."]))
    (run,) = (s.run for s in service.runs(db, Scope()))
    assert (run.commit, run.branch) == (commit, "main" if commit else None)
    assert bool(summary.notes) == (commit is None)


def test_the_main_branch_is_looked_at_unless_another_is_asked_for(db: Path, tmp_path: Path) -> None:
    ingest(db, write_runs(tmp_path / "m", ["F.", ".."], commits="aa", branch="main"))
    ingest(db, write_runs(tmp_path / "f", [".F", "..", ".."], commits="bbb", branch="feature"))
    assert set(verdicts(db)) == {"test_0"}
    assert any("--all-branches" in note for note in service.report(db, Scope(), now=NOW).notes)
    assert set(verdicts(db, Scope(branch="feature"))) == {"test_1"}
    assert set(verdicts(db, Scope(all_branches=True))) == {"test_0", "test_1"}
    with pytest.raises(UsageError, match="featura") as caught:
        verdicts(db, Scope(branch="featura"))
    assert "feature" in (caught.value.hint or "")


def gate(db: Path, scope: Scope = EVERYTHING, threshold: float = 0.1, baseline: str | None = None) -> GateStatus:
    rule = GateRule(metric=Metric.TESTS, limit=threshold)
    policy = GatePolicy(rules=(rule,), min_runs=2, strict=True, baseline=baseline)
    return gates.gate(db, scope, policy, now=NOW)[0].status


def test_the_gate_against_a_baseline_counts_only_new_flakes(db: Path, tmp_path: Path) -> None:
    ingest(db, write_runs(tmp_path / "m", ["F.", ".."], commits="aa", branch="main"))
    ingest(db, write_runs(tmp_path / "f", ["F.", "..", ".."], commits="bbb", branch="old"))
    assert gate(db, Scope(branch="old")) is GateStatus.TRIPPED
    assert gate(db, Scope(branch="old"), baseline="main") is GateStatus.PASSED
    ingest(db, write_runs(tmp_path / "n", [".F", "..", "..", ".."], commits="cccc", branch="new"))
    assert gate(db, Scope(branch="new"), baseline="main") is GateStatus.TRIPPED
    assert gate(db, baseline="main") in (GateStatus.PASSED, GateStatus.TRIPPED)  # the newest other branch is judged
    assert gate(db, Scope(branch="new"), baseline="never") is GateStatus.NOT_ENOUGH_EVIDENCE


def test_a_part_of_an_id_must_be_unique(db: Path, tmp_path: Path) -> None:
    ingest(db, write_runs(tmp_path / "r", ["F." + "." * 10, "." * 12], commits="aa"))
    assert service.show(db, "test_11", Scope(), now=NOW).verdict is Verdict.STABLE
    assert service.show(db, "tests.test_shop::test_1", Scope(), now=NOW).test.name == "test_1"  # an exact id is unique
    with pytest.raises(UsageError, match="12 test ids"):
        service.show(db, "test_shop", Scope(), now=NOW)
    with pytest.raises(UsageError, match="no test"):
        service.show(db, "test_zzz", Scope(), now=NOW)


def test_several_projects_must_be_told_apart(db: Path, tmp_path: Path) -> None:
    ingest(db, write_runs(tmp_path / "a", ["F.", ".."], commits="aa"), project="one")
    ingest(db, write_runs(tmp_path / "b", ["..", ".F"], commits="aa"), project="two")
    with pytest.raises(UsageError, match="2 projects: one, two"):
        service.report(db, Scope(), now=NOW)
    assert set(verdicts(db, Scope(project="two"))) == {"test_1"}


def test_what_is_stored_is_listed(db: Path, tmp_path: Path) -> None:
    ingest(db, write_runs(tmp_path / "r", ["F.s", "..s"], commits="aa"))
    newest, oldest = service.runs(db, Scope())
    assert (oldest.results, oldest.failures, oldest.skipped, newest.failures) == (3, 1, 1, 0)
    listed = {t.id: (t.runs, t.failures) for t in service.tests(db, Scope())}
    assert listed == {
        "tests.test_shop::test_0": (2, 1),
        "tests.test_shop::test_1": (2, 0),
        "tests.test_shop::test_2": (0, 0),
    }
    assert [t.id for t in service.tests(db, Scope(), "test_1")] == ["tests.test_shop::test_1"]


def test_the_project_is_the_one_named_else_the_ci_s_else_the_only_one_there_is(
    db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def projects() -> set[str]:
        return {s.run.project for s in service.runs(db, Scope(project="shop"))}

    monkeypatch.setattr(service, "from_environ", lambda environ: CiInfo(provider="github", project="shop"))
    ingest(db, write_runs(tmp_path / "ci", ["."]))
    monkeypatch.setattr(service, "from_environ", lambda environ: CiInfo(provider="git"))
    ingest(db, write_runs(tmp_path / "desk", [".", "."]))
    assert projects() == {"shop"}
    ingest(db, write_runs(tmp_path / "named", [".", ".", "."]), project="other")
    assert projects() == {"shop"}
    with pytest.raises(UsageError, match="2 projects"):
        service.runs(db, Scope())


def test_a_history_that_cannot_be_read_just_now_is_not_taken_for_none(
    db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what belongs to its project would be stored as another's."""
    ingest(db, write_runs(tmp_path / "first", ["."]), project="shop")
    runs = write_runs(tmp_path / "second", [".", "."])

    def failing(error: HistoryError, mode: str) -> None:
        opened = History.open

        def to_open(place: Location, asked: Literal["read", "write"]) -> History:
            if asked == mode:
                monkeypatch.setattr(History, "open", opened)  # once
                raise error
            return opened(place, asked)

        monkeypatch.setattr(History, "open", to_open)

    failing(HistoryError("the server is away"), "read")
    with pytest.raises(HistoryError, match="away"):
        ingest(db, runs)
    failing(OutdatedHistoryError("of an earlier flakediag"), "read")
    ingest(db, runs)
    assert {stored.run.project for stored in service.runs(db, Scope())} == {"shop"}


def test_what_names_no_project_begins_one_where_there_is_no_history(tmp_path: Path) -> None:
    for place, existing in (("none.db", False), ("empty.db", True)):
        if existing:
            (tmp_path / place).touch()
        ingest(tmp_path / place, write_runs(tmp_path / f"{place}-runs", ["."]))
        assert {stored.run.project for stored in service.runs(tmp_path / place, Scope())} == {service.DEFAULT_PROJECT}


def test_a_report_is_read_from_standard_input(tmp_path: Path) -> None:
    report = pytest_report([("test_a", "."), ("test_b", "F")])
    done = subprocess.run(
        [sys.executable, "-m", "flakediag", "--db", "h.db", "ingest", "-"],
        input=report.encode(),
        capture_output=True,
        cwd=tmp_path,
        check=False,
    )
    assert (done.returncode, done.stdout.decode().strip()) == (
        0,
        "stored 1 run, 2 results, 1 failure, 0 new flaky tests",
    )


def test_a_history_that_was_only_begun_when_its_process_was_killed_is_completed(db: Path, tmp_path: Path) -> None:
    db.touch()  # SQLite makes the file before the first migration has run
    assert ingest(db, write_runs(tmp_path / "r", ["..", "F."])).runs == 2


def test_a_file_that_is_no_history_is_refused_and_left_alone(db: Path, tmp_path: Path) -> None:
    db.write_text("my notes, " * 50)
    with pytest.raises(HistoryError, match="not a flakediag history"):
        ingest(db, write_runs(tmp_path / "r", [".."]))
    assert db.read_text().startswith("my notes")
