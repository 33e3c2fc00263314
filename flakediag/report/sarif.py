"""The report as SARIF 2.1.0 (OASIS), for code scanning: a cause is a rule, a way in which a test fails a result.

docs.github.com, "SARIF support for code scanning", says what GitHub reads: a file with a result without a physical
location is refused whole, and alerts of two uploads are told to be the same by `primaryLocationLineHash` alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TextIO
from urllib.parse import quote

from flakediag import __version__, tables
from flakediag.model import Finding, Report, SignatureFinding, Verdict
from flakediag.report import document, issues, wording
from flakediag.report.document import Document
from flakediag.report.format import Options
from flakediag.report.issues import Level
from flakediag.report.text import plural, visible

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"  # the address that names the standard; nothing is fetched
SEVERITY = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "recommendation"}


class Sarif:
    name = "sarif"

    def write(self, report: Report, stream: TextIO, options: Options) -> None:
        document.write(log(report), stream)


def log(report: Report) -> Document:
    driver = {
        "name": "flakediag",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [rule(name) for name in issues.RULES],
    }
    run = {
        "tool": {"driver": driver},
        # What stands before the last slash is GitHub's category: reports of two projects do not replace each other.
        "automationDetails": {"id": f"flakediag/{quote(visible(report.project), safe='')}/"},
        "columnKind": "utf16CodeUnits",
        "results": [one for finding in issues.issues(report) for one in results(finding)],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _texts() -> dict[str, Any]:
    return tables.read("report/rules.toml")


def rule(name: str) -> Document:
    """A reporting descriptor: the same in every report, as GitHub asks of rules."""
    said = _texts()[name]
    level = Level.ERROR if name == issues.BROKEN else Level.NOTE if name == issues.TOO_LITTLE else Level.WARNING
    return {
        "id": name,
        "name": said["name"],
        "shortDescription": {"text": said["title"]},
        "fullDescription": {"text": said["about"]},
        "help": {
            "text": " ".join((said["about"], *said["help"])),
            "markdown": "\n".join((said["about"], "", *(f"- {step}" for step in said["help"]))),
        },
        "defaultConfiguration": {"level": level.value},
        "properties": {"tags": ["tests", "flaky-tests"], "problem.severity": SEVERITY[level]},
    }


def results(finding: Finding) -> Iterator[Document]:
    """A result for each signature, so that each has the rule of its own cause; one for a finding without any."""
    for signature in finding.signatures or (None,):
        yield _result(finding, signature)


def _result(finding: Finding, signature: SignatureFinding | None) -> Document:
    name = issues.rule(finding, signature.diagnosis if signature else None)
    way = issues.fingerprint(finding.id, finding.test.file, signature.text if signature else "")
    return {
        "ruleId": name,
        "ruleIndex": issues.RULES.index(name),
        "level": issues.level(finding).value,
        "message": {"text": ". ".join(_message(finding, signature))},
        "locations": [_location(finding)],
        # The hash of a line is asked for; no line is known, and two tests of one file must not be taken for one.
        "partialFingerprints": {"primaryLocationLineHash": f"{way[:16]}:1", "testAndSignature/v1": way},
        "occurrenceCount": max(1, signature.failures if signature else finding.failures),
        "properties": {
            "verdict": finding.verdict.value,
            "runs": finding.runs,
            "failures": finding.failures,
            "rate": document.number(finding.rate.value),
            "redRuns": finding.impact.red_runs,
            "probability": document.number(signature.diagnosis.probability) if signature else None,
            "partners": [partner.id for partner in signature.diagnosis.partners] if signature else [],
            "reproduce": finding.fix.reproduce if finding.fix else None,
        },
    }


def _message(finding: Finding, signature: SignatureFinding | None) -> Iterator[str]:
    """The first sentence is what is shown where there is little room."""
    if signature is None or signature is finding.signatures[0]:
        said = [issues.title(finding), *issues.sentences(finding)]
    else:  # why and what to do were found for the way in which it mostly fails
        flaky = finding.verdict is Verdict.FLAKY
        said = [
            f"Flaky test: {wording.cause(signature.diagnosis)}" if flaky else issues.title(finding),
            f"{wording.test_id(finding)} fails in this way too",
        ]
        evidence = wording.decisive(signature.diagnosis)
        said += [f"Why: {visible(evidence.summary)}"] if evidence else []
    yield from (_plain(part) for part in said)
    if signature:
        yield _plain(f"{plural(signature.failures, 'failure')} like this: {visible(signature.text)}")


def _plain(text: str) -> str:
    """`[text](target)` in a message is a link (SARIF 3.11.6); test ids may hold brackets, but shall not link."""
    return re.sub(r"\](?=\()", "] ", text)


def _location(finding: Finding) -> Document:
    """Where no file is known, the class stands for one: its results are listed, though without source."""
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(visible(issues.place(finding)))},
            "region": {"startLine": 1},  # the report says nothing of lines, but asks for one
        },
        "logicalLocations": [
            {
                "name": visible(finding.test.name or finding.test.classname),
                "fullyQualifiedName": visible(finding.id),
                "kind": "function",
            }
        ],
    }
