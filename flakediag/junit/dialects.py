"""What each producer means by what it writes: a table, most particular first.

A new producer is an entry of `DIALECTS` and, where it is peculiar, a small function or two in this file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from flakediag.junit.attempts import (
    Joined,
    attempts_of,
    attempts_of_equal_failures,
    join_mixed,
    join_nothing,
    join_pytest,
)
from flakediag.junit.document import Document, RawCase, Suite
from flakediag.junit.identity import relative_file
from flakediag.junit.numbers import moment, seconds
from flakediag.model import Attempt, Identity, Order

PARALLEL = 1.1  # above this, several workers ran: the sum of the test times is more than the time that passed


class Place(NamedTuple):
    """A test case for the question which test it is: names without noise, the file relative to the checkout."""

    classname: str
    name: str
    file: str
    suite: int
    document: Document
    checkout: str = ""


class Load(NamedTuple):
    """How much was run, and in how much time, both in seconds; None where the report does not say.

    More was run than there was time for only where the difference exceeds `tolerance`: suites state times of less than
    their tests took when these are short, or tried again.
    """

    busy: float | None
    wall: float | None
    tolerance: float = 0.2

    @property
    def parallelism(self) -> float | None:
        """About how many tests ran at a time, None where that is not known."""
        if self.busy is None or not self.wall:
            return None
        ratio = self.busy / self.wall
        if ratio > PARALLEL and self.busy - self.wall <= self.tolerance:
            return None
        return round(ratio, 3)


# --- identity ----------------------------------------------------------------------------------------------------


def by_class(place: Place) -> Identity:
    """Class and name; where there is no class, or it only repeats the name: the file, or the suite."""
    classname, name = place.classname, place.name
    if classname and classname != name:
        return Identity(classname, name)
    file = place.file or suite_file(place)
    if file:
        return Identity("", name, file)
    return Identity(classname or suite_path(place), name)


def by_pytest(place: Place) -> Identity:
    """Module and class, name. A collection error has no class, and the module for a name."""
    if not place.classname:
        return Identity(place.name, "")
    return Identity(place.classname, place.name)


def by_full_title(place: Place) -> Identity:
    """Titles as JavaScript runners put them together; the file where it is known, since equal titles are common."""
    classname, name = place.classname, place.name
    file = place.file or suite_file(place)
    if not file:
        return by_class(place)
    if not classname or classname == name or name.endswith(" " + classname):
        return Identity("", name, file)
    if classname == file:
        return Identity(classname, name)
    return Identity("", f"{classname} {name}", file)


def by_suite_titles(place: Place) -> Identity:
    """The titles of the suites around the test, where the class name is the same for every test (node:test)."""
    titles = [suite.name for suite in suites_around(place) if suite.tag == "testsuite" and suite.name]
    name = " > ".join([*titles, place.name])
    return Identity("", name, place.file) if place.file else Identity(place.classname, name)


def by_project(place: Place) -> Identity:
    """Playwright: the file is the class; the project (a browser) is written as host name."""
    around = list(suites_around(place))
    variant = around[-1].attributes.get("hostname", "") if around else ""
    name = place.name.removeprefix(f"[{variant}] ")  # `includeProjectInTestName`
    return by_class(place._replace(name=name))._replace(variant=variant)


def by_browser(place: Place) -> Identity:
    """Karma: one suite per browser, named in a property."""
    around = list(suites_around(place))
    variant = around[-1].properties.get("browser.fullName", "") if around else ""
    return by_class(place)._replace(variant=re.sub(r"[\s/]*\d[\d._]*", "", variant))


_SUFFIX = re.compile(r"(.*[^(])\(([^()]*)\)")


def by_class_and_suffix(place: Place) -> Identity:
    """Surefire: `reportNameSuffix` stands in brackets behind the class name, and means another flavour of the run."""
    suffixed = _SUFFIX.fullmatch(place.classname)
    if suffixed:
        return Identity(suffixed[1], place.name, variant=suffixed[2])
    return by_class(place)


_SUBTEST = re.compile(r"(\w+) [\[(].*", re.DOTALL)


def without_subtest(place: Place) -> Identity:
    """unittest-xml-reporting: a subtest has its message and parameters in the name, and only when it fails."""
    match = _SUBTEST.fullmatch(place.name)
    return by_class(place._replace(name=match[1]) if match else place)


def suites_around(place: Place) -> list[Suite]:
    """The suites around a test, outermost first."""
    around = []
    index = place.suite
    while index >= 0:
        around.append(place.document.suites[index])
        index = around[-1].parent
    return around[::-1]


_FILE_NAME = re.compile(r"[^\s:<>\"]+\.(?:[cm]?[jt]sx?|py|rb|php|rs|bats|feature|dart|exs?|lua|t|robot)")


def suite_file(place: Place) -> str:
    """The file that the nearest suite names, as an attribute or as its own name."""
    for suite in reversed(suites_around(place)):
        if file := suite.attributes.get("file") or suite.attributes.get("filepath"):
            return relative_file(file, place.checkout)
        if _FILE_NAME.fullmatch(suite.name):
            return relative_file(suite.name, place.checkout)
    return ""


def suite_path(place: Place) -> str:
    """The names of the suites around a test, for tests that have nothing else to tell them apart."""
    names = [suite.name for suite in suites_around(place) if suite.tag == "testsuite" and suite.name]
    return without_date(names[-1]) if len(names) == 1 else " > ".join(map(without_date, names))


def without_date(name: str) -> str:
    """unittest-xml-reporting and others append the moment of the run to the suite's name."""
    return re.sub(r"-\d{14}$", "", name)


# --- time --------------------------------------------------------------------------------------------------------


def _tests(document: Document) -> float | None:
    known = [case.duration for case in document.cases if case.duration is not None]
    return sum(known) if known else None


def _time(suite: Suite) -> float | None:
    return seconds(suite.attributes.get("time"))


def load_by_suite(document: Document) -> Load:
    """The time of a suite is the time that passed; several suites ran one after the other."""
    holding = sorted({case.suite for case in document.cases})
    times = [_time(document.suites[index]) for index in holding]
    known = [time for time in times if time is not None]
    return Load(_tests(document), sum(known) if known and len(known) == len(times) else None)


def load_by_root(document: Document) -> Load:
    """The time of the root element is the time that passed, however the suites overlap."""
    return Load(_tests(document), _time(document.root))


def load_by_moments(document: Document) -> Load:
    """Suites ran when their timestamps say, for as long as their times say."""
    spans = []
    coarse = False
    for index in {case.suite for case in document.cases}:
        suite = document.suites[index]
        began, _ = moment(suite.attributes.get("timestamp"))
        lasted = _time(suite)
        if began is None or lasted is None:
            return Load(_tests(document), None)
        coarse = coarse or not began.microsecond
        spans.append((began.timestamp(), lasted))
    if not spans:
        return Load(None, None)
    if len(spans) == 1:
        return Load(_tests(document), spans[0][1])
    wall = max(began + lasted for began, lasted in spans) - min(began for began, _ in spans)
    # Timestamps cut to the second: the run may have taken up to a second longer than they show.
    return Load(sum(lasted for _, lasted in spans), wall + coarse, tolerance=0.0)


# --- recognising -------------------------------------------------------------------------------------------------

Recognise = Callable[[Document], bool]


def _root_named(*names: str) -> Recognise:
    return lambda document: document.root.name in names


def _suite_named(*names: str) -> Recognise:
    return lambda document: any(suite.name in names for suite in document.suites[:4])


def _property(*names: str) -> Recognise:
    return lambda document: any(name in suite.properties for suite in document.suites[:20] for name in names)


def _any(*tests: Recognise) -> Recognise:
    return lambda document: any(test(document) for test in tests)


def _suites(document: Document) -> list[Suite]:
    return [suite for suite in document.suites[:20] if suite.tag == "testsuite"]


def _is_pytest(document: Document) -> bool:
    return "pytest" in document.signs or "xdist" in document.signs or _suite_named("pytest")(document)


def _is_surefire(document: Document) -> bool:
    for suite in _suites(document):
        schema = " ".join(value for key, value in suite.attributes.items() if key.endswith("SchemaLocation"))
        if "surefire" in schema or "flakes" in suite.attributes:
            return True
        if any(name.startswith(("surefire.", "failsafe.")) for name in suite.properties):
            return True
        if "surefire" in suite.properties.get("sun.java.command", ""):
            return True
    return False


def _is_failsafe(document: Document) -> bool:
    return _is_surefire(document) and ("failsafe" in document.path or _property("failsafe.test.class.path")(document))


_GRADLE = {"name", "tests", "skipped", "failures", "errors", "timestamp", "hostname", "time"}


def _is_gradle(document: Document) -> bool:
    """Gradle signs nothing, but writes exactly these attributes in this order, and class names for suite names."""
    root = document.root
    if root.tag != "testsuite" or root.properties or len(document.suites) != 1:
        return False
    written = list(root.attributes)
    return set(written) == _GRADLE and written[0] == "name" and written[-1] == "time" and " " not in root.name


def _is_go(document: Document) -> bool:
    return _property("go.version")(document)


def _is_gotestsum(document: Document) -> bool:
    """Both write the same shape; gotestsum writes six decimals."""
    if not _is_go(document):
        return False
    times = [document.first_case.get("time", ""), *(suite.attributes.get("time", "") for suite in _suites(document))]
    return any(re.fullmatch(r"\d+\.\d{6}", time) for time in times)


def _is_playwright(document: Document) -> bool:
    root = document.root
    if root.tag != "testsuites" or root.attributes.get("id") != "" or "name" not in root.attributes:
        return False
    return all("hostname" in suite.attributes for suite in _suites(document))


def _is_googletest(document: Document) -> bool:
    first = document.first_case
    return first.get("status") in ("run", "notrun") and ("result" in first or document.root.name == "AllTests")


def _is_ctest(document: Document) -> bool:
    first = document.first_case
    return document.root.tag == "testsuite" and "status" in first and first.get("name") == first.get("classname")


def _is_node_test(document: Document) -> bool:
    if document.root.tag != "testsuites" or document.root.attributes:
        return False
    shaped = all({"disabled", "hostname"} <= suite.attributes.keys() for suite in _suites(document))
    return shaped and document.first_case.get("classname") in ("test", "suite")


def _is_phpunit(document: Document) -> bool:
    return "class" in document.first_case and "assertions" in document.first_case


def _is_unittest_xml(document: Document) -> bool:
    return any(re.search(r"[\w.]-\d{14}$", suite.name) for suite in _suites(document)) and (
        document.first_case.get("file", "").endswith(".py") or "line" in document.first_case
    )


def _is_nextest(document: Document) -> bool:
    return document.root.name == "nextest-run" or (
        "uuid" in document.root.attributes and "timestamp" in document.first_case
    )


def _is_junit_plain(document: Document) -> bool:
    """A file per class by a Java runner that does not sign."""
    name = re.split(r"[/\\!]", document.path)[-1]
    return document.root.tag == "testsuite" and bool(re.match(r"TEST-.+\.xml", name))


# --- the table ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one producer writes.

    `order` is what the order of the cases means where one process ran them; `order_parallel` where several did.
    `repeats_are_runs`: equal names in one report are repetitions of one test; otherwise they are different tests with
    equal titles. `per_class`: writes a file per class or suite, so that the files of a folder are one run.
    """

    name: str
    recognise: Recognise
    identity: Callable[[Place], Identity] = by_class
    join: Callable[[Document], Joined] = join_nothing
    attempts: Callable[[RawCase], list[Attempt]] = attempts_of
    order: Order = Order.UNKNOWN
    order_parallel: Order = Order.UNKNOWN
    load: Callable[[Document], Load] = load_by_suite
    repeats_are_runs: bool = False
    per_class: bool = False
    hostname: bool = True  # whether `hostname` names a machine
    remark: str = ""  # what people should know about every report of this producer


DIALECTS: tuple[Dialect, ...] = (
    Dialect(
        name="pytest",
        recognise=_is_pytest,
        identity=by_pytest,
        join=join_pytest,
        order=Order.EXECUTION,
        order_parallel=Order.COMPLETION,
        repeats_are_runs=True,
    ),
    Dialect(
        name="unittest-xml-reporting",
        recognise=_is_unittest_xml,
        identity=without_subtest,
        order=Order.DECLARATION,
        order_parallel=Order.DECLARATION,
        repeats_are_runs=True,
        remark="unittest-xml-reporting sorts by outcome, so that the order of execution is not known",
    ),
    Dialect(
        name="failsafe",
        recognise=_is_failsafe,
        identity=by_class_and_suffix,
        join=join_mixed,
        order=Order.EXECUTION,
        per_class=True,
    ),
    Dialect(
        name="surefire",
        recognise=_is_surefire,
        identity=by_class_and_suffix,
        join=join_mixed,
        order=Order.EXECUTION,
        per_class=True,
    ),
    Dialect(name="ant", recognise=_property("ant.version", "ant.file"), order=Order.EXECUTION, per_class=True),
    Dialect(name="gradle", recognise=_is_gradle, join=join_mixed, order=Order.EXECUTION, per_class=True),
    Dialect(
        name="jest",
        recognise=_root_named("jest tests"),
        identity=by_full_title,
        order=Order.EXECUTION,
        order_parallel=Order.COMPLETION,
        load=load_by_moments,
        remark="jest-junit does not show retries; set `addFileAttribute` to tell equal titles of different files apart",
    ),
    Dialect(
        name="vitest",
        recognise=_root_named("vitest tests"),
        attempts=attempts_of_equal_failures,
        order=Order.DECLARATION,  # also under --sequence.shuffle
        order_parallel=Order.DECLARATION,
        load=load_by_moments,
        remark="Vitest does not show a retry that passed, and writes the tests as they stand in the source",
    ),
    Dialect(
        name="playwright",
        recognise=_is_playwright,
        identity=by_project,
        order=Order.DECLARATION,
        order_parallel=Order.DECLARATION,
        load=load_by_root,
        repeats_are_runs=True,
        hostname=False,
        remark="Playwright shows retries only with `includeRetries`",
    ),
    Dialect(
        name="mocha",
        recognise=_any(_root_named("Mocha Tests"), _suite_named("Mocha Tests")),
        identity=by_full_title,
        order=Order.EXECUTION,
        load=load_by_root,
        remark="Mocha does not show retries",
    ),
    Dialect(name="karma", recognise=_property("browser.fullName"), identity=by_browser, order=Order.EXECUTION),
    Dialect(name="node", recognise=_is_node_test, identity=by_suite_titles, order=Order.EXECUTION),
    Dialect(name="deno", recognise=_root_named("deno test"), order=Order.DECLARATION, load=load_by_root),
    Dialect(name="bun", recognise=_root_named("bun test"), order=Order.EXECUTION, load=load_by_root),
    Dialect(name="ginkgo", recognise=_property("SuiteSucceeded", "RandomizeAllSpecs"), order=Order.EXECUTION),
    Dialect(
        name="gotestsum",
        recognise=_is_gotestsum,
        join=join_mixed,
        order=Order.DECLARATION,
        order_parallel=Order.DECLARATION,
        load=load_by_root,
        repeats_are_runs=True,
        remark="gotestsum sorts by outcome, so that the order of execution is not known",
    ),
    Dialect(
        name="go-junit-report",
        recognise=_is_go,
        join=join_mixed,
        order=Order.EXECUTION,
        repeats_are_runs=True,
    ),
    Dialect(
        name="nextest",
        recognise=_is_nextest,
        order=Order.DECLARATION,
        order_parallel=Order.DECLARATION,
        load=load_by_root,
        remark="nextest runs every test in a process of its own",
    ),
    Dialect(name="rspec", recognise=lambda d: d.root.name.startswith("rspec"), order=Order.EXECUTION),
    Dialect(name="phpunit", recognise=_is_phpunit, order=Order.EXECUTION, load=load_by_root),
    Dialect(name="googletest", recognise=_is_googletest, order=Order.EXECUTION, load=load_by_root),
    Dialect(
        name="ctest",
        recognise=_is_ctest,
        order=Order.DECLARATION,
        order_parallel=Order.DECLARATION,
        remark="CTest sorts by number, so that the order of execution is not known",
    ),
    Dialect(name="catch2", recognise=_property("random-seed", "rng-seed"), order=Order.EXECUTION),
    Dialect(name="nose2", recognise=_suite_named("nose2-junit", "nosetests"), order=Order.EXECUTION),
    Dialect(name="cucumber", recognise=_root_named("Cucumber", "cucumber"), order=Order.EXECUTION),
    Dialect(
        name="lint",
        recognise=lambda d: any(
            suite.attributes.get("package", "").startswith(("org.eslint", "org.ruff")) or suite.name == "mypy"
            for suite in _suites(d)
        ),
        repeats_are_runs=True,
        remark="these are findings of a linter, not tests",
    ),
    Dialect(name="java", recognise=_is_junit_plain, join=join_mixed, order=Order.EXECUTION, per_class=True),
)
DEFAULT = Dialect(name="junit", recognise=lambda document: True)


def dialect_of(document: Document) -> Dialect:
    """The producer of a report; `DEFAULT` where nothing gives it away."""
    return next((dialect for dialect in DIALECTS if dialect.recognise(document)), DEFAULT)
