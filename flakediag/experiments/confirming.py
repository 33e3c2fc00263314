"""Proving a cause with chosen runs."""

from __future__ import annotations

from datetime import datetime

from flakediag.analysis.plan import Standing
from flakediag.experiments.asked import Observer, Outcome, Setup, Way
from flakediag.experiments.attempt import outcome_of
from flakediag.experiments.bench import bench
from flakediag.experiments.by_contrast import contrast, port_of
from flakediag.experiments.by_order import search
from flakediag.experiments.planning import plan_of, way_of
from flakediag.location import Location
from flakediag.model import Scope


def confirm(db: Location, test: str, scope: Scope, setup: Setup, observer: Observer, *, now: datetime) -> Outcome:
    """Run experiments on one test until one explanation holds, or the budget is spent, or somebody interrupts.

    Every run is kept as an experiment, apart from the recorded runs. ^C ends what runs and keeps what was learnt.
    """
    found = bench(db, test, scope, setup, now=now)
    way = way_of(found)
    if way is Way.PORT:
        port_of(found)
    if way is Way.ORDER and found.earlier and found.search.standing is not Standing.OPEN:
        return search(found, observer)  # nothing is left to be run
    if not observer.allow(plan_of(found)):
        return outcome_of(found, way.value, "open", "nothing was run", None)
    found.began = found.clock()
    if way is Way.ORDER:
        return search(found, observer)
    return contrast(found, way, observer)
