"""`flakediag backtest`"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flakediag.cli import locate
from flakediag.cli.gate import rules_of
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
from flakediag.cli.quarantine import PLACE, entries_in_force
from flakediag.errors import ExitCode, UsageError
from flakediag.model import GatePolicy, Metric

if TYPE_CHECKING:
    from flakediag.backtests import Made

POLICIES = ("gate", "check", "quarantine")


@make_command(short_help="Replay the history under a policy: what it would have blocked and let through.")
@click.argument("policy", type=click.Choice(POLICIES), metavar="POLICY")
@click.option(
    "--max-flaky-rate", type=RateType(), metavar="RATE", help="gate: the limit. Default: as configured for gate."
)
@click.option(
    "--metric", type=click.Choice([m.value for m in Metric]), help="gate: what the rate is of. Default: tests."
)
@click.option("--strict", is_flag=True, help="gate: trip on the rate itself, without the benefit of the doubt.")
@click.option(
    "--min-runs", type=click.IntRange(min=1), metavar="N", help="gate: fewer runs decide nothing. Default: 10."
)
@click.option("--auto", type=click.IntRange(min=1), metavar="DAYS", help="quarantine: every known flake, for so long.")
@click.option(
    "--file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=f"quarantine: its file {PLACE}",
)
@click.option("--learn", type=click.IntRange(min=0), default=0, metavar="N", help="Let the first N runs only teach.")
@scope_options
@format_option("text", "json")
@output_option
@limit_option(10, "Name at most N runs or tests of a kind; 0 for all. Default: 10.")
@pass_session
@click.pass_context
def command(
    ctx: click.Context,
    session: Session,
    policy: str,
    max_flaky_rate: float | None,
    metric: str | None,
    strict: bool,
    min_runs: int | None,
    auto: int | None,
    file: Path | None,
    learn: int,
    since: datetime | None,
    branch: str | None,
    all_branches: bool,
    project: str | None,
    format_name: str,
    output: str,
    limit: int,
) -> None:
    """Replay the stored runs under a policy, each judged by the runs before it, and say how that would have ended.

    A run counts as a merge. POLICY is what decides about it: check (the rule of flakediag check), quarantine (the
    entries of the quarantine file, or with --auto every way in which a test was found flaky, for DAYS days), or gate
    (the limits of flakediag gate, which then alone decide). What each failure really was is told by the whole history:
    a false block is a run that was held up though only flakes failed in it; a regression escaped where the run that
    first showed a broken test was let through.

    \b
    Examples:
      flakediag backtest check
      flakediag backtest quarantine --auto 14
      flakediag backtest gate --max-flaky-rate 5% --since 60d

    \b
    Exit codes:
      0  replayed
      4  there are no runs to replay
    """
    from flakediag import backtests

    session.flags |= {
        "max_flaky_rate": max_flaky_rate,
        "metric": Metric(metric) if metric else None,
        "strict": strict or None,
        "min_runs": min_runs,
        "quarantine": file,
    }
    asked = scope(session, since=since, branch=branch, all_branches=all_branches, project=project)
    if policy != "quarantine" and (auto or file):
        raise UsageError("--auto and --file belong to the quarantine", "flakediag backtest quarantine --auto 14")
    if policy != "gate" and (max_flaky_rate is not None or metric or strict or min_runs):
        raise UsageError("limits belong to the gate", "flakediag backtest gate --max-flaky-rate 1%")
    if policy == "check":
        made = backtests.check()
    else:
        made = _gate(session) if policy == "gate" else _quarantine(session, auto, file)
    replayed = backtests.backtest(session.history(), asked, made, learn=learn)
    from flakediag.report import backtest as formats

    with opened(session, output) as (stream, options):
        formats.write(replayed, format_name, stream, options, limit)
    ctx.exit(ExitCode.OK if replayed.runs else ExitCode.NOT_ENOUGH_EVIDENCE)


def _gate(session: Session) -> Made:
    from flakediag import backtests

    settings = session.settings
    rules = rules_of(settings)
    if not rules:
        raise UsageError("the gate needs a limit", "give --max-flaky-rate 1%, or set one in [tool.flakediag.gate]")
    places = any(rule.path or rule.owner for rule in rules)
    made = GatePolicy(rules=rules, min_runs=settings.min_runs, strict=settings.strict)
    return backtests.gate(made, locate.ownership() if places else None)


def _quarantine(session: Session, auto: int | None, file: Path | None) -> Made:
    from flakediag import backtests

    if auto and file:
        raise UsageError("--auto makes its own entries", "leave out --auto or --file")
    if auto:
        return backtests.auto_quarantine(auto)
    entries = entries_in_force(session, file)
    if not entries:
        raise UsageError(
            "the quarantine is empty", "replay one that fills itself: flakediag backtest quarantine --auto 14"
        )
    return backtests.quarantine(entries)
