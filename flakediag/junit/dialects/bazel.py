"""Bazel, for targets that write no report themselves: one test, named by the target."""

from __future__ import annotations

from flakediag.junit.dialects.dialect import Dialect
from flakediag.junit.dialects.signs import suites_of
from flakediag.junit.document import Document
from flakediag.model import Order


def _target_sign(document: Document) -> str:
    suites, first = suites_of(document), document.first_case
    alone = len(suites) == 1 and first.get("name") == suites[0].name and "/" in suites[0].name
    return "the only test is the target, and has a duration beside its time" if alone and "duration" in first else ""


DIALECTS = (
    Dialect(
        name="bazel",
        title="Bazel (a target without a report of its own)",
        family="Bazel",
        sign="one test named as its suite, `duration`",
        recognise=_target_sign,
        names="target",
        retries="files of `test_attempts` beside it",
        order=Order.EXECUTION,
    ),
)
