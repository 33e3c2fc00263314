"""What the gate decided, as text or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from flakediag.model import GateDecision, GateResult, GateRule, GateStatus, Metric
from flakediag.report import wording
from flakediag.report.screen import Screen
from flakediag.report.text import interval, number, percent, plural, visible

if TYPE_CHECKING:
    from flakediag.report.format import Options

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
    """Write the decision; the text names at most `limit` offenders of each rule (0: all), the JSON all of them."""
    if format_name == "json":
        from flakediag.report import document

        document.write(document.gate(decision), stream)
    else:
        _text(decision, Screen(stream, options), limit)


def _text(decision: GateDecision, out: Screen, limit: int) -> None:
    status = _STATUS[decision.status]
    runs = f"{plural(decision.runs, 'run')} looked at, {number(decision.min_runs)} needed"
    if decision.baseline:
        runs += f", only tests not flaky on {visible(decision.baseline)}"
    results = decision.results or (_alone(decision),)
    if len(results) == 1:
        out.line("gate: ", status, f" · {_said(results[0])}", hang=6)
        out.line(f"{visible(decision.reason)} ({runs})", indent=6)
        _offenders(results[0], out, limit)
    else:
        deciding = sum(result.status is decision.status for result in results)
        out.line("gate: ", status, f" · {number(deciding)} of {plural(len(results), 'rule')} ({runs})", hang=6)
        for result in results:
            label, style = _STATUS[result.status]
            out.line((label, style), f" · {_said(result)}", indent=2, hang=4)
            out.line(visible(result.reason), indent=6)
            if result.status is GateStatus.TRIPPED:
                _offenders(result, out, limit)
    if decision.unplaced:
        out.line(f"{plural(decision.unplaced, 'test')} of no known file: no rule for a path or an owner", indent=6)
    if decision.status is GateStatus.TRIPPED and decision.offenders:
        out.line(("why, and what to do about each: flakediag report", "dim"), indent=6)


def _alone(decision: GateDecision) -> GateResult:
    return GateResult(
        rule=GateRule(metric=decision.metric, limit=decision.threshold),
        status=decision.status,
        rate=decision.rate,
        reason=decision.reason,
        offenders=decision.offenders,
    )


def _said(result: GateResult) -> str:
    """The rate and the limit in one line."""
    rule, rate = result.rule, result.rate
    what, how = _COUNTED[rule.metric]
    if rule.path is not None:
        what += f" of {visible(rule.path)}"
    if rule.owner is not None:
        what += f" of {visible(rule.owner)}"
    limit = f"{'baseline' if rule.ratchet else 'limit'} {percent(rule.limit, 1)}"
    if not rate.of:
        return f"no {what} to judge, {limit}"
    counts = f"{number(rate.count)} of {number(rate.of)}, 95 % interval {interval(rate, 1)}"
    return f"{percent(rate.value, 1)} of {what} {how} ({counts}), {limit}"


def _offenders(result: GateResult, out: Screen, limit: int) -> None:
    shown = result.offenders[: limit or None]
    for place, finding in enumerate(shown, 1):
        out.line(
            (f"{finding.rank or place:>3}  ", "dim"),
            (wording.test_id(finding), "bold"),
            f"  {wording.rate(finding)}" + (f"  {wording.cause(finding.cause)}" if finding.cause else ""),
            indent=1,
            hang=5,
        )
    if len(shown) < len(result.offenders):
        out.line(f"and {number(len(result.offenders) - len(shown))} more: --limit 0 shows all", indent=6)
