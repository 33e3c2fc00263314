"""Annotations for GitHub Actions: workflow commands on standard output, which the runner shows beside the code.

Escaping and limits: docs.github.com, "Workflow commands for GitHub Actions"; github.com/actions/toolkit,
docs/problem-matchers.md (10 errors, 10 warnings and 10 notices of a step are shown, 50 annotations of a job).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple, TextIO

from flakediag.model import Report
from flakediag.report import issues, wording
from flakediag.report.format import Options
from flakediag.report.issues import Level
from flakediag.report.text import number, percent, plural, visible

PER_STEP = 10  # annotations of one kind that are shown for a step; the runner drops those that come later
KIND = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}


class Annotation(NamedTuple):
    """`text` may have several lines; `file` is relative to the checkout."""

    kind: str
    title: str
    text: str
    file: str | None = None


class Github:
    name = "github"

    def write(self, report: Report, stream: TextIO, options: Options) -> None:
        rate = report.rates.flaky_tests
        title = f"Flaky tests: {percent(rate.value, 1)} ({number(rate.count)} of {number(rate.of)})"
        found = [
            Annotation(
                KIND[issues.level(finding)],
                issues.title(finding),
                "\n".join(issues.sentences(finding)),
                issues.source(finding.test, finding.framework),
            )
            for finding in issues.issues(report)
        ]
        said = wording.nothing_to_show(report) or wording.window(report)
        annotate(found, Annotation("notice", title, said), stream, hidden=report.hidden)


def annotate(annotations: Iterable[Annotation], last: Annotation, stream: TextIO, hidden: int = 0) -> None:
    """Write as many annotations of each kind as are shown, then `last`, which also says how many were left out."""
    written = Counter({last.kind: 1})
    left = hidden
    for annotation in annotations:
        if written[annotation.kind] >= PER_STEP:
            left += 1
            continue
        written[annotation.kind] += 1
        stream.write(command(annotation))
    if left:
        more = f"{plural(left, 'more is', 'more are')} not annotated: GitHub shows {PER_STEP} of a kind for each step"
        last = last._replace(text=f"{last.text}\n{more}")
    stream.write(command(last))


def command(annotation: Annotation) -> str:
    """The workflow command, in one line."""
    properties = {"file": annotation.file or "", "title": annotation.title}
    written = ",".join(f"{name}={_property(value)}" for name, value in properties.items() if value)
    return f"::{annotation.kind} {written}::{_data(annotation.text)}\n"


def _data(text: str) -> str:
    """Of the characters to be escaped (%, CR, LF), `visible` leaves none but the first in a line."""
    return "%0A".join(visible(line).replace("%", "%25") for line in text.split("\n"))


def _property(text: str) -> str:
    return visible(text).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
