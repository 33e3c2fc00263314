"""Rust: nextest."""

from __future__ import annotations

from flakediag.junit.dialects.dialect import Dialect
from flakediag.junit.dialects.load import load_by_root
from flakediag.junit.dialects.signs import any_of, root_named
from flakediag.junit.document import Document
from flakediag.model import Order


def _dated_sign(document: Document) -> str:
    """The name of the run can be set; its id and the moments of the tests are always there."""
    its = "uuid" in document.root.attributes and "timestamp" in document.first_case
    return "the run has a uuid and its tests have timestamps" if its else ""


DIALECTS = (
    Dialect(
        name="nextest",
        title="nextest",
        family="Rust",
        sign="root `nextest-run`; a uuid, tests with timestamps",
        recognise=any_of(root_named("nextest-run"), _dated_sign),
        names="binary, name",
        retries="children as Surefire's",
        order=Order.DECLARATION,
        order_parallel=Order.DECLARATION,
        load=load_by_root,
        remark="nextest runs every test in a process of its own",
    ),
)
