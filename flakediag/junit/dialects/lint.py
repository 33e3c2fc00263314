"""Linters and type checkers, whose findings are no tests."""

from __future__ import annotations

from flakediag.junit.dialects.dialect import Dialect
from flakediag.junit.dialects.signs import suites_of
from flakediag.junit.document import Document


def _lint_sign(document: Document) -> str:
    for suite in suites_of(document):
        package = suite.attributes.get("package", "")
        if package.startswith(("org.eslint", "org.ruff")):
            return f'the package is "{package}"'
        if suite.name == "mypy":
            return 'a suite is named "mypy"'
    return ""


DIALECTS = (
    Dialect(
        name="lint",
        title="ESLint, Ruff, mypy",
        family="Linters",
        sign="package, suite name",
        recognise=_lint_sign,
        retries="–",
        repeats_are_runs=True,
        remark="these are findings of a linter, not tests",
    ),
)
