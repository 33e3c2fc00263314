"""JUnit and TestNG through Surefire, Failsafe, Gradle, Ant, the JUnit console and what else writes a file per class."""

from __future__ import annotations

import re

from flakediag.junit.attempts import join_mixed
from flakediag.junit.dialects.dialect import Dialect
from flakediag.junit.dialects.place import Place, by_class
from flakediag.junit.dialects.signs import property_named, suite_named, suites_of
from flakediag.junit.document import Document
from flakediag.model import Identity, Order

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
    root = document.root
    its = root.tag == "testsuite" and "ignored" in root.attributes and "GMT" in root.attributes.get("timestamp", "")
    return "the suite counts ignored tests and began at a moment in GMT" if its else ""


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
        order=Order.EXECUTION,
    ),
    Dialect(
        name="testng",
        title="TestNG's own (`junitreports`)",
        family="JVM",
        sign="`ignored`, a moment in GMT",
        recognise=_testng_sign,
        join=join_mixed,
        retries=_MIXED,
        order=Order.UNKNOWN,
        per_class=True,
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
