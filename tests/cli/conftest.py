"""The command line in front of a service that answers with what a test gives it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.fake import FakeService, Run
from flakediag import gates, service
from flakediag.cli.app import app


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeService:
    made = FakeService()
    for name in made.answers:
        monkeypatch.setattr(gates if name == "gate" else service, name, made.verb(name))
    return made


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a (nominal) history, as the working directory, and an environment without settings."""
    for variable in [name for name in os.environ if name.startswith("FLAKEDIAG_")]:
        monkeypatch.delenv(variable)
    (tmp_path / ".flakediag").mkdir()
    (tmp_path / ".flakediag" / "history.db").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(fake: FakeService, project: Path) -> Run:
    """Runs a command line; its `stdout`, `stderr` and `exit_code` are what a shell would see."""

    def run(*args: str, **environ: str) -> Result:
        return CliRunner().invoke(app, list(args), env=environ or None, prog_name="flakediag")

    return run
