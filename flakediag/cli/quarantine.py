"""`flakediag quarantine`"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flakediag.cli import locate
from flakediag.cli.options import (
    Session,
    format_option,
    make_command,
    make_group,
    output_option,
    pass_session,
    scope,
    scope_options,
)
from flakediag.cli.output import opened
from flakediag.errors import ExitCode
from flakediag.location import Location

if TYPE_CHECKING:
    from flakediag.model import QuarantineEntry

DAYS = 14
PLACE = "(FLAKEDIAG_QUARANTINE). Default: flakediag-quarantine.json, here or in a folder above."
RUNNERS = ("pytest", "surefire", "gradle", "jest", "vitest", "go", "rspec", "playwright")

file_option = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=f"The quarantine {PLACE}",
)


@make_group(short_help="Excuse flaky failures until a day.")
def command() -> None:
    """Keep a file of failures that people excused: by test and signature, with a reason and a last day.

    The file, flakediag-quarantine.json, belongs into version control beside the code. `flakediag check` and the pytest
    plugin read it; `export` puts it into the words of other runners. An entry that has expired excuses nothing.

    \b
    Examples:
      flakediag quarantine add test_total --reason 'polluted by test_import'
      flakediag quarantine list --check
      flakediag quarantine expire --recovered
      flakediag quarantine export --for go

    \b
    Exit codes:
      0  done
      1  list --check: an entry has expired
      2  refused: a test unknown or not flaky, a day too far ahead, a bad file
    """


@make_command(short_help="Excuse the failures of a flaky test.")
@click.argument("test")
@click.option("--reason", required=True, metavar="TEXT", help="Why it may fail for now.")
@click.option("--owner", metavar="NAME", help="Who takes care of it.")
@click.option("--ticket", metavar="ID", help="Where that is tracked.")
@click.option("--days", type=click.IntRange(min=0), metavar="N", help=f"For so many days. Default: {DAYS}.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Until this day, included.")
@click.option("--signature", metavar="TEXT", help="Only this way of failing: a signature of the test, or a part of it.")
@click.option("--any", "any_way", is_flag=True, help="Every way of failing, also one that was never seen.")
@click.option("--force", is_flag=True, help="Also a test that is not flaky, or a day further than quarantine-max-days.")
@file_option
@scope_options
@pass_session
def add(
    session: Session,
    /,
    test: str,
    reason: str,
    owner: str | None,
    ticket: str | None,
    days: int | None,
    until: datetime | None,
    signature: str | None,
    any_way: bool,
    force: bool,
    path: Path | None,
    **asked: Any,
) -> None:
    """Excuse the failures of a flaky test until a day, one entry for each signature that it failed with.

    TEST is a test's id as `report` prints it, or a part of it that no other test shares. An entry that is there already
    gets the new day and reason. Refused are tests that are not flaky and days too far ahead.

    \b
    Examples:
      flakediag quarantine add test_total --reason 'polluted by test_import'
      flakediag quarantine add test_upload --reason slow --ticket A-12 --days 30
      flakediag quarantine add test_upload --reason slow --signature Timeout
    """
    if days is not None and until is not None:
        raise click.UsageError("--days and --until exclude each other")
    if signature is not None and any_way:
        raise click.UsageError("--signature and --any exclude each other")
    from flakediag.errors import UsageError
    from flakediag.quarantine import verbs

    now = datetime.now(UTC)
    for option, value in (("--reason", reason), ("--signature", signature)):
        if value is not None and not value.strip():  # the file would not be understood any more
            raise UsageError(f"{option} must say something")
    target, entries = _read(session, path, must_exist=False)
    decision = verbs.Decision(
        reason=reason,
        expires=until.date() if until else _later(now.date(), DAYS if days is None else days),
        owner=owner.strip() or None if owner else None,
        ticket=ticket.strip() or None if ticket else None,
        signature=signature,
        any_way=any_way,
        force=force,
        max_days=session.settings.quarantine_max_days,
    )
    done = verbs.add(session.history(), test, scope(session, **asked), entries, decision, now=now)
    _write(session, target, done.entries)
    from flakediag.report.quarantine import name
    from flakediag.report.text import visible

    for entry in done.new:
        click.echo(f"added until {entry.expires}: {name(entry)}")
    for old, entry in done.changed:
        click.echo(f"already there, until {entry.expires} instead of {old.expires}: {name(entry)}")
    if not session.quiet:
        for note in done.notes:
            click.echo(f"note: {visible(note)}", err=True)
        click.echo(f"written to {visible(str(target))}", err=True)


@make_command(short_help="What is in quarantine, and how it stands.")
@click.option("--check", is_flag=True, help="Exit 1 when an entry has expired.")
@file_option
@format_option("text", "json", "markdown")
@output_option
@scope_options
@pass_session
@click.pass_context
def list_(
    ctx: click.Context,
    session: Session,
    /,
    check: bool,
    path: Path | None,
    format_name: str,
    output: str,
    **asked: Any,
) -> None:
    """List the entries: until when, whose, and what the history says.

    Recovered is what has been clean for longer than its own failure rate would let a flaky test be; it is proposed for
    release. Not seen is what did not run, or did not fail like this, in the window.

    \b
    Examples:
      flakediag quarantine list
      flakediag quarantine list --check -f markdown >> "$GITHUB_STEP_SUMMARY"

    \b
    Exit codes:
      0  fine
      1  --check: an entry has expired
    """
    from flakediag.quarantine import verbs

    _, entries = _read(session, path)
    found = verbs.standing(_history(session), scope(session, **asked), entries, now=datetime.now(UTC))
    from flakediag.report import quarantine as formats

    with opened(session, output) as (stream, options):
        formats.write(found, format_name, stream, options)
    if check and any(standing.expired for standing in found):
        ctx.exit(ExitCode.GATE_TRIPPED)


list_.name = "list"


@make_command(short_help="Remove entries.")
@click.argument("test", required=False)
@click.option("--expired", is_flag=True, help="Those whose last day has passed.")
@click.option("--recovered", is_flag=True, help="Those that the history shows to be clean again.")
@click.option("--unseen", is_flag=True, help="Those of tests that ran no more, or failed no more like this.")
@file_option
@scope_options
@pass_session
def expire(
    session: Session,
    /,
    test: str | None,
    expired: bool,
    recovered: bool,
    unseen: bool,
    path: Path | None,
    **asked: Any,
) -> None:
    """Remove entries and say which: those of TEST, those that expired, recovered or were not seen any more.

    TEST is a test's id, or a part of it that no other test in the quarantine shares. With TEST and a condition, those
    of the test for which it holds.

    \b
    Examples:
      flakediag quarantine expire test_total
      flakediag quarantine expire --expired --recovered
    """
    if test is None and not (expired or recovered or unseen):
        raise click.UsageError("say which: TEST, --expired, --recovered or --unseen")
    from flakediag.model import QuarantineState
    from flakediag.quarantine import verbs

    target, entries = _read(session, path)
    db = session.history() if recovered or unseen else None
    found = verbs.standing(db, scope(session, **asked), entries, now=datetime.now(UTC))
    states = [QuarantineState.RECOVERED] * recovered + [QuarantineState.UNSEEN] * unseen
    removed = verbs.choose(found, test, expired=expired, states=states)
    if removed:
        gone = [standing.entry for standing in removed]
        _write(session, target, [entry for entry in entries if entry not in gone])
    from flakediag.report.quarantine import name

    for standing in removed:
        click.echo(f"removed: {name(standing.entry)}")
    if not removed and not session.quiet:
        click.echo("nothing to remove", err=True)


@make_command(short_help="What a runner needs to respect it.")
@click.option("--for", "runner", required=True, type=click.Choice(RUNNERS), help="The runner.")
@file_option
@format_option("text", "json", "without", "only", "file")
@output_option
@scope_options
@pass_session
def export(session: Session, /, runner: str, path: Path | None, format_name: str, output: str, **asked: Any) -> None:
    """Print what a runner needs so that quarantined tests keep running but do not hold up the merge.

    pytest has a plugin that excuses quarantined failures by their signature. The others run twice: without the
    quarantined tests, which counts, and with only them, which does not. The text is for a POSIX shell; `without` and
    `only` are the arguments of the two runs, one a line, `file` is the file that some of them name. Where nothing is in
    quarantine both are empty.

    \b
    Examples:
      flakediag quarantine export --for go
      flakediag quarantine export --for rspec -f file -o flakediag-quarantine.rb
      flakediag quarantine export --for jest --format without
    """
    from flakediag.quarantine import selections, verbs

    _, entries = _read(session, path)
    known = verbs.identities(_history(session), scope(session, **asked))
    selection = selections.select(runner, entries, known, today=datetime.now(UTC).date())
    from flakediag.report import quarantine as formats

    with opened(session, output) as (stream, _):
        formats.write_selection(selection, format_name, stream)


for _made in (add, list_, expire, export):
    command.add_command(_made)


def entries_in_force(session: Session, path: Path | None = None) -> tuple[QuarantineEntry, ...]:
    """The entries of the file that is named or found; none where there is no file."""
    return _read(session, path)[1]


def _read(session: Session, path: Path | None, *, must_exist: bool = True) -> tuple[Path, tuple[QuarantineEntry, ...]]:
    """The file and its entries; a file that is named must be there, unless it is to be made."""
    from flakediag.quarantine import file

    session.flags["quarantine"] = path
    named = session.settings.quarantine
    target = named or file.nearest(Path.cwd()) or file.usual(Path.cwd())
    if not target.exists() and not (named and must_exist):
        return target, ()
    session.say(f"quarantine {target}")
    return target, file.read(target)


def _write(session: Session, target: Path, entries: list[QuarantineEntry] | tuple[QuarantineEntry, ...]) -> None:
    from flakediag.quarantine import file

    with opened(session, str(target)) as (stream, _):
        stream.write(file.text(entries))


def _history(session: Session) -> Location | None:
    """The history, None where there is none and nobody named one."""
    return session.history() if session.settings.db or locate.nearest(Path.cwd()) else None


def _later(today: date, days: int) -> date:
    try:
        return today + timedelta(days=days)
    except OverflowError:
        raise click.UsageError(f"--days {days} lies beyond the calendar") from None
