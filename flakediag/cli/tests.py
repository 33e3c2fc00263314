"""`flakediag tests`"""

from __future__ import annotations

from datetime import datetime

import click

from flakediag.cli.options import (
    Session,
    format_option,
    limit_option,
    make_command,
    output_option,
    pass_session,
    scope,
    scope_options,
)
from flakediag.cli.output import opened


@make_command(short_help="List the known tests.")
@click.argument("pattern", required=False)
@format_option("table", "json")
@output_option
@limit_option(0, "At most N tests; 0 for all, which is the default.")
@scope_options
@pass_session
def command(
    session: Session,
    pattern: str | None,
    format_name: str,
    output: str,
    limit: int,
    since: datetime | None,
    branch: str | None,
    all_branches: bool,
    project: str | None,
) -> None:
    """List the known tests with their runs and failures; PATTERN keeps those whose id contains it.

    \b
    Examples:
      flakediag tests
      flakediag tests test_orders
      flakediag tests --format json | jq -r '.tests[].id'
    """
    from flakediag import service

    asked = scope(session, since=since, branch=branch, all_branches=all_branches, project=project)
    rows = service.tests(session.history(), asked, pattern)
    shown = rows[: limit or None]
    from flakediag.report import listing

    with opened(session, output) as (stream, options):
        listing.write_tests(shown, format_name, stream, options, len(rows) - len(shown))
