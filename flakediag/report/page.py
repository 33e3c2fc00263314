"""`show`: everything about one test on one page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TextIO, TypeVar

from flakediag.model import (
    Alternative,
    Category,
    Diagnosis,
    FailureDetail,
    Finding,
    Fix,
    Gap,
    Outcome,
    Partner,
    SignatureFinding,
    Verdict,
)
from flakediag.report import document, markdown, screen, timeline, wording
from flakediag.report.format import Options
from flakediag.report.screen import Screen
from flakediag.report.text import commit, day, excerpt, lines, minute, minutes, odds, plural, seconds, visible

FORMATS = ("table", "json", "markdown")
COMMITS_SHOWN = 20
RUNS_SHOWN = 500
EXAMPLE_LINES = 24
WORTH_A_WORD = 0.05  # of the alternatives and the partners: what is less likely only takes room

_Likely = TypeVar("_Likely", Alternative, Partner)


def write(finding: Finding, format_name: str, stream: TextIO, options: Options) -> None:
    """Write the page in one of `FORMATS`."""
    if format_name == "json":
        document.write(document.show(finding), stream)
    elif format_name == "markdown":
        markdown.show(finding, stream)
    else:
        _page(finding, Screen(stream, options))


def _page(finding: Finding, out: Screen) -> None:
    _head(finding, out)
    _timeline(finding, out)
    several = len(finding.signatures) > 1
    if finding.cause:
        out.heading(f"Cause: {wording.cause(finding.cause)}" + (" (of the test as a whole)" if several else ""))
        _diagnosis(finding.cause, out)
    for number, signature in enumerate(finding.signatures, 1):
        _signature(signature, number, several, out)
    if finding.fix:
        _fix(finding.fix, out, open_=_is_open(finding))


def _is_open(finding: Finding) -> bool:
    """Nothing is known to mend yet: what to gather is said with the cause."""
    return bool(finding.cause and finding.cause.category is Category.UNKNOWN and finding.cause.missing)


def _head(finding: Finding, out: Screen) -> None:
    out.line((wording.test_id(finding), "bold"), hang=2)
    out.line(
        (finding.verdict.value, f"bold {screen.VERDICT[finding.verdict]}"),
        f" {wording.since(finding)}" if finding.since_commit else "",
        f": {visible(finding.reason)}" if finding.reason else "",
        hang=2,
    )
    out.blank()
    facts = [
        ("fails", f"{wording.rate(finding)}, {wording.failed(finding)}"),
        ("first seen", f"{day(finding.first_seen)}, last failed {day(finding.last_failed)}"),
    ]
    if finding.test.file:
        facts.append(("file", visible(finding.test.file)))
    if owners := wording.owners(finding):
        facts.append(("owners", owners))
    if finding.framework != "unknown":
        facts.append(("framework", finding.framework))
    if finding.verdict is Verdict.FLAKY:
        cost = finding.impact
        facts.append(
            ("cost", f"{plural(cost.red_runs, 'red run')}, {minutes(cost.minutes)} lost; rank {finding.rank or '–'}")
        )
    if finding.cluster is not None:
        facts.append(("cluster", f"{finding.cluster} (tests with the same problem share a number)"))
    if finding.saves:
        facts.append(("mending it", wording.saves(finding.saves)))
    for label, value in facts:
        out.line((f"{label:<11} ", "dim"), value, indent=2, hang=12)


def _timeline(finding: Finding, out: Screen) -> None:
    entries = finding.timeline
    if not entries:
        return
    out.heading("Timeline, oldest run first")
    groups = timeline.by_commit(entries)
    if 1 < len(groups) <= COMMITS_SHOWN * 2 and len(entries) >= 1.5 * len(groups):
        if len(groups) > COMMITS_SHOWN:
            out.line((f"… {plural(len(groups) - COMMITS_SHOWN, 'older commit')}", "dim"), indent=2)
        for name, group in groups[-COMMITS_SHOWN:]:
            row = "".join(timeline.symbol(entry) for entry in group)
            out.line(
                (f"{commit(name):<10}  {day(group[0].run.started_at)}  ", "dim"), *_coloured(row), indent=2, hang=24
            )
        shown = "".join(timeline.symbol(entry) for entry in entries)
    else:
        shown = timeline.one_row(entries[-RUNS_SHOWN:])
        out.line(*_coloured(shown), indent=2)
        out.line((f"{minute(entries[0].run.started_at)} to {minute(entries[-1].run.started_at)}", "dim"), indent=2)
    out.line((timeline.legend(shown), "dim"), indent=2)
    passed = [e.duration for e in entries if e.outcome is Outcome.PASSED and e.duration is not None]
    failed = [e.duration for e in entries if e.outcome.failed and e.duration is not None]
    if passed and failed:
        out.line(f"took {_spread(passed)} when it passed, {_spread(failed)} when it failed", indent=2, hang=2)


def _coloured(row: str) -> list[tuple[str, str]]:
    style = {timeline.SYMBOLS[outcome]: style for outcome, style in screen.OUTCOME.items()} | {
        timeline.RETRIED: "yellow"
    }
    return [(sign, style.get(sign, "dim")) for sign in row]


def _spread(values: Sequence[float]) -> str:
    ordered = sorted(values)
    low, middle, high = (seconds(ordered[place]) for place in (0, len(ordered) // 2, -1))
    return middle if low == high else f"{middle} ({low} to {high})"


def _diagnosis(diagnosis: Diagnosis, out: Screen) -> None:
    for evidence in diagnosis.evidence:
        out.line(
            (f"{evidence.weight:+5.1f}  ", "green" if evidence.weight > 0 else "red"),
            f"{evidence.category}: {visible(evidence.summary)}",
            (f"  [{visible(evidence.kind)}]", "dim"),
            indent=2,
            hang=7,
        )
    if diagnosis.evidence:
        out.line(("weights are log-odds: +2.3 makes a cause ten times likelier", "dim"), indent=2)
    if diagnosis.alternatives:
        others = ", ".join(f"{a.category} {odds(a.probability)}" for a in _worth_a_word(diagnosis.alternatives))
        out.line(("otherwise   ", "dim"), others, indent=2, hang=12)
    for partner in _worth_a_word(diagnosis.partners):
        kind = ("" if partner.kind == "test" else f" ({visible(partner.kind)})") + wording.when(partner)
        out.line(
            (f"{visible(partner.role):<11} ", "dim"),
            f"{odds(partner.probability):>5}  ",
            (visible(partner.id), "bold"),
            kind,
            indent=2,
            hang=19,
        )
    if diagnosis.ports:
        out.line((f"{'port':<11} ", "dim"), ", ".join(map(str, diagnosis.ports)), indent=2)
    if diagnosis.missing:
        _missing(diagnosis.missing, out)
    elif diagnosis.settle:
        out.line(("to settle   ", "dim"), visible(diagnosis.settle), indent=2, hang=12)


def _missing(gaps: Sequence[Gap], out: Screen) -> None:
    """What would settle it. A command stands on a line of its own, for whoever copies it."""
    for place, gap in enumerate(gaps):
        label = "to settle" if place == 0 else "also"
        command = gap.how if gap.how and re.fullmatch(r"`[^`]+`", gap.how) else None
        said = f"{visible(gap.summary)}:" if command else wording.gap(gap)
        out.line((f"{label:<11} ", "dim"), said, indent=2, hang=12)
        if command:
            out.verbatim(visible(command.strip("`")), indent=14)


def _worth_a_word(ranked: Sequence[_Likely]) -> Sequence[_Likely]:
    """Those with a real chance, and the first one whatever its chance. The JSON has them all."""
    return [one for place, one in enumerate(ranked) if place == 0 or one.probability >= WORTH_A_WORD]


def _signature(signature: SignatureFinding, number: int, several: bool, out: Screen) -> None:
    out.heading(
        f"Failure {number}: {plural(signature.failures, 'time')}, last {day(signature.last_seen)}"
        if several
        else f"Failure: {plural(signature.failures, 'time')}, last {day(signature.last_seen)}"
    )
    out.line(visible(signature.text), indent=2, hang=2)
    if signature.boundary:
        out.line(("boundary  ", "dim"), signature.boundary.value, indent=2)
    for artefact in signature.artefacts:
        out.line((f"{visible(artefact.kind)}  ", "dim"), visible(artefact.value), indent=2, hang=4)
    if several:
        out.line(("cause  ", "dim"), wording.cause(signature.diagnosis), indent=2)
        _diagnosis(signature.diagnosis, out)
    if signature.example:
        _example(signature.example, out)


def _example(example: FailureDetail, out: Screen) -> None:
    text = example.text or "\n".join(part for part in (example.type, example.message) if part)
    for label, part in (("latest", text), ("captured output", example.output)):
        if part.strip():
            out.line((f"{label}:", "dim"), indent=2)
            for line in excerpt(part, EXAMPLE_LINES):
                out.line(("│ ", "dim"), line, indent=2, hang=2)


def _fix(fix: Fix, out: Screen, *, open_: bool) -> None:
    if not open_:
        out.heading("Fix")
        out.line(visible(fix.summary), indent=2, hang=2)
        for number, step in enumerate(fix.steps, 1):
            out.line(f"{number}. {visible(step)}", indent=2, hang=3)
    if fix.example:
        out.blank()
        for line in lines(fix.example.code.rstrip("\n")):
            out.verbatim(line, indent=4)
    if fix.reproduce:
        out.heading("Reproduce")
        for line in lines(fix.reproduce):
            out.verbatim(line, indent=2)
