"""Ruby: RSpec, minitest."""

from __future__ import annotations

from flakediag.junit.dialects.dialect import Dialect
from flakediag.junit.dialects.load import load_by_root
from flakediag.junit.dialects.place import by_suite
from flakediag.junit.dialects.signs import suites_of
from flakediag.junit.document import Document
from flakediag.model import Order


def _rspec_sign(document: Document) -> str:
    return 'the suite is named "rspec…"' if document.root.name.startswith("rspec") else ""


def _minitest_sign(document: Document) -> str:
    first = document.first_case
    counted = "assertions" in first and all("assertions" in suite.attributes for suite in suites_of(document))
    ruby = first.get("file", "").endswith(".rb") or first.get("classname", "").startswith("Minitest::")
    return "tests count assertions, and their files or classes are Ruby's" if counted and ruby else ""


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
        sign="`assertions`, Ruby files or classes",
        recognise=_minitest_sign,
        identity=by_suite,
        order=Order.EXECUTION,
        load=load_by_root,
        per_class=True,
    ),
)
