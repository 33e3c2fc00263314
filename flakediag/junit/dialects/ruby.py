"""Ruby: RSpec, minitest."""

from __future__ import annotations

from flakediag.junit.dialects.dialect import Dialect
from flakediag.junit.dialects.load import load_by_root
from flakediag.junit.dialects.place import Place, by_class, suites_around
from flakediag.junit.dialects.signs import suites_of
from flakediag.junit.document import Document
from flakediag.model import Identity, Order


def by_suite_class(place: Place) -> Identity:
    """minitest: the class is the suite; older reporters write no `classname`."""
    around = suites_around(place)
    return by_class(place._replace(classname=place.classname or (around[-1].name if around else "")))


def _rspec_sign(document: Document) -> str:
    return 'the suite is named "rspec…"' if document.root.name.startswith("rspec") else ""


def _minitest_sign(document: Document) -> str:
    first = document.first_case
    counted = "assertions" in first and all("assertions" in suite.attributes for suite in suites_of(document))
    ruby = first.get("file", "").endswith(".rb")
    return "tests count assertions and stand in Ruby files" if counted and ruby else ""


DIALECTS = (
    Dialect(
        name="rspec",
        title="RSpec",
        family="Ruby",
        sign="suite `rspec`",
        recognise=_rspec_sign,
        order=Order.EXECUTION,
    ),
    Dialect(
        name="minitest",
        title="minitest (minitest-reporters)",
        family="Ruby",
        sign="`assertions`, Ruby files",
        recognise=_minitest_sign,
        identity=by_suite_class,
        order=Order.EXECUTION,
        load=load_by_root,
        per_class=True,
    ),
)
