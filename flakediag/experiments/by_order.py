"""The search for who makes the test fail: other tests before it, until one explanation holds."""

from __future__ import annotations

from collections import Counter

from flakediag.analysis.belief import Trial
from flakediag.analysis.plan import LIKELY, Standing
from flakediag.experiments.asked import Observer, Outcome, Way
from flakediag.experiments.attempt import carry_out, note, outcome_of, told
from flakediag.experiments.bench import Bench
from flakediag.experiments.wording import claim_words, shortest, what_of

SEEDS = 6  # shuffles that are tried until the tests of an order run before the test at all


def search(bench: Bench, observer: Observer) -> Outcome:
    search, silent, interrupted = bench.search, 0, False
    seeds = Counter[tuple[int, ...]]()
    try:
        while silent < 3 and not bench.spent():
            experiment = search.propose()
            if experiment is None:
                break
            before = experiment.before
            arranged = bench.runner.arranged(bench.names(before), bench.test)
            if arranged is None:
                search.refuse(before)
                continue
            seed = bench.seed_for(arranged)
            carried = carry_out(bench, arranged, what_of(bench, before), Way.ORDER.value, observer)
            failed, problem = told(bench, carried)
            if failed is not None and carried.before is None:
                failed, problem = None, "its report does not tell in which order the tests ran"
            if failed is None:
                silent += 1
                search.refuse(before)
            else:
                silent = 0
                number = {test: n for n, test in enumerate(bench.tests)}
                ran = tuple(number[t] for t in carried.before or () if t in number)
                seeds[before] += 1
                again = bench.seed_for(arranged) != seed and seeds[before] < SEEDS and not set(before) <= set(ran)
                if ran != before and not again:
                    search.refuse(before)
                search.learn(Trial(ran, failed))
            note(bench, what_of(bench, before), carried, failed, problem, observer)
    except KeyboardInterrupt:
        interrupted = True
    standing = "interrupted" if interrupted else search.standing.value
    if standing == "open" and not bench.spent():
        standing = "stuck"
    return _order_outcome(bench, standing)


def _order_outcome(bench: Bench, standing: str) -> Outcome:
    search = bench.search
    claim, probability = search.claim, search.probability
    failures = sum(trial.failed for trial in search.trials)
    if claim is None:
        unsure = "" if standing == Standing.CHANCE.value else "probably not order-dependent: "
        conclusion = f"{unsure}it failed in {failures} of {len(search.trials)} experiments, whatever ran before it"
        if not search.trials:
            conclusion = "nothing was learnt"
        return outcome_of(bench, Way.ORDER.value, standing, conclusion, probability)
    main = ("state-setter", "polluter") if claim.starts_bad else ("polluter", "cleaner")
    parties = [(bench.tests[t].id, main[0]) for term in claim.main for t in term]
    parties += [(bench.tests[t].id, main[1]) for term in claim.others for t in term]
    smallest = () if claim.starts_bad else claim.bad[0]
    sure = standing == Standing.CONFIRMED.value
    if probability < LIKELY:
        words = f"nothing stands out so far; likeliest, of many: {claim_words(bench, claim)}"
        return outcome_of(bench, Way.ORDER.value, standing, words, probability)
    if standing == "stuck" and search.undemonstrated():
        missing = "; ".join(what_of(bench, before) for before in search.undemonstrated())
        words = f"{claim_words(bench, claim)}; what {bench.runner.name} could not show here: {missing}"
        return outcome_of(
            bench, Way.ORDER.value, standing, f"so far: {words}", probability,
            reproduce=shortest(bench, smallest), parties=tuple(parties),
        )  # fmt: skip
    more = "" if search.everything or not sure else "; --all would look for further ones"
    return outcome_of(
        bench,
        Way.ORDER.value,
        standing,
        f"{'' if sure else 'so far: '}{claim_words(bench, claim)}{more}",
        probability,
        reproduce=shortest(bench, smallest),
        parties=tuple(parties),
    )
