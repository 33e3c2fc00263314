"""How much of a report is in memory at its end, and what is done when that is more than it may be."""

from __future__ import annotations

from flakediag.junit.document import CaseDetail, Document
from flakediag.junit.problems import UnreadableError
from flakediag.junit.settings import ReadSettings
from flakediag.junit.text import capped
from flakediag.model import Attempt, FailureDetail

CUT_SHORT = "its failures say more than is kept of a report: of the last ones only the beginning was kept"


def hold(document: Document, characters: int, settings: ReadSettings) -> None:
    """Count names and what suites say, which nothing can be left out of. Raises `UnreadableError` for too much."""
    document.held += characters
    if document.held > settings.max_held:
        raise UnreadableError(
            f"more than {settings.max_held:,} characters of names, properties and outputs of suites (setting max_held)"
        )


def affordable(document: Document, detail: CaseDetail, settings: ReadSettings) -> CaseDetail:
    """The detail; with its texts cut short once the failures of the report have taken what there is for them."""
    for attempt in (*detail.finals, *detail.reruns):
        if attempt.failure is not None:
            kind, message, text, output = attempt.failure
            document.said += len(kind) + len(message) + len(text) + len(output)
    if document.said <= settings.max_failures:
        return detail
    if CUT_SHORT not in document.notes:
        document.notes.append(CUT_SHORT)
    return detail._replace(
        finals=tuple(_cut(attempt, settings.max_rest) for attempt in detail.finals),
        reruns=tuple(_cut(attempt, settings.max_rest) for attempt in detail.reruns),
    )


def _cut(attempt: Attempt, limit: int) -> Attempt:
    if attempt.failure is None:
        return attempt
    return attempt._replace(failure=FailureDetail(*(capped(text, limit) for text in attempt.failure)))
