"""Where a test case stands in its report, and which test it is for producers without peculiarities."""

from __future__ import annotations

import re
from typing import NamedTuple

from flakediag.junit.document import Document, Suite
from flakediag.junit.identity import relative_file
from flakediag.model import Identity


class Place(NamedTuple):
    """A test case for the question which test it is: names without noise, the file relative to the checkout."""

    classname: str
    name: str
    file: str
    suite: int
    document: Document
    checkout: str = ""


def by_class(place: Place) -> Identity:
    """Class and name; where there is no class, or it only repeats the name: the file, or the suite."""
    classname, name = place.classname, place.name
    if classname and classname != name:
        return Identity(classname, name)
    file = place.file or suite_file(place)
    if file:
        return Identity("", name, file)
    return Identity(classname or suite_path(place), name)


def by_suite(place: Place) -> Identity:
    """Suite and name, for producers whose suites are classes and who may leave the class away."""
    around = suites_around(place)
    return by_class(place._replace(classname=place.classname or (around[-1].name if around else "")))


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
