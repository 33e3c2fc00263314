"""The GitHub Action does what its inputs say, on real reports, with GitHub's side of it faked."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from reports import pytest_report, write_runs

from flakediag.history import History
from integrations.action_steps import COMMAND, ROOT, Job, run_script

COMMIT = "a" * 40
HISTORY = Path(".flakediag", "history.db")
# test_0 is stable, test_1 fails now and then on commits that it also passes on.
PAST = [".F", "..", "..", ".F", "..", "..", ".F", "..", "..", "..", ".F", ".."]

Report = Callable[..., str]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    workspace, temp = tmp_path / "workspace", tmp_path / "temp"
    workspace.mkdir()
    temp.mkdir()
    environ = {
        "GITHUB_SHA": COMMIT,
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_REPOSITORY": "someone/shop",
        "GITHUB_RUN_ID": "12",
        "GITHUB_RUN_ATTEMPT": "1",
    }
    return Job(workspace, temp, {}, environ)


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A history in which one test is flaky."""
    folder = tmp_path_factory.mktemp("past")
    write_runs(folder / "reports", PAST, commits="cccdddeeefff", branch="main")
    run_script([*COMMAND, "ingest", "reports", "--project", "someone/shop"], folder, FLAKEDIAG_DB=str(HISTORY))
    return (folder / HISTORY).read_bytes()


@pytest.fixture
def later_job(job: Job, past: bytes) -> Job:
    """A job whose cache holds the history."""
    job.cache["flakediag-v1-11-1-0123456789ab"] = past
    return job


@pytest.fixture
def report(job: Job) -> Report:
    def write(outcomes: str, name: str = "reports", minute: int = 100) -> str:
        (job.workspace / name).mkdir(exist_ok=True)
        rows = [(f"test_{number}", outcome) for number, outcome in enumerate(outcomes)]
        text = pytest_report(rows, minute=minute, commit=COMMIT, branch="main")
        (job.workspace / name / "junit.xml").write_text(text, encoding="utf-8")
        return name

    return write


def runs(history: Path) -> int:
    with History.open(history) as opened:
        return opened.counts().runs


def test_a_known_flake_passes_and_is_reported(later_job: Job, report: Report) -> None:
    done = later_job.use(
        reports=report(".F"), tests_outcome="failure", page="flaky.html", max_flaky_rate="90%", save="false"
    )
    assert done.failed is None, done.log
    assert (done.outputs["check"]["code"], done.outputs["gate"]["code"]) == ("0", "0")
    assert "known flake" in done.summary
    assert "<html" in (done.workspace / "flaky.html").read_text(encoding="utf-8")
    assert runs(done.workspace / HISTORY) == len(PAST) + 1
    assert len(done.cache) == 1, "save: false reads only"


def test_a_new_failure_fails_the_job_after_the_history_was_saved(later_job: Job, report: Report) -> None:
    done = later_job.use(reports=report("F."), max_flaky_rate="1%")
    assert done.failed == "Verdict"
    assert "::error title=flakediag::a failure is no known flake" in done.log
    assert "::error title=flakediag::the suite is flakier" in done.log
    assert len(done.cache) == 2


def test_the_history_grows_from_job_to_job(job: Job, report: Report) -> None:
    # Paths are one to a line, and taken as they are.
    folders = [report("..", name="one $(touch hacked)", minute=1), report("..", name="two; touch hacked", minute=2)]
    for folder in folders:
        job = job.fresh().use(reports=f"\n{folder}\n", check="false", max_flaky_rate="1%")
        assert job.failed is None, job.log
        assert "::notice title=flakediag::too few runs" in job.log
    assert runs(job.workspace / HISTORY) == 2
    assert len(job.cache) == 2, "a second entry of the same name would have been dropped"
    assert not (job.workspace / "hacked").exists()


@pytest.mark.parametrize("reports", ["nowhere", " \n"])
def test_no_reports_are_no_pass(job: Job, reports: str) -> None:
    assert job.use(reports=reports).failed == "Read the reports"
    assert job.cache == {}


def test_a_run_without_a_failing_test_is_told_to_the_verdict(job: Job, report: Report, past: bytes) -> None:
    (job.workspace / "history.db").write_bytes(past)
    (job.workspace / "out").touch()
    environ = {"FLAKEDIAG_DB": "history.db", "GITHUB_OUTPUT": "out", "TESTS": "failure"}
    run_script(["integrations/steps.sh", "check"], job.workspace, REPORTS=report(".."), **environ)
    assert (job.workspace / "out").read_text().split() == ["code=0", "failures=none"]


def test_the_gate_may_take_its_limits_from_the_configuration(job: Job, past: bytes) -> None:
    (job.workspace / "history.db").write_bytes(past)
    (job.workspace / "out").touch()
    (job.workspace / "pyproject.toml").write_text('[tool.flakediag.gate]\nmax-flaky-rate = "1%"\n')
    environ = {"FLAKEDIAG_DB": "history.db", "GITHUB_OUTPUT": "out", "MAX_FLAKY_RATE": "configured"}
    run_script(["integrations/steps.sh", "gate"], job.workspace, **environ)
    assert (job.workspace / "out").read_text().split() == ["code=1"]


@pytest.mark.parametrize(
    ("said", "fails", "tells"),
    [
        ({"CHECK": "0", "GATE": "0", "INGEST": "0"}, False, ""),
        ({}, False, ""),  # neither check nor gate was asked for
        ({"CHECK": "1"}, True, "no known flake"),
        ({"CHECK": "4"}, True, "no test was executed"),
        ({"CHECK": "5"}, True, "could not be read"),
        ({"CHECK": "0", "TESTS": "failure", "FAILURES": "none"}, True, "the runner itself may have failed"),
        ({"CHECK": "0", "TESTS": "failure"}, False, ""),
        ({"CHECK": "0", "TESTS": "success", "FAILURES": "none"}, False, ""),
        ({"INGEST": "5"}, False, "warning: some reports"),
        ({"GATE": "1"}, True, "flakier than the limit"),
        ({"GATE": "4"}, False, "notice: too few runs"),
    ],
)
def test_what_fails_a_job(tmp_path: Path, said: dict[str, str], fails: bool, tells: str) -> None:
    done = run_script(["integrations/steps.sh", "verdict"], tmp_path, check=False, **said)
    assert (done.returncode == 1) is fails
    assert tells in done.stderr
    assert bool(done.stderr) is bool(tells)


def test_no_value_is_pasted_into_a_script() -> None:
    scripts = re.findall(r"^ +run: (.*)$", (ROOT / "action.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert scripts
    assert not [script for script in scripts if "${{" in script]
