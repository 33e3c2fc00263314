"""`flakediag gate`"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flakediag.cli import locate
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
from flakediag.model import GatePolicy, GateRule, GateStatus, Metric, Ratchet

if TYPE_CHECKING:
    from flakediag.config import Settings

EXIT = {
    GateStatus.PASSED: ExitCode.OK,
    GateStatus.TRIPPED: ExitCode.GATE_TRIPPED,
    GateStatus.NOT_ENOUGH_EVIDENCE: ExitCode.NOT_ENOUGH_EVIDENCE,
}


@make_command(short_help="Exit 1 when the suite is too flaky.")
@click.option(
    "--max-flaky-rate",
    type=RateType(),
    metavar="RATE",
    help="The limit: 1% or 0.01 (FLAKEDIAG_MAX_FLAKY_RATE). Required unless configured.",
)
@click.option(
    "--metric",
    type=click.Choice([m.value for m in Metric]),
    help="What the rate is of (FLAKEDIAG_METRIC). Default: tests.",
)
@click.option(
    "--strict", is_flag=True, help="Trip on the rate itself, without the benefit of the doubt (FLAKEDIAG_STRICT)."
)
@click.option(
    "--min-runs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Fewer runs than this decide nothing (FLAKEDIAG_MIN_RUNS). Default: 10.",
)
@click.option("--new-only", is_flag=True, help="Count only tests that are not flaky on the baseline branch.")
@click.option("--baseline", metavar="BRANCH", help="The branch that --new-only compares with (FLAKEDIAG_BASELINE).")
@click.option(
    "--ratchet",
    is_flag=True,
    help="Also trip when the suite is worse than the stored baseline (FLAKEDIAG_RATCHET_FILE).",
)
@click.option("--update", is_flag=True, help="With --ratchet: store what has become better, or a first baseline.")
@click.option("--reset", is_flag=True, help="With --ratchet: store the suite as it is, better or worse.")
@click.option("--owner", metavar="NAME", help="Only the tests of this owner, by CODEOWNERS.")
@click.option("--causes", is_flag=True, help="Diagnose the flaky tests too, as report does; takes longer.")
@scope_options
@format_option("text", "json")
@output_option
@limit_option(20, "Name at most N tests of each rule; 0 for all. Default: 20.")
@pass_session
@click.pass_context
def command(
    ctx: click.Context,
    session: Session,
    max_flaky_rate: float | None,
    metric: str | None,
    strict: bool,
    min_runs: int | None,
    new_only: bool,
    baseline: str | None,
    ratchet: bool,
    update: bool,
    reset: bool,
    owner: str | None,
    causes: bool,
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
    failures, or at executions, instead. A rate trips the gate when its 95 % interval lies above the limit; --strict
    trips it when the rate itself does. Limits for each metric, for paths and for owners stand in the configuration;
    the gate trips if any of them does. Too few runs never pass silently.

    --ratchet holds the suite to a file that is kept with the code (flakediag-baseline.json): no rate beyond doubt
    above the stored one, and no flaky test that is not in it. --update tightens the file and never loosens it.

    \b
    Examples:
      flakediag gate --max-flaky-rate 1%
      flakediag gate --max-flaky-rate 0.05 --metric runs --since 14d
      flakediag gate --max-flaky-rate 0% --new-only --baseline main
      flakediag gate --ratchet --update

    \b
    Exit codes:
      0  at or below every limit, or above one but not beyond doubt
      1  above a limit
      4  too few runs to say
    """
    from flakediag import gates

    session.flags |= {
        "max_flaky_rate": max_flaky_rate,
        "metric": Metric(metric) if metric else None,
        "strict": strict or None,
        "min_runs": min_runs,
        "baseline": baseline,
    }
    asked = scope(session, since=since, branch=branch, all_branches=all_branches, project=project)
    settings = session.settings
    if (update or reset) and not ratchet:
        raise UsageError("--update and --reset write the baseline of the ratchet", "add --ratchet")
    if new_only and not settings.baseline:
        raise UsageError("--new-only needs a branch to compare with", "give --baseline main")
    if baseline and not new_only:
        raise UsageError("--baseline does nothing without --new-only", "add --new-only")
    if ratchet and (new_only or owner):
        raise UsageError("--ratchet looks at the whole suite", "leave out --new-only and --owner")
    if new_only and branch is None and asked.branch == settings.baseline:
        # The configured branch is the one to compare with: the gate picks the branch that is to be judged.
        asked = replace(asked, branch=None)
    file = ratchet_file(settings)
    stored = _stored(file, update=update, reset=reset) if ratchet else None
    rules = rules_of(settings, owner)
    if not rules and not ratchet:
        raise UsageError(
            "the gate needs a limit",
            "give --max-flaky-rate 1%, or set max-flaky-rate in [tool.flakediag.gate] of pyproject.toml",
        )
    policy = GatePolicy(
        rules=rules,
        min_runs=settings.min_runs,
        strict=settings.strict,
        baseline=settings.baseline if new_only else None,
        ratchet=stored,
    )
    places = any(rule.path or rule.owner for rule in rules)
    decision, measured = gates.gate(
        session.history(),
        asked,
        policy,
        now=datetime.now(UTC),
        ownership=locate.ownership() if places else None,
        anew={Metric.TESTS, settings.metric, *(rule.metric for rule in rules)} if ratchet and stored is None else (),
        causes=causes,
    )
    if update or reset:
        if decision.runs >= decision.min_runs and all(rate.of for rate in measured.rates.values()):
            from flakediag import ratchet as stored_ratchet

            with opened(session, str(file)) as (stream, _):
                stored_ratchet.write(measured, stream)
            session.say(f"stored {file}")
        elif not session.quiet:
            click.echo(
                "note: nothing is stored, there are too few runs: read more reports, or lower --min-runs", err=True
            )
    from flakediag.report import decision as formats

    with opened(session, output) as (stream, options):
        formats.write(decision, format_name, stream, options, limit)
    ctx.exit(EXIT[decision.status])


def rules_of(settings: Settings, owner: str | None = None) -> tuple[GateRule, ...]:
    """The limits in force. With an owner: those of the whole suite, for the owner's part, and the owner's own."""
    limits = {
        Metric.TESTS: settings.max_flaky_tests,
        Metric.RUNS: settings.max_flaky_runs,
        Metric.EXECUTIONS: settings.max_flaky_executions,
    }
    if settings.max_flaky_rate is not None:
        limits[settings.metric] = settings.max_flaky_rate
    whole = tuple(
        GateRule(metric=metric, limit=limit, owner=owner) for metric, limit in limits.items() if limit is not None
    )
    if owner is None:
        return whole + settings.rules
    from flakediag.owners import is_owner

    return whole + tuple(rule for rule in settings.rules if rule.owner is not None and is_owner(owner, (rule.owner,)))


def ratchet_file(settings: Settings) -> Path:
    """Where the ratchet's baseline stands: what is configured, else beside the configuration, else at the root."""
    from flakediag import ratchet

    folder = settings.source.parent if settings.source else locate.project_root(Path.cwd())
    return settings.ratchet_file or folder / ratchet.NAME


def _stored(file: Path, *, update: bool, reset: bool) -> Ratchet | None:
    """The state to hold the suite to. A first update has none to compare with; a reset does not look."""
    from flakediag import ratchet

    stored = None if reset else ratchet.load(file)
    if stored is None and not (update or reset):
        raise UsageError(f"there is no baseline at {file}", "store one: flakediag gate --ratchet --update")
    return stored
