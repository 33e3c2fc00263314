"""How a run was understood, in words."""

from __future__ import annotations

from collections.abc import Sequence

from flakediag.junit.dialects import PARALLEL
from flakediag.junit.results import Reading
from flakediag.model import Decisions, Order, Run

_ORDERS = {
    Order.EXECUTION: "the order of execution",
    Order.COMPLETION: "the order in which tests ended",
    Order.DECLARATION: "the producer's own, which says nothing of the execution",
    Order.UNKNOWN: "not known",
}


def decisions_of(readings: Sequence[Reading], run: Run) -> Decisions:
    """What the reports of a run were taken for, and by which rules; several of one run have one producer."""
    first = next((reading for reading in readings if reading.dialect.name == run.producer), readings[0])
    return Decisions(
        producer=first.dialect.title,
        sign=first.sign,
        identity=first.dialect.names,
        retries=first.dialect.retries,
        order=_order(run),
        start=_start(readings, run),
    )


def _order(run: Run) -> str:
    words = _ORDERS[run.order]
    if run.ordered_classes:
        words += " between classes; within each class, the order of execution"
    if run.parallelism is None or run.duration is None:
        return f"{words}; the times do not tell how many tests ran at a time"
    if run.parallelism > PARALLEL:
        return f"{words}; about {run.parallelism:.2g} tests ran at a time"
    return f"{words}; one test at a time ({run.parallelism * run.duration:.3g} s of the run's {run.duration:.3g} s)"


def _start(readings: Sequence[Reading], run: Run) -> str:
    began = next((reading for reading in readings if reading.began == run.started_at), None)
    if began is None:
        return "the time of reading, since no moment is named"
    return "the earliest moment that is named" + (", read as UTC" if began.assumed else "")
