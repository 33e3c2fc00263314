"""What the upkeep of a history did or found, as text or JSON (documents: upkeep.schema.json)."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import TextIO

from flakediag.model import (
    Checkup,
    CheckupFinding,
    CheckupStatus,
    Identity,
    MergedSource,
    Pruned,
    Renamed,
    RenameProposal,
)
from flakediag.report import document
from flakediag.report.document import Document
from flakediag.report.format import Options
from flakediag.report.screen import Screen
from flakediag.report.text import commit, day, iso, masked, number, percent, plural, visible

_STYLE = {CheckupStatus.FINE: "green", CheckupStatus.NOTE: "yellow", CheckupStatus.PROBLEM: "bold red"}
_REPAIRED = {"references", "totals", "counters"}  # the problems that --repair does away with
_SHOWN = 20  # pairs of a rename by prefix


def write_merge(merged: Sequence[MergedSource], format_name: str, stream: TextIO, options: Options) -> None:
    if format_name == "json":
        document.write(
            {"schema_version": document.SCHEMA_VERSION, "sources": [_source(each) for each in merged]}, stream
        )
        return
    out = Screen(stream, options)
    for each in merged:
        out.line(f"{visible(each.path)}: {_taken(each)}")
    if not merged:
        out.line("nothing to merge: the history itself was the only source")


def _source(merged: MergedSource) -> Document:
    return asdict(merged)


def _taken(merged: MergedSource) -> str:
    parts = [f"took in {plural(merged.runs, 'run')}, {plural(merged.results, 'result')}"]
    if merged.known:
        parts.append(f"{plural(merged.known, 'run')} known already")
    if merged.replaced:
        parts.append(f"{plural(merged.replaced, 'stored run')} replaced by a fuller one")
    if merged.doubled:
        parts.append(f"{plural(merged.doubled, 'run')} shares files with a stored one and counts in part twice")
    if merged.lost:
        parts.append(f"{plural(merged.lost, 'run')} could not be read")
    if merged.masked:
        parts.append(masked(merged.masked))
    return "; ".join(parts)


def write_prune(pruned: Pruned, format_name: str, stream: TextIO, options: Options) -> None:
    if format_name == "json":
        said = asdict(pruned) | {"oldest": iso(pruned.oldest), "notes": list(pruned.notes)}
        document.write({"schema_version": document.SCHEMA_VERSION, **said}, stream)
        return
    out = Screen(stream, options)
    verb = "would drop" if pruned.dry_run else "dropped"
    since = f", since {day(pruned.oldest)}" if pruned.oldest else ""
    if not pruned.runs:
        out.line(f"nothing to drop: all {plural(pruned.kept, 'run')}{since} are within the limits")
    else:
        texts = "" if pruned.dry_run else f", {plural(pruned.details, 'failure text')}"
        out.line(
            f"{verb} the results of {plural(pruned.runs, 'run')}: {plural(pruned.results, 'result')}, "
            f"{plural(pruned.failures, 'failed attempt')}{texts}; their headers and the counters of all tests stay"
        )
        out.line(f"kept {plural(pruned.kept, 'run')}{since}")
    if pruned.runs and not pruned.dry_run:
        out.line(f"the file had {number(pruned.size_before)} bytes and has {number(pruned.size_after)}")
    for note in pruned.notes:
        out.line((f"note: {note}", "yellow"), hang=6)


def write_checkup(checkup: Checkup, format_name: str, stream: TextIO, options: Options) -> None:
    if format_name == "json":
        document.write(_checkup(checkup), stream)
        return
    out = Screen(stream, options)
    out.line(visible(checkup.path))
    for done in checkup.repaired or ():
        out.line(("repaired", "bold"), f"  {done}", indent=1, hang=11)
    if checkup.repaired == ():
        out.line(("repaired", "bold"), "  nothing: there was nothing to repair", indent=1)
    for finding in checkup.findings:
        wanted = f" → {visible(finding.remedy)}" if finding.remedy else ""
        status = (f"{finding.status.value:<8}", _STYLE[finding.status])
        out.line(status, f"  {finding.subject}: {visible(finding.said)}{wanted}", indent=1, hang=11)
    if checkup.salvaged:
        out.line(("salvaged", "bold"), f"  {visible(checkup.salvaged.path)}: {_taken(checkup.salvaged)}", indent=1)
    elif any(finding.remedy == "--salvage NEW" for finding in checkup.findings):
        out.line("what can be read of it can be copied: flakediag doctor --salvage NEW")
    elif checkup.repaired is None and any(finding.subject in _REPAIRED for finding in _problems(checkup)):
        out.line("flakediag doctor --repair does what stands after the arrows")


def _problems(checkup: Checkup) -> list[CheckupFinding]:
    return [finding for finding in checkup.findings if finding.status is CheckupStatus.PROBLEM]


def _checkup(checkup: Checkup) -> Document:
    return {
        "schema_version": document.SCHEMA_VERSION,
        "path": checkup.path,
        "sound": checkup.sound,
        "findings": [
            {"subject": f.subject, "status": f.status.value, "said": f.said, "remedy": f.remedy}
            for f in checkup.findings
        ],
        "repaired": None if checkup.repaired is None else list(checkup.repaired),
        "salvaged": _source(checkup.salvaged) if checkup.salvaged else None,
    }


def write_proposals(proposed: Sequence[RenameProposal], format_name: str, stream: TextIO, options: Options) -> None:
    if format_name == "json":
        document.write(
            {"schema_version": document.SCHEMA_VERSION, "proposals": [_proposal(each) for each in proposed]}, stream
        )
        return
    out = Screen(stream, options)
    if not proposed:
        out.line("no test vanished where a look-alike appeared")
    for each in proposed:
        where = f"at commit {commit(each.commit)}" if each.commit else f"between {day(each.last)} and {day(each.first)}"
        out.line((visible(each.old.id), "bold"))
        out.line(f"→ {visible(each.new.id)}", indent=2)
        out.line((f"{each.kind.value} ({percent(each.similarity)} alike), {where}", "dim"), indent=2)
        if visible(each.old.id) == each.old.id and visible(each.new.id) == each.new.id:
            ids = (each.old.id, each.new.id)
            end = ["--"] if any(id.startswith("-") for id in ids) else []  # of the options: what comes is none
            out.verbatim(shlex.join(["flakediag", "rename", *end, *ids]), 2)
    if proposed:
        out.line("these are proposals: nothing was renamed")


def _proposal(proposal: RenameProposal) -> Document:
    return {
        "old": _test(proposal.old),
        "new": _test(proposal.new),
        "kind": proposal.kind.name.lower(),
        "similarity": document.number(proposal.similarity),
        "commit": proposal.commit,
        "last_run": iso(proposal.last),
        "first_run": iso(proposal.first),
    }


def _test(test: Identity) -> Document:
    return {"id": test.id, **test._asdict()}


def write_renamed(renamed: Renamed, format_name: str, stream: TextIO, options: Options) -> None:
    if format_name == "json":
        pairs = [{"old": _test(old), "new": _test(new)} for old, new in renamed.pairs]
        said = {"dry_run": renamed.dry_run, "joined": renamed.joined, "tests": pairs}
        document.write({"schema_version": document.SCHEMA_VERSION, **said}, stream)
        return
    out = Screen(stream, options)
    for old, new in renamed.pairs[:_SHOWN]:
        out.line(f"{visible(old.id)} → {visible(new.id)}", hang=2)
    if len(renamed.pairs) > _SHOWN:
        out.line(f"… and {number(len(renamed.pairs) - _SHOWN)} more")
    known = f", {number(renamed.joined)} of them joined with the new name's own results" if renamed.joined else ""
    out.line(f"{'would rename' if renamed.dry_run else 'renamed'} {plural(len(renamed.pairs), 'test')}{known}")
