"""The report as Markdown for a job summary or a comment: short first, details folded, every name inert."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TextIO

from flakediag.model import Finding, Report, Verdict
from flakediag.report import wording
from flakediag.report.format import Options
from flakediag.report.text import commit, day, excerpt, lines, minutes, number, odds, percent, plural, visible

# Letters and digits of any script, and punctuation that means nothing to Markdown or HTML, stay as they are.
# So does an underscore inside a word.
_ACTIVE = re.compile(r"[\\`*{}\[\]<>|~&$^\"!]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=//)|(?<=[@#])")


class Markdown:
    name = "markdown"

    def write(self, report: Report, stream: TextIO, options: Options) -> None:
        stream.writelines(f"{line}\n" for line in _lines(report))


def _lines(report: Report) -> Iterable[str]:
    rate = report.rates.flaky_tests
    yield f"### Flaky tests: {percent(rate.value, 1)} ({number(rate.count)} of {number(rate.of)})"
    yield ""
    yield escape(wording.window(report))
    yield ""
    by_verdict = {verdict: [f for f in report.tests if f.verdict is verdict] for verdict in Verdict}
    if by_verdict[Verdict.FLAKY]:
        yield table(("#", "Test", "Fails", "Cause", "What to do"), [_row(f) for f in by_verdict[Verdict.FLAKY]])
    elif empty := wording.nothing_to_show(report):
        yield escape(empty)
        yield ""
    for verdict in wording.SHOWN_APART:
        if by_verdict[verdict]:
            yield from _apart(verdict, by_verdict[verdict])
    for finding in by_verdict[Verdict.FLAKY]:
        yield from details(finding)
    together = [cluster for cluster in report.clusters if len(cluster.tests) > 1]
    notes = [
        *(f"Cluster {c.id}: {plural(len(c.tests), 'test')}, {c.category}: {visible(c.summary)}" for c in together),
        *wording.outages(report),
        *(visible(note) for note in report.notes),
    ]
    if report.hidden:
        notes.append(f"{plural(report.hidden, 'more test is', 'more tests are')} not shown.")
    yield from (f"- {escape(note)}" for note in notes)


def _row(finding: Finding) -> list[str]:
    return [
        str(finding.rank or "–"),
        code(finding.id),
        escape(wording.rate(finding)),
        escape(wording.cause(finding.cause)),
        escape(wording.todo(finding)),
    ]


def _apart(verdict: Verdict, findings: Sequence[Finding]) -> Iterable[str]:
    yield f"**{wording.HEADINGS[verdict]}** ({number(len(findings))})"
    yield ""
    for finding in findings:
        said = f" {escape(wording.since(finding))}" if finding.since_commit else ""
        reason = f": {escape(finding.reason)}" if finding.reason else ""
        yield f"- {code(finding.id)}{said}{reason}"
    yield ""


def details(finding: Finding) -> Iterable[str]:
    """One test, folded: the evidence, the partners, the fix with its code, how to reproduce."""
    yield f"<details><summary>{finding.rank or '–'}. {code(finding.id)}</summary>"
    yield ""
    yield (
        f"Failed in {escape(wording.failed(finding))}, {escape(wording.rate(finding))}; "
        f"last on {day(finding.last_failed)}; {plural(finding.impact.red_runs, 'red run')}, "
        f"{minutes(finding.impact.minutes)} lost. Cause: {escape(wording.cause(finding.cause))}."
    )
    yield ""
    if finding.cause:
        for evidence in finding.cause.evidence:
            yield f"- {evidence.weight:+.1f} {evidence.category}: {escape(evidence.summary)}"
        for partner in finding.cause.partners:
            yield f"- {escape(partner.role)}: {code(partner.id)} ({escape(odds(partner.probability))})"
        if finding.cause.settle:
            yield f"- What would settle it: {escape(finding.cause.settle)}"
        yield ""
    if finding.fix:
        yield from _fix(finding)
    yield "</details>"
    yield ""


def _fix(finding: Finding) -> Iterable[str]:
    assert finding.fix is not None
    yield f"**Fix:** {escape(finding.fix.summary)}"
    yield ""
    for place, step in enumerate(finding.fix.steps, 1):
        yield f"{place}. {escape(step)}"
    yield ""
    if finding.fix.example:
        yield fenced(finding.fix.example.code, _LANGUAGE.get(finding.fix.example.framework, ""))
    if finding.fix.reproduce:
        yield "Reproduce with:"
        yield ""
        yield fenced(finding.fix.reproduce, "sh")


_LANGUAGE = {
    "pytest": "python",
    "junit": "java",
    "jest": "js",
    "vitest": "js",
    "go": "go",
    "rspec": "ruby",
    "dotnet": "csharp",
}


def show(finding: Finding, stream: TextIO) -> None:
    """One test as a page of its own."""
    stream.write(f"### {code(finding.id)}\n\n")
    since = f" {escape(wording.since(finding))}" if finding.since_commit else ""
    stream.write(f"**{finding.verdict}**{since}: {escape(finding.reason) or 'no reason given'}\n\n")
    body = list(details(finding))
    stream.writelines(f"{line}\n" for line in body[1:-2])  # a page is not folded
    for signature in finding.signatures:
        stream.write(
            f"\n**{plural(signature.failures, 'failure')}**, {escape(wording.cause(signature.diagnosis))}, "
            f"last {day(signature.last_seen)}: {code(signature.text)}\n\n"
        )
        if signature.example:
            stream.write(fenced("\n".join(excerpt(signature.example.text or signature.example.message, 30)), "text"))
    if finding.since_commit:
        stream.write(f"\nSince commit {code(commit(finding.since_commit))}.\n")


def escape(text: str) -> str:
    """Text that Markdown and HTML show and do nothing else with. A zero-width space after `@` and `#` keeps a name
    from notifying people or linking issues."""
    return _ACTIVE.sub(lambda m: f"&#{ord(m.group())};" if m.group() else "&#8203;", visible(text))


def code(text: str) -> str:
    """Text in a code span. HTML rather than backticks: it holds any text, also in a table cell or a summary."""
    return f"<code>{escape(text)}</code>"


def fenced(text: str, language: str) -> str:
    """A code block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    body = "\n".join(lines(text.rstrip("\n")))
    return f"{fence}{language}\n{body}\n{fence}\n"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are escaped already."""
    ruled = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in ruled) + "\n"
