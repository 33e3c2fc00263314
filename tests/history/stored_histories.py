"""The histories of fixtures/histories: what earlier versions of flakediag have left on people's disks."""

from __future__ import annotations

import gzip
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from flakediag.cli.app import app

FOLDER = Path(__file__).parents[2] / "fixtures" / "histories"


@dataclass(frozen=True)
class StoredHistory:
    """A file, the version of its schema, and the command lines that made it."""

    file: str
    version: int
    commands: tuple[tuple[str, ...], ...]

    def unpacked(self, path: Path) -> Path:
        """A copy at `path`, to be used as one likes."""
        path.write_bytes(gzip.decompress((FOLDER / self.file).read_bytes()))
        return path

    def made_today(self, path: Path) -> Path:
        """A history at `path` by the same commands, of this version."""
        for command in self.commands:
            assert flakediag(path, *command).exit_code == 0, command
        return path


STORED = tuple(
    StoredHistory(entry["file"], entry["version"], tuple(map(tuple, entry["commands"])))
    for entry in tomllib.loads((FOLDER / "made.toml").read_text("utf-8"))["history"]
)
every_stored_history = pytest.mark.parametrize("stored", STORED, ids=lambda stored: stored.file)


def flakediag(db: Path, *command: str) -> Result:
    """One command line on the history `db`, in the folder of the reports, outside of any CI."""
    environ = dict.fromkeys(os.environ, None) | {"PATH": os.environ.get("PATH", "")}
    before = Path.cwd()
    os.chdir(FOLDER)
    try:
        return CliRunner().invoke(app, ["--db", str(db), *command], env=environ, prog_name="flakediag")
    finally:
        os.chdir(before)


_MOMENTS = re.compile(r'("(?:generated_at|at|pruned_at)": ?)"[^"]*"')


def told_by(db: Path, *command: str) -> str:
    """What a command prints, but for the moment at which it was said."""
    done = flakediag(db, *command)
    assert done.exit_code == 0, done.stderr
    return _MOMENTS.sub(r'\1"…"', done.stdout)
