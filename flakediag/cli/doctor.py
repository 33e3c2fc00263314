"""`flakediag doctor`"""

from __future__ import annotations

from pathlib import Path

import click

from flakediag.cli.options import Session, format_option, make_command, pass_session
from flakediag.cli.output import opened
from flakediag.errors import ExitCode


@make_command(short_help="Look for damage in the history, repair or salvage it.")
@click.option("--repair", is_flag=True, help="Count anew what is counted wrongly, drop rows that belong to nothing.")
@click.option(
    "--salvage",
    type=click.Path(path_type=Path),
    metavar="NEW",
    help="Copy every run that can still be read into a new history.",
)
@format_option("text", "json")
@pass_session
@click.pass_context
def command(ctx: click.Context, session: Session, repair: bool, salvage: Path | None, format_name: str) -> None:
    """Check the history: is the file whole and sound, do the counters agree with the runs, is space wasted.

    Nothing is changed without --repair. A damaged file is beyond repair, but most of its runs can usually be read:
    --salvage copies them into a new history and says how many are lost.

    \b
    Examples:
      flakediag doctor
      flakediag doctor --repair
      flakediag --db damaged.db doctor --salvage rescued.db

    \b
    Exit codes:
      0  the history is fine (after the repair, where there was one)
      1  something is wrong
      2  there is no history, or it cannot be repaired
    """
    from flakediag import upkeep

    checkup = upkeep.checkup(session.history(), repair=repair, salvage=salvage)
    from flakediag.report import upkeep as formats

    with opened(session) as (stream, options):
        formats.write_checkup(checkup, format_name, stream, options)
    ctx.exit(ExitCode.OK if checkup.sound else ExitCode.GATE_TRIPPED)
