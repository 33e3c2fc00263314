"""Tests in the order in which they ran, where a report says of each when that was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from flakediag.junit.document import Document
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
    dated = {place: span for place, span in enumerate(spans) if span is not None}
    undated = [place for place in range(len(document.cases)) if place not in dated]
    if not dated or any(document.cases[place].outcome is not Outcome.SKIPPED for place in undated):
        return
    moments = sorted(dated.values())
    several = len({span.worker for span in moments}) > 1
    if several or any(after.began < before.ended for before, after in pairwise(moments) if not before.worker):
        document.order = Order.COMPLETION
        document.notes.append("several workers ran the tests: they stand in the order in which they ended")
        places = sorted(dated, key=lambda place: dated[place].ended)
    elif any(before.began == after.began for before, after in pairwise(moments)):
        document.notes.append("tests began at the same moment as others, as far as it tells: the order is not known")
        return
    else:
        document.order = Order.EXECUTION
        places = sorted(dated, key=lambda place: dated[place].began)
    document.cases = [document.cases[place] for place in (*undated, *places)]
