"""Dart and Flutter: tojunit (junitreport)."""

from __future__ import annotations

from flakediag.junit.dialects.dialect import Dialect
from flakediag.junit.dialects.signs import suites_of
from flakediag.junit.document import Document
from flakediag.model import Order


def _dart_sign(document: Document) -> str:
    named = any(suite.name.endswith((".dart", "_test")) for suite in suites_of(document))
    its = named and (
        document.first_case.get("file", "").endswith(".dart") or suites_of(document)[0].name[-5:] == ".dart"
    )
    return "suites or tests stand in Dart files" if its else ""


DIALECTS = (
    Dialect(
        name="dart",
        title="Dart, Flutter (tojunit)",
        family="Dart",
        sign="suites or files `….dart`",
        recognise=_dart_sign,
        names="file, name",
        order=Order.UNKNOWN,  # files run in several isolates
    ),
)
