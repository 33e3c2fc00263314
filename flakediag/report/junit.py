"""The flaky and broken tests as JUnit XML, for the test view of a CI system: a suite for each cause, the evidence as
the failure. It tells of a whole history rather than of a run: it is not meant to be read into one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from flakediag.model import Finding, Report
from flakediag.report import issues, wording
from flakediag.report.format import Options
from flakediag.report.issues import Level
from flakediag.report.marks import escaped
from flakediag.report.text import odds, visible


class Junit:
    name = "junit"

    def write(self, report: Report, stream: TextIO, options: Options) -> None:
        found = issues.issues(report)
        suites = {name: [finding for finding in found if issues.rule(finding) == name] for name in issues.RULES}
        stream.write('<?xml version="1.0" encoding="UTF-8"?>\n')
        stream.write(f'<testsuites name="flakediag" {_counts(found)}>\n')
        for name, findings in suites.items():
            if findings:
                stream.write(f'  <testsuite name="{escaped(name)}" {_counts(findings)}>\n')
                stream.writelines(_case(finding) for finding in findings)
                stream.write("  </testsuite>\n")
        stream.write("</testsuites>\n")


def _counts(findings: list[Finding]) -> str:
    skipped = sum(map(_open, findings))
    return f'tests="{len(findings)}" failures="{len(findings) - skipped}" errors="0" skipped="{skipped}" time="0"'


def _open(finding: Finding) -> bool:
    return issues.level(finding) is Level.NOTE


def _case(finding: Finding) -> str:
    test = finding.test
    # The name is what the reader joins to the class again: with its variant it gives the id that the report has.
    name = f"{test.name} [{test.variant}]" if test.variant else test.name or test.classname
    file = f' file="{escaped(test.file)}"' if test.file else ""
    tag = "skipped" if _open(finding) else "failure"
    said = ". ".join([issues.title(finding), *issues.sentences(finding)[1:]])
    return (
        f'    <testcase classname="{escaped(test.classname)}" name="{escaped(name)}"{file} time="0">\n'
        f'      <{tag} type="{escaped(issues.rule(finding))}" message="{escaped(said)}">'
        + "\n".join(escaped(line) for line in _evidence(finding))
        + f"</{tag}>\n    </testcase>\n"
    )


def _evidence(finding: Finding) -> Iterator[str]:
    yield ". ".join(issues.sentences(finding))
    if finding.cause:
        yield f"Cause: {wording.cause(finding.cause)}"
        for evidence in finding.cause.evidence:
            yield f"{evidence.weight:+.1f} {evidence.category}: {visible(evidence.summary)}"
        for partner in finding.cause.partners:
            yield f"{partner.role}: {visible(partner.id)} ({odds(partner.probability)}){wording.when(partner)}"
    if finding.fix:
        yield from (f"{place}. {visible(step)}" for place, step in enumerate(finding.fix.steps, 1))
        if finding.fix.reproduce:
            yield f"Reproduce with: {visible(finding.fix.reproduce)}"
