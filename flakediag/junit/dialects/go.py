"""Go: gotestsum, go-junit-report, Ginkgo."""

from __future__ import annotations

import re

from flakediag.junit.attempts import join_mixed
from flakediag.junit.dialects.dialect import Dialect
from flakediag.junit.dialects.load import load_by_root
from flakediag.junit.dialects.signs import any_of, attributes_written, property_named, suites_of
from flakediag.junit.document import Document
from flakediag.model import Order

_go_sign = property_named("go.version")
_REPORT = "name tests failures errors id hostname package skipped time timestamp"  # go-junit-report 2


def _gotestsum_sign(document: Document) -> str:
    """Both write the same shape; gotestsum writes six decimals."""
    sign = _go_sign(document)
    times = [document.first_case.get("time", ""), *(suite.attributes.get("time", "") for suite in suites_of(document))]
    its = sign and any(re.fullmatch(r"\d+\.\d{6}", time) for time in times)
    return f"{sign}, and times have six decimals" if its else ""


def _report_2_sign(document: Document) -> str:
    """go-junit-report 2 writes no version where `go test` told none, but a package is suite and class."""
    written = attributes_written(_REPORT, also=("hostname", "package", "skipped", "timestamp"))(document)
    first = document.first_case
    package = document.cases and document.suites[document.cases[0].suite].name == first.get("classname")
    named = re.match(r"(?:Test|Example|Fuzz|Benchmark)(?![a-z])", first.get("name", ""))
    return f"{written}, and tests are named as in Go" if written and package and named else ""


_RETRIES = "the same name twice in a package, one failed: the last decides"

DIALECTS = (
    Dialect(
        name="ginkgo",
        title="Ginkgo",
        family="Go",
        sign="its properties",
        recognise=property_named("SuiteSucceeded", "RandomizeAllSpecs"),
        order=Order.EXECUTION,
    ),
    Dialect(
        name="gotestsum",
        title="gotestsum",
        family="Go",
        sign="property `go.version`, six decimals",
        recognise=_gotestsum_sign,
        names="package, name",
        join=join_mixed,
        retries=_RETRIES,
        order=Order.DECLARATION,
        order_parallel=Order.DECLARATION,
        load=load_by_root,
        repeats_are_runs=True,
        remark="gotestsum sorts by outcome, so that the order of execution is not known",
    ),
    Dialect(
        name="go-junit-report",
        title="go-junit-report",
        family="Go",
        sign="property `go.version`; its attributes, Go's names of tests",
        recognise=any_of(_go_sign, _report_2_sign),
        names="package, name",
        join=join_mixed,
        retries=_RETRIES,
        order=Order.EXECUTION,
        repeats_are_runs=True,
    ),
)
