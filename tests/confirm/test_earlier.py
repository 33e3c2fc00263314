"""A later confirm goes on from the experiments that are kept, as long as the code is the same."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from confirm.suites import write_suite
from confirm.test_suites import Project, Watcher
from flakediag.analysis.belief import Claim
from flakediag.confirm.fingerprint import fingerprint
from flakediag.experiments import Way

CLAIM = Claim(False, ((2,),))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    write_suite(tmp_path, CLAIM)
    project = Project(tmp_path)
    project.recorded(CLAIM)
    return project


@pytest.mark.slow
def test_a_later_confirm_goes_on_where_the_earlier_one_was_interrupted(project: Project) -> None:
    first = project.confirm(Watcher(interrupt_after=2), way=Way.ORDER)
    assert (first.standing, len(first.tried)) == ("interrupted", 2)
    whole = project.confirm(way=Way.ORDER, fresh=True)
    watcher = Watcher()
    then = project.confirm(watcher, way=Way.ORDER)
    assert whole.standing == then.standing == "confirmed"
    assert len(then.tried) < len(whole.tried)
    assert any("earlier experiments on the same code" in note for note in then.notes)
    assert not any("earlier experiments" in note for note in whole.notes)


@pytest.mark.slow
def test_what_is_confirmed_already_is_told_without_a_run_until_the_code_changes(project: Project) -> None:
    assert project.confirm(way=Way.ORDER).standing == "confirmed"
    watcher = Watcher()
    again = project.confirm(watcher, way=Way.ORDER)
    assert (again.standing, again.tried, watcher.plans) == ("confirmed", (), [])
    write_suite(project.folder, None)  # somebody mended it
    mended = project.confirm(way=Way.ORDER, runs=3)
    assert mended.standing != "confirmed"
    assert len(mended.tried) == 3


@pytest.mark.parametrize("git", [False, True])
def test_the_fingerprint_is_of_the_code_and_of_nothing_that_running_it_makes(tmp_path: Path, git: bool) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    (tmp_path / "test_a.py").write_text("def test_a(): pass\n")
    (tmp_path / ".gitignore").write_text("__pycache__\n.pytest_cache\n")
    if git:
        try:
            subprocess.run(["git", "init", "-q"], cwd=tmp_path, env=environ, check=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("git is not installed")
    before = fingerprint(tmp_path, ("pytest",), environ)
    for made in ("__pycache__/test_a.py", ".pytest_cache/x.json", ".flakediag/history.db"):
        (tmp_path / made).parent.mkdir()
        (tmp_path / made).write_text("made")
    assert fingerprint(tmp_path, ("pytest",), environ) == before
    assert fingerprint(tmp_path, ("tox",), environ) != before
    (tmp_path / "test_a.py").write_text("def test_a(): assert 1\n")
    assert fingerprint(tmp_path, ("pytest",), environ) != before
