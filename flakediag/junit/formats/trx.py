"""TRX, the result file of Visual Studio and `dotnet test --logger trx`."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import Element

from flakediag.junit.attempts import join_mixed
from flakediag.junit.dialects.load import load_by_root
from flakediag.junit.document import Document, Suite
from flakediag.junit.formats.cases import failure, keep, legible
from flakediag.junit.formats.dialect import of_format
from flakediag.junit.formats.elements import elements, text_of
from flakediag.junit.formats.spans import Span, put_in_order
from flakediag.junit.numbers import moment, seconds
from flakediag.junit.settings import ReadSettings
from flakediag.model import Attempt, Outcome

DIALECT = of_format(
    name="vstest",
    title="TRX (VSTest)",
    family=".NET",
    sign="root `TestRun`",
    join=join_mixed,
    retries="the same test again, one of which failed: the last decides",
    load=load_by_root,
)

_RESULTS = frozenset(
    {"UnitTestResult", "GenericTestResult", "ManualTestResult", "WebTestResult", "LoadTestResult", "TestResult"}
)
_DEFINITION = "TestMethod"
_OUTCOMES = {
    **dict.fromkeys(("passed", "passedbutrunaborted", "completed", "warning"), Outcome.PASSED),
    "failed": Outcome.FAILED,
    **dict.fromkeys(("error", "timeout", "aborted", "disconnected"), Outcome.ERROR),
    **dict.fromkeys(("notexecuted", "notrunnable", "inconclusive", "pending", "inprogress"), Outcome.SKIPPED),
}


def read(document: Document, chunks: Iterable[bytes], settings: ReadSettings) -> None:
    """Results come first and name their tests by id; the classes of these stand behind them."""
    document.suites.append(Suite("testsuites", {}, -1))
    ids: list[str] = []  # of the tests, for each case
    classes: dict[str, str] = {}
    spans: list[Span | None] = []
    defined = ""  # the test whose definition is open
    try:
        for element in elements(
            chunks,
            settings,
            whole=_RESULTS | {_DEFINITION},
            opened=frozenset({"Times", "UnitTest"}),
        ):
            if element.tag == "UnitTest":
                defined = element.get("id", "")
            elif element.tag == _DEFINITION:
                # Older adapters add the assembly behind a comma.
                classes[defined] = element.get("className", "").partition(",")[0].strip()
            elif element.tag == "Times":
                document.root.attributes = _times(element)
            elif element.find("InnerResults") is None:  # else it sums up the rows of data below it
                ids.append(element.get("testId", ""))
                spans.append(_span(element))
                keep(document, settings, name=element.get("testName", ""), attempts=[_attempt(element, settings)])
    finally:
        for place, test in enumerate(ids[: len(document.cases)]):
            case = document.cases[place]
            classname = legible(classes.get(test, "")) or _class_in(case.name)
            name = case.name.removeprefix(f"{classname}.") if classname else case.name
            document.cases[place] = case._replace(classname=classname, name=name)
        put_in_order(document, spans)


def _class_in(name: str) -> str:
    """The class in a full name, `Space.Class.Method(argument: "a.b")`, where nothing else tells it."""
    return name.partition("(")[0].rpartition(".")[0]


def _attempt(element: Element, settings: ReadSettings) -> Attempt:
    message = text_of(element, "Output", "ErrorInfo", "Message")
    trace = text_of(element, "Output", "ErrorInfo", "StackTrace")
    stated = element.get("outcome", "").lower()
    outcome = _OUTCOMES.get(stated, Outcome.ERROR if message or trace else Outcome.SKIPPED)
    duration = seconds(element.get("duration"))
    if not outcome.failed:
        return Attempt(outcome, duration, None)
    output = "\n".join(text_of(element, "Output", name) for name in ("StdOut", "StdErr", "DebugTrace"))
    return Attempt(outcome, duration, failure(settings, message=message, text=trace, output=output))


def _times(element: Element) -> dict[str, str]:
    began, _ = moment(element.get("start"))
    ended, _ = moment(element.get("finish"))
    took = (ended - began).total_seconds() if began is not None and ended is not None else 0.0
    return {"timestamp": element.get("start", ""), "time": str(took) if took > 0 else ""}


def _span(element: Element) -> Span | None:
    (began, _), (ended, _) = moment(element.get("startTime")), moment(element.get("endTime"))
    return Span(began, max(began, ended)) if began is not None and ended is not None else None
