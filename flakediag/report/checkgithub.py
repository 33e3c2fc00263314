"""What `flakediag check` found, as annotations for GitHub Actions: an error for what blocks, else a notice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from flakediag.model import Check, CheckedFailure
from flakediag.report import check
from flakediag.report.github import Annotation, annotate
from flakediag.report.issues import source


def write(checked: Check, stream: TextIO) -> None:
    said = Annotation("notice", f"flakediag check: {check.headline(checked)}", check.summary(checked))
    annotate(_annotations(checked), said, stream)


def _annotations(checked: Check) -> Iterator[Annotation]:
    for run in checked.runs:
        if run.outage:
            yield Annotation("warning", "This run looks like an outage", check.outage_of(run))
    for file in checked.refused:
        yield Annotation("warning", "A report could not be read", f"{file.path}: {file.reason or ''}")
    failures = [failure for run in checked.runs for failure in run.failures]
    # What blocks comes first: of each kind, only the first ones are shown.
    for failure in sorted(failures, key=lambda failure: (not failure.blocks, failure.recovered)):
        yield _annotation(failure)


def _annotation(failure: CheckedFailure) -> Annotation:
    label = "passed on retry" if failure.recovered else check.STATUS[failure.status][0]
    cause = check.cause_of(failure)
    parts = (f"{failure.test.id}: {failure.reason}", failure.signature, f"Cause: {cause}" if cause else "")
    return Annotation(
        "error" if failure.blocks else "notice",
        label.capitalize(),
        "\n".join(" ".join(part.splitlines()) for part in parts if part),
        source(failure.test, failure.known.framework if failure.known else ""),
    )
