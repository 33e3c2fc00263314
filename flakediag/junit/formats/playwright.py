"""Playwright's JSON report: suites inside suites, tests inside them, and every attempt with its moment and worker."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from datetime import timedelta

from flakediag.junit.dialects.javascript import by_project
from flakediag.junit.dialects.load import load_by_root
from flakediag.junit.document import Document, Suite
from flakediag.junit.formats.cases import failure, keep, legible
from flakediag.junit.formats.dialect import of_format
from flakediag.junit.formats.parts import END, ITEM, Path, parts
from flakediag.junit.formats.spans import Span, put_in_order
from flakediag.junit.numbers import moment, of_milliseconds
from flakediag.junit.settings import ReadSettings
from flakediag.model import Attempt, Outcome

DIALECT = of_format(
    name="playwright",
    title="Playwright's JSON",
    family="JavaScript",
    sign="`config` and `suites` with `specs`",
    identity=by_project,
    names="file, title; the project (browser) is a variant",
    retries="each result of a test is an attempt",
    load=load_by_root,
    repeats_are_runs=True,
    hostname=False,
)

_TITLES = " › "
_ENDS = {  # of an attempt that did not end as the test expects
    "failed": Outcome.FAILED,
    "timedOut": Outcome.ERROR,
    "passed": Outcome.FAILED,  # it was expected to fail
    "interrupted": Outcome.SKIPPED,
    "skipped": Outcome.SKIPPED,
}

Json = dict[str, object]


def read(document: Document, chunks: Iterable[bytes], settings: ReadSettings) -> None:
    document.suites.append(Suite("testsuites", {}, -1))
    report = _Report(document, settings)
    try:
        for path, value in parts(chunks, settings, _looked_into):
            report.part(path, value)
    finally:
        put_in_order(document, report.spans)


def _looked_into(path: Path) -> bool:
    """Everything but the tests themselves, and what is no suite."""
    *around, last = path or (ITEM,)
    inside = all(key in ("suites", ITEM) for key in around)
    return inside and (last in ("suites", ITEM) or (last == "specs" and around[-1:] == [ITEM]))


class _Report:
    def __init__(self, document: Document, settings: ReadSettings) -> None:
        self.spans: list[Span | None] = []  # for each case, when its first attempt ran
        self._document = document
        self._settings = settings
        self._titles: list[str] = []  # of the suites that are open, the file first
        self._suites: dict[tuple[str, str], int] = {}  # by file and project

    def part(self, path: Path, value: object) -> None:
        if value is END:
            if path[-2:] == ("suites", ITEM):
                del self._titles[path.count("suites") - 1 :]
        elif path[-1:] == ("title",):
            depth = path.count("suites")
            self._titles[depth - 1 :] = [str(value)]
        elif path[-2:] == ("specs", ITEM) and isinstance(value, dict):
            self._spec(value)
        elif path == ("stats",) and isinstance(value, dict):
            took = of_milliseconds(value.get("duration"))
            self._document.root.attributes = {
                "timestamp": str(value.get("startTime", "")),
                "time": "" if took is None else str(took),
            }
        elif path == ("errors",) and isinstance(value, list):
            for error in _objects(value[:20]):
                self._document.notes.append(
                    f"the run reports an error outside its tests: {legible(str(error.get('message', '')))[:200]}"
                )

    def _spec(self, spec: Json) -> None:
        file, *around = self._titles or [str(spec.get("file", ""))]
        name = _TITLES.join([*around, str(spec.get("title", ""))])
        for test in _objects(spec.get("tests")):
            project = str(test.get("projectName") or "")
            results = sorted(_objects(test.get("results")), key=_retry)
            attempts = [self._attempt(result, str(test.get("expectedStatus", "passed"))) for result in results]
            if len(attempts) > 1 and attempts[-1].outcome is Outcome.SKIPPED:
                # The run was given up before the last attempt could tell anything.
                attempts, results = attempts[:-1], results[:-1]
            keep(
                self._document,
                self._settings,
                classname=file,
                name=name,
                suite=self._suite(file, project),
                attempts=attempts or [Attempt(Outcome.SKIPPED, None, None)],
            )
            self.spans.append(_span(results[0]) if results else None)

    def _suite(self, file: str, project: str) -> int:
        """The place of a suite as Playwright writes one for JUnit: of a file, in a project."""
        if (file, project) not in self._suites:
            self._suites[file, project] = len(self._document.suites)
            attributes = {"name": legible(file), "hostname": legible(project)}
            self._document.suites.append(Suite("testsuite", attributes, 0))
        return self._suites[file, project]

    def _attempt(self, result: Json, expected: str) -> Attempt:
        status = str(result.get("status", ""))
        duration = of_milliseconds(result.get("duration"))
        if status == expected:
            return Attempt(Outcome.SKIPPED if status == "skipped" else Outcome.PASSED, duration, None)
        outcome = _ENDS.get(status, Outcome.ERROR)
        if not outcome.failed:
            return Attempt(outcome, duration, None)
        # `error` is the first of `errors` as it was thrown; there it is shown with the code around it.
        errors = [*_objects([result.get("error")]), *_objects(result.get("errors"))]
        errors = [errors[0], *errors[2:]] if len(errors) > 1 and result.get("error") else errors
        message = _said(errors[0], "message", "value") if errors else f"{status}, not {expected}"
        text = "\n\n".join(_said(error, "stack", "message", "value") for error in errors)
        output = "".join(_output(result.get(key)) for key in ("stdout", "stderr"))
        return Attempt(outcome, duration, failure(self._settings, message=message, text=text, output=output))


def _objects(value: object) -> Iterator[Json]:
    return (each for each in value if isinstance(each, dict)) if isinstance(value, list) else iter(())


def _said(error: Json, *keys: str) -> str:
    """The first of these that an error has. What was thrown and is no error has a value alone."""
    return next((str(error[key]) for key in keys if error.get(key)), "")


def _retry(result: Json) -> int:
    retry = result.get("retry")
    return retry if isinstance(retry, int) else 0


def _output(pieces: object) -> str:
    """What a test wrote: texts, or bytes where they are no text."""
    said = []
    for piece in _objects(pieces):
        if isinstance(piece.get("text"), str):
            said.append(str(piece["text"]))
        elif isinstance(piece.get("buffer"), str):
            try:
                said.append(base64.b64decode(str(piece["buffer"])).decode("utf-8", "replace"))
            except (ValueError, binascii.Error):
                continue
    return "".join(said)


def _span(result: Json) -> Span | None:
    began, _ = moment(str(result.get("startTime", "")))
    took = result.get("duration")
    worker = result.get("parallelIndex", result.get("workerIndex"))
    if began is None or not isinstance(took, (int, float)) or worker == -1:  # -1: it was skipped without a worker
        return None
    return Span(began, began + _milliseconds(took), str(worker))


def _milliseconds(took: float) -> timedelta:
    return timedelta(milliseconds=min(max(took, 0.0), 1e11))
