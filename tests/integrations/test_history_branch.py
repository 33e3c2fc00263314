"""The history on a branch: one commit, nothing lost when two jobs save at once, errors told."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from reports import pytest_report

from flakediag.history import History
from integrations.action_steps import COMMAND, run_script

HISTORY = Path(".flakediag", "history.db")
BRANCH = "flakediag-history"


@pytest.fixture
def machines(tmp_path: Path) -> list[Path]:
    """Two clones of one repository."""
    git(tmp_path, "init", "--quiet", "--bare", "remote.git")
    made = [tmp_path / "first", tmp_path / "second"]
    for machine in made:
        git(tmp_path, "clone", "--quiet", "remote.git", machine.name)
    return made


def git(folder: Path, *arguments: str) -> str:
    return run_script(("git", *arguments), folder).stdout


def branch(verb: str, machine: Path, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    return run_script(["integrations/history-branch.sh", verb], machine, check=check, FLAKEDIAG_DB=str(HISTORY))


def keep(machine: Path, content: bytes) -> None:
    (machine / HISTORY).parent.mkdir(exist_ok=True)
    (machine / HISTORY).write_bytes(content)


def test_what_was_saved_is_restored_and_the_branch_does_not_grow(machines: list[Path]) -> None:
    first, second = machines
    assert "a new history begins" in branch("restore", first).stderr
    for content in (b"one", b"two"):
        keep(first, content)
        branch("save", first)
        branch("restore", first)
    branch("restore", second)
    assert (second / HISTORY).read_bytes() == b"two"
    remote = first.parent / "remote.git"
    assert git(remote, "rev-list", "--count", BRANCH).strip() == "1"
    assert git(remote, "ls-tree", "--name-only", BRANCH).split() == ["history.db"]


def test_the_index_and_the_working_tree_are_left_alone(machines: list[Path]) -> None:
    keep(machines[0], b"one")
    branch("save", machines[0])
    assert git(machines[0], "status", "--porcelain").split() == ["??", ".flakediag/"]


def test_a_push_that_is_not_allowed_is_an_error_at_once(machines: list[Path]) -> None:
    hook = machines[0].parent / "remote.git" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    keep(machines[0], b"one")
    done = branch("save", machines[0], check=False)
    assert done.returncode == 1
    assert f"could not be saved to the branch {BRANCH}" in done.stderr


def test_of_two_jobs_that_save_at_once_none_loses_a_run(machines: list[Path]) -> None:
    pytest.importorskip("flakediag.cli.merge", reason="flakediag merge")
    for minute, machine in enumerate(machines, start=1):  # both begin before either has saved
        branch("restore", machine)
        (machine / "junit.xml").write_text(pytest_report([("test_0", ".")], minute=minute, commit="a" * 40))
        run_script([*COMMAND, "ingest", "junit.xml"], machine, FLAKEDIAG_DB=str(HISTORY))
    for machine in machines:
        branch("save", machine)
    branch("restore", machines[0])
    with History.open(machines[0] / HISTORY) as history:
        assert history.counts().runs == 2
