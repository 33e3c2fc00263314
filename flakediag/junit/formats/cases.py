"""Test cases as the readers of this folder put them together: all attempts known, in the order they were made."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from sys import intern

from flakediag.junit.attempts import one_failure
from flakediag.junit.budget import affordable, hold
from flakediag.junit.document import CaseDetail, Document, RawCase
from flakediag.junit.problems import UnreadableError
from flakediag.junit.repair import ILLEGAL, MASK
from flakediag.junit.settings import ReadSettings
from flakediag.junit.text import capped
from flakediag.model import Attempt, FailureDetail, Outcome

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def keep(
    document: Document,
    settings: ReadSettings,
    *,
    name: str,
    classname: str = "",
    file: str = "",
    suite: int = 0,
    attempts: Sequence[Attempt],
) -> None:
    """Add a test case with its attempts, the deciding one last."""
    if len(document.cases) >= settings.max_cases:
        raise UnreadableError(f"more than {settings.max_cases:,} test cases (setting max_cases)")
    duration, detail = attempts[-1].duration, told(attempts)
    hold(document, len(name), settings)
    if detail is not None:
        detail = affordable(document, detail, settings)
    document.cases.append(
        RawCase(intern(legible(classname)), legible(name), intern(legible(file)), suite, duration, detail)
    )


def told(attempts: Sequence[Attempt]) -> CaseDetail | None:
    """What these attempts say of a test, the deciding one last; None where it simply passed."""
    *earlier, last = attempts
    if not earlier and last.outcome is Outcome.PASSED:
        return None
    flaky = last.outcome is Outcome.PASSED and any(attempt.outcome.failed for attempt in earlier)
    return CaseDetail(last.outcome, (last,) if last.outcome.failed else (), tuple(earlier), flaky)


def count(document: Document) -> None:
    """Count the cases by their outcome, as the last attempt decided it."""
    outcomes = Counter(case.detail.outcome for case in document.cases if case.detail is not None)
    document.failures = outcomes[Outcome.FAILED]
    document.errors = outcomes[Outcome.ERROR]
    document.skipped = outcomes[Outcome.SKIPPED]


def attempts_before(case: RawCase) -> list[Attempt]:
    """The attempts of a case that `keep` made: what was tried before, in order, and the deciding one last."""
    if case.detail is None:
        return [Attempt(Outcome.PASSED, case.duration, None)]
    failure = one_failure(case.detail.outcome, case.detail.finals)
    return [*case.detail.reruns, Attempt(case.detail.outcome, case.duration, failure)]


def failure(
    settings: ReadSettings, *, kind: str = "", message: str = "", text: str = "", output: str = ""
) -> FailureDetail:
    """What a report says of a failed attempt, as much of it as is kept."""
    return FailureDetail(
        capped(legible(kind), settings.max_message),
        capped(legible(message), settings.max_message),
        capped(legible(text).strip(), settings.max_text),
        capped(legible(output).strip(), settings.max_output),
    )


def legible(text: str) -> str:
    """The text without a terminal's colours, and with what XML may not hold masked as the reader of XML masks it.

    A test is then named alike in all of its reports, and no text holds what a database or a terminal would choke on.
    """
    if text.isascii() and text.isprintable():
        return text
    if "\x1b" in text:
        text = _COLOURS.sub("", text)
    return ILLEGAL.sub(MASK, text)
