"""`flakediag show`"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import click

from flakediag.cli import locate
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


@make_command(short_help="Everything about one test.")
@click.argument("test")
@format_option("table", "json", "markdown")
@output_option
@scope_options
@pass_session
def command(
    session: Session,
    test: str,
    format_name: str,
    output: str,
    since: datetime | None,
    branch: str | None,
    all_branches: bool,
    project: str | None,
) -> None:
    """Show everything about one test: timeline, failures, evidence, partners, how to reproduce, the fix.

    TEST is a test's id as `report` prints it, or a part of it that no other test shares.

    \b
    Examples:
      flakediag show tests.test_orders::test_total
      flakediag show test_total --since 30d
      flakediag show test_total --format markdown -o ticket.md
    """
    from flakediag import service

    asked = scope(session, since=since, branch=branch, all_branches=all_branches, project=project)
    finding = service.show(session.history(), test, asked, now=datetime.now(UTC))
    finding = replace(finding, owners=locate.ownership().owners_of(finding.test, finding.framework))
    from flakediag.report import page

    with opened(session, output) as (stream, options):
        page.write(finding, format_name, stream, options)
