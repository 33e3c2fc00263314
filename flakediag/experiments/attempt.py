"""One run: carried out, kept in the history as an experiment, and read for what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from flakediag.analysis.signature import signature_of
from flakediag.ci import from_environ
from flakediag.confirm import carry
from flakediag.experiments.asked import Explanation, Observer, Outcome, Tried, Way
from flakediag.experiments.bench import Bench
from flakediag.experiments.earlier import ASKED, CODE, CONDITION, says, signatures_of
from flakediag.experiments.wording import claim_words, kept_folder
from flakediag.history import History
from flakediag.model import Identity
from flakediag.redact import Redactor


def carry_out(bench: Bench, before: Sequence[Identity], what: str, condition: str, observer: Observer) -> carry.Carried:
    names = list(before)
    seed = bench.seed_for(names)
    shown = bench.runner.call([*names, bench.test], kept_folder(), seed).argv
    observer.starting(len(bench.tried) + 1, what, shown)
    carried = carry.carry_out(
        bench.runner, names, bench.test, bench.setup.folder,
        environ=bench.setup.environ, now=datetime.now(UTC), timeout=max(1.0, bench.left()), seed=seed,
    )  # fmt: skip
    carried = replace(_redacted(carried, bench.setup.redactor), argv=shown)
    if carried.order:
        bench.orders[seed] = carried.order
    if carried.report is not None:
        bench.executions += sum(result.outcome.name != "SKIPPED" for result in carried.report.results)
        _keep(bench, carried, condition)
    return carried


def _redacted(carried: carry.Carried, redactor: Redactor) -> carry.Carried:
    """Without secrets, as what is stored: the failures on record, with which it is compared, have none either."""
    if carried.report is None:
        return replace(carried, problem=redactor.text(carried.problem, Counter()))
    report = redactor.report(carried.report).report
    mine = next((r for r in report.results if carried.result and r.test == carried.result.test), None)
    return replace(carried, report=report, result=mine, problem=redactor.text(carried.problem, Counter()))


def _keep(bench: Bench, carried: carry.Carried, condition: str) -> None:
    """Into the history, as an experiment: it counts for no rate."""
    assert carried.report is not None
    said = from_environ(bench.setup.environ)
    run = replace(
        carried.report.run,
        project=bench.run.project,
        branch=bench.run.branch,
        commit=said.commit,
        job="flakediag confirm",
        experiment=True,
        properties={**carried.report.run.properties, ASKED: bench.finding.id[:200], CONDITION: condition[:200]}
        | ({} if bench.code is None else {CODE: bench.code}),
    )
    with History.open(bench.db, "write") as history:
        history.add_runs([replace(carried.report, run=run)], signature_of)


def told(bench: Bench, carried: carry.Carried) -> tuple[bool | None, str]:
    """Whether it failed in the way that is looked into; None with the reason where the run does not tell."""
    result = carried.result
    if result is None:
        return None, carried.problem
    if result.outcome.name == "SKIPPED":
        return None, "it was skipped"
    failed = says(result, bench.signatures)
    return failed, "" if failed is not None else f"it failed in another way: {min(signatures_of(result))}"


def signatures_in(carried: carry.Carried) -> frozenset[str]:
    """Of the failed attempts of the test."""
    return frozenset() if carried.result is None else signatures_of(carried.result)


def note(
    bench: Bench,
    what: str,
    carried: carry.Carried,
    failed: bool | None,
    problem: str,
    observer: Observer,
    leading: Explanation | None = None,
    remaining: int | None = None,
) -> None:
    """Keep what the run said, and tell it. `leading` and `remaining` are those of the search by order if not given."""
    if leading is None:
        claim, search = bench.search.claim, bench.search
        words = claim_words(bench, claim) if claim is not None else "the order does not matter"
        leading = Explanation(words, search.probability)
    tried = Tried(
        number=len(bench.tried) + 1,
        what=what,
        command=carried.argv,
        failed=failed,
        seconds=carried.seconds,
        leading=leading,
        remaining=bench.search.expected_runs() if remaining is None else remaining,
        problem=problem,
    )
    bench.tried.append(tried)
    observer.ended(tried)


def outcome_of(
    bench: Bench,
    way: str,
    standing: str,
    conclusion: str,
    probability: float | None,
    *,
    reproduce: tuple[str, ...] | None = None,
    parties: tuple[tuple[str, str], ...] = (),
) -> Outcome:
    notes = [bench.runner.limits] if bench.runner.limits and way == Way.ORDER.value else []
    if bench.earlier and way == Way.ORDER.value:
        some = "1 earlier experiment" if bench.earlier == 1 else f"{bench.earlier} earlier experiments"
        notes.append(f"counting in {some} on the same code; --fresh leaves them out")
    return Outcome(
        test=bench.finding.id,
        way=way,
        standing=standing,
        conclusion=conclusion,
        probability=probability,
        tried=tuple(bench.tried),
        executions=bench.executions,
        reproduce=reproduce,
        parties=parties,
        notes=tuple(notes),
    )
