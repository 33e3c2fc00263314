"""xUnit.net's own result file, version 2 and later."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import Element

from flakediag.junit.dialects.load import load_by_root
from flakediag.junit.document import Document, Suite
from flakediag.junit.formats.cases import failure, keep
from flakediag.junit.formats.dialect import of_format
from flakediag.junit.formats.elements import elements, text_of
from flakediag.junit.numbers import seconds
from flakediag.junit.settings import ReadSettings
from flakediag.model import Attempt, Outcome

DIALECT = of_format(
    name="xunit",
    title="xUnit.net",
    family=".NET",
    sign="root `assemblies` or `assembly`",
    load=load_by_root,
    remark="xUnit.net runs test collections in parallel by default: the order of execution is not known",
)

_OUTCOMES = {
    "pass": Outcome.PASSED,
    "fail": Outcome.FAILED,
    "skip": Outcome.SKIPPED,
    "notrun": Outcome.SKIPPED,
}


def read(document: Document, chunks: Iterable[bytes], settings: ReadSettings) -> None:
    document.suites.append(Suite("testsuites", {}, -1))
    for element in elements(chunks, settings, whole=frozenset({"test"}), opened=frozenset({"assembly"})):
        if element.tag == "assembly":
            date, time = element.get("run-date", ""), element.get("run-time", "")
            attributes = {"timestamp": element.get("start-rtf") or f"{date}T{time}"}
            document.suites.append(Suite("testsuite", attributes, 0))
        else:
            classname = element.get("type", "")
            name = element.get("name", "").removeprefix(f"{classname}.") or element.get("method", "")
            keep(
                document,
                settings,
                classname=classname,
                name=name,
                suite=len(document.suites) - 1,
                attempts=[_attempt(element, settings)],
            )


def _attempt(element: Element, settings: ReadSettings) -> Attempt:
    outcome = _OUTCOMES.get(element.get("result", "").lower(), Outcome.ERROR)
    duration = seconds(element.get("time"))
    if not outcome.failed:
        return Attempt(outcome, duration, None)
    failed = element.find("failure")
    return Attempt(
        outcome,
        duration,
        failure(
            settings,
            kind=failed.get("exception-type", "") if failed is not None else "",
            message=text_of(element, "failure", "message"),
            text=text_of(element, "failure", "stack-trace"),
            output=text_of(element, "output"),
        ),
    )
