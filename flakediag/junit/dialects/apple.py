"""Swift and Xcode: xcresultparser, `swift test`, xcpretty."""

from __future__ import annotations

from flakediag.junit.dialects.dialect import Dialect
from flakediag.junit.dialects.place import Place, by_suite
from flakediag.junit.dialects.signs import any_of, suites_of
from flakediag.junit.document import Document
from flakediag.model import Identity, Order


def by_type(place: Place) -> Identity:
    """Swift Testing's functions outside of a type have their own name for a class, and an absolute path for a file."""
    return by_suite(place._replace(classname="") if place.classname == place.name else place)


def _xcresult_sign(document: Document) -> str:
    return 'the root element is named "xcresult: …"' if document.root.name.startswith("xcresult:") else ""


def _bundle_sign(document: Document) -> str:
    return "the root element is named by a test bundle" if document.root.name.endswith(".xctest") else ""


def _swift_sign(document: Document) -> str:
    """`swift test --xunit-output` writes one suite, always of this name, with its counts in this sequence."""
    suites = suites_of(document)
    its = len(suites) == 1 and list(suites[0].attributes)[:3] == ["name", "errors", "tests"]
    return 'the only suite is named "TestResults"' if its and suites[0].name == "TestResults" else ""


DIALECTS = (
    Dialect(
        name="xcode",
        title="Xcode, Swift (xcresultparser, `swift test`, xcpretty)",
        family="Apple",
        sign="root `xcresult: …` or `….xctest`; only suite `TestResults`",
        recognise=any_of(_xcresult_sign, _bundle_sign, _swift_sign),
        identity=by_type,
        names="class, name; of a function outside of any type, the suite",
        order=Order.UNKNOWN,
    ),
)
