"""`flakediag plan` and `flakediag confirm`, from the command line to the exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from confirm.suites import VICTIM, name, write_history, write_suite

from flakediag.analysis.belief import Claim
from flakediag.cli.app import app

CLAIM = Claim(False, ((2,),))
PLAIN = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # pytest starts in a third of the time
RUNNER = ("--program", f"{sys.executable} -m pytest")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in [v for v in os.environ if v.startswith("FLAKEDIAG_")]:
        monkeypatch.delenv(variable)
    write_suite(tmp_path, CLAIM)
    write_history(tmp_path / "reports", CLAIM, runs=20)
    monkeypatch.chdir(tmp_path)
    assert run("ingest", "reports").exit_code == 0
    return tmp_path


def run(*args: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(app, list(args), input=answer, env=PLAIN, prog_name="flakediag")


@pytest.mark.slow
def test_confirm_asks_shows_and_proves(project: Path) -> None:
    dry = run("confirm", name(VICTIM), "--dry-run", *RUNNER)
    assert dry.exit_code == 0
    assert "next: the test" in dry.stdout and "-p no:xdist" in dry.stdout
    unasked = run("confirm", name(VICTIM), *RUNNER)
    assert unasked.exit_code == 2
    assert "--yes" in unasked.stderr
    assert run("confirm", name(VICTIM), *RUNNER, answer="n\n").exit_code == 2
    before = run("report", "--format", "csv").stdout
    done = run("confirm", name(VICTIM), "--yes", "--format", "json", *RUNNER)
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["standing"] == "confirmed"
    assert document["partners"] == [{"id": "test_shop::test_02", "role": "polluter"}]
    assert "$ " in done.stderr, "every command is told"
    assert run("report", "--format", "csv").stdout == before
    assert len(json.loads(run("runs", "--format", "json", "--limit", "0").stdout)["runs"]) == 20


@pytest.mark.slow
@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_keeps_and_prints_what_was_learnt(project: Path) -> None:
    slow = "import pathlib, time; pathlib.Path('begun').touch(); time.sleep(60)"
    (project / "test_shop.py").write_text(
        (project / "test_shop.py").read_text().replace("assert not state.bad", f"{slow}\n    assert not state.bad")
    )
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2]), **PLAIN}
    child = subprocess.Popen(
        [sys.executable, "-m", "flakediag", "confirm", name(VICTIM), "--yes", *RUNNER],
        cwd=project, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    while not (project / "begun").exists():
        assert child.poll() is None
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert "$ " in err
    assert child.returncode == 130, err
    assert "interrupted" in out and "test_02 pollutes it" in out


@pytest.mark.slow
def test_the_budget_ends_it(project: Path) -> None:
    done = run("confirm", name(VICTIM), "--yes", "--max-runs", "1", *RUNNER)
    assert done.exit_code == 4
    assert "so far: " in done.stdout


@pytest.mark.slow
def test_plan(project: Path) -> None:
    one = run("plan", name(VICTIM), *RUNNER)
    assert one.exit_code == 0
    assert "test_02 pollutes it" in one.stdout and "if it fails" in one.stdout
    every = json.loads(run("plan", "--format", "json", *RUNNER).stdout)
    assert [plan["test"] for plan in every["plans"]] == [f"test_shop::{name(VICTIM)}"]
    assert every["plans"][0]["expected_runs"] >= 1
    assert every["plans"][0]["first"]["command"][-1] == f"test_shop.py::{name(VICTIM)}"
