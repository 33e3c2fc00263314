"""A pytest plugin that takes the quarantine into account: `pytest -p flakediag.pytest_plugin`.

A quarantined test is run as ever. Where it fails in a way that is quarantined, it is reported as an expected failure
(xfail, not strict: passing is fine); any other failure stays one. What it said goes into the JUnit XML as a property of
the test case, from which flakediag counts it as the failure that it was.

It is not loaded by itself: who wants it says so, on the command line or in `addopts`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from _pytest.junitxml import _NodeReporter

from flakediag import config as settings
from flakediag.analysis.signature import signature_of
from flakediag.errors import UserError
from flakediag.junit.case import EXCUSED
from flakediag.junit.dialects import Place, by_pytest
from flakediag.junit.document import Document
from flakediag.junit.identity import without_noise
from flakediag.junit.settings import ReadSettings
from flakediag.junit.text import capped
from flakediag.model import FailureDetail, QuarantineEntry
from flakediag.quarantine import file
from flakediag.redact import Redactor

_LIMITS = ReadSettings()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("flakediag").addoption(
        "--flakediag-quarantine",
        metavar="FILE",
        help="The quarantine (FLAKEDIAG_QUARANTINE). Default: flakediag-quarantine.json at the root or above it.",
    )


def pytest_configure(config: pytest.Config) -> None:
    try:
        said = settings.load({}, environ=os.environ, directory=config.rootpath)
        path, entries = _read(config, said)
    except UserError as error:
        raise pytest.UsageError(f"flakediag: {error.message}" + (f" ({error.hint})" if error.hint else "")) from None
    prefix = config.getoption("junitprefix", None) or ""
    redactor = Redactor(said.redact, said.redact_patterns)
    made = Quarantine(path, entries, datetime.now(UTC).date(), prefix, redactor)
    config.pluginmanager.register(made, "flakediag-quarantine")


def _read(config: pytest.Config, said: settings.Settings) -> tuple[Path | None, Sequence[QuarantineEntry]]:
    named = config.getoption("--flakediag-quarantine")
    if named:
        path: Path | None = config.invocation_params.dir / named
    else:
        path = said.quarantine or file.nearest(config.rootpath)
    return path, file.read(path) if path else ()


class Written(NamedTuple):
    """A failure as pytest's own JUnit writer puts it: the test's id, the element, and what it says."""

    id: str
    element: str
    detail: FailureDetail


class Quarantine:
    """Makes quarantined failures expected ones."""

    def __init__(
        self, path: Path | None, entries: Sequence[QuarantineEntry], today: date, prefix: str, redactor: Redactor
    ) -> None:
        self._path = path
        self._redactor = redactor
        self._entries: dict[str, list[QuarantineEntry]] = {}
        self._expired = sum(entry.expires < today for entry in entries)
        for entry in entries:
            if entry.expires >= today:
                self._entries.setdefault(entry.test, []).append(entry)
        self._xml = _Xml(prefix)

    def pytest_report_header(self) -> str:
        if self._path is None:
            return f"flakediag: no quarantine ({file.NAME} is not at the root)"
        expired = f", {self._expired} more expired" if self._expired else ""
        count = sum(map(len, self._entries.values()))
        return f"flakediag: {count} failure{'' if count == 1 else 's'} in quarantine{expired} ({self._path})"

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, None]:
        outcome = yield
        report: pytest.TestReport = outcome.get_result()
        if report.failed and self._entries:
            self._excuse(item, report)

    def _excuse(self, item: pytest.Item, report: pytest.TestReport) -> None:
        written = self._written(report)
        signature = signature_of(self._redactor.failure(written.detail))  # as of the failures on record
        matching = [e for e in self._entries.get(written.id, ()) if e.signature in (None, signature)]
        if not matching:
            return
        entry = max(matching, key=lambda e: e.expires)
        report.outcome = "skipped"  # with `wasxfail` this is what pytest's own xfail makes of a failure
        report.wasxfail = f"in quarantine until {entry.expires}: {entry.reason}"
        kept = {"outcome": written.element, "message": written.detail.message, "text": written.detail.text}
        told = (EXCUSED, json.dumps(kept))
        item.user_properties.append(told)
        if report.when == "teardown":  # its properties were copied before
            report.user_properties.append(told)

    def _written(self, report: pytest.TestReport) -> Written:
        """The failure as it would stand in the JUnit XML.

        pytest's own writer says it, private as it is: how it names tests, shortens messages and words errors has
        changed between its versions, and the signature must be that which `flakediag ingest` finds in the report.
        """
        node = _NodeReporter(report.nodeid, self._xml)  # type: ignore[arg-type]
        node.record_testreport(report)
        if report.when == "call":
            node.append_failure(report)
        else:
            node.append_error(report)
        element = node.nodes[-1]
        message = capped(element.get("message", ""), _LIMITS.max_message)
        text = (element.text or "").replace("\r\n", "\n").replace("\r", "\n")  # as any XML reader does
        names = without_noise([node.attrs["classname"], node.attrs["name"]])
        test = by_pytest(Place(names[0], names[1], "", 0, _NO_DOCUMENT))
        return Written(test.id, element.tag, FailureDetail("", message, capped(text, _LIMITS.max_text).strip()))


_NO_DOCUMENT = Document(path="")


class _Xml:
    """As much of pytest's JUnit report as the writer of one test case asks for."""

    family = "xunit2"

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def add_stats(self, key: str) -> None:
        pass
