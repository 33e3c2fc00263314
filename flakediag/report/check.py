"""What `flakediag check` found, as text, JSON, Markdown or annotations for GitHub Actions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TextIO

from flakediag.model import Check, CheckedFailure, CheckedRun, FailureStatus
from flakediag.report import document, wording
from flakediag.report.document import Document, plain
from flakediag.report.fitting import Part, fitted
from flakediag.report.format import Options
from flakediag.report.markdown import code, escape, marker
from flakediag.report.screen import Screen
from flakediag.report.text import leading, minute, plural, visible

FORMATS = ("text", "json", "markdown", "github")
STATUS = {
    FailureStatus.KNOWN_FLAKE: ("known flake", "yellow"),
    FailureStatus.QUARANTINED: ("in quarantine", "yellow"),
    FailureStatus.NEW_FAILURE: ("new failure", "bold red"),
    FailureStatus.NEW_WAY: ("fails in a new way", "bold red"),
    FailureStatus.TWICE_RUNNING: ("failed twice running", "bold red"),
    FailureStatus.BROKEN_BEFORE: ("broken before", "bold red"),
}
_STYLE = {"blocked": "bold red", "not blocked": "bold green", "nothing to judge": "bold yellow"}


def write(checked: Check, format_name: str, stream: TextIO, options: Options) -> None:
    if format_name == "json":
        document.write(as_document(checked), stream)
    elif format_name == "markdown":
        stream.write(fitted(list(_markdown(checked))))
    elif format_name == "github":
        from flakediag.report import checkgithub

        checkgithub.write(checked, stream)
    else:
        _text(checked, Screen(stream, options))


def as_document(checked: Check) -> Document:
    return {
        "schema_version": document.SCHEMA_VERSION,
        "blocks": checked.blocks,
        "branch": checked.branch,
        "runs": [
            {
                "run": document.run(run.run),
                "executed": run.executed,
                "outage": run.outage,
                "runs_before": run.runs_before,
                "blocks": run.blocks,
                "failures": [_failure(failure) for failure in run.failures],
            }
            for run in checked.runs
        ],
        "refused": [document.file(file) for file in checked.refused],
    }


def _failure(failure: CheckedFailure) -> Document:
    known, entry = failure.known, failure.entry
    return {
        "id": failure.test.id,
        "signature": failure.signature,
        "status": failure.status.value,
        "blocks": failure.blocks,
        "recovered": failure.recovered,
        "reason": failure.reason,
        "verdict": known.verdict.value if known else None,
        "cause": known.cause.category.value if known and known.cause else None,
        "probability": document.number(known.cause.probability) if known and known.cause else None,
        "quarantine": plain({"expires": entry.expires.isoformat(), "owner": entry.owner, "ticket": entry.ticket})
        if entry
        else None,
    }


def headline(checked: Check) -> str:
    """What became of it in two or three words, in lower case."""
    if checked.blocks:
        return "blocked"
    return "not blocked" if any(run.executed for run in checked.runs) else "nothing to judge"


def summary(checked: Check) -> str:
    """One line: what blocks and what does not."""
    failures = [failure for run in checked.runs for failure in run.failures]
    blocking = sum(failure.blocks for failure in failures)
    excused = sum(not failure.blocks and not failure.recovered for failure in failures)
    recovered = sum(failure.recovered for failure in failures)
    executed = sum(run.executed for run in checked.runs)
    if not executed:
        return "no test was executed"
    parts = [f"{plural(blocking, 'failure blocks', 'failures block')}" if blocking else "nothing blocks"]
    if excused:
        parts.append(f"{excused} excused")
    if recovered:
        parts.append(f"{recovered} passed on retry")
    return f"{', '.join(parts)} ({plural(executed, 'test')} executed)"


def outage_of(run: CheckedRun) -> str:
    failed = sum(not failure.recovered for failure in run.failures)
    return (
        f"this run looks like an outage: {failed} of {plural(run.executed, 'test')} failed at once, most of which "
        "do not fail otherwise; run it again before reading the failures"
    )


def _name(run: CheckedRun) -> str:
    parts = [f"run {run.run.id}"] if run.run.id is not None else ["run"]
    parts += [f"of {minute(run.run.started_at)}", *([f"shard {visible(run.run.shard)}"] if run.run.shard else [])]
    return " ".join(parts)


def _judged_by(checked: Check, run: CheckedRun) -> str:
    where = f" of branch {visible(checked.branch)}" if checked.branch else ""
    return f"judged by the {plural(run.runs_before, 'run')}{where} before it"


def cause_of(failure: CheckedFailure) -> str:
    return wording.cause(failure.known.cause) if failure.known and failure.known.cause else ""


def _text(checked: Check, out: Screen) -> None:
    said = headline(checked)
    out.line("check: ", (said, _STYLE[said]), f" · {summary(checked)}", hang=7)
    for run in checked.runs:
        if len(checked.runs) > 1 and run.failures:
            out.heading(_name(run))
        if run.outage:
            out.line((outage_of(run), "bold yellow"), indent=2, hang=2)
        for failure in run.failures:
            label, style = ("passed on retry", "dim") if failure.recovered else STATUS[failure.status]
            out.line((f"{label:<20}", style), "  ", (visible(failure.test.id), "bold"), indent=1, hang=22)
            out.line(leading(failure.reason), indent=23)
            out.line((leading(failure.signature), "dim"), indent=23)
            if cause := cause_of(failure):
                out.line(f"cause: {cause}", indent=23)
        if run.failures:
            out.line((_judged_by(checked, run), "dim"), indent=1)
    for file in checked.refused:
        out.line(
            ("not read", "bold yellow"), f"  {visible(file.path)}: {visible(file.reason or '')}", indent=1, hang=10
        )


def _markdown(checked: Check) -> Iterator[Part]:
    yield Part((f"{marker('check', checked.runs[0].run.project if checked.runs else '')}\n\n",))
    yield Part((f"### {headline(checked).capitalize()}: {escape(summary(checked))}\n\n",))
    for run in checked.runs:
        if run.outage:
            yield Part((f"> {escape(outage_of(run))}\n\n",))
        sections: tuple[tuple[str, Callable[[CheckedFailure], bool]], ...] = (
            ("to look at", lambda f: f.blocks),
            ("excused", lambda f: not f.blocks and not f.recovered),
            ("passed on retry", lambda f: f.recovered),
        )
        for place, (title, wanted) in enumerate(sections):
            mine = [failure for failure in run.failures if wanted(failure)]
            head, tail = f"**{len(mine)} {title}**\n\n", "\n"
            if place:
                head, tail = f"<details><summary>{len(mine)} {title}</summary>\n\n", "\n</details>\n\n"
            yield Part(tuple(map(_entry, mine)), head, tail, f"failure {title}", f"failures {title}", cut=1 + place)
        if run.failures:
            yield Part((f"{escape(_name(run))}, {escape(_judged_by(checked, run))}.\n\n",))
    refused = (f"- not read: {code(file.path)}: {escape(file.reason or '')}\n" for file in checked.refused)
    yield Part(tuple(refused), noun="report that was not read", nouns="reports that were not read", cut=1)


def _entry(failure: CheckedFailure) -> str:
    cause = f" Cause: {escape(cause)}." if (cause := cause_of(failure)) else ""
    said = f"{code(failure.test.id)} **{STATUS[failure.status][0]}**: {escape(failure.reason)}.{cause}"
    return f"- {said}\n  {code(failure.signature)}\n"


__all__ = ["FORMATS", "STATUS", "as_document", "cause_of", "headline", "outage_of", "summary", "write"]
