"""What is said of a finding in every format: one sentence each, already safe to show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flakediag.model import Category, Verdict
from flakediag.report.text import commit, day, listed, minutes, number, odds, percent, plural, visible, with_interval

if TYPE_CHECKING:
    from flakediag.model import Cluster, Diagnosis, Evidence, Finding, FixStep, Gap, Partner, Report, Savings

SHOWN_APART = (Verdict.BROKEN, Verdict.FIXED, Verdict.NEW, Verdict.INSUFFICIENT)
HEADINGS = {
    Verdict.FLAKY: "Flaky",
    Verdict.BROKEN: "Broken: failing for good, not flaky",
    Verdict.FIXED: "Fixed: was flaky or broken, passes now",
    Verdict.NEW: "New: first seen lately",
    Verdict.INSUFFICIENT: "Too little history to say",
    Verdict.STABLE: "Stable",
}


def cause(diagnosis: Diagnosis | None) -> str:
    """`order-dependence 98 %`, `unknown, perhaps timing (31 %)`, or `–` where there is no diagnosis."""
    if diagnosis is None:
        return "–"
    if diagnosis.category is not Category.UNKNOWN:
        return f"{diagnosis.category} {odds(diagnosis.probability)}"
    likeliest = next((a for a in diagnosis.alternatives if a.category is not Category.UNKNOWN), None)
    if likeliest and likeliest.probability >= 0.1:
        return f"unknown, perhaps {likeliest.category} ({odds(likeliest.probability)})"
    return "unknown"


def decisive(diagnosis: Diagnosis | None) -> Evidence | None:
    """The piece of evidence that speaks loudest for the cause that was called."""
    if diagnosis is None:
        return None
    supporting = [e for e in diagnosis.evidence if e.category is diagnosis.category and e.weight > 0 and e.summary]
    return max(supporting, key=lambda e: e.weight, default=None)


def when(partner: Partner) -> str:
    """What follows a partner's name where it did not act in the same run."""
    return " in the run before on the same host" if partner.earlier else ""


def why(finding: Finding) -> str:
    """The one decisive sentence: the evidence, or what would settle an open cause, else the verdict's reason."""
    evidence = decisive(finding.cause)
    if evidence:
        return visible(evidence.summary)
    if finding.cause and (finding.cause.missing or finding.cause.settle):
        gaps = finding.cause.missing
        return f"open: {visible(gaps[0].summary if gaps else finding.cause.settle or '')}"
    return visible(finding.reason)


def todo(finding: Finding) -> str:
    """What to do, in one sentence; empty where nothing is suggested. Where the cause is open: how it can be settled."""
    cause = finding.cause
    if cause and cause.category is Category.UNKNOWN and cause.missing and cause.missing[0].how:
        return visible(cause.missing[0].how)
    return visible(finding.fix.summary) if finding.fix else ""


def todo_label(finding: Finding) -> str:
    """What stands before `todo`: there is nothing to fix yet where the cause is open."""
    return "do " if finding.cause and finding.cause.category is Category.UNKNOWN else "fix"


def test_id(finding: Finding) -> str:
    return visible(finding.id)


def failed(finding: Finding) -> str:
    return f"{number(finding.failures)} of {plural(finding.runs, 'run')}"


def rate(finding: Finding) -> str:
    return with_interval(finding.rate)


def owners(finding: Finding) -> str:
    """`@shop, @checkout`, or that nobody owns the test, or that nobody knows; empty where no owners were looked up."""
    if finding.owners is None:
        return ""
    return visible(", ".join(finding.owners)) if finding.owners else "no owner"


def since(finding: Finding) -> str:
    """`since 3f2a91c`, where the commit is known."""
    return f"since {commit(finding.since_commit)}" if finding.since_commit else ""


def window(report: Report) -> str:
    """What was looked at, in one line."""
    history = report.history
    where = f"branch {visible(report.branch)}" if report.branch else "all branches"
    project = f" · project {visible(report.project)}" if report.project not in ("", "default") else ""
    size = f"{plural(history.runs, 'run')} of {plural(history.tests, 'test')}, {plural(history.results, 'result')}"
    dates = f" · {day(history.first_run)} to {day(history.last_run)}" if history.runs else ""
    return f"{size}{dates} · {where}{project}"


def rates(report: Report) -> list[tuple[str, str, str]]:
    """(figure, its value with interval, what it counts) for each of the three rates."""
    r = report.rates
    return [
        (
            "Flaky tests",
            with_interval(r.flaky_tests, 1),
            f"{number(r.flaky_tests.count)} of {plural(r.flaky_tests.of, 'test')}",
        ),
        (
            "Flaky runs",
            with_interval(r.flaky_runs, 1),
            f"{number(r.flaky_runs.count)} of {plural(r.flaky_runs.of, 'run')} red only through flaky failures",
        ),
        (
            "Flaky executions",
            with_interval(r.flaky_executions, 1),
            f"{number(r.flaky_executions.count)} of {plural(r.flaky_executions.of, 'execution')} failed flakily",
        ),
    ]


def smallest_visible_rate(runs: int, confidence: float = 0.95) -> float:
    """The failure rate p that `runs` independent runs show at least once with `confidence`: 1 - (1 - p)^n."""
    return -math.expm1(math.log1p(-confidence) / runs)


def nothing_to_show(report: Report) -> str:
    """What to say where no flaky test is shown: that there is none, or that the filters left none; else nothing."""
    if any(finding.verdict is Verdict.FLAKY for finding in report.tests):
        return ""
    known = report.rates.flaky_tests.count
    if not known:
        return nothing_flaky(report)
    return "" if report.tests else f"No test fits what was asked for; {plural(known, 'test is', 'tests are')} flaky."


def nothing_flaky(report: Report) -> str:
    """What it means that no flaky test was found: what was looked at, and what that can and cannot rule out."""
    history = report.history
    where = f" on branch {visible(report.branch)}" if report.branch else ""
    if not history.runs:
        return f"The history holds no runs{where} in this window. Read some reports with: flakediag ingest PATH" + (
            " (or look at every branch with --all-branches)" if report.branch else ""
        )
    if history.runs == 1:
        return f"One run{where} cannot tell a flaky test from a broken one: read the reports of more runs."
    ceiling = math.ceil(smallest_visible_rate(history.runs) * 100)
    return (
        f"No flaky tests in {plural(history.runs, 'run')}{where}. "
        f"{plural(history.runs, 'run')} would have shown a test that fails {ceiling} % of the time "
        "with 95 % probability; rarer failures cannot be ruled out, "
        "and order-dependence only shows where the order of the tests varied."
    )


STEPS = 5  # fixes that are shown; the JSON has them all


def fixes(report: Report) -> tuple[str, Sequence[FixStep]]:
    """What mending brings, in one sentence, and the fixes that do it; nothing where no fix would turn a run green."""
    lowers = [place for place, step in enumerate(report.fixes, 1) if step.after.count < step.before.count]
    if not lowers:
        return "", ()
    # The last of the first few that brings something; many fixes together may be the first to turn a run green.
    count = max((place for place in lowers if place <= STEPS), default=lowers[0])
    steps = report.fixes[:count]
    before, after = steps[0].before, steps[-1].after
    what = "this fix takes" if count == 1 else f"these {number(count)} fixes take"
    said = f"{what} red runs from {percent(before.value)} to {percent(after.value)}"
    stay = report.fixes[-1].after.count
    if stay:
        others = f"{number(stay)} of {plural(before.of, 'run')}"
        said += f"; {others} are red for other reasons too (broken or mended tests, outages)"
    return said, steps


def step(step: FixStep) -> str:
    """`red runs 18 of 100 → 12`; a run that failed for several reasons turns green with the last of them."""
    if step.after.count == step.before.count:
        return f"red runs still {number(step.after.count)} of {number(step.after.of)}, fewer with the next"
    return f"red runs {number(step.before.count)} of {number(step.before.of)} → {number(step.after.count)}"


def ticket(step: FixStep) -> str:
    """`order-dependence: 3 tests depend on tests.test_stock::test_fill (cluster 1)`"""
    number_ = "" if step.cluster is None else f" (cluster {step.cluster})"
    return f"{step.category}: {visible(step.summary)}{number_}"


def gap(gap: Gap) -> str:
    """What evidence is missing, and how to get it."""
    return visible(f"{gap.summary}: {gap.how}" if gap.how else gap.summary)


def cluster(cluster: Cluster) -> str:
    """What is one problem, and what mending it alone saves."""
    return f"cluster {cluster.id}: {cluster.category}: {visible(cluster.summary)}; mending it {saves(cluster.saves)}"


def saves(savings: Savings) -> str:
    """`turns 4 red runs green, 12 min lost on it so far`, after the words "mending it"."""
    turned = (
        f"alone turns {plural(savings.red_runs, 'red run')} green" if savings.red_runs else "alone turns no run green"
    )
    return f"{turned}, {minutes(savings.minutes)} lost on it so far"


def outages(report: Report) -> list[str]:
    """One line per run that looks like an outage, the newest three first."""
    if not report.outages:
        return []
    latest = sorted(report.outages, key=lambda o: o.run.started_at, reverse=True)
    shown = [
        f"{'run ' + str(o.run.id) if o.run.id is not None else 'a run'} of {day(o.run.started_at)} "
        f"({number(o.failed)} of {number(o.executed)} tests failed)"
        for o in latest
    ]
    count = plural(len(shown), "run looks like an outage", "runs look like outages")
    return [f"{count} and count{'s' if len(shown) == 1 else ''} for no test's flakiness: {listed(shown)}"]
