"""PHP: PHPUnit, Pest, Codeception."""

from __future__ import annotations

from flakediag.junit.dialects.dialect import Dialect
from flakediag.junit.dialects.load import load_by_root
from flakediag.junit.dialects.signs import any_of
from flakediag.junit.document import Document
from flakediag.model import Order


def _pest_sign(document: Document) -> str:
    first = document.first_case
    its = "::" in first.get("file", "") and "assertions" in first
    return "files have the name of the test behind them" if its else ""


def _phpunit_sign(document: Document) -> str:
    its = "class" in document.first_case and "assertions" in document.first_case
    return "tests have a class beside their class name, and count assertions" if its else ""


def _codeception_sign(document: Document) -> str:
    first = document.first_case
    its = "feature" in first and "assertions" in first
    return "tests have a feature, and count assertions" if its else ""


DIALECTS = (
    Dialect(
        name="phpunit",
        title="PHPUnit, Pest, Codeception",
        family="PHP",
        sign="`class` or `feature`, and `assertions`",
        recognise=any_of(_pest_sign, _phpunit_sign, _codeception_sign),
        order=Order.EXECUTION,
        load=load_by_root,
    ),
)
