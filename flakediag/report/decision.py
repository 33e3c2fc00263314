"""What the gate decided, as text or JSON."""

from __future__ import annotations

from typing import TextIO

from flakediag.model import GateDecision, GateStatus, Metric
from flakediag.report import document, wording
from flakediag.report.format import Options
from flakediag.report.screen import Screen
from flakediag.report.text import interval, number, percent, plural, visible

FORMATS = ("text", "json")
_STATUS = {
    GateStatus.PASSED: ("passed", "bold green"),
    GateStatus.TRIPPED: ("tripped", "bold red"),
    GateStatus.NOT_ENOUGH_EVIDENCE: ("not enough evidence to say", "bold yellow"),
}
_COUNTED = {
    Metric.TESTS: ("tests", "are flaky"),
    Metric.RUNS: ("runs", "were red only through flaky failures"),
    Metric.EXECUTIONS: ("executions", "failed flakily"),
}


def write(decision: GateDecision, format_name: str, stream: TextIO, options: Options, limit: int = 20) -> None:
    """Write the decision; the text names at most `limit` offenders (0: all), the JSON all of them."""
    if format_name == "json":
        document.write(document.gate(decision), stream)
    else:
        _text(decision, Screen(stream, options), limit)


def _text(decision: GateDecision, out: Screen, limit: int) -> None:
    status, style = _STATUS[decision.status]
    what, how = _COUNTED[decision.metric]
    rate = decision.rate
    out.line(
        "gate: ",
        (status, style),
        f" · {percent(rate.value, 1)} of {what} {how} ({number(rate.count)} of {number(rate.of)}, "
        f"95 % interval {interval(rate, 1)}), limit {percent(decision.threshold, 1)}"
        if rate.of
        else f" · no {what} to judge, limit {percent(decision.threshold, 1)}",
        hang=6,
    )
    baseline = f", only tests not flaky on {visible(decision.baseline)}" if decision.baseline else ""
    out.line(
        f"{visible(decision.reason)} ({plural(decision.runs, 'run')} looked at, "
        f"{number(decision.min_runs)} needed{baseline})",
        indent=6,
    )
    shown = decision.offenders[: limit or None]
    for place, finding in enumerate(shown, 1):
        out.line(
            (f"{finding.rank or place:>3}  ", "dim"),
            (wording.test_id(finding), "bold"),
            f"  {wording.rate(finding)}  {wording.cause(finding.cause)}",
            indent=1,
            hang=5,
        )
    if len(shown) < len(decision.offenders):
        out.line(f"and {number(len(decision.offenders) - len(shown))} more: --limit 0 shows all", indent=6)
    if decision.status is GateStatus.TRIPPED and shown:
        out.line(("what to do about each: flakediag report", "dim"), indent=6)
