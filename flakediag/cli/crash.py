"""What is said when flakediag itself fails: all that a maintainer needs, ready to be pasted."""

from __future__ import annotations

import platform
import shlex
import sqlite3
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import click

from flakediag import __version__
from flakediag.location import shown
from flakediag.report.text import lines, visible

_LIBRARIES = ("click", "rich", "numpy", "pandas", "junitparser", "sqlite-utils", "psycopg")


def tell(error: BaseException, args: Sequence[str]) -> None:
    """Write the report of `error` to standard error."""
    libraries = [f"SQLite {sqlite3.sqlite_version}", *(f"{name} {_version(name)}" for name in _LIBRARIES)]
    told = [
        "This is a bug in flakediag, not in your tests. Please report it with everything from here on",
        "(names and paths of your project may stand in it: look before you paste):",
        "",
        f"flakediag {__version__}, Python {platform.python_version()}, {platform.platform()}",
        ", ".join(libraries),
        f"command: {visible(shlex.join(['flakediag', *map(shown, args)]))}",
        "",
    ]
    for part in traceback.format_exception(error):
        told += lines(part.rstrip("\n"))
    click.echo("\n".join(told), err=True, file=sys.stderr)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
