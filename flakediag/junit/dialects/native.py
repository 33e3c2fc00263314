"""C and C++: GoogleTest, CTest, Catch2, doctest, Boost.Test."""

from __future__ import annotations

from flakediag.junit.dialects.dialect import Dialect
from flakediag.junit.dialects.load import load_by_root
from flakediag.junit.dialects.place import Place
from flakediag.junit.dialects.signs import any_of, property_named, suites_of
from flakediag.junit.document import Document
from flakediag.junit.identity import relative_file
from flakediag.model import Identity, Order

_FAMILY = "C, C++"


def _googletest_sign(document: Document) -> str:
    first = document.first_case
    its = first.get("status") in ("run", "notrun") and ("result" in first or document.root.name == "AllTests")
    return "tests have GoogleTest's status and result" if its else ""


def _ctest_sign(document: Document) -> str:
    first = document.first_case
    its = document.root.tag == "testsuite" and "status" in first and first.get("name") == first.get("classname")
    return "tests have a status, and their name for a class" if its else ""


def _catch2_sign(document: Document) -> str:
    its = any(suite.attributes.get("hostname") == "tbd" for suite in suites_of(document))
    return 'the host is named "tbd"' if its else ""


_SOURCES = (".c", ".cc", ".cpp", ".cxx", ".C", ".h", ".hpp", ".hxx", ".mm")


def by_source(place: Place) -> Identity:
    """doctest: the class is the file, as the compiler was told of it."""
    return Identity(relative_file(place.classname, place.checkout), place.name)


def _doctest_sign(document: Document) -> str:
    first = document.first_case
    its = first.get("classname", "").endswith(_SOURCES) and first.get("status") == "run"
    return "classes are source files, and tests have a status" if its else ""


def _boost_sign(document: Document) -> str:
    """Boost.Test's root is a suite with an id, and its tests count assertions."""
    root = document.root
    its = root.tag == "testsuite" and "id" in root.attributes and "assertions" in document.first_case
    return "the suite has an id, and tests count assertions" if its else ""


DIALECTS = (
    Dialect(
        name="doctest",
        title="doctest",
        family=_FAMILY,
        sign="a source file for a class, `status`",
        recognise=_doctest_sign,
        identity=by_source,
        names="file, name",
        order=Order.EXECUTION,
    ),
    Dialect(
        name="googletest",
        title="GoogleTest",
        family=_FAMILY,
        sign="`status` and `result`",
        recognise=_googletest_sign,
        names="suite, name",
        retries="`--gtest_repeat`: the last repetition only",
        order=Order.EXECUTION,
        load=load_by_root,
    ),
    Dialect(
        name="ctest",
        title="CTest",
        family=_FAMILY,
        sign="`status`, class repeats the name",
        recognise=_ctest_sign,
        names="name",
        retries="the last attempt only",
        order=Order.DECLARATION,
        order_parallel=Order.DECLARATION,
        remark="CTest sorts by number, so that the order of execution is not known",
    ),
    Dialect(
        name="catch2",
        title="Catch2",
        family=_FAMILY,
        sign="its properties, host `tbd`",
        recognise=any_of(property_named("random-seed", "rng-seed"), _catch2_sign),
        order=Order.EXECUTION,
    ),
    Dialect(
        name="boost",
        title="Boost.Test",
        family=_FAMILY,
        sign="a suite with an id, `assertions`",
        recognise=_boost_sign,
        names="suites, name",
        order=Order.EXECUTION,
        load=load_by_root,
    ),
)
