"""What stands in the quarantine, and what a runner needs to respect it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import TextIO

from flakediag.model import QuarantineEntry, QuarantineStanding, QuarantineState, RunnerSelection
from flakediag.report import document
from flakediag.report.document import Document
from flakediag.report.format import Options
from flakediag.report.markdown import code, escape
from flakediag.report.screen import Screen
from flakediag.report.text import listed, plural, visible

FORMATS = ("text", "json", "markdown")
SELECTIONS = ("text", "json", "without", "only", "file")
EVERY_WAY = "every way of failing"
_STATE = {
    QuarantineState.FLAKY: ("still flaky", "yellow"),
    QuarantineState.RECOVERED: ("recovered", "bold green"),
    QuarantineState.UNSEEN: ("not seen", "dim"),
}


def write(found: Sequence[QuarantineStanding], format_name: str, stream: TextIO, options: Options) -> None:
    if format_name == "json":
        document.write(as_document(found), stream)
    elif format_name == "markdown":
        stream.writelines(f"{line}\n" for line in _markdown(found))
    else:
        _text(found, Screen(stream, options))


def as_document(found: Sequence[QuarantineStanding]) -> Document:
    return {"schema_version": document.SCHEMA_VERSION, "entries": [_standing(standing) for standing in found]}


def _standing(standing: QuarantineStanding) -> Document:
    entry = standing.entry
    return {
        "test": entry.test,
        "signature": entry.signature,
        "reason": entry.reason,
        "owner": entry.owner,
        "ticket": entry.ticket,
        "added": entry.added.isoformat(),
        "expires": entry.expires.isoformat(),
        "expired": standing.expired,
        "days_left": standing.days_left,
        "state": standing.state.value,
        "standing": standing.reason,
        "runs": standing.runs,
        "failures": standing.failures,
        "clean_runs": standing.clean,
        "clean_runs_needed": standing.needed,
    }


def summary(found: Sequence[QuarantineStanding]) -> str:
    """One line: how many there are, and what there is to do."""
    if not found:
        return "the quarantine is empty"
    parts = [plural(len(found), "entry", "entries")]
    expired = sum(standing.expired for standing in found)
    recovered = sum(standing.state is QuarantineState.RECOVERED for standing in found)
    if expired:
        parts.append(f"{expired} expired")
    if recovered:
        parts.append(f"{recovered} recovered")
    return ", ".join(parts)


def name(entry: QuarantineEntry) -> str:
    """The entry in one line: `tests.test_shop::test_total: AssertionError: …`."""
    return f"{visible(entry.test)}: {visible(entry.signature or EVERY_WAY)}"


def _until(standing: QuarantineStanding) -> str:
    entry, days = standing.entry, standing.days_left
    if days < 0:
        return f"expired on {entry.expires}, {plural(-days, 'day')} ago"
    return f"until {entry.expires}, " + ("the last day" if not days else f"{plural(days, 'day')} more")


def _people(entry: QuarantineEntry) -> str:
    said = [entry.reason, *(f"{key} {value}" for key, value in (("owner", entry.owner), ("", entry.ticket)) if value)]
    return " · ".join(part.strip() for part in said)


def _text(found: Sequence[QuarantineStanding], out: Screen) -> None:
    out.line("quarantine: ", (summary(found), "bold"))
    for standing in found:
        label, style = ("expired", "bold red") if standing.expired else _STATE[standing.state]
        out.line((f"{label:<11}", style), "  ", (visible(standing.entry.test), "bold"), indent=1, hang=13)
        out.line(visible(standing.entry.signature or EVERY_WAY), indent=14, hang=0)
        out.line(f"{_until(standing)} · {visible(_people(standing.entry))}", indent=14)
        state = f"{_STATE[standing.state][0]}: " if standing.expired else ""
        out.line((f"{state}{standing.reason}", "dim"), indent=14)
    released = sum(standing.state is QuarantineState.RECOVERED for standing in found)
    if released:
        out.line(f"release {plural(released, 'entry', 'entries')}: flakediag quarantine expire --recovered")


def _markdown(found: Sequence[QuarantineStanding]) -> Iterable[str]:
    yield f"### Quarantine: {escape(summary(found))}"
    yield ""
    sections = (
        ("expired", [s for s in found if s.expired]),
        ("recovered, to be released", [s for s in found if not s.expired and s.state is QuarantineState.RECOVERED]),
        ("in quarantine", [s for s in found if not s.expired and s.state is not QuarantineState.RECOVERED]),
    )
    for title, mine in sections:
        if mine:
            yield f"**{len(mine)} {title}**"
            yield ""
            for standing in mine:
                state = _STATE[standing.state][0]
                yield (
                    f"- {code(standing.entry.test)} {escape(_until(standing))}: {escape(_people(standing.entry))}. "
                    f"{state.capitalize()}: {escape(standing.reason)}."
                )
                yield f"  {code(standing.entry.signature) if standing.entry.signature else EVERY_WAY}"
            yield ""


# --- export -------------------------------------------------------------------------------------------------------


def write_selection(selection: RunnerSelection, format_name: str, stream: TextIO) -> None:
    """`without`, `only` and `file` are for programs: an argument a line, or the file as it is."""
    if format_name == "json":
        document.write(_selection(selection), stream)
    elif format_name in ("without", "only"):
        arguments = selection.without if format_name == "without" else selection.only
        stream.writelines(f"{argument}\n" for argument in arguments)
    elif format_name == "file":
        stream.write(selection.file[1] if selection.file else "")
    else:
        stream.writelines(f"{line}\n" for line in _shell(selection))


def _selection(selection: RunnerSelection) -> Document:
    return {
        "schema_version": document.SCHEMA_VERSION,
        "runner": selection.runner,
        "tests": list(selection.tests),
        "without": list(selection.without),
        "only": list(selection.only),
        "file": {"name": selection.file[0], "content": selection.file[1]} if selection.file else None,
        "left_out": [{"test": test, "reason": reason} for test, reason in selection.left_out],
        "also": list(selection.also),
        "notes": list(selection.notes),
    }


def _shell(selection: RunnerSelection) -> Iterable[str]:
    """Lines for a POSIX shell; what is to be known stands in comments."""
    runner = selection.runner
    if not selection.without:
        yield f"# nothing is in quarantine for {runner}"
    if selection.file:
        export = f"flakediag quarantine export --for {runner} --format file -o {selection.file[0]}"
        yield "# the file that the arguments name"
        yield export
    if selection.without:
        alone = "" if selection.only else ", the quarantined ways of failing aside"
        yield f"# its result counts{alone}"
        yield selection.main.replace("{}", shlex.join(selection.without))
    if selection.only:
        yield "# the quarantined tests alone: reported, and their result does not count"
        yield selection.quarantined.replace("{}", shlex.join(selection.only)) + " || true"
    for test, reason in selection.left_out:
        yield f"# not excused: {visible(test)}: {reason}"
    if selection.also:
        shown = listed([visible(id) for id in selection.also], 10)
        yield f"# goes along, though it is not in quarantine: {shown}"
    for note in selection.notes:
        yield f"# {note}"
