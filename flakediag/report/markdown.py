"""The report as Markdown for a job summary or a comment: short first, details folded, every name inert.

The same history gives the same text: no clock is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO
from urllib.parse import quote

from flakediag.model import Finding, Report, Verdict
from flakediag.report import wording
from flakediag.report.fitting import Part, fitted
from flakediag.report.format import Options
from flakediag.report.text import commit, day, excerpt, lines, minutes, number, odds, percent, plural, visible

# Letters and digits of any script, and punctuation that means nothing to Markdown or HTML, stay as they are.
# So does an underscore inside a word.
_ACTIVE = re.compile(r"[\\`*{}\[\]<>|~&$^\"!]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=//)|(?<=www)\.|(?<=[@#])")


class Markdown:
    name = "markdown"

    def write(self, report: Report, stream: TextIO, options: Options) -> None:
        stream.write(fitted(list(_parts(report))))


def marker(what: str, project: str) -> str:
    """A comment that no reader sees, by which a program finds its own comment again and updates it."""
    return (
        f"<!-- flakediag {what} project={quote(project, safe='', errors='backslashreplace').replace('--', '-%2D')} -->"
    )


def _parts(report: Report) -> Iterator[Part]:
    yield Part((f"{marker('report', report.project)}\n\n",))
    rate = report.rates.flaky_tests
    yield Part((f"### Flaky tests: {percent(rate.value, 1)} ({number(rate.count)} of {number(rate.of)})\n\n",))
    yield Part((f"{escape(wording.window(report))}\n\n",))
    by_verdict = {verdict: [f for f in report.tests if f.verdict is verdict] for verdict in Verdict}
    flaky = by_verdict[Verdict.FLAKY]
    if flaky:
        owned = any(finding.owners is not None for finding in flaky)
        rows = (table_row(_cells(finding, owned)) for finding in flaky)
        headings = ("#", "Test", "Fails", "Cause", *(["Owner"] if owned else []), "What to do")
        yield Part(tuple(rows), table_head(headings), "\n", "table row", cut=2)
    elif empty := wording.nothing_to_show(report):
        yield Part((f"{escape(empty)}\n\n",))
    if broken := by_verdict[Verdict.BROKEN]:
        head = f"**{wording.HEADINGS[Verdict.BROKEN]}** ({number(len(broken))})\n\n"
        yield Part(tuple(map(_apart, broken)), head, "\n", "broken test", cut=2)
    yield from _fixes(report)
    together = [cluster for cluster in report.clusters if len(cluster.tests) > 1]
    notes = [
        *(f"C{wording.cluster(cluster)[1:]}" for cluster in together),
        *wording.outages(report),
        *(visible(note) for note in report.notes),
    ]
    if report.hidden:
        notes.insert(0, f"{plural(report.hidden, 'more test is', 'more tests are')} not shown.")
    if notes:
        yield Part(tuple(f"- {escape(note)}\n" for note in notes), "", "\n", "note", cut=1)
    for verdict in wording.SHOWN_APART:
        if verdict is not Verdict.BROKEN and (findings := by_verdict[verdict]):
            head = f"<details><summary>{wording.HEADINGS[verdict]} ({number(len(findings))})</summary>\n\n"
            yield Part(tuple(map(_apart, findings)), head, "\n</details>\n\n", f"{verdict} test", cut=3)
    folded = ("".join(f"{line}\n" for line in details(finding)) for finding in flaky)
    yield Part(tuple(folded), noun="test's details", nouns="tests' details", cut=4)


def _fixes(report: Report) -> Iterator[Part]:
    said, steps = wording.fixes(report)
    if steps:
        listed = (
            f"{place}. {escape(wording.step(s))}: {escape(wording.ticket(s))}\n" for place, s in enumerate(steps, 1)
        )
        yield Part(tuple(listed), f"**Mend first**: {escape(said)}\n\n", "\n", "fix", "fixes", cut=1)


def _cells(finding: Finding, owned: bool) -> list[str]:
    return [
        str(finding.rank or "–"),
        code(finding.id),
        escape(wording.rate(finding)),
        escape(wording.cause(finding.cause)),
        *([escape(wording.owners(finding) or "not known")] if owned else []),
        prose(wording.todo(finding)),
    ]


def _apart(finding: Finding) -> str:
    said = f" {escape(wording.since(finding))}" if finding.since_commit else ""
    reason = f": {escape(finding.reason)}" if finding.reason else ""
    return f"- {code(finding.id)}{said}{reason}\n"


def details(finding: Finding) -> Iterable[str]:
    """One test, folded: the evidence, the partners, the fix with its code, how to reproduce."""
    yield f"<details><summary>{finding.rank or '–'}. {code(finding.id)}</summary>"
    yield ""
    yield (
        f"Failed in {escape(wording.failed(finding))}, {escape(wording.rate(finding))}; "
        f"last on {day(finding.last_failed)}; {plural(finding.impact.red_runs, 'red run')}, "
        f"{minutes(finding.impact.minutes)} lost. Cause: {escape(wording.cause(finding.cause))}."
        + (f" Mending it {escape(wording.saves(finding.saves))}." if finding.saves else "")
    )
    yield ""
    if finding.cause:
        for evidence in finding.cause.evidence:
            yield f"- {evidence.weight:+.1f} {evidence.category}: {escape(evidence.summary)}"
        for partner in finding.cause.partners:
            likely = f"({escape(odds(partner.probability))}){wording.when(partner)}"
            yield f"- {escape(partner.role)}: {code(partner.id)} {likely}"
        if finding.cause.settle:
            yield f"- What would settle it: {prose(finding.cause.settle)}"
        for gap in finding.cause.missing[1:]:
            yield f"- Also missing: {prose(wording.gap(gap))}"
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
        yield f"{place}. {prose(step)}"
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


def prose(text: str) -> str:
    """A sentence of flakediag's own, in which commands stand between back-quotes."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return escape(text)
    return "".join(code(piece) if place % 2 else escape(piece) for place, piece in enumerate(pieces))


def fenced(text: str, language: str) -> str:
    """A code block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    body = "\n".join(lines(text.rstrip("\n")))
    return f"{fence}{language}\n{body}\n{fence}\n"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are escaped already."""
    return "".join([table_head(headings), *map(table_row, rows)]) + "\n"


def table_head(headings: Sequence[str]) -> str:
    return table_row(headings) + table_row(["---"] * len(headings))


def table_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"
