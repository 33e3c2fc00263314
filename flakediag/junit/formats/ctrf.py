"""CTRF, the common test report format: one JSON for many runners."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from flakediag.junit.dialects.load import load_by_root
from flakediag.junit.dialects.place import Place, by_class
from flakediag.junit.document import Document, Suite
from flakediag.junit.formats.cases import failure, keep, legible
from flakediag.junit.formats.dialect import of_format
from flakediag.junit.formats.parts import Path, parts
from flakediag.junit.formats.spans import Span, put_in_order
from flakediag.junit.numbers import of_milliseconds
from flakediag.junit.settings import ReadSettings
from flakediag.model import Attempt, Identity, Outcome

_TITLES = " > "
_ENDS = {"passed": Outcome.PASSED, "failed": Outcome.FAILED, "skipped": Outcome.SKIPPED, "pending": Outcome.SKIPPED}
_MOST_RETRIES = 100  # that only a number tells of

Json = dict[str, object]


def by_path(place: Place) -> Identity:
    """The file with the titles around the test, else the suite; what ran it (a browser, a device) is a variant."""
    suite = place.document.suites[place.suite]
    variant = suite.attributes.get("hostname", "")
    if not place.file:
        return by_class(place)._replace(variant=variant)
    return Identity("", _TITLES.join(part for part in (place.classname, place.name) if part), place.file, variant)


DIALECT = of_format(
    name="ctrf",
    title="CTRF",
    family="JavaScript",
    sign="`reportFormat` or `results` with `tool`, `summary` and `tests`",
    identity=by_path,
    names="file, suite, name",
    retries="`retryAttempts`, or as many failed attempts as `retries` says",
    load=load_by_root,
    hostname=False,
)


def read(document: Document, chunks: Iterable[bytes], settings: ReadSettings) -> None:
    document.suites.append(Suite("testsuites", {}, -1))
    report = _Report(document, settings)
    try:
        for path, value in parts(chunks, settings, _looked_into):
            report.part(path, value)
    finally:
        put_in_order(document, report.spans)


def _looked_into(path: Path) -> bool:
    return path in ((), ("results",), ("results", "tests"))


class _Report:
    def __init__(self, document: Document, settings: ReadSettings) -> None:
        self.spans: list[Span | None] = []
        self._document = document
        self._settings = settings
        self._variants: dict[str, int] = {"": 0}  # suites that stand for a browser or a device

    def part(self, path: Path, value: object) -> None:
        if not isinstance(value, dict):
            return
        if path[:2] == ("results", "tests"):
            self._test(value)
        elif path == ("results", "summary"):
            began, ended = _moment(value.get("start")), _moment(value.get("stop"))
            if began is not None:
                took = (ended - began).total_seconds() if ended is not None and ended > began else None
                self._document.root.attributes = {"timestamp": began.isoformat(), "time": str(took or "")}
        elif path == ("results", "environment"):
            self._environment(value)

    def _environment(self, environment: Json) -> None:
        """What the report says of the checkout and the machine, under the names that properties have elsewhere."""
        named = {"commit": "commit", "branchName": "branch", "osPlatform": "os.name", "osVersion": "os.version"}
        for key, name in named.items():
            if isinstance(environment.get(key), str):
                self._document.root.properties[name] = legible(str(environment[key]))[:1000]

    def _test(self, test: Json) -> None:
        name, file = _text(test.get("name")), _text(test.get("filePath"))
        suite = test.get("suite")
        titles = [_text(title) for title in suite] if isinstance(suite, list) else _text(suite).split(_TITLES)
        if any(file.endswith("/" + title) for title in titles if "." in title):
            file = ""  # the titles tell it already, and without the folder of one machine
        variant = re.sub(r"[\s/]*\d[\d._]*", "", _text(test.get("browser") or test.get("device")))
        attempts = [*self._earlier(test), self._attempt(test)]
        keep(
            self._document,
            self._settings,
            classname=_TITLES.join(title for title in titles if title),
            name=name,
            file=file,
            suite=self._variant(variant),
            attempts=attempts,
        )
        began, ended = _moment(test.get("start")), _moment(test.get("stop"))
        self.spans.append(Span(began, max(began, ended), _text(test.get("threadId"))) if began and ended else None)

    def _variant(self, name: str) -> int:
        if name not in self._variants:
            self._variants[name] = len(self._document.suites)
            self._document.suites.append(Suite("testsuite", {"hostname": legible(name)}, 0))
        return self._variants[name]

    def _earlier(self, test: Json) -> Iterator[Attempt]:
        """The attempts before the last: told one by one, or only by their number."""
        told = test.get("retryAttempts")
        retries = test.get("retries")
        number = min(retries, _MOST_RETRIES) if isinstance(retries, int) and not isinstance(retries, bool) else 0
        if isinstance(told, list) and told:
            each = [attempt for attempt in told if isinstance(attempt, dict)]
            # Some writers list the last attempt too, which is the test itself.
            each = each[:number] if 0 < number < len(each) else each
            yield from map(self._attempt, each[: self._settings.max_children])
        elif test.get("flaky") is True or _ENDS.get(_text(test.get("status"))) is Outcome.FAILED:
            yield from [Attempt(Outcome.FAILED, None, None)] * max(number, test.get("flaky") is True)

    def _attempt(self, said: Json) -> Attempt:
        outcome = _ENDS.get(_text(said.get("status")), Outcome.ERROR)
        if _text(said.get("status")) == "other" and not said.get("message") and not said.get("trace"):
            outcome = Outcome.SKIPPED  # neither passed nor failed, and nothing went wrong
        duration = of_milliseconds(said.get("duration"))
        if not outcome.failed:
            return Attempt(outcome, duration, None)
        output = "\n".join(_joined(said.get(key)) for key in ("stdout", "stderr"))
        message, trace = _text(said.get("message")), _text(said.get("trace"))
        return Attempt(outcome, duration, failure(self._settings, message=message, text=trace, output=output))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _joined(said: object) -> str:
    return "\n".join(filter(None, map(_text, said))) if isinstance(said, list) else _text(said)


def _moment(value: object) -> datetime | None:
    """Milliseconds since 1970; seconds where they can only be that."""
    if not isinstance(value, (int, float)) or not 1e9 < value < 1e13:
        return None
    return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
