"""`flakediag runs`"""

from __future__ import annotations

from datetime import datetime

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


@make_command(short_help="List the stored runs.")
@format_option("table", "json")
@output_option
@limit_option(20, "At most N runs, the newest; 0 for all. Default: 20.")
@scope_options
@pass_session
def command(
    session: Session,
    format_name: str,
    output: str,
    limit: int,
    since: datetime | None,
    branch: str | None,
    all_branches: bool,
    project: str | None,
) -> None:
    """List the stored runs, newest first.

    "Order" says what the order in the report means: execution (as the tests ran), completion (as workers finished
    them), declaration (as they are written) or unknown; only execution order can show order-dependence. ×2.0 beside
    it is the parallelism, the sum of the test times over the wall time.

    \b
    Examples:
      flakediag runs
      flakediag runs --branch main --since 14d --limit 0
      flakediag runs --format json
    """
    from flakediag import service

    asked = scope(session, since=since, branch=branch, all_branches=all_branches, project=project)
    rows = service.runs(session.history(), asked)
    shown = rows[: limit or None]
    from flakediag.report import listing

    with opened(session, output) as (stream, options):
        listing.write_runs(shown, format_name, stream, options, len(rows) - len(shown))
