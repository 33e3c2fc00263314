"""Python: pytest, unittest-xml-reporting, nose2, behave, Robot Framework."""

from __future__ import annotations

import re

from flakediag.junit.attempts import join_pytest
from flakediag.junit.dialects.dialect import Dialect
from flakediag.junit.dialects.load import load_by_root
from flakediag.junit.dialects.place import Place, by_class
from flakediag.junit.dialects.signs import all_of, attributes_written, suite_named, suites_of
from flakediag.junit.document import Document
from flakediag.model import Identity, Order


def by_pytest(place: Place) -> Identity:
    """Module and class, name. A collection error has no class, and the module for a name."""
    if not place.classname:
        return Identity(place.name, "")
    return Identity(place.classname, place.name)


_SUBTEST = re.compile(r"(\w+) [\[(].*", re.DOTALL)


def without_subtest(place: Place) -> Identity:
    """unittest-xml-reporting, nose2: a subtest has its message and parameters in the name, and only when it fails."""
    match = _SUBTEST.fullmatch(place.name)
    return by_class(place._replace(name=match[1]) if match else place)


def _pytest_sign(document: Document) -> str:
    if "pytest" in document.signs:
        return 'skipped tests have a type of "pytest.…"'
    if "xdist" in document.signs:
        return "it names a pytest-xdist worker"
    return suite_named("pytest")(document)


def _unittest_sign(document: Document) -> str:
    dated = any(re.search(r"[\w.]-\d{14}$", suite.name) for suite in suites_of(document))
    placed = document.first_case.get("file", "").endswith(".py") or "line" in document.first_case
    return "suites have the moment of the run in their names" if dated and placed else ""


_BEHAVE = frozenset({"passed", "failed", "skipped", "untested", "undefined", "error"})


def _behave_sign(document: Document) -> str:
    first, root = document.first_case, document.root
    if root.tag != "testsuite" or "hostname" not in root.attributes or "." not in root.name:
        return ""
    named = first.get("classname") == root.name and first.get("status") in _BEHAVE
    return "tests have a status of behave's, and the suite's name for a class" if named else ""


def _robot_classes(document: Document) -> str:
    """Robot Framework names the class by the suites around it, which no other producer with nested suites does."""
    classname = document.first_case.get("classname", "")
    if document.root.tag != "testsuite" or not document.cases:
        return ""
    names = []
    index = document.cases[0].suite
    while index >= 0:
        names.append(document.suites[index].name)
        index = document.suites[index].parent
    return "classes are named by the suites around them" if classname == ".".join(reversed(names)) else ""


DIALECTS = (
    Dialect(
        name="pytest",
        title="pytest",
        family="Python",
        sign="suite `pytest`, `pytest.*` skip types, an xdist worker",
        recognise=_pytest_sign,
        identity=by_pytest,
        names="class, name; a collection error is the module with an empty name",
        join=join_pytest,
        retries="a case without a result before the same test again, where the header counts fewer tests than cases",
        order=Order.EXECUTION,
        order_parallel=Order.COMPLETION,
        repeats_are_runs=True,
    ),
    Dialect(
        name="unittest-xml-reporting",
        title="unittest-xml-reporting",
        family="Python",
        sign="the moment of the run in the suite's name",
        recognise=_unittest_sign,
        identity=without_subtest,
        names="class, name; a subtest is its test",
        order=Order.DECLARATION,
        order_parallel=Order.DECLARATION,
        repeats_are_runs=True,
        remark="unittest-xml-reporting sorts by outcome, so that the order of execution is not known",
    ),
    Dialect(
        name="nose2",
        title="nose2, nose",
        family="Python",
        sign="its suite's name",
        recognise=suite_named("nose2-junit", "nosetests"),
        identity=without_subtest,
        names="class, name; a subtest is its test",
        order=Order.EXECUTION,
    ),
    Dialect(
        name="behave",
        title="behave",
        family="Python",
        sign="a status of its own and the suite's name for a class",
        recognise=_behave_sign,
        names="file and feature, scenario",
        order=Order.EXECUTION,
        per_class=True,
    ),
    Dialect(
        name="robot",
        title="Robot Framework (`--xunit`)",
        family="Python",
        sign="its attributes, classes named by nested suites",
        recognise=all_of(attributes_written("name tests errors failures skipped time timestamp"), _robot_classes),
        names="suites, test",
        retries="not written: `rebot --merge` tells them in prose",
        order=Order.EXECUTION,
        load=load_by_root,
    ),
)
