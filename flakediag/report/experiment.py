"""What `plan` would run, and what `confirm` found, as text or JSON.

Both are described by what is read of them, so that this part needs to know the model only.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any, Protocol, TextIO

from flakediag.report import document
from flakediag.report.format import Options
from flakediag.report.screen import Screen
from flakediag.report.text import lines, odds, plural, visible

FORMATS = ("text", "json")
MOST = 14  # words of a command that are shown before it is cut


class Explanation(Protocol):
    @property
    def text(self) -> str: ...
    @property
    def probability(self) -> float: ...


class Step(Protocol):
    @property
    def what(self) -> str: ...
    @property
    def command(self) -> tuple[str, ...]: ...
    @property
    def fails(self) -> float | None: ...


class Plan(Protocol):
    @property
    def test(self) -> str: ...
    @property
    def way(self) -> str: ...
    @property
    def leading(self) -> Sequence[Explanation]: ...
    @property
    def first(self) -> Step | None: ...
    @property
    def then(self) -> Sequence[tuple[str, Step]]: ...
    @property
    def expected(self) -> int: ...
    @property
    def limits(self) -> str: ...
    @property
    def shuffled(self) -> str | None: ...
    @property
    def shuffled_runs(self) -> int: ...
    @property
    def standing(self) -> str: ...
    @property
    def earlier(self) -> int: ...


class Tried(Protocol):
    @property
    def number(self) -> int: ...
    @property
    def what(self) -> str: ...
    @property
    def command(self) -> tuple[str, ...]: ...
    @property
    def failed(self) -> bool | None: ...
    @property
    def seconds(self) -> float: ...
    @property
    def leading(self) -> Explanation: ...
    @property
    def remaining(self) -> int: ...
    @property
    def problem(self) -> str: ...


class Outcome(Protocol):
    @property
    def test(self) -> str: ...
    @property
    def way(self) -> str: ...
    @property
    def standing(self) -> str: ...
    @property
    def conclusion(self) -> str: ...
    @property
    def probability(self) -> float | None: ...
    @property
    def tried(self) -> Sequence[Tried]: ...
    @property
    def executions(self) -> int: ...
    @property
    def reproduce(self) -> tuple[str, ...] | None: ...
    @property
    def parties(self) -> Sequence[tuple[str, str]]: ...
    @property
    def notes(self) -> Sequence[str]: ...


def write_plans(plans: Sequence[Plan], format_name: str, stream: TextIO, options: Options) -> None:
    """Write the plans, one after the other; the text cuts long commands on a terminal, the JSON holds them whole."""
    if format_name == "json":
        document.write({"schema_version": document.SCHEMA_VERSION, "plans": [_plan(p) for p in plans]}, stream)
        return
    out = Screen(stream, options)
    for number, plan in enumerate(plans):
        if number:
            out.blank()
        _show(plan, out)


def _show(plan: Plan, out: Screen) -> None:
    out.line((visible(plan.test), "bold"))
    for explanation in plan.leading:
        out.line(f"{odds(explanation.probability):>5}  {visible(explanation.text)}", indent=2, hang=7)
    if plan.first is None:
        out.line("nothing that could be run would tell more", indent=2)
    else:
        out.line(f"next: {visible(plan.first.what)}{_fails(plan.first)}", indent=2, hang=2)
        out.verbatim(shell(plan.first.command, out.width), indent=4)
        for word, step in plan.then:
            out.line(f"{word}: {visible(step.what)}", indent=2, hang=2)
            out.verbatim(shell(step.command, out.width), indent=4)
        out.line(f"about {plural(plan.expected, 'run')} in all: flakediag confirm runs them", indent=2, hang=2)
    if plan.earlier:
        out.line(f"{plural(plan.earlier, 'earlier experiment')} on the same code counted in", indent=2, hang=2)
    if plan.shuffled:
        out.line(
            f"the recorded order never varied: {plural(plan.shuffled_runs, 'run')} shuffled over the whole suite would "
            "tell as well",
            indent=2,
            hang=2,
        )
        out.verbatim(visible(plan.shuffled), indent=4)
    if plan.limits:
        out.line((f"note: {visible(plan.limits)}", "dim"), indent=2, hang=2)


def _fails(step: Step) -> str:
    return "" if step.fails is None else f" (fails with {odds(step.fails)})"


def shell(command: Sequence[str], width: int | None) -> str:
    """The command as it could be typed; where somebody watches, the middle of a long one is only counted."""
    words = [shlex.quote(visible(word)) for word in command]
    if width is not None and len(words) > MOST:
        words = [*words[: MOST - 3], f"… {len(words) - MOST + 2} more words …", words[-1]]
    return " ".join(words)


def progress(tried: Tried) -> list[str]:
    """What one experiment said, in a line or two."""
    ended = {True: "failed", False: "passed", None: "told nothing"}[tried.failed]
    after = f", about {plural(tried.remaining, 'run')} to go" if tried.remaining else ""
    leading = f"{odds(tried.leading.probability)} {visible(tried.leading.text)}"
    said = f"     {ended} in {tried.seconds:.1f} s · {leading}{after}"
    return [said, *(f"     {line}" for line in lines(tried.problem) if tried.problem)]


def write_outcome(outcome: Outcome, format_name: str, stream: TextIO, options: Options) -> None:
    """Write what was found."""
    if format_name == "json":
        document.write(_outcome(outcome), stream)
        return
    out = Screen(stream, options)
    style = {"confirmed": "bold green", "fixed": "bold green", "not-fixed": "bold red"}.get(outcome.standing, "bold")
    out.line((visible(outcome.test), "bold"))
    known = "" if outcome.probability is None else f" ({odds(outcome.probability)})"
    standing = outcome.standing.replace("-", " ", 1)
    out.line((standing, style), f"{known}: {visible(outcome.conclusion)}", indent=2, hang=2)
    out.line(f"{plural(len(outcome.tried), 'run')}, {plural(outcome.executions, 'test execution')}", indent=2)
    for id, role in outcome.parties:
        out.line(f"{role}: {visible(id)}", indent=2)
    if outcome.reproduce:
        out.line("reproduce:" if outcome.way == "order" else "reproduce, where that is so:", indent=2)
        out.verbatim(shell(outcome.reproduce, None), indent=4)
    for note in outcome.notes:
        out.line((f"note: {visible(note)}", "dim"), indent=2, hang=2)


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "test": plan.test,
        "way": str(plan.way),
        "standing": plan.standing,
        "leading": [_explanation(e) for e in plan.leading],
        "first": None if plan.first is None else _step(plan.first),
        "then": [{"when": word, **_step(step)} for word, step in plan.then],
        "expected_runs": plan.expected,
        "earlier_experiments": plan.earlier,
        "limits": plan.limits or None,
        "shuffled": None if plan.shuffled is None else {"command": plan.shuffled, "runs": plan.shuffled_runs},
    }


def _step(step: Step) -> dict[str, Any]:
    return {"what": step.what, "command": list(step.command), "fails": _number(step.fails)}


def _explanation(explanation: Explanation) -> dict[str, Any]:
    return {"text": explanation.text, "probability": _number(explanation.probability)}


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "schema_version": document.SCHEMA_VERSION,
        "test": outcome.test,
        "way": str(outcome.way),
        "standing": outcome.standing,
        "conclusion": outcome.conclusion,
        "probability": _number(outcome.probability),
        "partners": [{"id": id, "role": role} for id, role in outcome.parties],
        "reproduce": None if outcome.reproduce is None else list(outcome.reproduce),
        "executions": outcome.executions,
        "runs": [
            {
                "number": tried.number,
                "what": tried.what,
                "command": list(tried.command),
                "failed": tried.failed,
                "seconds": round(tried.seconds, 3),
                "problem": tried.problem or None,
                "leading": _explanation(tried.leading),
            }
            for tried in outcome.tried
        ],
        "notes": list(outcome.notes),
    }


def _number(value: float | None) -> float | None:
    return None if value is None else document.number(min(1.0, max(0.0, value)))
