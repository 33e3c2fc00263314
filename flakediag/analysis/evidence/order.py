"""Evidence from the orders in which the tests ran: the last-writer model (see `flakediag.analysis.order`)."""

from __future__ import annotations

from collections.abc import Sequence

from flakediag.analysis.order.explain import evidence_of
from flakediag.analysis.order.study import study
from flakediag.analysis.weights import weights
from flakediag.analysis.window import Subject, Window
from flakediag.model import Evidence


def find(window: Window, subjects: Sequence[Subject]) -> list[list[Evidence]]:
    """At most one piece of evidence for each subject, kind "last-writer"; none where no order is known."""
    if not subjects:
        return []
    figures = weights("order")
    return [[evidence] if (evidence := evidence_of(case, figures)) else [] for case in study(window, subjects, figures)]
