"""Tests in the order in which they ran, where a report says of each when that was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from flakediag.junit.document import Cases, Document
from flakediag.model import Order, Outcome


class Span(NamedTuple):
    """When a test ran, and on which worker where the report says so."""

    began: datetime
    ended: datetime
    worker: str = ""


def put_in_order(document: Document, spans: Sequence[Span | None]) -> None:
    """Sort the cases by when they ran and state what their order means: `spans` has an entry for each case.

    One worker: the order of execution. Several, or tests that overlap: that in which they ended. Where a moment is
    missing, or where tests began at the same moment, it is not known. Tests that were skipped need no moment.
    """
    document.order = Order.UNKNOWN
    skipped = {place for place, case in enumerate(document.cases) if case.outcome is Outcome.SKIPPED}
    ran = {place: span for place, span in enumerate(spans) if span is not None and place not in skipped}
    if not ran or len(ran) + len(skipped) < len(document.cases):
        return
    moments = sorted(ran.values())
    several = len({span.worker for span in moments}) > 1
    if several or any(after.began < before.ended for before, after in pairwise(moments) if not before.worker):
        document.order = Order.COMPLETION
        document.notes.append("several workers ran the tests: they stand in the order in which they ended")
    elif any(before.began == after.began for before, after in pairwise(moments)):
        document.notes.append("tests began at the same moment as others, as far as it tells: the order is not known")
        return
    else:
        document.order = Order.EXECUTION
    which = 0 if document.order is Order.EXECUTION else 1  # of a span
    dated = {place: span[which] for place, span in enumerate(spans) if span is not None}
    undated = [place for place in range(len(document.cases)) if place not in dated]
    document.cases = Cases(document.cases[place] for place in (*undated, *sorted(dated, key=dated.__getitem__)))
