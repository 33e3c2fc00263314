"""The report for GitLab's Code Quality widget: the documented part of the Code Climate format.

docs.gitlab.com, "Code Quality": a JSON array of objects with description, check_name, fingerprint, severity,
location.path and location.lines.begin. GitLab compares the fingerprints of two branches.
"""

from __future__ import annotations

from typing import Any, TextIO

from flakediag.model import Finding, Report
from flakediag.report import document, issues
from flakediag.report.format import Options
from flakediag.report.issues import Level
from flakediag.report.text import visible

SEVERITY = {Level.ERROR: "critical", Level.WARNING: "major", Level.NOTE: "info"}
HARMLESS = "minor"  # a flaky test that turned no run red, as its retries passed


class Gitlab:
    name = "gitlab"

    def write(self, report: Report, stream: TextIO, options: Options) -> None:
        document.write([violation(finding) for finding in issues.issues(report)], stream)


def violation(finding: Finding) -> dict[str, Any]:
    """One entry. The fingerprint holds neither figures nor the cause: it stays when these become better known."""
    level = issues.level(finding)
    harmless = level is Level.WARNING and not finding.impact.red_runs
    return {
        "description": ". ".join([issues.title(finding), *issues.sentences(finding)]),
        "check_name": f"flakediag/{issues.rule(finding)}",
        "fingerprint": issues.fingerprint(finding.id, finding.test.file, level),
        "severity": HARMLESS if harmless else SEVERITY[level],
        "location": {"path": visible(issues.place(finding)), "lines": {"begin": 1}},
    }
