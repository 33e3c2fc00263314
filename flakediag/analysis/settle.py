"""What would decide a diagnosis that is open: the evidence that is missing, and how much of it is needed.

How to get it with the framework in use stands in the catalogue (`remedies/catalogue/settle.toml`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, log2

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.rates import clean_runs_needed
from flakediag.analysis.weights import weights
from flakediag.analysis.window import Subject, Window
from flakediag.model import Category, Diagnosis, Evidence, Gap

MOST_GAPS = 5


@dataclass(frozen=True, slots=True)
class Record:
    """What the history holds about one way of failing, beside its outcomes.

    `runs` are those in which the test passed or failed so. The others say whether the history knows any duration of
    the test, any run's host and other facts (properties), every run's commit, and whether a failure was kept with
    words or captured output.
    """

    runs: int
    failures: int
    timed: bool = True
    hosts: bool = True
    facts: bool = True
    commits: bool = True
    output: bool = True

    @property
    def rate(self) -> float:
        """The failure rate, shrunk off 0 and 1."""
        return (self.failures + 0.5) / (self.runs + 1)


def record_of(window: Window, subject: Subject) -> Record:
    """The record of one subject of the window."""
    seen = subject.failed >= 0
    hosts, facts, commits = window.once(_told_of_runs)
    return Record(
        runs=int(seen.sum()),
        failures=int((subject.failed == 1).sum()),
        timed=bool((~np.isnan(window.durations[:, subject.test])).any()),
        hosts=bool(hosts[seen].any()),
        facts=bool(facts[seen].any()),
        commits=bool(commits[seen].all()),
        output=any(detail.output.strip() for detail in subject.details),
    )


def _told_of_runs(window: Window) -> NDArray[np.bool_]:
    """bool[3, R]: the run names its host, other facts, its commit."""
    told = [(bool(run.host), bool(run.properties), bool(run.commit)) for run in window.runs]
    return np.array(told, dtype=np.bool_).reshape(-1, 3).T


def settled(diagnosis: Diagnosis, evidence: Sequence[Evidence], record: Record) -> Diagnosis:
    """The diagnosis with what would settle it; as it was where nothing is open.

    evidence: all that was found, also what weighs nothing (that an order never varied is such).
    """
    table = weights("settle")
    if diagnosis.category is not Category.UNKNOWN and diagnosis.probability >= table["sure"]:
        if diagnosis.category is Category.ORDER and not _is_named(diagnosis):
            return _with(diagnosis, _order([Category.ORDER], evidence, record))
        return diagnosis
    shares = [(diagnosis.category, diagnosis.probability)]
    shares += [(a.category, a.probability) for a in diagnosis.alternatives]
    likely = [c for c, p in shares if c is not Category.UNKNOWN and p >= table["open"]]
    return _with(diagnosis, _gaps(likely, diagnosis.category, evidence, record))


def _is_named(diagnosis: Diagnosis) -> bool:
    """Some test or group is likelier than not behind an order dependence."""
    named = weights("settle")["named"]
    return any(partner.probability >= named for partner in diagnosis.partners if partner.role != "cleaner")


def settled_test(diagnosis: Diagnosis, signatures: Iterable[Diagnosis]) -> Diagnosis:
    """The diagnosis of a test as a whole: it lacks what those of its signatures lack, the commonest first."""
    return _with(diagnosis, (gap for one in signatures for gap in one.missing))


def _with(diagnosis: Diagnosis, gaps: Iterable[Gap]) -> Diagnosis:
    first: dict[str, Gap] = {}
    for gap in gaps:
        first.setdefault(gap.kind, gap)
    missing = tuple(first.values())[:MOST_GAPS]
    return replace(diagnosis, settle=missing[0].summary if missing else None, missing=missing)


def _gaps(likely: Sequence[Category], called: Category, evidence: Sequence[Evidence], record: Record) -> Iterator[Gap]:
    """What tells most first: the order where it is open, the likeliest cause's own, then what the reports leave out."""
    yield from _run_before(evidence)
    yield from _order(likely, evidence, record)
    for category in likely[:2]:
        if category is not called or category is not Category.PORT:
            yield from _of_cause(category, record)
    if not any(e.kind.startswith("words") for e in evidence):
        yield Gap("output", "the failure says too little: captured output, and what the test saw, would tell more")
    elif not record.output and called is Category.UNKNOWN:
        yield Gap("output", "no captured output is recorded: the log of a failing run would tell more")
    wide = not likely or bool(set(likely) & _OF_PLACES)
    if wide and not record.hosts:
        yield Gap("host", "no run names the machine that it ran on: failures on one of them only would show")
    if wide and not record.facts:
        yield Gap(
            "facts", "no run tells its system, versions or number of workers: a difference between them would show"
        )
    if not record.commits:
        yield Gap("commit", "not every run names its commit: that a test passes and fails on one would prove the flake")
    if record.failures < weights("settle")["enough_failures"]:
        yield _few(record)
    if not likely:
        yield _alone(record)


_OF_PLACES = frozenset({Category.ENVIRONMENT, Category.RESOURCE, Category.INFRASTRUCTURE, Category.CONCURRENCY})


def _run_before(evidence: Sequence[Evidence]) -> Iterator[Gap]:
    found = next((e for e in evidence if e.kind.startswith("previous-run") and e.weight > 0), None)
    if found is None:
        return
    after = next(iter(found.data.get("tests", ())), "such a run")
    yield Gap(
        "run-before",
        f"whether what an earlier run left on the host is behind it, {after} and then the test alone in a second run "
        "would tell, beside the test alone on a host that is new",
    )


def _order(likely: Sequence[Category], evidence: Sequence[Evidence], record: Record) -> Iterator[Gap]:
    found = next((e for e in evidence if e.kind == "last-writer"), None)
    if found is None or found.weight < 0 or (likely and Category.ORDER not in likely):
        return
    reason, needed = found.data.get("reason"), found.data.get("shuffled_runs_needed")
    if reason == "order never varied":
        runs = found.data["runs"]
        same = "only one run tells its order" if runs == 1 else f"the order never varied in {runs} runs"
        yield Gap("order", f"{same}: {needed} runs shuffled over the whole suite would decide whether it matters")
    elif reason == "order unknown":
        yield Gap(
            "order",
            f"no run tells in which order its tests ran: {needed} runs shuffled over the whole suite, one test at a "
            "time, would decide whether it matters",
        )
    elif Category.ORDER in likely:
        more = shuffles_to_name(int(found.data.get("candidates") or 2), record.rate)
        orders = found.data.get("orders")
        yield Gap(
            "order",
            f"the {f'{orders} ' if orders else ''}recorded orders leave it open: about {more} more runs shuffled over "
            "the whole suite would single out the test behind it",
        )


def shuffles_to_name(candidates: int, rate: float) -> int:
    """About how many runs in random order single out one of so many suspects, for a test that fails at `rate`.

    A run tells at most the entropy of its outcome: H(rate) bits of the log2(candidates) that are to be found. For a
    rate of a half the last-writer model gets log2(3/2) of that one bit (see `order.explain.shuffles_needed`); the same
    share is taken for other rates.
    """
    rate = min(max(rate, 0.01), 0.99)
    entropy = -rate * log2(rate) - (1 - rate) * log2(1 - rate)
    return ceil(log2(max(2, candidates)) / (log2(1.5) * entropy))


def _repeated(record: Record, under: str = "") -> str:
    """So many repetitions that, where all pass, the test fails less often so than it does, with 95 %; or the most."""
    needed, most = clean_runs_needed(record.rate), int(weights("settle")["most_repetitions"])
    would = "would tell" if needed <= most else f"(of the {needed} that it takes at this rate) would begin to tell"
    return f"{min(needed, most)} repetitions of the test alone{under} {would}"


def _alone(record: Record) -> Gap:
    return Gap("alone", f"{_repeated(record)} whether it needs the others to fail")


def _few(record: Record) -> Gap:
    enough = int(weights("settle")["enough_failures"])
    more = ceil((enough - record.failures) / record.rate)
    times = "once" if record.failures == 1 else f"{record.failures} times"
    return Gap(
        "failures", f"it failed only {times}: about {more} more runs would bring it to {enough} failures at this rate"
    )


def _of_cause(category: Category, record: Record) -> Iterator[Gap]:
    if category is Category.ORDER:
        yield _alone(record)
    elif category in (Category.TIMING, Category.CONCURRENCY):
        if not record.timed:
            yield Gap(
                "times", "no duration of the test is recorded: with durations, a timeout that runs out would show"
            )
        yield Gap("load", f"{_repeated(record, ' under CPU load')} whether it is a matter of time")
    elif category is Category.PORT:
        yield Gap("output", "the server's own log would tell a taken port from a slow start: captured output is needed")
    elif category is Category.RANDOMNESS:
        yield Gap("seed", "repetitions with the random seed of a failure would tell whether a value is behind it")
    elif category is Category.CLOCK:
        yield Gap(
            "clock", "repetitions with the clock set to the hour of a failure would tell whether the time is behind it"
        )
    elif category is Category.NETWORK:
        yield Gap("offline", "a run without a way out of the machine would tell whether the network is behind it")
