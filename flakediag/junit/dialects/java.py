"""JUnit and TestNG through Surefire, Failsafe, Gradle, Ant, the JUnit console and what else writes a file per class."""

from __future__ import annotations

import re

from flakediag.junit.attempts import attempts_of, join_mixed
from flakediag.junit.dialects.dialect import Dialect
from flakediag.junit.dialects.place import Place, by_class
from flakediag.junit.dialects.signs import property_named, suite_named, suites_of
from flakediag.junit.document import Document, RawCase
from flakediag.model import Attempt, Identity, Order, Outcome

_SUFFIX = re.compile(r"(.*[^(])\(([^()]*)\)")


def by_class_and_suffix(place: Place) -> Identity:
    """Surefire: `reportNameSuffix` stands in brackets behind the class name, and means another flavour of the run."""
    suffixed = _SUFFIX.fullmatch(place.classname)
    if suffixed:
        return Identity(suffixed[1], place.name, variant=suffixed[2])
    return by_class(place)


def _surefire_sign(document: Document) -> str:
    for suite in suites_of(document):
        schema = " ".join(value for key, value in suite.attributes.items() if key.endswith("SchemaLocation"))
        if "surefire" in schema:
            return "the schema is Surefire's"
        if "flakes" in suite.attributes:
            return "a suite has the attribute flakes"
        if any(name.startswith(("surefire.", "failsafe.")) for name in suite.properties):
            return "a suite has a surefire property"
        if "surefire" in suite.properties.get("sun.java.command", ""):
            return "the command was Surefire's"
    return ""


def _failsafe_sign(document: Document) -> str:
    surefire = _surefire_sign(document)
    if surefire and "failsafe" in document.path:
        return f"{surefire}, and the path names Failsafe"
    return property_named("failsafe.test.class.path")(document) if surefire else ""


_GMT = re.compile(r"\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
_GRADLE = {"name", "tests", "skipped", "failures", "errors", "timestamp", "hostname", "time"}


def _gradle_sign(document: Document) -> str:
    """Gradle signs nothing, but writes exactly these attributes in this order, and class names for suite names."""
    root = document.root
    if root.tag != "testsuite" or root.properties or len(document.suites) != 1:
        return ""
    written = list(root.attributes)
    its = set(written) == _GRADLE and written[0] == "name" and written[-1] == "time" and " " not in root.name
    return "the suite has its attributes in its sequence" if its else ""


def _testng_sign(document: Document) -> str:
    """Only TestNG's own reporter writes moments so: "27 Nov 2026 20:36:21 GMT"."""
    root = document.root
    its = root.tag == "testsuite" and _GMT.fullmatch(root.attributes.get("timestamp", ""))
    return "the suite began at a moment in GMT, written as TestNG does" if its else ""


def skips_of_testng(case: RawCase) -> list[Attempt]:
    """TestNG's own reporter writes a `SkipException` as an error."""
    tries = attempts_of(case)
    last = tries[-1]
    if last.failure is not None and last.failure.type == "org.testng.SkipException":
        return [*tries[:-1], Attempt(Outcome.SKIPPED, last.duration, None)]
    return tries


def _plain_sign(document: Document) -> str:
    """A file per class by a Java runner that does not sign."""
    name = re.split(r"[/\\!]", document.path)[-1]
    return "the file is named TEST-…" if document.root.tag == "testsuite" and re.match(r"TEST-.+\.xml", name) else ""


_SUREFIRE_NAMES = "class, name; `reportNameSuffix` is a variant; class set-up has an empty name"
_SUREFIRE_RETRIES = (
    "`flaky…` and `rerun…` children; the same test in another file of the folder, where one of the two failed"
)
_MIXED = "the same name twice in a suite, one failed: the last decides"

DIALECTS = (
    Dialect(
        name="failsafe",
        title="Failsafe",
        family="JVM",
        sign="as Surefire, and its path or property",
        recognise=_failsafe_sign,
        identity=by_class_and_suffix,
        names=_SUREFIRE_NAMES,
        join=join_mixed,
        retries=_SUREFIRE_RETRIES,
        order=Order.EXECUTION,
        per_class=True,
    ),
    Dialect(
        name="surefire",
        title="Surefire",
        family="JVM",
        sign="schema, `flakes`, `surefire.*` properties",
        recognise=_surefire_sign,
        identity=by_class_and_suffix,
        names=_SUREFIRE_NAMES,
        join=join_mixed,
        retries=_SUREFIRE_RETRIES,
        order=Order.EXECUTION,
        per_class=True,
    ),
    Dialect(
        name="ant",
        title="Ant",
        family="JVM",
        sign="`ant.*` properties",
        recognise=property_named("ant.version", "ant.file"),
        retries="not written",
        order=Order.EXECUTION,
        per_class=True,
    ),
    Dialect(
        name="gradle",
        title="Gradle",
        family="JVM",
        sign="its attributes and their sequence",
        recognise=_gradle_sign,
        join=join_mixed,
        retries=_MIXED + "; `mergeReruns`: children as Surefire's",
        order=Order.EXECUTION,
        per_class=True,
    ),
    Dialect(
        name="junit-platform",
        title="JUnit console launcher",
        family="JVM",
        sign="suite `JUnit Jupiter`, `JUnit Vintage`, …",
        recognise=suite_named("JUnit Jupiter", "JUnit Vintage", "JUnit Platform Suite"),
        remark="the console launcher writes tests in no order",
    ),
    Dialect(
        name="testng",
        title="TestNG's own (`junitreports`)",
        family="JVM",
        sign="the form of its timestamp",
        recognise=_testng_sign,
        attempts=skips_of_testng,
        retries="not told from the rows of a data provider: further runs of the same test",
        repeats_are_runs=True,
        per_class=True,
        remark="TestNG's own reporter writes neither parameters nor the order of execution; Surefire's report does",
    ),
)

# The last resort: the name of the file is a likeness, which others share.
PLAIN = Dialect(
    name="java",
    title="other `TEST-*.xml` (Kotest, ScalaTest, sbt, …)",
    family="JVM",
    sign="the file's name",
    recognise=_plain_sign,
    join=join_mixed,
    retries=_MIXED,
    order=Order.EXECUTION,
    per_class=True,
)
