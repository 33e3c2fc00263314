"""What the absence of evidence says: a cause that would have shown by now, and did not, is less likely.

Each look is as strong as its power, the chance that a cause of this kind would have shown in the runs of this very
test. With few runs, few failures, or orders that never varied there is no power, and silence says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import erf, exp, log, sqrt

from flakediag.analysis.evidence.timing import durations
from flakediag.analysis.weights import weights
from flakediag.analysis.window import Subject, Window
from flakediag.model import Category, Evidence

SLIGHT = 0.05  # nats: less is not worth a line


def find(window: Window, subjects: Sequence[Subject], found: Sequence[Sequence[Evidence]]) -> list[list[Evidence]]:
    """Evidence of kinds "silence-order" and "silence-timing" for each subject; found: what the other finders say."""
    return [
        [one for one in (of_order(mine), of_timing(window, subject, mine)) if one is not None and one.weight <= -SLIGHT]
        for subject, mine in zip(subjects, found, strict=True)
    ]


def of_order(found: Sequence[Evidence]) -> Evidence | None:
    """No test explains when it fails, in orders that would have shown one.

    With B the Bayes factor of the named writers against everything else, P(B ≤ b) ≤ b wherever there is such a writer
    (Markov's inequality for 1 / B, whose mean is 1 there): the power is at least 1 - B. The model has a picture of a
    part of all order dependences only (`order_pictured`); ln(1 - part × power) is what the silence is worth, less what
    the last-writer evidence has already said. Where the orders themselves speak, though nobody is named, there is
    none; nor where what an earlier run left behind explains the failures: the order within a run does not show that.
    """
    last = next((e for e in found if "log_bayes_factor_named" in e.data), None)
    left_behind = any(e.kind.startswith("previous-run") and e.category is Category.ORDER for e in found)
    if last is None or last.weight >= 1 or left_behind:
        return None
    power = 1 - exp(min(0.0, float(last.data["log_bayes_factor_named"])))
    worth = log(1 - weights("silence")["order_pictured"] * power) - min(0.0, last.weight)
    weight = round(min(0.0, worth) * (1 - max(0.0, last.weight)), 3)
    summary = (
        f"another test that makes it fail would have left more of a trace in {last.data['orders']} different orders, "
        f"with {_percent(power)} probability"
    )
    return Evidence("silence-order", Category.ORDER, weight, summary, {"power": round(power, 3)})


def of_timing(window: Window, subject: Subject, found: Sequence[Evidence]) -> Evidence | None:
    """Its durations are known, and nothing in them says that failing is a matter of time.

    The power is that of the rank test of Mann and Whitney at z = `timing_z` with n failing and m passing runs, if a
    failing run outlasts a passing one with probability `timing_longer` (normal approximation, the variance that of no
    difference). Not every race shows in its durations; `timing_shows` is the part that does.
    """
    table = weights("silence")
    known = [e.weight for e in found if e.kind.partition("-")[0] == "timing" and e.category is Category.TIMING]
    failing, passing = durations(window, subject)
    n, m = len(failing), len(passing)
    if n < table["timing_failures"] or m == 0 or max(failing.max(), passing.max()) <= 0 or max(known, default=0) > 0:
        return None
    shift = (table["timing_longer"] - 0.5) * n * m / sqrt(n * m * (n + m + 1) / 12)
    power = 0.5 * (1 + erf((shift - table["timing_z"]) / sqrt(2)))
    weight = round(min(0.0, log(1 - table["timing_shows"] * power) - sum(known)), 3)
    summary = f"nothing in how long it took says that time ran out, in {n} failing and {m} passing runs"
    return Evidence("silence-timing", Category.TIMING, weight, summary, {"power": round(power, 3)})


def _percent(share: float) -> str:
    return "over 99 %" if share > 0.99 else f"{100 * share:.0f} %"
