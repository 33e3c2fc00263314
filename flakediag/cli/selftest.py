"""`flakediag selftest`"""

from __future__ import annotations

import time
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
from flakediag.cli.progress import progress

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
    with progress(session, "reading") as advance:
        found = selftest.selftest(
            session.history(),
            asked,
            plants=plants,
            seed=seed,
            clock=time.monotonic,
            seconds=SECONDS,
            progress=advance,
        )
    from flakediag.report import selftest as formats

    with opened(session, output) as (stream, options):
        formats.write(found, format_name, stream, options)
