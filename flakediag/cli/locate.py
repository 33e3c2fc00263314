"""Where the history stands: found upwards from the working directory, like git finds its repository."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flakediag.owners import Ownership

HISTORY = Path(".flakediag") / "history.db"


def nearest(directory: Path) -> Path | None:
    """The history in `directory` or the nearest folder above it that has one."""
    for folder in (directory, *directory.parents):
        if (folder / HISTORY).is_file():
            return folder / HISTORY
    return None


def project_root(directory: Path) -> Path:
    """The top of the working tree that `directory` is in (its `.git` is a file in worktrees), else `directory`."""
    for folder in (directory, *directory.parents):
        if (folder / ".git").exists():
            return folder
    return directory


def ownership(file: Path | None = None) -> Ownership:
    """Who owns the tests of the working tree that is worked in, by `file` or the CODEOWNERS file found in it."""
    from flakediag import owners

    return owners.find(project_root(Path.cwd()), file)


def short(path: Path) -> str:
    """A path as it is shown: from the top of the working tree where it lies in it."""
    root = project_root(Path.cwd())
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
