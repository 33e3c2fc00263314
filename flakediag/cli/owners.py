"""`flakediag owners`"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

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


@make_command(short_help="Whose tests are flaky, by CODEOWNERS.")
@click.option("--owner", metavar="NAME", help="Only this owner's tests.")
@click.option(
    "--file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="The CODEOWNERS file. Default: the one of the checkout.",
)
@scope_options
@format_option("table", "json", "markdown")
@output_option
@pass_session
def command(
    session: Session,
    owner: str | None,
    file: Path | None,
    since: datetime | None,
    branch: str | None,
    all_branches: bool,
    project: str | None,
    format_name: str,
    output: str,
) -> None:
    """List the owners of flaky tests, with what these cost: red runs, and minutes lost.

    The file of each test is told by the report, or by its class name as its framework makes it; its owners by
    CODEOWNERS, read as GitHub or GitLab reads it (.github/, the root, docs/ or .gitlab/ of the checkout that is worked
    in). A test with two owners counts for both; where the file cannot be told, the owner is unknown.

    \b
    Examples:
      flakediag owners
      flakediag owners --owner @org/payments --since 14d
      flakediag report --owner @org/payments

    \b
    Exit codes:
      0  fine
      2  there is no CODEOWNERS file
    """
    from flakediag import owners, service
    from flakediag.report import owners as formats

    asked = scope(session, since=since, branch=branch, all_branches=all_branches, project=project)
    ownership = locate.ownership(file)
    if ownership.source is None:
        raise owners.no_codeowners()
    for line in ownership.skipped:
        session.say(f"{ownership.source}: line {line} is not understood and skipped")
    whole = service.report(session.history(), asked, now=datetime.now(UTC))
    report = owners.owned(whole, ownership, owner)
    with opened(session, output) as (stream, options):
        formats.write(report, locate.short(ownership.source), format_name, stream, options)
