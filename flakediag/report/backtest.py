"""`flakediag backtest`: what a policy would have blocked and let through, as text or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from flakediag.model import Backtest, ReplayedRegression, ReplayedRun, Run, Truth
from flakediag.report import document
from flakediag.report.format import Options
from flakediag.report.screen import Screen
from flakediag.report.text import listed, minutes, number, plural, visible

FORMATS = ("text", "json")


@dataclass(frozen=True, slots=True)
class Figures:
    """The runs of a backtest by what the policy made of them.

    red: a test ended failed; flaky: of these, only through flakes; blocked: held up by the policy; false_blocks: held
    up though nothing was wrong but flakes; excused: red, not held up, and nothing was wrong but flakes; undecided: not
    held up with a failure of which the history does not tell what it was.
    """

    red: tuple[ReplayedRun, ...]
    flaky: tuple[ReplayedRun, ...]
    blocked: tuple[ReplayedRun, ...]
    false_blocks: tuple[ReplayedRun, ...]
    excused: tuple[ReplayedRun, ...]
    undecided: tuple[ReplayedRun, ...]
    escaped: tuple[ReplayedRegression, ...]


def figures(backtest: Backtest) -> Figures:
    red = tuple(run for run in backtest.replayed if run.failures)
    blocked = tuple(run for run in backtest.replayed if run.blocked)
    flaky = tuple(run for run in red if run.flakes_only)
    return Figures(
        red=red,
        flaky=flaky,
        blocked=blocked,
        false_blocks=tuple(run for run in blocked if run.flakes_only),
        excused=tuple(run for run in flaky if not run.blocked),
        undecided=tuple(r for r in red if not r.blocked and any(f.truth is Truth.OPEN for f in r.failures)),
        escaped=tuple(regression for regression in backtest.regressions if regression.escaped),
    )


def write(backtest: Backtest, format_name: str, stream: TextIO, options: Options, limit: int = 10) -> None:
    """Write the outcome; the text names at most `limit` runs or tests of a kind (0: all), the JSON all of them."""
    if format_name == "json":
        document.write(as_document(backtest), stream)
    else:
        _text(backtest, Screen(stream, options), limit)


def as_document(backtest: Backtest) -> document.Document:
    found = figures(backtest)
    return {
        "schema_version": document.SCHEMA_VERSION,
        "policy": backtest.policy,
        "rule": backtest.rule,
        "branch": backtest.branch,
        "runs": backtest.runs,
        "learned": backtest.learned,
        "red": len(found.red),
        "red_only_by_flakes": len(found.flaky),
        "blocked": len(found.blocked),
        "false_blocks": len(found.false_blocks),
        "excused": len(found.excused),
        "minutes_saved": document.number(_minutes(found.excused)),
        "minutes_of_false_blocks": document.number(_minutes(found.false_blocks)),
        "regressions": [_regression(regression) for regression in backtest.regressions],
        "escaped": len(found.escaped),
        "undecided": len(found.undecided),
        "replayed": [_run(run) for run in backtest.replayed],
    }


def _run(run: ReplayedRun) -> document.Document:
    return {
        "run": document.run(run.run),
        "blocked": run.blocked,
        "false_block": run.blocked and run.flakes_only,
        "minutes": document.number(run.minutes),
        "reason": run.reason or None,
        "failures": [
            {"id": f.test.id, "signature": f.signature, "truth": f.truth.value, "blocks": f.blocks}
            for f in run.failures
        ],
    }


def _regression(regression: ReplayedRegression) -> document.Document:
    return {
        "id": regression.test.id,
        "first": document.run(regression.first),
        "escaped": regression.escaped,
        "let_through": [document.run(run) for run in regression.let_through],
        "caught": document.run(regression.caught) if regression.caught else None,
    }


def _minutes(runs: Sequence[ReplayedRun]) -> float:
    return sum(run.minutes for run in runs)


def _named(runs: Sequence[Run], limit: int) -> str:
    """`runs 3, 7, 9 and 4 more`"""
    names = [str(run.id) if run.id is not None else "?" for run in runs]
    return f"run{'' if len(names) == 1 else 's'} {listed(names, limit or len(names))}"


def _text(backtest: Backtest, out: Screen, limit: int) -> None:
    found = figures(backtest)
    out.line(("backtest", "bold"), f" · {backtest.policy}: {visible(backtest.rule)}", hang=2)
    where = f"branch {visible(backtest.branch)}" if backtest.branch else "all branches"
    learned = f", after {number(backtest.learned)} that only taught" if backtest.learned else ""
    out.line(f"{plural(backtest.runs, 'run')} of {where}{learned}", indent=2)
    if not backtest.runs:
        return
    out.blank()
    blocks = [run.run for run in found.blocked]
    false = [run.run for run in found.false_blocks]
    excused = [run.run for run in found.excused]
    rows = (
        ("red runs", number(len(found.red)), f"{number(len(found.flaky))} of them only through flaky failures"),
        ("blocked", number(len(blocks)), _held_up(found.blocked, limit)),
        ("false blocks", number(len(false)), _cost(found.false_blocks, limit)),
        ("let through", number(len(excused)), "red only through flaky failures: " + _named(excused, limit))
        if excused
        else ("let through", "0", "no run that was red only through flaky failures"),
        ("minutes saved", minutes(_minutes(found.excused)), "these runs need not be repeated"),
        ("regressions", number(len(backtest.regressions)), "tests that broke, each time that one did"),
        ("escaped", number(len(found.escaped)), "" if found.escaped else "every one was stopped where it first showed"),
    )
    width = max(len(value) for _, value, _ in rows)
    for name, value, said in rows:
        style = "bold red" if name == "escaped" and found.escaped else "bold"
        out.line(f"{name:<13}  ", (value.rjust(width), style), f"  {said}".rstrip(), indent=2, hang=17)
    for regression in found.escaped[: limit or None]:
        out.line((visible(regression.test.id), "bold"), _escape(regression, limit), indent=4, hang=2)
    if len(found.escaped) > (limit or len(found.escaped)):
        out.line(f"and {number(len(found.escaped) - limit)} more: --limit 0 shows all", indent=4)
    if found.undecided:
        runs = [run.run for run in found.undecided]
        out.blank()
        out.line(f"{_named(runs, limit)}: let through with a failure of which the history does not tell what it was")


def _held_up(runs: Sequence[ReplayedRun], limit: int) -> str:
    if not runs:
        return "no run"
    broken = sum(any(failure.truth is Truth.REGRESSION for failure in run.failures) for run in runs)
    return f"{_named([run.run for run in runs], limit)}; {number(broken)} of them with a test that was broken"


def _cost(runs: Sequence[ReplayedRun], limit: int) -> str:
    if not runs:
        return "no run was held up by flakes alone"
    return f"{_named([run.run for run in runs], limit)}: {minutes(_minutes(runs))} to run them again"


def _escape(regression: ReplayedRegression, limit: int) -> str:
    caught = f"stopped in run {regression.caught.id}" if regression.caught else "never stopped"
    return f"  let through in {_named(regression.let_through, limit)}, {caught}"


__all__ = ["FORMATS", "Figures", "as_document", "figures", "write"]
