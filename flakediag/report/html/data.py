"""What the page's script is given: one list of tests for the table and the heatmap, and the details in chunks that are
parsed only when a test is opened. All text is made visible here; the script puts it into text nodes only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from flakediag.model import (
    Category,
    Diagnosis,
    Finding,
    Fix,
    Gap,
    Outcome,
    Report,
    Run,
    SignatureFinding,
    TimelineEntry,
    Verdict,
)
from flakediag.report import wording
from flakediag.report.document import number
from flakediag.report.text import commit, day, excerpt, lines, minute, minutes, odds, plural, seconds, visible
from flakediag.report.timeline import symbol

CHUNK = 50  # tests whose details are parsed together
EXAMPLE_LINES = 40
WORTH_A_WORD = 0.05  # of the alternatives and the partners, as on `show`
ABSENT = " "

Json = dict[str, Any]


class Texts:
    """Each distinct text once: fixes and failures repeat from test to test."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._place: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        place = self._place.setdefault(text, len(self.all))
        if place == len(self.all):
            self.all.append(text)
        return place


def embedded(value: Any) -> str:
    """JSON that can stand in a script element: pure ASCII, with nothing in it that HTML or a CI log reads."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.replace("##", "#\\u0023")


class Places:
    """Where each run of the report stands among all of them, oldest first."""

    def __init__(self, report: Report) -> None:
        if report.series:
            self.runs = [point.run for point in report.series.runs]
        else:
            known = {self._key(entry.run): entry.run for f in report.tests for entry in f.timeline}
            self.runs = sorted(known.values(), key=lambda run: (run.started_at, run.id or 0))
        self._place = {self._key(run): place for place, run in enumerate(self.runs)}

    def of(self, run: Run) -> int:
        return self._place[self._key(run)]

    @staticmethod
    def _key(run: Run) -> tuple[int | None, str]:
        return run.id, run.digest


def overview(report: Report, places: Places) -> Json:
    """What the table and the heatmap show of each test, and what is known of each run."""
    points = report.series.runs if report.series else ()
    return {
        "runs": [_run(run) for run in places.runs],
        "outages": [place for place, point in enumerate(points) if point.outage],
        "tests": [_row(finding, places) for finding in report.tests],
        "chunk": CHUNK,
    }


def chunks(report: Report, places: Places, texts: Texts) -> Iterable[list[Json]]:
    """The details of the tests, `CHUNK` tests at a time, in the order of the report."""
    for start in range(0, len(report.tests), CHUNK):
        yield [_details(finding, report, places, texts) for finding in report.tests[start : start + CHUNK]]


def _run(run: Run) -> Json:
    told = {
        "id": run.id,
        "at": minute(run.started_at),
        "commit": commit(run.commit) if run.commit else None,
        "branch": visible(run.branch) if run.branch else None,
        "job": visible(run.job) if run.job else None,
        "url": visible(run.url) if run.url and run.url.startswith(("https://", "http://")) else None,
    }
    return {name: value for name, value in told.items() if value is not None}


def _row(finding: Finding, places: Places) -> Json:
    flaky = finding.verdict is Verdict.FLAKY
    return {
        "id": wording.test_id(finding),
        "rank": finding.rank,
        "verdict": finding.verdict.value,
        "cause": finding.cause.category.value if finding.cause else None,
        "odds": wording.cause(finding.cause),
        "probability": number(finding.cause.probability) if finding.cause else None,
        "rate": [number(finding.rate.value), number(finding.rate.low), number(finding.rate.high)],
        "fails": wording.rate(finding),
        "of": wording.failed(finding),
        "minutes": number(finding.impact.minutes),
        "lost": minutes(finding.impact.minutes) if flaky else "–",
        "red": finding.impact.red_runs,
        "last": day(finding.last_failed),
        "cluster": finding.cluster,
        "boundary": finding.boundary.value if finding.boundary else None,
        "why": wording.why(finding),
        "outcomes": _outcomes(finding.timeline, places),
    }


def _outcomes(timeline: Sequence[TimelineEntry], places: Places) -> str:
    """One sign per run of the window."""
    signs = [ABSENT] * len(places.runs)
    for entry in timeline:
        signs[places.of(entry.run)] = symbol(entry)
    return "".join(signs).rstrip()


def _details(finding: Finding, report: Report, places: Places, texts: Texts) -> Json:
    ordered = sorted(finding.timeline, key=lambda entry: places.of(entry.run))
    several = len(finding.signatures) > 1
    return {
        "reason": _sentence(wording.since(finding), visible(finding.reason)),
        "facts": _facts(finding),
        "durations": [None if e.duration is None else float(f"{e.duration:.3g}") for e in ordered],
        "took": _took(ordered),
        "attempts": {str(i): e.attempts for i, e in enumerate(ordered) if e.attempts > 1},
        "said": {str(i): texts(visible(e.signature)) for i, e in enumerate(ordered) if e.signature},
        "cause": _cause(finding.cause, texts) if finding.cause else None,
        "signatures": [_signature(s, several, texts) for s in finding.signatures],
        "order": _order(finding, report),
        "fix": _fix(finding, finding.fix, texts) if finding.fix else None,
    }


def _sentence(*parts: str) -> str:
    return ": ".join(part for part in parts if part)


def _facts(finding: Finding) -> list[list[str]]:
    cost = finding.impact
    facts = [
        ["Fails", f"{wording.rate(finding)}, {wording.failed(finding)}"],
        ["First seen", day(finding.first_seen)],
        ["Last failed", day(finding.last_failed)],
        ["File", visible(finding.test.file)],
        ["Framework", "" if finding.framework == "unknown" else finding.framework],
        ["Boundary", finding.boundary.value if finding.boundary else ""],
    ]
    if finding.verdict is Verdict.FLAKY:
        facts.append(["Cost", f"{plural(cost.red_runs, 'red run')}, {minutes(cost.minutes)} lost"])
    return [fact for fact in facts if fact[1]]


def _took(timeline: Sequence[TimelineEntry]) -> list[str]:
    """The durations in words: when the test passed, and when it failed."""
    said = []
    for word, wanted in (("passed", (Outcome.PASSED,)), ("failed", (Outcome.FAILED, Outcome.ERROR))):
        known = sorted(e.duration for e in timeline if e.outcome in wanted and e.duration is not None)
        if known:
            low, middle, high = (seconds(known[place]) for place in (0, len(known) // 2, -1))
            said.append(f"{middle} when it {word}" + (f" ({low} to {high})" if low != high else ""))
    return said


def _cause(diagnosis: Diagnosis, texts: Texts) -> Json:
    others = [f"{a.category} {odds(a.probability)}" for a in diagnosis.alternatives if a.probability >= WORTH_A_WORD]
    settle = diagnosis.settle
    return {
        "text": wording.cause(diagnosis),
        "evidence": [
            [f"{e.weight:+.1f}", e.category.value, texts(visible(e.summary)), visible(e.kind)]
            for e in diagnosis.evidence
        ],
        "otherwise": ", ".join(others),
        "partners": [
            [visible(p.role), odds(p.probability), visible(p.id), visible(p.kind), wording.when(p)]
            for place, p in enumerate(diagnosis.partners)
            if place == 0 or p.probability >= WORTH_A_WORD
        ],
        "ports": ", ".join(map(str, diagnosis.ports)),
        "settle": [_gap(gap) for gap in diagnosis.missing] or ([[visible(settle), ""]] if settle else []),
    }


def _gap(gap: Gap) -> list[str]:
    """What is missing, and the command that gets it, where it is one that can be copied."""
    command = re.fullmatch(r"`([^`]+)`", gap.how or "")
    return [f"{visible(gap.summary)}:", visible(command[1])] if command else [wording.gap(gap), ""]


def _signature(signature: SignatureFinding, several: bool, texts: Texts) -> Json:
    example = signature.example
    latest = example and (example.text or "\n".join(part for part in (example.type, example.message) if part))
    return {
        "text": texts(visible(signature.text)),
        "seen": f"{plural(signature.failures, 'time')}, last {day(signature.last_seen)}",
        "boundary": signature.boundary.value if signature.boundary else None,
        "artefacts": [[visible(a.kind), visible(a.value)] for a in signature.artefacts],
        # Where a test fails in one way only, the cause of that way is the cause of the test.
        "cause": _cause(signature.diagnosis, texts) if several and signature.diagnosis.evidence else None,
        "latest": texts("\n".join(excerpt(latest, EXAMPLE_LINES))) if latest else None,
        "output": texts("\n".join(excerpt(example.output, EXAMPLE_LINES))) if example and example.output else None,
    }


def _order(finding: Finding, report: Report) -> Json | None:
    sample = report.series.orders.get(finding.id) if report.series else None
    if not sample or not sample.runs:
        return None
    return {
        "runs": sample.runs,
        "failing": sample.failing,
        "others": [
            {
                "id": visible(other.id),
                "role": visible(other.role) if other.role else None,
                "failing": other.failing,
                "passing": other.passing,
                "gaps": other.gaps,
            }
            for other in sample.others
        ],
    }


def _fix(finding: Finding, fix: Fix, texts: Texts) -> Json:
    example = fix.example
    # What would settle the cause stands with the cause already.
    cause = finding.cause
    gather = cause is not None and cause.category is Category.UNKNOWN and bool(cause.missing)
    stated = {visible(cause.settle)} if cause is not None and cause.settle else set()
    steps = [] if gather else [step for step in map(visible, fix.steps) if step not in stated]
    return {
        "summary": "" if gather else visible(fix.summary),
        "steps": texts("\n".join(steps)),
        "framework": visible(example.framework) if example else None,
        "code": texts("\n".join(lines(example.code.rstrip("\n")))) if example else None,
        "reproduce": "\n".join(lines(fix.reproduce)) if fix.reproduce else None,
    }
