"""The certificate after a fix: as many clean runs as the test's own failure rate demands."""

from __future__ import annotations

from datetime import datetime

from flakediag.analysis.rates import clean_runs_needed
from flakediag.errors import UsageError
from flakediag.experiments.asked import Explanation, Observer, Outcome, Plan, Setup, Step, Way
from flakediag.experiments.attempt import carry_out, note, outcome_of
from flakediag.experiments.bench import Bench, bench
from flakediag.experiments.earlier import failed_once
from flakediag.experiments.wording import command_of
from flakediag.location import Location
from flakediag.model import Category, Scope


def certify(db: Location, test: str, scope: Scope, setup: Setup, observer: Observer, *, now: datetime) -> Outcome:
    """Run a test that is said to be fixed as often, without a failure, as its own failure rate demands."""
    found = bench(db, test, scope, setup, now=now)
    rate = found.finding.rate
    if rate.count == 0:
        raise UsageError(f"{found.finding.id} never failed in the history", "there is nothing to be certified")
    low = max(rate.low, 1e-4)
    needed = clean_runs_needed(low)
    before, after = _worst(found)
    step = Step(what=f"the test {after}, {needed} times", command=command_of(found, before))
    asked = Plan(test=found.finding.id, way=Way.ORDER, leading=(), first=step, expected=needed)
    if not observer.allow(asked):
        return outcome_of(found, "fixed", "open", "nothing was run", None)
    found.began = found.clock()
    clean, failed, interrupted, silent = 0, False, False, 0
    try:
        while clean < needed and not failed and silent < 3 and not found.spent():
            carried = carry_out(found, found.names(before), f"the test {after}", "fixed", observer)
            result = carried.result
            outcome = None if result is None or result.outcome.name == "SKIPPED" else failed_once(result)
            silent = silent + 1 if outcome is None else 0
            failed = bool(outcome)
            clean += outcome is False
            seen = 0.0 if failed else 1 - (1 - low) ** clean
            leading = Explanation(
                f"it would have failed by now if it were not fixed: {_clean(clean)} of {needed}", seen
            )
            left = 0 if failed else needed - clean
            note(found, f"the test {after}", carried, outcome, carried.problem, observer, leading, left)
    except KeyboardInterrupt:
        interrupted = True
    if failed:
        return outcome_of(found, "fixed", "not-fixed", f"it failed {after}, after {_clean(clean)}", None)
    if clean == 0:
        return outcome_of(found, "fixed", "interrupted" if interrupted else "stuck", "nothing was learnt", None)
    says = f"{_clean(clean)} {after}: with 95 % its failure rate is now below {_percent(_ruled_out(clean))}"
    if clean < needed:
        says += f"; its own rate demands {needed}"
    standing = "fixed" if clean >= needed else "interrupted" if interrupted else "open"
    return outcome_of(found, "fixed", standing, says, None)


def _worst(bench: Bench) -> tuple[tuple[int, ...], str]:
    """Where the failure would show if it were still there: after the polluters that the diagnosis names, else alone."""
    cause = bench.finding.cause
    if cause is None or cause.category is not Category.ORDER:
        return (), "alone"
    ids = {test.id: n for n, test in enumerate(bench.tests)}
    named = [p for p in cause.partners if p.role == "polluter" and p.kind == "test" and p.id in ids]
    if not named:
        return (), "alone"
    best = [p for p in named if p.probability >= 0.5 * named[0].probability][:3]
    return tuple(ids[p.id] for p in best), f"after {', '.join(p.id for p in best)}"


def _ruled_out(clean: int) -> float:
    """The rate that so many clean runs rule out with 95 %: (1 - p)^n = 0.05."""
    return 1.0 if clean == 0 else 1 - 0.05 ** (1 / clean)


def _clean(runs: int) -> str:
    return f"{runs} clean {'run' if runs == 1 else 'runs'}"


def _percent(rate: float) -> str:
    return f"{100 * rate:.2g} %"
