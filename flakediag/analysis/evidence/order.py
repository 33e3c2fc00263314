"""Evidence from the orders in which the tests ran: the last-writer model (see `flakediag.analysis.order`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flakediag.analysis.evidence import previous
from flakediag.analysis.order.explain import evidence_of
from flakediag.analysis.order.study import study
from flakediag.analysis.weights import weights
from flakediag.analysis.window import Subject, Window
from flakediag.model import Category, Evidence


def find(window: Window, subjects: Sequence[Subject]) -> list[list[Evidence]]:
    """At most one piece of evidence of kind "last-writer" for each subject (none where no order is known), and what it
    owes to the run before."""
    if not subjects:
        return []
    figures = weights("order")
    cases = study(window, subjects, figures)
    earlier = previous.find(window, subjects, cases)
    return [[*_within(evidence_of(case, figures), found), *found] for case, found in zip(cases, earlier, strict=True)]


def _within(evidence: Evidence | None, earlier: Sequence[Evidence]) -> list[Evidence]:
    """That the order within runs does not explain the failures says nothing against state from the run before."""
    if evidence is None:
        return []
    if evidence.weight < 0 and any(e.category is Category.ORDER for e in earlier):
        return [replace(evidence, weight=0.0)]
    if any(e.kind == previous.CARRIED for e in earlier):
        return [replace(evidence, partners=())]  # the roles are clear only with the state at the start
    return [evidence]
