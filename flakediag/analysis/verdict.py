"""Flaky or broken: what the sequence of a test's outcomes says.

The outcomes of a test, commit by commit, are cut into segments of three kinds: *clean* (it cannot fail), *failing* (it
cannot pass) and *flaky* (it fails at a rate of its own, uniform between 0 and 1 with a lean to small ones). Commits are
never cut, so a commit with both outcomes can only stand in a flaky segment. All segmentations are weighed against each
other by their marginal likelihoods times a prior for every change (a semi-Markov forward pass; product partition model
of Barry and Hartigan 1992), and the verdict follows the last segment: flaky → flaky, failing → broken, clean after
anything else → fixed, if the clean stretch is longer than a flake of that rate could plausibly stay quiet.

A short history is summed up in plain Python (`brief`) and a long one with arrays (`segmentation`), to the same result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flakediag.analysis import brief
from flakediag.analysis.commits import CLEAN, FAILING, FLAKY, CommitOutcomes, stretches_of
from flakediag.analysis.rates import clean_runs_needed, rate_of
from flakediag.analysis.weights import weights
from flakediag.model import Verdict

if TYPE_CHECKING:
    from flakediag.analysis.segmentation import Memory

LATE = 5  # a test is new when this many runs of the window came before its first
BRIEF = 64  # stretches of a history, up to which numpy's calls take as long as plain Python


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its probability. `since` is the index of the commit at which the last segment starts."""

    verdict: Verdict
    probability: float
    since: int
    reason: str


def judge(history: Sequence[CommitOutcomes], *, is_new: bool, memory: Memory | None = None) -> Judgement:
    """The verdict on one test from its commits, oldest first, each with at least one try.

    `is_new`: the test appeared late in the window, so that a failure may be part of its birth. `memory` is kept by a
    caller who will ask again about the same test with more runs; it changes the cost and nothing else.
    Raises ValueError on an empty history.
    """
    if not history:
        raise ValueError("a test without executions has no verdict")
    failed, tried = sum(c.failed for c in history), sum(c.tried for c in history)
    if not failed:
        return Judgement(Verdict.STABLE, 1.0, 0, f"passed in all of {_runs(tried)}")
    figures = weights("verdict")
    if failed == tried and tried < figures["min_runs"]:
        if is_new:
            return Judgement(Verdict.NEW, 1.0, 0, f"appeared lately and has failed in all of {_runs(tried)}")
        return Judgement(
            Verdict.INSUFFICIENT, 1.0, 0, f"only {_runs(tried)}, all failed: flaky or broken cannot be told"
        )
    kind, since, last = _last_segment(history, memory)
    best = kind.index(max(kind))
    if best == FLAKY or (max(kind) < figures["sure"] and _mixed(history)):
        if not _mixed(history) and (kind[FLAKY] < figures["sure"] or _failing_stretches(history) < 2):
            return _undecided(history, kind)
        return Judgement(Verdict.FLAKY, 1.0 if _mixed(history) else kind[FLAKY], since, _flaky_reason(history))
    if best == FAILING:
        if kind[FAILING] < figures["sure"] or last.failed < figures["min_failures_broken"]:
            return _undecided(history, kind)
        reason = f"failed in all of the last {_runs(last.runs)}" + (", passed before" if since else "")
        return Judgement(Verdict.BROKEN, kind[FAILING], since, reason)
    return _fixed_or_quiet(history, kind, since, last)


def _fixed_or_quiet(
    history: Sequence[CommitOutcomes], kind: Sequence[float], since: int, last: CommitOutcomes
) -> Judgement:
    """The last segment is clean: fixed, unless a flake of the earlier rate could well have stayed quiet so long."""
    failed = [i for i, c in enumerate(history) if c.failed]
    earlier = history[failed[0] : since]
    before_flaky = flaked(earlier)
    if before_flaky:
        low = rate_of(sum(c.failed for c in earlier), sum(c.tried for c in earlier)).low
        needed = clean_runs_needed(max(low, 1e-9))
        if last.tried < needed:
            reason = f"{_flaky_reason(history)}; {last.runs} clean runs since, {needed} would show that it is fixed"
            return Judgement(Verdict.FLAKY, 1.0 - kind[CLEAN], since, reason)
    before = "was flaky" if before_flaky else "failed"
    return Judgement(Verdict.FIXED, kind[CLEAN], since, f"{before}, then passed in all of the last {_runs(last.runs)}")


def flaked(history: Sequence[CommitOutcomes]) -> bool:
    """Whether these commits show a flake: one that both passed and failed, or failing that began more than once."""
    return _mixed(history) or _failing_stretches(history) > 1


def _mixed(history: Sequence[CommitOutcomes]) -> bool:
    """One commit both passed and failed: proof of a flake."""
    return any(0 < c.failed < c.tried for c in history)


def _failing_stretches(history: Sequence[CommitOutcomes]) -> int:
    """How often failing began. Once may be a break that was repaired; without a mixed commit a flake shows as twice."""
    return sum(bool(c.failed) and not (i and history[i - 1].failed) for i, c in enumerate(history))


def _undecided(history: Sequence[CommitOutcomes], kind: Sequence[float]) -> Judgement:
    runs, failed = sum(c.runs for c in history), sum(c.failed_runs for c in history)
    reason = (
        f"failed in {failed} of {_runs(runs)}, never on a commit where it also passed: re-run a failing commit to tell"
    )
    return Judgement(Verdict.INSUFFICIENT, max(kind), 0, reason)


def _flaky_reason(history: Sequence[CommitOutcomes]) -> str:
    both = sum(0 < c.failed < c.tried for c in history)
    if both:
        return f"passed and failed on the same commit ({both} commit{'s' if both > 1 else ''})"
    return "failed now and then, with no commit at which that began or ended"


def _runs(count: int) -> str:
    return f"{count} run" if count == 1 else f"{count} runs"


def _last_segment(history: Sequence[CommitOutcomes], memory: Memory | None) -> tuple[list[float], int, CommitOutcomes]:
    """The posterior of the last segment's kind, the most probable start of that segment, and its outcomes."""
    stretches = stretches_of(history)
    if memory is None and len(stretches.starts) <= BRIEF:
        posterior, start = brief.last_segment(stretches)
    else:
        from flakediag.analysis import segmentation  # loads numpy

        posterior, start = segmentation.last_segment(stretches, memory or segmentation.Memory())
    since = stretches.starts[start]
    tail = history[since:]
    outcomes = CommitOutcomes(
        sum(c.failed for c in tail),
        sum(c.tried for c in tail),
        sum(c.runs for c in tail),
        sum(c.failed_runs for c in tail),
    )
    return posterior, since, outcomes
