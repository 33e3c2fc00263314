"""Where the history stands: found upwards from the working directory, like git finds its repository."""

from __future__ import annotations

from pathlib import Path

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
