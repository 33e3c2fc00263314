"""Flaky or broken: what the sequence of a test's outcomes says.

The outcomes of a test, commit by commit, are cut into segments of three kinds: *clean* (it cannot fail), *failing* (it
cannot pass) and *flaky* (it fails at a rate of its own, uniform between 0 and 1 with a lean to small ones). Commits are
never cut, so a commit with both outcomes can only stand in a flaky segment. All segmentations are weighed against each
other by their marginal likelihoods times a prior for every change (a semi-Markov forward pass; product partition model
of Barry and Hartigan 1992), and the verdict follows the last segment: flaky → flaky, failing → broken, clean after
anything else → fixed, if the clean stretch is longer than a flake of that rate could plausibly stay quiet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf, lgamma, log

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.rates import clean_runs_needed, rate_of
from flakediag.analysis.weights import weights
from flakediag.model import Verdict

CLEAN, FAILING, FLAKY = range(3)
AT_ONCE = 64  # boundaries whose segments are weighed together
Counts = NDArray[np.int64]
Logs = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CommitOutcomes:
    """What happened to one test on one commit: `failed` of `tried` attempts (retries that recovered count twice).

    `runs` and `failed_runs` count runs, for showing.
    """

    failed: int
    tried: int
    runs: int
    failed_runs: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its probability. `since` is the index of the commit at which the last segment starts."""

    verdict: Verdict
    probability: float
    since: int
    reason: str


@dataclass(slots=True)
class Memory:
    """What was computed for a history, so that the same history with more runs at its end costs only these."""

    stretches: list[tuple[CommitOutcomes, int]] = field(default_factory=list)
    weight: Logs = field(default_factory=lambda: np.empty((0, 3)))
    reach: Logs = field(default_factory=lambda: np.empty((0, 3)))

    def known(self, stretches: Sequence[tuple[CommitOutcomes, int]]) -> int:
        """Up to which boundary what was computed holds for a history of these stretches."""
        same = next((i for i, (a, b) in enumerate(zip(self.stretches, stretches, strict=False)) if a != b), None)
        alike = min(len(self.stretches), len(stretches)) if same is None else same
        return max(0, min(alike, len(self.stretches) - 1, len(stretches) - 1))


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
    kind, since, last = _last_segment(history, memory or Memory())
    best = int(np.argmax(kind))
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


def _last_segment(history: Sequence[CommitOutcomes], memory: Memory) -> tuple[list[float], int, CommitOutcomes]:
    """The posterior of the last segment's kind, the most probable start of that segment, and its outcomes.

    A forward pass over commit boundaries: weight[j, kind] sums over all segmentations of the first j commits that end
    with a segment of that kind. Stretches of commits that say the same are merged first: the best cut lies at one of
    their ends, and the pass stays short for tests that fail rarely.
    """
    chain = _Chain(history)
    count = len(chain.starts)
    weight = np.full((count + 1, 3), -inf)
    reach = chain.reach()
    since = np.zeros(3, dtype=np.int64)
    known = memory.known(chain.stretches)
    if known:
        weight[: known + 1], reach[: known + 1] = memory.weight[: known + 1], memory.reach[: known + 1]
    for end, options in chain.options(reach, known + 1):
        weight[end] = np.logaddexp.reduce(options, axis=0)
        if end < count:
            reach[end] = chain.change + np.logaddexp.reduce(weight[end][:, None] + chain.follow, axis=0)
        else:
            since = options.argmax(axis=0)
    memory.stretches, memory.weight, memory.reach = chain.stretches, weight, reach
    posterior = np.exp(weight[count] - np.logaddexp.reduce(weight[count]))
    start = chain.starts[int(since[int(posterior.argmax())])]
    tail = history[start:]
    outcomes = CommitOutcomes(
        sum(c.failed for c in tail),
        sum(c.tried for c in tail),
        sum(c.runs for c in tail),
        sum(c.failed_runs for c in tail),
    )
    return [float(p) for p in posterior], start, outcomes


class _Chain:
    """The segmentations of a history: what every choice of a segment weighs, in logs."""

    def __init__(self, history: Sequence[CommitOutcomes]) -> None:
        figures = weights("verdict")
        merged, self.starts, gaps = _merge_alike(history)
        self.stretches = list(zip(merged, gaps, strict=True))
        self.change, self._stay = log(figures["change"]), log(1 - figures["change"])
        with np.errstate(divide="ignore"):
            self._first = np.log(np.array(figures["start"]))
            self.follow = np.log(np.array(figures["follow"]))
        self._failed = np.concatenate(([0], np.cumsum([c.failed for c in merged])))
        self._tried = np.concatenate(([0], np.cumsum([c.tried for c in merged])))
        self._kept = np.concatenate(([0], np.cumsum(np.array(gaps) + 1)))  # boundaries, merged ones included
        most = 1 << int(self._tried[-1]).bit_length()  # few sizes, so that the tables are made once
        self._flaky = _flaky_likelihood(most, *figures["flaky_prior"])

    def reach(self) -> Logs:
        """float64[boundaries, 3]: the weight of starting a segment of a kind there, filled in for the first one."""
        made = np.full((len(self.starts), 3), -inf)
        made[0] = self._first
        return made

    def options(self, reach: Logs, first: int = 1) -> Iterator[tuple[int, Logs]]:
        """From the boundary `first` on, each with float64[boundary, 3]: the weight of a last segment of each kind from
        each earlier boundary up to this one. `reach` is to be filled in up to a boundary before the next is asked for.
        """
        for start in range(first, len(self._tried), AT_ONCE):
            ends = np.arange(start, min(start + AT_ONCE, len(self._tried)))
            likelihood, inside = self._segments(ends)
            for row, end in enumerate(ends.tolist()):
                yield end, reach[:end] + likelihood[row, :end] + inside[row, :end]

    def _segments(self, ends: Counts) -> tuple[Logs, Logs]:
        """float64[E, boundaries, 3] and [E, boundaries, 1]: how likely the outcomes between each earlier boundary and
        each of these are in a segment of each kind, and that nothing changes inside it. Later boundaries hold nothing.
        """
        failed, tried, kept = (
            np.maximum(table[ends][:, None] - table[: ends[-1]], 0) for table in (self._failed, self._tried, self._kept)
        )
        likelihood = np.stack(
            [np.where(failed == 0, 0.0, -inf), np.where(failed == tried, 0.0, -inf), self._flaky(failed, tried)], axis=2
        )
        # One change at the cut, none at the boundaries inside the segment.
        return likelihood, (self._stay * (kept - 1))[:, :, None]


@dataclass(frozen=True, slots=True)
class Segment:
    """The commits from `start` up to but not `stop` of a history, which are of one kind: CLEAN, FAILING or FLAKY."""

    kind: int
    start: int
    stop: int


def segments(history: Sequence[CommitOutcomes]) -> list[Segment]:
    """The most probable segmentation of a history, oldest first (Viterbi over the model above)."""
    if not history:
        return []
    chain = _Chain(history)
    count = len(chain.starts)
    reach = chain.reach()
    began = np.zeros((count + 1, 3), dtype=np.int64)  # where the best last segment up to a boundary starts
    before = np.zeros((count, 3), dtype=np.int64)  # the kind of the segment before one that starts at a boundary
    best = reach[0]
    for end, options in chain.options(reach):
        began[end], best = options.argmax(axis=0), options.max(axis=0)
        if end < count:
            through = best[:, None] + chain.follow
            before[end], reach[end] = through.argmax(axis=0), chain.change + through.max(axis=0)
    found = []
    starts = [*chain.starts, len(history)]
    end, kind = count, int(best.argmax())
    while end:
        start = int(began[end, kind])
        found.append(Segment(kind, starts[start], starts[end]))
        end, kind = start, int(before[start, kind])
    return found[::-1]


def _merge_alike(history: Sequence[CommitOutcomes]) -> tuple[list[CommitOutcomes], list[int], list[int]]:
    """Runs of commits that are all clean or all failing, as one each; where each starts; how many cuts it swallowed."""
    merged: list[CommitOutcomes] = []
    starts: list[int] = []
    gaps: list[int] = []
    for index, commit in enumerate(history):
        same = bool(merged) and (
            (not merged[-1].failed and not commit.failed)
            or (merged[-1].failed == merged[-1].tried and commit.failed == commit.tried)
        )
        if same:
            last = merged[-1]
            merged[-1] = CommitOutcomes(
                last.failed + commit.failed,
                last.tried + commit.tried,
                last.runs + commit.runs,
                last.failed_runs + commit.failed_runs,
            )
            gaps[-1] += 1
        else:
            merged.append(commit)
            starts.append(index)
            gaps.append(0)
    return merged, starts, gaps


@lru_cache(maxsize=32)
def _flaky_likelihood(most: int, a: float, b: float) -> Callable[[Counts, Counts], Logs]:
    """A function of (k, n), arrays of failures and tries with n <= most, that returns the log marginal likelihood of
    k failures in n tries, in one given order, at a rate drawn from Beta(a, b): ln B(k + a, n - k + b) - ln B(a, b).
    """
    gamma = np.array([[lgamma(i + a), lgamma(i + b), lgamma(i + a + b)] for i in range(most + 1)]).T
    whole = lgamma(a) + lgamma(b) - lgamma(a + b)

    def likelihood(k: Counts, n: Counts) -> Logs:
        result: Logs = gamma[0][k] + gamma[1][n - k] - gamma[2][n] - whole
        return result

    return likelihood
