"""The verb behind `flakediag backtest`: a policy, replayed over the stored history."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flakediag.analysis.backtest import (
    AutoQuarantinePolicy,
    CheckPolicy,
    Policy,
    QuarantinePolicy,
    RatePolicy,
    replay,
)
from flakediag.analysis.window import Window
from flakediag.gates import belonging
from flakediag.history import History
from flakediag.location import Location
from flakediag.model import Backtest, GatePolicy, GateRule, QuarantineEntry, Scope
from flakediag.owners import Ownership
from flakediag.service import read

Made = Callable[[Window], tuple[str, str, Policy]]
"""From the window: a policy's name, what it does in one sentence, and the policy."""


def check() -> Made:
    """The rule of `flakediag check`."""
    return lambda window: ("check", "a failure blocks unless it is a known flake", CheckPolicy())


def quarantine(entries: Sequence[QuarantineEntry]) -> Made:
    """What the quarantine holds now, as if it had always held it."""
    count = f"{len(entries)} entr{'y' if len(entries) == 1 else 'ies'}"
    rule = f"a failure blocks unless it is in today's quarantine ({count}, as if they had always been there)"
    return lambda window: ("quarantine", rule, QuarantinePolicy(entries))


def auto_quarantine(days: int) -> Made:
    """Every signature of a test that is found flaky, for so many days."""
    term = f"{days} day{'s' if days > 1 else ''}"
    rule = f"a failure blocks unless it is in quarantine; each way in which a flaky test fails is, for {term}"
    return lambda window: ("quarantine", rule, AutoQuarantinePolicy(days))


def gate(policy: GatePolicy, ownership: Ownership | None) -> Made:
    """The gate alone, with these rules."""
    limits = ", ".join(f"{_part(rule)} at most {100 * rule.limit:g} %" for rule in policy.rules)
    doubt = "on the rate itself" if policy.strict else "beyond doubt"
    rule = f"the gate alone blocks: it trips {doubt} on {limits}, by the runs so far (at least {policy.min_runs})"
    return lambda window: ("gate", rule, RatePolicy(policy, belonging(window, policy, ownership)))


def _part(rule: GateRule) -> str:
    of = rule.path or rule.owner
    return f"{rule.metric} of {of}" if of else rule.metric.value


def backtest(db: Location, scope: Scope, made: Made, *, learn: int = 0) -> Backtest:
    """Replay a policy over the runs in scope, each judged by those before it; the first `learn` runs only teach."""
    with History.open(db, "read") as history:
        resolved, window = read(history, scope)
    name, rule, policy = made(window)
    replayed, regressions = replay(window, policy, learn=learn)
    learned = min(learn, len(window.runs))
    return Backtest(
        policy=name,
        rule=rule,
        branch=resolved.branch,
        runs=len(window.runs) - learned,
        learned=learned,
        replayed=tuple(replayed),
        regressions=tuple(regressions),
    )
