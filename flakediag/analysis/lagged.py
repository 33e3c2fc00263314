"""What a neighbouring run says about this one: facts of the run before (or after) it, and how well they tell failures.

A fact holds for some runs: "X ran in the run before". It explains a victim where the victim fails if it holds and
passes otherwise (or the other way round), the rates being those of the last-writer model. Every fact pays its prior,
one over the number of facts of its kind, so that many facts pay for their own luck. Facts that hold for the same runs
are one, in whose name nobody can tell the tests apart.

The same is asked of the run after, and of the run itself: nothing travels backwards in time, so what the run after
explains as well is company (a bad stretch of the host, suites that take turns) and not cause.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.candidates import Candidates
from flakediag.analysis.order.marginal import Doubles, Prior, log_marginal, log_sum
from flakediag.analysis.window import Window

Bools = NDArray[np.bool_]
WITHOUT = -np.inf


class Fact(NamedTuple):
    """One fact of a neighbouring run, and how well it explains one victim.

    kind: "ran", "failed", "last", "after" (the first of `parties` ran after the second, or the second did not run),
    "since" (it ran on the host since the victim last did), "recovered" (the victim itself passed there), or "run", a
    fact about the whole run. `parties`: candidates that the runs cannot tell apart; of kind "after" the two; of kind
    "run" its number in `Lagged.run_facts`. bad: the victim fails where it holds; else where it does not.
    score: ln of likelihood × prior. holds: bool[R].
    """

    kind: str
    parties: tuple[int, ...]
    bad: bool
    score: float
    holds: Bools


class Columns(NamedTuple):
    """Distinct facts of one kind: holds: float32[R, U]; prior: float64[U], ln; members: the candidates of each."""

    kind: str
    holds: NDArray[np.float32]
    prior: Doubles
    members: tuple[tuple[int, ...], ...]
    polarities: tuple[tuple[bool, float], ...]  # whether a victim fails where it holds, with the ln of its prior


@dataclass(frozen=True)
class Rates:
    """Failure rates where the state is bad, where it is good, and where chance decides."""

    bad: Prior
    good: Prior
    chance: Prior

    def split(self, k: Any, n: Any, failures: int, runs: int, bad: bool) -> Doubles:
        """ln of the likelihood of k failures in n runs where a fact holds, of `failures` in `runs` altogether."""
        here, there = (self.bad, self.good) if bad else (self.good, self.bad)
        found: Doubles = log_marginal(k, n, here) + log_marginal(failures - k, runs - n, there)
        return found


@dataclass(frozen=True)
class Lagged:
    """The facts of each run's neighbour. `neighbour`: int32[R], -1 for none; `lag` -1 for the run before, 1, or 0."""

    window: Window
    candidates: Candidates
    neighbour: NDArray[np.int32]
    lag: int
    gap: NDArray[np.float32]
    figures: Mapping[str, Any]
    rates: Rates
    failed: Bools = field(repr=False)  # [R, T]
    varied: bool  # whether the tests ran in different orders at all
    company: tuple[NDArray[np.int32], ...] = ()  # other neighbours, in which a culprit's failing must not tell as much

    @cached_property
    def known(self) -> Bools:
        known: Bools = self.neighbour >= 0
        return known

    @cached_property
    def columns(self) -> list[Columns]:
        share = self.figures["share"]
        either = ((True, np.log(share["polluter"])), (False, np.log(1 - share["polluter"])))
        found = [self._ran(either)]
        if self.lag:
            found += [self._failures(), self._last()]
        found.append(self._whole_runs())
        return [columns for columns in found if len(columns.prior)]

    def facts(self, test: int, failed: Bools, rows: Bools, most: int = 12) -> tuple[list[Fact], float]:
        """The best facts for one victim, best first, and ln of the sum of all.

        failed, rows: bool[R], the runs in which it failed, and those that say something about it.
        """
        rows = rows & self.known
        failed = failed & rows
        failures, runs = int(failed.sum()), int(rows.sum())
        weights = np.stack([failed, rows]).astype(np.float32)
        best: list[Fact] = []
        total: list[float] = []

        def keep(kind: str, scores: Doubles, members: Any, bad: bool, holds: Any) -> None:
            total.append(log_sum(scores))
            for u in np.argsort(-scores)[:most]:
                if np.isfinite(scores[u]):
                    best.append(Fact(kind, members(int(u)), bad, float(scores[u]), holds(int(u))))

        own = int(self.candidates.place[test])
        for columns in self.columns:
            k, n = np.rint(weights @ columns.holds).astype(np.int64)
            for bad, prior in columns.polarities:
                scores = self.rates.split(k, n, failures, runs, bad) + columns.prior + prior
                scores[(n == 0) | (n == runs) | ~_tells(k, n, failures, runs, bad)] = WITHOUT
                if columns.kind == "failed":
                    # That it failed there itself is what a bad stretch looks like.
                    scores[[u for u, who in enumerate(columns.members) if own in who]] = WITHOUT
                    scores = self._without_company(columns, scores, failed, rows)
                keep(columns.kind, scores, columns.members.__getitem__, bad, _column(columns.holds))
        if self.lag:
            for kind, scores, parties, holds in (
                self._recovered(test, failed, rows),
                self._pairs(test, failed, rows),
                self._since(test, failed, rows),
            ):
                if len(scores):
                    keep(kind, scores, parties.__getitem__, True, _column(holds))
        best.sort(key=lambda fact: (-fact.score, fact.kind, fact.parties))
        return best[:most], log_sum(total)

    def _without_company(self, columns: Columns, scores: Doubles, failed: Bools, rows: Bools) -> Doubles:
        """float64[U]: the scores, less what the failing of the same test tells of the victim in other runs.

        What fails together, in the same run or in the run after as in the one before, has a cause in common. The best
        are looked at; the others are left out.
        """
        if not self.company:
            return scores
        best = np.argsort(-scores, kind="stable")[: int(self.figures["pairs"])]
        best = best[np.isfinite(scores[best])]
        worst = np.zeros(len(best))
        first = self.candidates.tests[[columns.members[u][0] for u in best]]
        for neighbour in self.company:
            there = rows & (neighbour >= 0)
            holds = (self.failed[:, first][neighbour] & there[:, None]).astype(np.float32)
            k, n = np.rint(np.stack([failed & there, there]).astype(np.float32) @ holds).astype(np.int64)
            failures, runs = int((failed & there).sum()), int(there.sum())
            chance = float(log_marginal(failures, runs, self.rates.chance))
            told = self.rates.split(k, n, failures, runs, True) - chance - float(np.log(self.figures["company"]))
            worst = np.maximum(worst, np.where(_tells(k, n, failures, runs, True), told, 0.0))
        left = np.full(len(scores), WITHOUT)
        left[best] = scores[best] - worst
        return left

    def _share(self, kind: str) -> float:
        return float(np.log(self.figures["share"][kind]))

    def _at_neighbour(self, of_run: NDArray[Any]) -> NDArray[np.float32]:
        """float32, rows of each run's neighbour; nothing holds where there is none."""
        return np.where(self.known[:, None], of_run[self.neighbour], 0).astype(np.float32)

    def _distinct(self, kind: str, holds: Bools, prior: Doubles, which: Sequence[int], polarities: Any) -> Columns:
        """holds: bool[R, C], of runs, not yet of their neighbours; columns that never differ say nothing."""
        packed = np.ascontiguousarray(np.packbits(holds, axis=0).T)
        keys = packed.view(np.dtype((np.void, packed.shape[1]))).reshape(-1)
        _, first, group = np.unique(keys, return_index=True, return_inverse=True)
        differs = np.ptp(holds[:, first].astype(np.int8), axis=0) > 0
        members: list[list[int]] = [[] for _ in first]
        for candidate, u in zip(which, group.reshape(-1), strict=True):
            members[u].append(candidate)
        mass = np.bincount(group.reshape(-1), np.exp(prior), len(first))
        kept = np.flatnonzero(differs)
        return Columns(
            kind,
            self._at_neighbour(holds[:, first[kept]]),
            np.log(mass[kept]) + self._share(kind),
            tuple(tuple(members[u]) for u in kept),
            polarities,
        )

    def _ran(self, polarities: Any) -> Columns:
        tests, groups = len(self.candidates.tests), len(self.candidates.starts)
        ran = self.window.executed[:, self.candidates.tests]
        summed = np.concatenate([np.zeros((len(ran), 1), dtype=np.int32), ran.cumsum(axis=1, dtype=np.int32)], axis=1)
        any_of = summed[:, self.candidates.ends] > summed[:, self.candidates.starts]
        share = self.figures["share"]["groups"] if groups else 0.0
        prior = np.concatenate(
            [np.full(tests, np.log((1 - share) / tests)), np.full(groups, np.log(share / max(1, groups)))]
        )
        return self._distinct("ran", np.concatenate([ran, any_of], axis=1), prior, range(tests + groups), polarities)

    def _failures(self) -> Columns:
        failed = self.failed[:, self.candidates.tests]
        which = np.flatnonzero(failed.sum(axis=0) >= 2)
        prior = np.full(len(which), -np.log(max(1, len(which))))
        return self._distinct("failed", failed[:, which], prior, which.tolist(), ((True, 0.0),))

    def _last(self) -> Columns:
        """Which test ended a run, of runs whose order is known."""
        when = np.where(self.window.executed, self.window.positions, -1)
        last = self.candidates.place[when.argmax(axis=1)]
        told = self.window.serial & (when.max(axis=1) >= 0)
        which = np.flatnonzero(np.bincount(last[told], minlength=len(self.candidates.tests)) >= 2)
        holds = (last[:, None] == which) & told[:, None]
        prior = np.full(len(which), -np.log(len(self.candidates.tests)))
        return self._distinct("last", holds, prior, which.tolist(), ((True, 0.0),))

    def _whole_runs(self) -> Columns:
        """Facts about the neighbour as a whole: cut short, of another job, with hardly a pause between."""
        holds = dict(self._about_runs())
        holds = {name: where & self.known for name, where in holds.items() if (where & self.known).any()}
        columns = np.stack([*holds.values()], axis=1) if holds else np.zeros((len(self.known), 0))
        prior = np.full(len(holds), self._share("run") - np.log(max(1, len(holds))))
        return Columns("run", columns.astype(np.float32), prior, tuple((n,) for n in range(len(holds))), ((True, 0.0),))

    @cached_property
    def run_facts(self) -> list[str]:
        """The names of the facts about whole runs, by the number that stands in `Fact.parties`."""
        return [name for name, where in self._about_runs().items() if (where & self.known).any()]

    def _about_runs(self) -> dict[str, Bools]:
        runs, found = self.window.runs, {}
        executed = self.window.executed.sum(axis=1)
        kinds: dict[tuple[str | None, str | None], list[int]] = {}
        for number, run in enumerate(runs):
            kinds.setdefault((run.job, run.shard), []).append(number)
        usual = np.zeros(len(runs))
        for numbers in kinds.values():
            usual[numbers] = np.median(executed[numbers])
        found["cut"] = (executed < self.figures["cut_short"] * usual)[self.neighbour]
        if self.lag:
            for name in ("branch", "job", "shard"):
                values = [getattr(run, name) for run in runs]
                found[name] = np.array([values[n] != values[r] for r, n in enumerate(self.neighbour)], dtype=np.bool_)
            pauses = self.gap if self.lag < 0 else np.where(self.known, self.gap[self.neighbour], np.nan)
            told = pauses[~np.isnan(pauses)]
            for quantile in self.figures["pauses"] if len(np.unique(told)) > 1 else ():
                limit = float(np.quantile(told, quantile))
                seconds = np.format_float_positional(limit, precision=3, fractional=False, trim="-")
                found[f"pause {seconds}"] = np.nan_to_num(pauses, nan=np.inf) <= limit
        return found

    def _recovered(self, test: int, failed: Bools, rows: Bools) -> tuple[str, Doubles, list[tuple[int, ...]], Any]:
        """It passed in the run before, and fails in this one: it leaves something itself. Stretches look otherwise."""
        passed = (self.window.executed[:, test] & ~self.failed[:, test])[self.neighbour] & self.known
        k, n, failures, runs = (
            int((failed & passed).sum()),
            int((rows & passed).sum()),
            int(failed.sum()),
            int(rows.sum()),
        )
        scores = self.rates.split(np.array([k]), np.array([n]), failures, runs, True) + self._share("recovered")
        if self.lag > 0 or not _tells(k, n, failures, runs, True) or n in (0, runs):
            scores[:] = WITHOUT
        return "recovered", scores, [(int(self.candidates.place[test]),)], passed[:, None]

    def _pairs(self, test: int, failed: Bools, rows: Bools) -> tuple[str, Doubles, list[tuple[int, ...]], Any]:
        """X ran after Y in the run before: the state at the start is what the last writer of that run left.

        All pairs are too many to look at: X is one of the tests that ran late before failures, Y one that ran early,
        or the victim itself. They pay for all pairs.
        """
        runs = np.flatnonzero(rows & self._told)
        k, count = failed[runs], int(self.figures["pairs"])
        if not 0 < k.sum() < len(runs) or not self.varied:
            return "after", np.zeros(0), [], np.zeros((len(rows), 0))
        weights = np.zeros(len(rows), dtype=np.float32)
        weights[runs] = k - k.mean()
        lean = weights @ self._late
        ranked = np.argsort(-lean, kind="stable")
        late, early = np.unique([*ranked[:count], test]), np.unique([*ranked[-count:], test])
        bad, good = (self._when(runs, which, never) for which, never in ((late, -2), (early, -1)))
        after = (bad[:, :, None] > good[:, None, :]).reshape(len(runs), -1).astype(np.float32)
        counts = np.rint(np.stack([k, np.ones(len(k))]).astype(np.float32) @ after).astype(np.int64)
        hits, n = counts.reshape(2, len(late), len(early))
        size = len(self.candidates.tests)
        prior = self._share("after") - np.log(size) - np.log(size - 1)
        scores = self.rates.split(hits, n, int(k.sum()), len(runs), True) + prior
        scores[(late[:, None] == early) | ~_tells(hits, n, int(k.sum()), len(runs), True) | (n == len(runs))] = WITHOUT
        # Runs of unknown order are left to chance.
        left_k, left_n = int(failed.sum() - k.sum()), int(rows.sum()) - len(runs)
        scores = (scores + float(log_marginal(left_k, left_n, self.rates.chance))).ravel()
        place = self.candidates.place
        kept = np.argsort(-scores)[: 4 * count]
        parties: list[tuple[int, ...]] = [
            (int(place[late[p // len(early)]]), int(place[early[p % len(early)]])) for p in kept
        ]
        holds = np.zeros((len(rows), len(kept)), dtype=np.bool_)
        holds[runs] = after[:, kept] > 0
        return "after", scores[kept], parties, holds

    def _since(self, test: int, failed: Bools, rows: Bools) -> tuple[str, Doubles, Sequence[tuple[int, ...]], Any]:
        """X ran on the host since the victim did, in another run or later in that one: the victim undoes what it meets.

        Says more than the run before only where the victim is not in every run.
        """
        nothing = "since", np.zeros(0), (), np.zeros((len(rows), 0))
        ran = self.window.executed[:, test]
        if (rows & ~ran[self.neighbour]).sum() < self.figures["absent"] * max(1, int(rows.sum())):
            return nothing
        tests, prior, members = self._distinct_tests
        meeting = self._meetings(ran)
        runs = np.flatnonzero(rows & (meeting >= 0))
        k = failed[runs]
        if not 0 < k.sum() < len(runs):
            return nothing
        other = meeting[runs]
        between = self._so_far[runs] - self._ran_tests[runs] - self._so_far[other] > 0
        when = self._when_distinct[other] - self.window.positions[other, test][:, None]
        holds = np.zeros((len(rows), len(tests)), dtype=np.float32)
        holds[runs] = between | (self._ran_tests[other] & (when > 0 if self.lag < 0 else when < 0))
        n = np.rint(holds.sum(axis=0)).astype(np.int64)
        hits = np.rint(failed.astype(np.float32) @ holds).astype(np.int64)
        scores = self.rates.split(hits, n, int(k.sum()), len(runs), True) + prior + self._share("since")
        scores[(n == 0) | (n == len(runs)) | ~_tells(hits, n, int(k.sum()), len(runs), True)] = WITHOUT
        left_k, left_n = int(failed.sum() - k.sum()), int(rows.sum()) - len(runs)
        return "since", scores + float(log_marginal(left_k, left_n, self.rates.chance)), members, holds

    def _meetings(self, ran: Bools) -> NDArray[np.int32]:
        """int32[R]: the last run of the host before each one (`lag` 1: the next after it) with `ran`, -1 for none."""
        found = np.full(len(ran), -1, dtype=np.int32)
        runs = range(len(ran)) if self.lag < 0 else range(len(ran) - 1, -1, -1)
        for run in runs:
            there = self.neighbour[run]
            if there >= 0:
                found[run] = there if ran[there] else found[there]
        return found

    @cached_property
    def _distinct_tests(self) -> tuple[NDArray[np.int32], Doubles, tuple[tuple[int, ...], ...]]:
        """The first of the tests that ran in the same runs, ln of their prior together, and who they are."""
        count = len(self.candidates.tests)
        holds = self.window.executed[:, self.candidates.tests]
        found = self._distinct("ran", holds, np.full(count, -np.log(count)), range(count), ())
        tests = self.candidates.tests[[who[0] for who in found.members]].astype(np.int32)
        return tests, found.prior - self._share("ran"), found.members

    @cached_property
    def _ran_tests(self) -> Bools:
        ran: Bools = self.window.executed[:, self._distinct_tests[0]]
        return ran

    @cached_property
    def _when_distinct(self) -> NDArray[np.int32]:
        return np.ascontiguousarray(self.window.positions[:, self._distinct_tests[0]])

    @cached_property
    def _so_far(self) -> NDArray[np.int32]:
        """int32[R, U]: in how many runs of the host each distinct test ran, up to each run (`lag` 1: from it on)."""
        total = self._ran_tests.astype(np.int32)
        runs = range(len(total)) if self.lag < 0 else range(len(total) - 1, -1, -1)
        for run in runs:
            there = self.neighbour[run]
            if there >= 0:
                total[run] += total[there]
        return total

    def _when(self, runs: NDArray[np.intp], tests: NDArray[np.intp], never: int) -> NDArray[np.int32]:
        """int32[len(runs), len(tests)]: when these tests ran in the neighbours of these runs."""
        here = np.ix_(self.neighbour[runs], tests)
        return np.where(self.window.executed[here], self.window.positions[here], never).astype(np.int32)

    @cached_property
    def _told(self) -> Bools:
        """bool[R]: the order of the neighbour is known."""
        told: Bools = self.known & self.window.serial[self.neighbour]
        return told

    @cached_property
    def _late(self) -> NDArray[np.float32]:
        """float32[R, T]: how late each test ran in the neighbour, from -0.5 (first) to 0.5; 0 where it did not."""
        longest = np.maximum(self.window.positions.max(axis=1), 1)[:, None]
        late = np.where(self.window.executed, self.window.positions / longest - 0.5, 0.0)
        return self._at_neighbour(late)


def _column(holds: Any) -> Any:
    return lambda u: holds[:, u] > 0


def _tells(k: Any, n: Any, failures: int, runs: int, bad: bool) -> Any:
    """Whether the victim fails more often where it should."""
    here, there = k * (runs - n), (failures - k) * n
    return here > there if bad else here < there
