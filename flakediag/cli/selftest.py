"""`flakediag selftest`"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import click

from flakediag.cli.options import (
    Session,
    format_option,
    make_command,
    output_option,
    pass_session,
    scope,
    scope_options,
)
from flakediag.cli.output import opened

SECONDS = 120.0  # no further batch is planted after this


@make_command(short_help="Plant known flakes into a copy of the history and see which are found.")
@click.option(
    "--plants",
    type=click.IntRange(1, 1000),
    default=90,
    show_default=True,
    metavar="N",
    help="How many flakes to plant.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="The same seed plants the same.",
)
@scope_options
@format_option("text", "json")
@output_option
@pass_session
def command(
    session: Session,
    plants: int,
    seed: int,
    since: datetime | None,
    branch: str | None,
    all_branches: bool,
    project: str | None,
    format_name: str,
    output: str,
) -> None:
    """Say what to believe on this history: plant known flakes into a copy of it and see which are found.

    Stable tests are made to fail after a polluter, in slow runs, by a timeout, by a taken port or by chance, at several
    rates, in memory only. Reported is how often each would be found flaky, with which cause and which partner, and
    what would have to be recorded where something cannot be found. No further flakes are planted after two minutes.

    \b
    Examples:
      flakediag selftest
      flakediag selftest --plants 300 --seed 7
      flakediag selftest --since 30d --format json -o selftest.json
    """
    from flakediag import selftest

    asked = scope(session, since=since, branch=branch, all_branches=all_branches, project=project)
    with _progress(session) as progress:
        found = selftest.selftest(
            session.history(),
            asked,
            plants=plants,
            seed=seed,
            clock=time.monotonic,
            seconds=SECONDS,
            progress=progress,
        )
    from flakediag.report import selftest as formats

    with opened(session, output) as (stream, options):
        formats.write(found, format_name, stream, options)


@contextlib.contextmanager
def _progress(session: Session) -> Iterator[Callable[[int, int | None, str], None] | None]:
    """A progress bar on standard error, only where someone watches it."""
    if session.quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True, no_color=not session.color(terminal=True)), transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda done, total, what: bar.update(task, completed=done, total=total, description=what)
