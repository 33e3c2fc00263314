"""`flakediag check`"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

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
from flakediag.cli.quarantine import PLACE, entries_in_force
from flakediag.errors import ExitCode

if TYPE_CHECKING:
    from flakediag.model import Check


@make_command(short_help="Judge the failures of a run: known flake, or to be looked at.")
@click.argument("what", nargs=-1, required=True, metavar="RUN|PATH...")
@click.option("--commit", metavar="SHA", help="The commit that was tested. Default: as the report or the CI says.")
@click.option("--run-branch", metavar="NAME", help="The branch that was tested. Default: as the report or the CI says.")
@click.option(
    "--quarantine",
    "quarantine_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=f"The quarantine {PLACE}",
)
@scope_options
@format_option("text", "json", "markdown", "github")
@output_option
@pass_session
@click.pass_context
def command(
    ctx: click.Context,
    session: Session,
    what: tuple[str, ...],
    commit: str | None,
    run_branch: str | None,
    quarantine_file: Path | None,
    since: datetime | None,
    branch: str | None,
    all_branches: bool,
    project: str | None,
    format_name: str,
    output: str,
) -> None:
    """Say of each failure of a run whether it is a known flake or must be looked at.

    RUN is the number of a stored run, PATH a report (a file, folder, glob or archive, - for standard input), stored or
    not; nothing is stored by this command. A failure is excused only where the history knew the test as flaky before
    this run, the test failed in the same way before, and it passed since it last failed, or where it is in quarantine
    (see `flakediag quarantine`). Everything else blocks: a new failure, a flaky test that fails in a new way, a second
    failure running, a test that was broken before. --branch chooses the runs that it is judged by (default: the main
    branch), --run-branch says which branch was tested.

    \b
    Examples:
      flakediag check build/test-results
      flakediag check 217
      flakediag check build/test-results -f markdown >> "$GITHUB_STEP_SUMMARY"
      flakediag check build/test-results --format github

    \b
    Exit codes:
      0  nothing failed, or known flakes only
      1  something blocks
      4  no test was executed, so that there is nothing to judge
      5  nothing blocks, but some reports could not be read
    """
    from flakediag import checks, service

    excused = entries_in_force(session, quarantine_file)
    asked = scope(session, since=since, branch=branch, all_branches=all_branches, project=project)
    checked = checks.check(
        session.history(),
        what,
        service.RunInfo(commit=commit, branch=run_branch),
        asked,
        now=datetime.now(UTC),
        environ=dict(os.environ),
        stdin=sys.stdin.buffer if "-" in what else None,
        quarantine=excused,
        redactor=session.redactor,
    )
    from flakediag.report import check as formats

    with opened(session, output) as (stream, options):
        formats.write(checked, format_name, stream, options)
    ctx.exit(_exit_code(checked))


def _exit_code(checked: Check) -> ExitCode:
    if checked.blocks:
        return ExitCode.GATE_TRIPPED
    if checked.refused:
        return ExitCode.SOME_FILES_UNREADABLE
    return ExitCode.OK if any(run.executed for run in checked.runs) else ExitCode.NOT_ENOUGH_EVIDENCE
