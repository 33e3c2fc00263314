"""What becomes of TAP: TAP::Formatter::JUnit, tap-xunit; and Bats, busted, which number nothing."""

from __future__ import annotations

import re

from flakediag.junit.dialects.dialect import Dialect
from flakediag.junit.dialects.load import load_by_root
from flakediag.junit.dialects.place import Place, by_class
from flakediag.junit.dialects.signs import suite_matches, suites_of
from flakediag.junit.document import Document
from flakediag.model import Identity, Order

_NUMBER = re.compile(r"^(?:#\d+ (?:- )?|\d+ - )(?=\S)")
_LOOKED_AT = 20  # test cases; the first may be "(init)", and not every test has a description
_LINE = re.compile(r":\d+$")


def without_number(place: Place) -> Identity:
    """The number of a test changes whenever one is added before it: where there is a description, that counts alone."""
    return by_class(place._replace(name=_NUMBER.sub("", place.name, count=1)))


def without_line(place: Place) -> Identity:
    """busted: the class is the file and the line."""
    return by_class(place._replace(classname=_LINE.sub("", place.classname)))


def _tap_sign(document: Document) -> str:
    unnamed = document.root.tag == "testsuites" and "classname" not in document.first_case
    numbered = any(_NUMBER.match(case.name) for case in document.cases[:_LOOKED_AT])
    return "tests have no class, and their number in their name" if unnamed and numbered else ""


def _busted_sign(document: Document) -> str:
    its = suites_of(document) and all(re.fullmatch(r"Run \d+ of \d+", suite.name) for suite in suites_of(document))
    lua = re.search(r"\.lua:\d+$", document.first_case.get("classname", ""))
    return "suites are numbered runs, and classes lines of Lua files" if its and lua else ""


DIALECTS = (
    Dialect(
        name="tap",
        title="TAP::Formatter::JUnit, tap-xunit",
        family="Perl, TAP",
        sign="no class, the test's number in its name",
        recognise=_tap_sign,
        identity=without_number,
        names="suite, description without the number",
        order=Order.EXECUTION,
        remark="TAP's directives are not written: a skipped test looks like one that passed",
    ),
    Dialect(
        name="bats",
        title="Bats",
        family="Perl, TAP",
        sign="suites `….bats`",
        recognise=suite_matches(r".+\.bats", "suites are Bats files"),
        names="file, name",
        retries="the last attempt only",
        order=Order.EXECUTION,
        load=load_by_root,
    ),
    Dialect(
        name="busted",
        title="busted",
        family="Lua",
        sign="suites `Run … of …`, lines of Lua files",
        recognise=_busted_sign,
        identity=without_line,
        names="file without the line, name",
        retries="`--repeat`: further runs of the same test",
        order=Order.EXECUTION,
        repeats_are_runs=True,
    ),
)
