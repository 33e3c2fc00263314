"""NUnit 3's own result file."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import Element

from flakediag.junit.dialects.load import load_by_root
from flakediag.junit.document import Document, Suite
from flakediag.junit.formats.cases import failure, keep
from flakediag.junit.formats.dialect import of_format
from flakediag.junit.formats.elements import elements, text_of
from flakediag.junit.formats.spans import Span, put_in_order
from flakediag.junit.numbers import moment, seconds
from flakediag.junit.settings import ReadSettings
from flakediag.model import Attempt, Outcome

DIALECT = of_format(name="nunit", title="NUnit 3", family=".NET", sign="root `test-run`", load=load_by_root)

_OUTCOMES = {
    "passed": Outcome.PASSED,
    "warning": Outcome.PASSED,
    "failed": Outcome.FAILED,
    "skipped": Outcome.SKIPPED,
    "inconclusive": Outcome.SKIPPED,
}


def read(document: Document, chunks: Iterable[bytes], settings: ReadSettings) -> None:
    document.suites.append(Suite("testsuites", {}, -1))
    spans: list[Span | None] = []
    try:
        for element in elements(
            chunks, settings, whole=frozenset({"test-case"}), opened=frozenset({"test-run", "environment"})
        ):
            if element.tag == "test-run":
                document.root.attributes = {
                    "timestamp": element.get("start-time", ""),
                    "time": element.get("duration", ""),
                }
            elif element.tag == "environment":
                document.root.properties.setdefault("os.version", element.get("os-version", "")[:1000])
            else:
                classname = element.get("classname", "")
                name = element.get("fullname", "").removeprefix(f"{classname}.") or element.get("name", "")
                keep(document, settings, classname=classname, name=name, attempts=[_attempt(element, settings)])
                spans.append(_span(element))
    finally:
        put_in_order(document, spans)


def _attempt(element: Element, settings: ReadSettings) -> Attempt:
    """A failure that is labelled (Error, Invalid, Cancelled) is none of the test's own assertions."""
    outcome = _OUTCOMES.get(element.get("result", "").lower(), Outcome.ERROR)
    if outcome is Outcome.FAILED and element.get("label"):
        outcome = Outcome.ERROR
    duration = seconds(element.get("duration") or element.get("time"))
    if not outcome.failed:
        return Attempt(outcome, duration, None)
    return Attempt(
        outcome,
        duration,
        failure(
            settings,
            message=text_of(element, "failure", "message"),
            text=text_of(element, "failure", "stack-trace"),
            output=text_of(element, "output"),
        ),
    )


def _span(element: Element) -> Span | None:
    (began, _), (ended, _) = moment(element.get("start-time")), moment(element.get("end-time"))
    return Span(began, max(began, ended)) if began is not None and ended is not None else None
