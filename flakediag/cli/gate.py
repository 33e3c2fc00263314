"""`flakediag gate`"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import click

from flakediag.cli.options import (
    RateType,
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
from flakediag.errors import ExitCode, UsageError
from flakediag.model import GateStatus, Metric

EXIT = {
    GateStatus.PASSED: ExitCode.OK,
    GateStatus.TRIPPED: ExitCode.GATE_TRIPPED,
    GateStatus.NOT_ENOUGH_EVIDENCE: ExitCode.NOT_ENOUGH_EVIDENCE,
}


@make_command(short_help="Exit 1 when the suite is too flaky.")
@click.option(
    "--max-flaky-rate", type=RateType(), metavar="RATE", help="The limit: 1% or 0.01. Required unless configured."
)
@click.option("--metric", type=click.Choice([m.value for m in Metric]), help="What the rate is of. Default: tests.")
@click.option(
    "--min-runs", type=click.IntRange(min=1), metavar="N", help="Fewer runs than this decide nothing. Default: 10."
)
@click.option("--new-only", is_flag=True, help="Count only tests that are not flaky on the baseline branch.")
@click.option("--baseline", metavar="BRANCH", help="The branch that --new-only compares with.")
@scope_options
@format_option("text", "json")
@output_option
@limit_option(20, "Name at most N tests; 0 for all. Default: 20.")
@pass_session
@click.pass_context
def command(
    ctx: click.Context,
    session: Session,
    max_flaky_rate: float | None,
    metric: str | None,
    min_runs: int | None,
    new_only: bool,
    baseline: str | None,
    since: datetime | None,
    branch: str | None,
    all_branches: bool,
    project: str | None,
    format_name: str,
    output: str,
    limit: int,
) -> None:
    """Decide whether the suite is flaky beyond a limit, and say so with the exit code.

    The flaky rate is the share of the tests that are flaky; --metric looks at runs that went red only through flaky
    failures, or at executions, instead. Too few runs never pass silently.

    \b
    Examples:
      flakediag gate --max-flaky-rate 1%
      flakediag gate --max-flaky-rate 0.05 --metric runs --since 14d
      flakediag gate --max-flaky-rate 0% --new-only --baseline main --branch "$BRANCH"

    \b
    Exit codes:
      0  at or below the limit
      1  above the limit
      4  too few runs to say
    """
    from flakediag import service

    session.flags |= {
        "max_flaky_rate": max_flaky_rate,
        "metric": Metric(metric) if metric else None,
        "min_runs": min_runs,
        "baseline": baseline,
    }
    asked = scope(session, since=since, branch=branch, all_branches=all_branches, project=project)
    settings = session.settings
    if settings.max_flaky_rate is None:
        raise UsageError(
            "the gate needs a limit",
            "give --max-flaky-rate 1%, or set max-flaky-rate in [tool.flakediag.gate] of pyproject.toml",
        )
    if new_only and not settings.baseline:
        raise UsageError("--new-only needs a branch to compare with", "give --baseline main")
    if baseline and not new_only:
        raise UsageError("--baseline does nothing without --new-only", "add --new-only")
    if new_only and branch is None and asked.branch == settings.baseline:
        # The configured branch is the one to compare with: the service picks the branch that is to be judged.
        asked = replace(asked, branch=None)
    decision = service.gate(
        session.history(),
        asked,
        metric=settings.metric,
        threshold=settings.max_flaky_rate,
        min_runs=settings.min_runs,
        baseline=settings.baseline if new_only else None,
        now=datetime.now(UTC),
    )
    from flakediag.report import decision as formats

    with opened(session, output) as (stream, options):
        formats.write(decision, format_name, stream, options, limit)
    ctx.exit(EXIT[decision.status])
