"""From evidence to a probability for each cause.

Log-linear pooling: every category has a prior, including a real share for *unknown*, and each piece of evidence adds
its log-odds to its category; the softmax of the sums are the probabilities. Evidence of one kind overlaps (two rules
that read the same words are not two witnesses), so within a kind the strongest counts fully and the others ever less.
The figures stand in `weights.toml`, section `combine`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import exp, log

from flakediag.analysis.weights import weights
from flakediag.model import Alternative, Category, Diagnosis, Evidence, Partner

SHOWN = 0.01  # alternatives below this probability are not listed


def combine(evidence: Sequence[Evidence]) -> Diagnosis:
    """The diagnosis of one signature of one test."""
    return _called(probabilities(evidence), evidence)


def combine_test(signatures: Sequence[tuple[int, Diagnosis]]) -> Diagnosis:
    """The diagnosis of a test from those of its signatures, each with its number of failures.

    The probabilities are the means over the failures: the answer to "why did this test fail, on a failure picked at
    random". The evidence, partners and ports come from the signatures, the one with most failures first.
    """
    if not signatures:
        return combine([])
    ranked = sorted(signatures, key=lambda item: -item[0])
    total = sum(max(count, 1) for count, _ in ranked)
    mean: dict[Category, float] = defaultdict(float)
    for count, diagnosis in ranked:
        for category, probability in _distribution(diagnosis).items():
            mean[category] += probability * max(count, 1) / total
    return _called(mean, _merged(diagnosis.evidence for _, diagnosis in ranked))


def probabilities(evidence: Iterable[Evidence]) -> dict[Category, float]:
    """The probability of each category, unknown included; they sum to one."""
    table = weights("combine")
    kinds: dict[tuple[Category, str, bool], list[float]] = defaultdict(list)
    for one in evidence:
        if one.category is not Category.UNKNOWN and one.weight:
            kinds[one.category, one.kind.partition("-")[0], one.weight > 0].append(one.weight)
    score = {Category(name): log(share) for name, share in table["prior"].items()}
    for (category, kind, _), found in kinds.items():
        damped = sum(weight * table["repeat"] ** n for n, weight in enumerate(sorted(found, key=abs, reverse=True)))
        if kind == "words":
            damped = max(-table["words_cap"], min(table["words_cap"], damped * table["words"]))
        score[category] += damped
    top = max(score.values())
    raised = {category: exp(value - top) for category, value in score.items()}
    whole = sum(raised.values())
    return {category: value / whole for category, value in raised.items()}


def _called(found: Mapping[Category, float], evidence: Sequence[Evidence]) -> Diagnosis:
    """The cause that reaches the bar, else unknown with the causes that come nearest."""
    ranked = sorted(found, key=lambda category: -found[category])
    known = [category for category in ranked if category is not Category.UNKNOWN]
    best = known[0] if found[known[0]] >= weights("combine")["bar"] else Category.UNKNOWN
    relevant = sorted((e for e in evidence if e.weight), key=lambda e: (e.category is not best, -abs(e.weight)))
    winning = [e for e in relevant if e.category is best and e.weight > 0]
    return Diagnosis(
        category=best,
        probability=found[best],
        alternatives=tuple(Alternative(c, found[c]) for c in ranked if c is not best and found[c] >= SHOWN),
        evidence=tuple(relevant),
        partners=_partners(winning),
        ports=tuple(dict.fromkeys(port for e in winning for port in e.ports)),
    )


def _distribution(diagnosis: Diagnosis) -> dict[Category, float]:
    """A diagnosis's probabilities; what was too small to be listed goes to unknown."""
    shares = {a.category: a.probability for a in diagnosis.alternatives}
    shares[diagnosis.category] = diagnosis.probability
    shares = {category: shares.get(category, 0.0) for category in Category}
    shares[Category.UNKNOWN] += max(0.0, 1.0 - sum(shares.values()))
    return shares


def _merged(lists: Iterable[Sequence[Evidence]]) -> list[Evidence]:
    """The evidence of several signatures, what they share named once."""
    seen: dict[tuple[str, Category, str], Evidence] = {}
    for one in (e for evidence in lists for e in evidence):
        seen.setdefault((one.kind, one.category, one.summary), one)
    return list(seen.values())


def _partners(evidence: Sequence[Evidence]) -> tuple[Partner, ...]:
    """The partners that the evidence names, each once, in the order in which it accuses them.

    That order is not that of the probabilities: a polluter comes before the cleaner that is as good as certain.
    """
    best: dict[tuple[str, str], Partner] = {}
    for partner in (p for e in evidence for p in e.partners):
        known = best.get((partner.id, partner.role))
        if known is None or known.probability < partner.probability:
            best[partner.id, partner.role] = partner
    return tuple(best.values())
