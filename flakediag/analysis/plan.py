"""Which order to try next: the one from which most is to be learnt for its cost, until one claim holds.

An experiment runs some tests in a process of its own, in a given order, the victim last. While no claim stands out, it
is chosen by how much it is expected to tell about who the writers are (a weighted halving comes out of this by
itself); once one claim is likelier than not, by how much it tells about that one. Nothing counts as confirmed before
each part of the claim was shown in the smallest way: each polluter makes the victim fail, the victim passes alone, and
so on.

Tests are numbers here: 0 … N - 1, the victim left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil, log, log2

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.belief import Belief, Claim, Trial, believe
from flakediag.analysis.order.marginal import Doubles

SURE = 0.99
ENOUGH = 0.95  # of chance, where the failure came and went here,
LEFT = 0.02  # and no explanation by order is left that is likelier than this
STRICTER = 0.1  # of the doubt that is allowed otherwise: for a claim where an order came out both ways
RIVAL = 0.05  # while chance is likelier than this, contradicting outcomes are followed up
LIKELY = 0.5  # a claim that is likelier than this is tested for itself
START_UP = 1.0  # seconds that a runner takes before its first test, and after its last
LEAST_TEST = 0.01  # and a test at least
STARTS = 6.0  # mean tests that a start counts for at most: else quick tests would be repeated to save one start
LEAST_GAIN = 0.002  # bits: an experiment that tells less is not worth its time
NEEDED = 1.5  # what an experiment is worth beside its gain where it demonstrates a part of the claim
AGAIN = 0.92  # what repeating an experiment is worth, each time
DEMONSTRATED = 12  # claims whose smallest demonstration is considered
MASSES = (
    0.03,
    0.06,
    0.1,
    0.15,
    0.2,
    0.25,
    0.33,
    0.5,
    0.75,
    0.9,
    0.99,
)  # of the suspicion, for the sets that are considered
WEIGHED = 1500  # claims, the most probable, by which they are weighed
DRAWS = 6  # random halves considered

Arrange = Callable[[Sequence[int]], tuple[int, ...]]


class Standing(StrEnum):
    """Where the search stands."""

    OPEN = "open"
    CONFIRMED = "confirmed"  # one claim holds and each part of it was shown
    CHANCE = "not-order-dependent"  # it fails, or passes, whatever ran before it


@dataclass(frozen=True, slots=True)
class Experiment:
    """Tests to run before the victim, in this order. gain: bits; cost: seconds; fails: the odds of a failure."""

    before: tuple[int, ...]
    gain: float
    cost: float
    fails: float


@dataclass(frozen=True)
class Question:
    """What is known before the first experiment.

    prior: float64[N], how likely each test is to be the writer, summing to 1. order: the probability that the order
    matters. seconds: float64[N]. history: the recorded runs whose order is known, oldest first. usual: all tests in
    their usual order, for where no recorded order will do.
    """

    prior: Doubles
    seconds: Doubles
    history: tuple[Trial, ...] = ()
    order: float = 0.5
    usual: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        return len(self.prior)


@dataclass
class Search:
    """The state of one search: what was asked, what was tried, what to believe."""

    question: Question
    trials: list[Trial] = field(default_factory=list)  # the experiments
    everything: bool = False  # also look for further writers than the first that explain it
    refused: set[tuple[int, ...]] = field(default_factory=set)  # orders that the runner could not carry out
    sure: float = SURE
    seed: int = 0
    belief: Belief = field(init=False)

    def __post_init__(self) -> None:
        self._update()

    def learn(self, trial: Trial) -> None:
        """Take the outcome of an experiment into account."""
        self.trials.append(trial._replace(experiment=True))
        self._update()

    def refuse(self, before: tuple[int, ...]) -> None:
        """This order cannot be had, or tells nothing: do not propose it again."""
        self.refused.add(before)

    def _update(self) -> None:
        self.belief = believe([*self.question.history, *self.trials], self.question.prior, self.question.order)

    # --- where it stands ----------------------------------------------------------------------------------------

    @property
    def claim(self) -> Claim | None:
        """The claim that is being tested: the most probable one, None where chance is likelier."""
        return self.belief.best

    @property
    def probability(self) -> float:
        """Of the claim (whoever else may write besides, unless everything is asked for), or of chance."""
        claim = self.claim
        if claim is None:
            return self.belief.chance
        return float(self.belief.share[0]) if self.everything else self.belief.holds(claim)

    @property
    def standing(self) -> Standing:
        if self._came_and_went():
            return Standing.CHANCE
        if self.probability < self._bar() or not self.trials:
            return Standing.OPEN
        if self.claim is None:
            return Standing.CHANCE if self._tried_with_others() else Standing.OPEN
        return Standing.OPEN if self.undemonstrated() else Standing.CONFIRMED

    def _bar(self) -> float:
        """How probable the claim must be: more so where chance has a hand in it, as contradicting outcomes show.

        A coin leads to some claim at 99 % more often than once in a hundred: it has many to choose from, and its rate
        is not known beforehand.
        """
        return 1 - STRICTER * (1 - self.sure) if self.claim is not None and self._contradicted() else self.sure

    def _came_and_went(self) -> bool:
        """Whether chance is likely enough to end the search: to raise it further would take runs without an end.

        The failure must have shown itself here at least twice, and stayed away twice: where it never shows, or always,
        an order that was not tried yet may be what it takes.
        """
        belief, failures = self.belief, sum(trial.failed for trial in self.trials)
        if belief.chance < ENOUGH or min(failures, len(self.trials) - failures) < 2:
            return False
        return not len(belief.share) or belief.holds(belief.table.claim(0)) < LEFT

    def _contradicted(self) -> bool:
        """Whether one order came out both ways here."""
        seen = {(trial.before, trial.failed) for trial in self.trials}
        return any((before, not failed) in seen for before, failed in seen)

    def _tried_with_others(self) -> bool:
        """Chance is a conclusion only once the victim ran alone and after others, here.

        Where it did the same in every run, everything must have run before it, and once more the other way round: the
        failure may take several tests together, and a cleaner that is written after its polluter hides it from every
        choice of tests in the usual order.
        """
        alone = any(not trial.before for trial in self.trials)
        if not alone or self.question.size == 0:
            return alone
        if len({trial.failed for trial in self.trials}) > 1:
            return any(trial.before for trial in self.trials)
        return all(whole in self.refused or self._ran(whole) for whole in self._whole())

    def _whole(self) -> tuple[tuple[int, ...], ...]:
        """Everything, and the same the other way round."""
        whole = self._witness()
        return whole, whole[::-1]

    def _ran(self, whole: tuple[int, ...]) -> bool:
        """Whether these tests ran before the victim in this order, whoever else ran among them."""
        wanted = set(whole)
        return any(tuple(t for t in trial.before if t in wanted) == whole for trial in self.trials)

    def undemonstrated(self) -> list[tuple[int, ...]]:
        """The smallest demonstrations of the claim that were not seen to come out as it says.

        Where the runner cannot carry one out as it stands, any experiment will do that holds its tests, and of which
        the claim says the same.
        """
        claim = self.claim
        return [] if claim is None else [b for b in demonstrations(claim) if not self._shown(claim, b)]

    def _shown(self, claim: Claim, before: tuple[int, ...]) -> bool:
        fails = claim.fails(before)
        for trial in self.trials:
            if trial.failed is fails and (
                trial.before == before
                or (before in self.refused and set(before) <= set(trial.before) and claim.fails(trial.before) is fails)
            ):
                return True
        return False

    def expected_runs(self) -> int:
        """About how many more experiments it takes: what is not known, at what a run tells; and the demonstrations."""
        if self.standing is not Standing.OPEN:
            return 0
        belief = self.belief
        if self.probability > LIKELY:
            doubt = max(1e-9, 1 - self.probability)
            more = ceil(max(0.0, log((doubt / self.probability) / ((1 - self.sure) / self.sure))) / log(12))
            return max(more, len(self.undemonstrated()), 1)
        shares = np.concatenate([belief.share, [belief.chance, belief.rest]])
        shares = shares[shares > 0]
        bits = -float((shares * np.log2(shares)).sum())
        return ceil(bits / 0.75) + 2

    # --- what to try --------------------------------------------------------------------------------------------

    def propose(self) -> Experiment | None:
        """The next experiment; None where the search has ended or nothing would tell more."""
        if self.standing is not Standing.OPEN:
            return None
        if self.probability >= self._bar():
            missing = self._missing()
            if missing:
                return self._weighed(missing)[0]
        options = self._weighed([before for before in self._options() if before not in self.refused])
        tried = Counter(trial.before for trial in self.trials)
        needed = set(self.undemonstrated()) if self.probability > LIKELY else set()

        def worth(experiment: Experiment) -> tuple[float, int]:
            before = experiment.before
            factor = AGAIN ** tried[before] * (NEEDED if before in needed else 1.0)
            return experiment.gain * factor / experiment.cost, -len(before)

        best = max(options, key=worth, default=None)
        if best is not None and best.gain >= LEAST_GAIN:
            return best
        missing = self._missing() if self.claim is None else []
        return self._weighed(missing)[0] if missing else None

    def _missing(self) -> list[tuple[int, ...]]:
        """What must be seen before the search may end: the demonstrations, or the test alone and after all others, in
        both directions where it did the same each time."""
        missing = self.undemonstrated()
        if self.claim is None:
            same = len({trial.failed for trial in self.trials}) < 2
            wanted = ((), *(self._whole() if same else self._whole()[:1]))
            missing = [b for b in wanted if all(trial.before != b for trial in self.trials)]
        return [before for before in missing if before not in self.refused]

    def _weighed(self, options: Sequence[tuple[int, ...]]) -> list[Experiment]:
        belief, claim = self.belief.main(WEIGHED), self.claim
        of: NDArray[np.bool_] | None = None
        if belief.chance > RIVAL and self._contradicted():
            of = np.append(np.zeros(len(belief.share), dtype=np.bool_), True)
        elif claim is not None and not self.everything and belief.holds(claim) > LIKELY:
            of = np.append(belief.table.includes(claim), False)
        found = []
        for before in options:
            failing = belief.failing(before)
            shares = np.concatenate([belief.share, [belief.chance]])
            rates = np.concatenate([failing, [belief.by_chance]])
            shares = shares / shares.sum()
            fails, gain = _gain(shares, rates) if of is None else _gain_about(shares, rates, of)
            found.append(Experiment(before, gain, self._cost(before), fails))
        return found

    def _cost(self, before: tuple[int, ...]) -> float:
        each = np.maximum(self.question.seconds, LEAST_TEST)
        mean = float(each.mean()) if len(each) else LEAST_TEST
        return min(START_UP, STARTS * mean) + mean + float(each[list(before)].sum())

    def _witness(self) -> tuple[int, ...]:
        """The order that the chosen tests keep: one in which the victim did what it does not do alone.

        Any choice of its tests in its order that holds its last writer has the same outcome (last-writer model),
        whatever polluters and cleaners it holds besides. So that order is taken in which the most suspicion lies, the
        shortest such.
        """
        starts_bad = self.belief.table.starts
        flipped = float(self.belief.share[starts_bad].sum()) <= self.belief.order / 2
        mass = self.belief.suspicion
        best: tuple[int, ...] = ()
        best_score = (-1.0, 0)
        for trial in (*self.question.history, *self.trials):
            if trial.failed is not flipped or not trial.before:
                continue
            score = (round(float(mass[list(trial.before)].sum()), 2), -len(trial.before))
            if score >= best_score:
                best, best_score = trial.before, score
        return best or self.question.usual

    def _options(self) -> list[tuple[int, ...]]:
        """Orders worth weighing."""
        belief = self.belief
        mass = belief.suspicion
        whole = self._witness()
        place = {test: n for n, test in enumerate(whole)}
        rest = [test for test in self.question.usual if test not in place]
        order = [*rest, *whole]  # who was not there in that order comes first, where it can do least harm to it
        rank = {test: n for n, test in enumerate(order)}

        def arranged(tests: Sequence[int]) -> tuple[int, ...]:
            return tuple(sorted((t for t in tests if t in rank), key=rank.__getitem__))

        found: dict[tuple[int, ...], None] = {(): None}
        for claim, _ in belief.leading(DEMONSTRATED):
            found.update(dict.fromkeys(demonstrations(claim)))
        suspects = [int(t) for t in np.argsort(-mass, kind="stable") if mass[t] > 1e-6 and int(t) in rank]
        found.update(dict.fromkeys(_by_mass(suspects, mass, arranged)))
        within = [test for test in order if mass[test] > 1e-6]
        found.update(dict.fromkeys(_runs_of(within, mass)))
        found[whole] = None
        found[tuple(order)] = None
        found[tuple(reversed(order))] = None
        likeliest = belief.best
        if likeliest is not None:
            main = {test for term in likeliest.main for test in term}
            others = [test for test in order if test not in main]
            found[tuple(others)] = None  # is there another one?
            for term in likeliest.main:  # and who undoes it?
                found[(*term, *(test for test in order if test not in term))] = None
                for half in _runs_of([test for test in others if mass[test] > 1e-6], mass):
                    found[(*term, *half)] = None
        draw = np.random.default_rng(self.seed + len(self.trials))
        for _ in range(DRAWS if len(suspects) > 3 else 0):
            found[arranged([t for t in suspects if draw.random() < 0.5])] = None
        found[tuple(int(t) for t in draw.permutation(order))] = None
        return list(found)


def demonstrations(claim: Claim) -> list[tuple[int, ...]]:
    """The smallest orders that show each part of the claim: alone, after each main writer, and after who undoes it."""
    found: list[tuple[int, ...]] = [()]
    for term in claim.main:
        found.append(term)
        if len(term) > 1:
            found += [tuple(t for t in term if t != left) for left in term]
    if claim.main:
        found += [(*claim.main[0], *term) for term in claim.others]
    return list(dict.fromkeys(found))


def _by_mass(suspects: Sequence[int], mass: Doubles, arranged: Arrange) -> list[tuple[int, ...]]:
    """The fewest suspects that hold each share of the suspicion."""
    total = mass[list(suspects)].cumsum()
    if not len(total) or total[-1] <= 0:
        return []
    cuts = {int(np.searchsorted(total, share * total[-1])) + 1 for share in MASSES}
    return [arranged(suspects[:cut]) for cut in sorted(cuts)]


def _runs_of(tests: Sequence[int], mass: Doubles) -> list[tuple[int, ...]]:
    """The ends and beginnings of an order that hold each share of the suspicion."""
    if len(tests) < 2:
        return []
    total = mass[list(tests)].cumsum()
    found = []
    for share in MASSES:
        cut = int(np.searchsorted(total, share * total[-1])) + 1
        found += [tuple(tests[:cut]), tuple(tests[cut:])]
    return found


def _bits(rate: float) -> float:
    return 0.0 if rate <= 0 or rate >= 1 else -rate * log2(rate) - (1 - rate) * log2(1 - rate)


def _gain(shares: Doubles, rates: Doubles) -> tuple[float, float]:
    """(the odds of a failure, the mutual information of the outcome and who is right, in bits)."""
    fails = float(shares @ rates)
    inner = -(rates * np.log2(rates) + (1 - rates) * np.log2(1 - rates))
    return fails, max(0.0, _bits(fails) - float(shares @ inner))


def _gain_about(shares: Doubles, rates: Doubles, of: NDArray[np.bool_]) -> tuple[float, float]:
    """The same, of the outcome and whether one of `of` is right."""
    inside = float(shares[of].sum())
    fails = float(shares @ rates)
    known = 0.0
    for mask, weight in ((of, inside), (~of, 1 - inside)):
        if weight > 1e-12:
            known += weight * _bits(float(shares[mask] @ rates[mask]) / weight)
    return fails, max(0.0, _bits(fails) - known)
