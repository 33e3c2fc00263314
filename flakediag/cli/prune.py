"""`flakediag prune`"""

from __future__ import annotations

from datetime import UTC, datetime

import click

from flakediag.cli.options import Session, format_option, make_command, pass_session, scope
from flakediag.cli.output import opened


@make_command(short_help="Drop the results of old runs, keep their sums.")
@click.option(
    "--keep-days", type=click.IntRange(min=0), metavar="N", help="Keep the last N days before a project's newest run."
)
@click.option("--keep-runs", type=click.IntRange(min=0), metavar="N", help="Keep the newest N runs of every branch.")
@click.option("--dry-run", is_flag=True, help="Only say what would be dropped.")
@format_option("text", "json")
@pass_session
def command(session: Session, keep_days: int | None, keep_runs: int | None, dry_run: bool, format_name: str) -> None:
    """Drop the results and failure texts of old runs, so that the history stops growing.

    A run that is within either limit stays whole. Of the others the header stays, which tests ran, were skipped and
    failed, and every test's counters; their report files stay known, so that ingesting them again adds nothing. What
    is reported of the runs that stay does not change. The freed space is given back to the file system.

    \b
    Examples:
      flakediag prune --keep-days 180 --dry-run
      flakediag prune --keep-days 90 --keep-runs 500
    """
    from flakediag import upkeep

    usual = scope(session, since=None, branch=None, all_branches=False, project=None)
    pruned = upkeep.prune(
        session.history(),
        keep_days=keep_days,
        keep_runs=keep_runs,
        now=datetime.now(UTC),
        dry_run=dry_run,
        window=usual,
    )
    from flakediag.report import upkeep as formats

    with opened(session) as (stream, options):
        formats.write_prune(pruned, format_name, stream, options)
