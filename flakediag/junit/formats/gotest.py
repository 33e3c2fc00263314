"""`go test -json`: a line for each event, as the tests run."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

from flakediag.junit.budget import affordable
from flakediag.junit.dialects.load import load_by_root
from flakediag.junit.document import CaseDetail, Cases, Document, Suite
from flakediag.junit.formats.cases import failure, keep, told
from flakediag.junit.formats.dialect import of_format
from flakediag.junit.formats.held import Held, Output, Texts
from flakediag.junit.formats.lines import tell
from flakediag.junit.numbers import LONGEST, moment
from flakediag.junit.problems import UnreadableError
from flakediag.junit.settings import ReadSettings
from flakediag.model import Attempt, Order, Outcome

DIALECT = of_format(
    name="go test",
    title="go test -json",
    family="Go",
    sign="events with `Action` and `Package`",
    names="package, name",
    retries="the same test again is a further run of it (`-count`)",
    load=load_by_root,
    repeats_are_runs=True,
)

_ENDS = {"pass": Outcome.PASSED, "bench": Outcome.PASSED, "fail": Outcome.FAILED, "skip": Outcome.SKIPPED}
_NOT_BUILT = ("[build failed]", "[setup failed]")
_MOST_AT_A_TIME = 100_000  # tests or packages; more than any machine runs
_PASSED = CaseDetail(Outcome.PASSED)

Test = tuple[str, str]  # package, name


@dataclass(slots=True)
class _Open:
    """A test that runs. `began` is the event with which its own code began to run, in the count of all events."""

    began: int
    output: Output


@dataclass(slots=True)
class _Package:
    """One execution of a package's test binary. `failed` tells whether a test of it did."""

    number: int
    open: dict[str, _Open] = field(default_factory=dict)
    output: str = ""
    failed: bool = False


@dataclass(slots=True)
class _Failed:
    """A test that has failed: where it stands among the cases, and its attempts. Its package may be run again."""

    index: int
    package: int
    attempts: list[Attempt]


def read(document: Document, chunks: Iterable[bytes], settings: ReadSettings) -> None:
    document.suites.append(Suite("testsuites", {}, -1))
    events = _Events(document, settings)
    tell(chunks, settings, events.line, events.end)


class _Events:
    """What the events so far have said."""

    def __init__(self, document: Document, settings: ReadSettings) -> None:
        self._running = 0
        self._document = document
        self._settings = settings
        self._count = 0
        self._packages: dict[str, _Package] = {}  # those that run
        self._executions = 0
        self._busy = 0  # packages with a test that runs
        self._overlap = False  # packages ran at the same time
        self._parallel = False  # tests of a package ran at the same time
        self._began_at = array("q")  # for each case, its `_Open.began`
        self._failed: dict[Test, _Failed] = {}
        self._first = self._latest = ""  # moments
        self._held = Held(settings)
        self._built = Texts(self._held)  # what the compiler said, by import path

    def line(self, line: str) -> None:
        if not line.startswith("{"):
            self._not_an_event(line)
            return
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(event, dict):
            return
        action, name, test = (_text(event.get(key)) for key in ("Action", "Package", "Test"))
        self._count += 1
        if when := _text(event.get("Time")):
            self._first, self._latest = self._first or when, when
        if name and test:
            self._of_test(name, test, action, event)
        elif name:
            self._of_package(name, action, event)
        elif action == "build-output":
            built = _text(event.get("ImportPath"))
            self._built.put(built, self._built.get(built) + _text(event.get("Output")))

    def _not_an_event(self, line: str) -> None:
        """What older versions of Go write between the events: of a package that was not built, only this line."""
        if line.startswith("FAIL\t") and line.endswith(_NOT_BUILT):
            self._broken_package(line.split("\t")[1].split(" ")[0], line)

    def _package(self, name: str) -> _Package:
        package = self._packages.get(name)
        if package is None:
            if len(self._packages) >= _MOST_AT_A_TIME:
                raise UnreadableError(f"more than {_MOST_AT_A_TIME:,} packages run at the same time")
            self._executions += 1
            package = self._packages[name] = _Package(self._executions)
        return package

    def _of_test(self, name: str, test: str, action: str, event: dict[str, object]) -> None:
        package = self._package(name)
        running = package.open.get(test)
        if running is None:
            if action not in ("run", "output", *_ENDS):
                return
            if self._running >= _MOST_AT_A_TIME:
                raise UnreadableError(f"more than {_MOST_AT_A_TIME:,} tests run at the same time")
            self._busy += not package.open
            self._overlap = self._overlap or self._busy > 1
            self._running += 1
            running = package.open[test] = _Open(self._count, Output(self._held))
        if action == "output":
            running.output.add(_text(event.get("Output")))
        elif action == "pause":
            self._parallel = True
        elif action == "cont":
            running.began = self._count
        elif action in _ENDS:
            elapsed = event.get("Elapsed")
            duration = float(elapsed) if isinstance(elapsed, (int, float)) and 0 <= elapsed < LONGEST else None
            self._end(name, test, package, _ENDS[action], duration)

    def _end(self, name: str, test: str, package: _Package, outcome: Outcome, duration: float | None) -> None:
        running = package.open.pop(test)
        self._running -= 1
        self._busy -= not package.open
        running.output.let_go()
        package.failed = package.failed or outcome.failed
        said = failure(self._settings, message="Failed", text=running.output.text()) if outcome.failed else None
        attempt = Attempt(outcome, duration, said)
        cases = self._document.cases
        failed = self._failed.get((name, test))
        # Again in a later execution of its package, after it failed: somebody tried again. In the same: `-count`.
        if failed is not None and failed.package != package.number:
            failed.package = package.number
            failed.attempts.append(attempt)
            case = cases[failed.index]
            detail = affordable(self._document, told(failed.attempts[-1:]) or _PASSED, self._settings)
            failed.attempts[-1] = detail.finals[0] if detail.finals else attempt
            cases[failed.index] = case._replace(duration=duration, detail=told(failed.attempts))
            if not outcome.failed:
                del self._failed[name, test]
            return
        if outcome.failed:
            self._failed[name, test] = _Failed(len(cases), package.number, [attempt])
        keep(self._document, self._settings, classname=name, name=test, attempts=[attempt])
        self._began_at.append(running.began)

    def _of_package(self, name: str, action: str, event: dict[str, object]) -> None:
        if action == "output":
            package = self._package(name)
            package.output = (package.output + _text(event.get("Output")))[: self._settings.max_message]
        elif action in _ENDS:
            package = self._packages.pop(name, _Package(0))
            for test in list(package.open):  # the process ended under them
                self._end(name, test, package, Outcome.FAILED, None)
            if action == "fail" and not package.failed:
                self._broken_package(name, self._built.get(_text(event.get("FailedBuild"))) or package.output)

    def _broken_package(self, name: str, text: str) -> None:
        """A package that failed without any of its tests: the package is what failed, as a module that cannot be
        imported is with other runners."""
        if (name, "") not in self._failed:
            attempt = Attempt(Outcome.ERROR, None, failure(self._settings, message="Failed", text=text))
            self._failed[name, ""] = _Failed(len(self._document.cases), -1, [attempt])
            keep(self._document, self._settings, classname=name, name="", attempts=[attempt])
            self._began_at.append(self._count)

    def end(self) -> str:
        """Finish; says what is missing."""
        self._arrange()
        return f"it ends while {self._running} tests are running" if self._running else ""

    def _arrange(self) -> None:
        """Bring the tests into the order in which they began, where they ran one at a time."""
        document = self._document
        (first, _), (latest, _) = moment(self._first), moment(self._latest)
        if first is not None and latest is not None:
            took = max((latest - first).total_seconds(), 0.0)
            document.root.attributes = {"timestamp": self._first, "time": f"{took:.6f}"}
        if self._parallel:
            document.order = Order.COMPLETION
            document.notes.append("tests ran in parallel: they stand in the order in which they ended")
            return
        places = sorted(range(len(document.cases)), key=self._began_at.__getitem__)
        document.cases = Cases(document.cases[place] for place in places)
        document.order = Order.EXECUTION
        if self._overlap:
            document.order, document.ordered_classes = Order.UNKNOWN, True
            document.notes.append("packages ran at the same time: the order is known only within each of them")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
