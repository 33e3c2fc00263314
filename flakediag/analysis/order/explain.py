"""Evidence in words: what the writers explain, who they are, and whom the recorded orders cannot tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, exp, log
from typing import Any

import numpy as np

from flakediag.analysis.order.fit import Fit
from flakediag.analysis.order.hints import Hint
from flakediag.analysis.order.hypotheses import Writers
from flakediag.analysis.order.partners import partners_of, ties_of
from flakediag.analysis.order.pool import Explanation
from flakediag.analysis.order.study import Case
from flakediag.analysis.order.telling import NAMED
from flakediag.model import Category, Evidence, Partner

KIND = "last-writer"


def evidence_of(case: Case, figures: Mapping[str, Any]) -> Evidence | None:
    """The evidence on one subject; None where its outcomes never differed, so that there is nothing to explain."""
    if case.explanation is None:
        return _hinted(case, case.hint, figures) or _without_orders(case, figures)
    return _with_orders(case, case.explanation, figures)


def shuffles_needed(candidates: int) -> int:
    """About how many more runs in random order would single out one polluter.

    In a run of random order another test stands to the victim as the polluter does with probability 2/3 (for a victim
    at u, u² + (1 - u)², averaged over u): candidates × (2/3)^n falls to one at n = ln(candidates) / ln(3/2).
    """
    return ceil(log(max(2, candidates)) / log(1.5))


def _weight(factor: float, figures: Mapping[str, Any]) -> float:
    return round(max(-float(figures["cap_against"]), min(float(figures["cap"]), factor * float(figures["temper"]))), 3)


def _hinted(case: Case, hint: Hint | None, figures: Mapping[str, Any]) -> Evidence | None:
    """What parallel runs let suspect; None where that is nothing."""
    if hint is None or hint.factor <= 0:
        return None
    weight = round(min(float(figures["parallel_most"]), hint.factor * float(figures["temper"])), 3)
    believed = 1 - exp(-weight)  # never more certain than the evidence itself
    partners = tuple(
        Partner(case.names[test], "test", role, round(share * believed, 4)) for test, role, share in hint.writers
    )
    first, role, _ = hint.writers[0]
    verb = "fails more often after" if role == "polluter" else "passes more often after"
    text = (
        f"{verb} {case.names[first]} in {hint.runs} parallel run{'s' if hint.runs > 1 else ''}, of which little or "
        "nothing tells which tests shared a worker; some serial runs in shuffled order would decide it"
    )
    data: dict[str, Any] = {
        "reason": "parallel runs only",
        "runs": len(case.runs),
        "unordered_runs": case.unordered,
        "parallel_runs": hint.runs,
        "workers": hint.workers,
        "candidates": case.candidates.size,
        "log_bayes_factor": round(hint.factor, 2),
        "shuffled_runs_needed": shuffles_needed(case.candidates.size),
    }
    return Evidence(KIND, Category.ORDER, weight, text, data, partners)


def _without_orders(case: Case, figures: Mapping[str, Any]) -> Evidence | None:
    data: dict[str, Any] = {
        "runs": len(case.runs),
        "unordered_runs": case.unordered,
        "orders": len(np.unique(case.orders.classes[case.runs])),
        "candidates": case.candidates.size,
        "shuffled_runs_needed": shuffles_needed(case.candidates.size),
    }
    advice = f"about {data['shuffled_runs_needed']} runs shuffled over the whole suite would"
    if len(case.runs) == 0:
        if case.unordered == 0:
            return None
        text = f"no run tells in which order its tests executed; {advice} tell whether the order matters"
        return Evidence(KIND, Category.ORDER, 0.0, text, {**data, "reason": "order unknown"})
    if data["orders"] > 1:
        return None
    data |= {"reason": "order never varied", "failures": case.failures}
    if case.same_order is None:
        one = "only one run tells in which order its tests executed"
        text = one if len(case.runs) == 1 else f"the order never varied in {len(case.runs)} runs"
        text += f"; {advice} tell whether it matters"
        return Evidence(KIND, Category.ORDER, 0.0, text, data)
    weight = min(0.0, _weight(case.same_order, figures))
    text = f"failed in {case.failures} of {len(case.runs)} runs although their order was the same"
    return Evidence(KIND, Category.ORDER, weight, text, data)


def _with_orders(case: Case, explanation: Explanation, figures: Mapping[str, Any]) -> Evidence:
    fit, best = explanation.fit, explanation.fit.best.seen_by(case.test)
    expected = fit.expected(fit.best)
    own = np.isin(fit.rows.member, fit.rows.members_of(case.test))
    rival = max(explanation.rivals, key=lambda name: (explanation.rivals[name], name))
    ids = case.ids(fit)
    weight = _weight(explanation.factor, figures)
    data: dict[str, Any] = {
        "runs": len(case.runs),
        "unordered_runs": case.unordered,
        "orders": len(np.unique(case.orders.classes[case.runs])),
        "candidates": case.candidates.size,
        "log_bayes_factor": round(explanation.factor, 2),
        "log_bayes_factor_named": round(explanation.order - explanation.rival - max(0.0, explanation.apart), 2),
        "rival": rival,
        "starts": "bad" if best.starts_bad else "good",
        "writes_bad": [ids(c) for c in best.bad],
        "writes_good": [ids(c) for c in best.good],
        "expected_to_fail": _counts(fit, expected & own),
        "expected_to_pass": _counts(fit, ~expected & own),
        "explained_together": [case.names[test] for test in case.shared] if len(case.shared) > 1 else [],
        "named": round(explanation.named, 4),
        "ties": ties_of(case, fit),
        "order_known": "within classes" if case.orders.inside else "whole",
    }
    if weight <= 0:
        text = f"{data['orders']} different orders of the tests do not explain when it fails"
        if weight <= -1:
            text += f", {_rival_words(rival)} does better"
        return Evidence(KIND, Category.ORDER, weight, text, data)
    if data["named"] < NAMED and (plain := _usual_order(case, explanation, own)):
        return Evidence(KIND, Category.ORDER, weight, plain, data, partners_of(case, explanation))
    text = _sentence(case, fit, best, data)
    if case.second is not None:
        text += f"; besides, counting any failure, it {_what_else(case, case.second, data)}"
    if case.orders.inside:
        text += "; only the order within its class is known"
    others = len(case.shared) - 1
    if others:
        text += f" (explained together with {others} other test{'s' if others > 1 else ''})"
    return Evidence(KIND, Category.ORDER, weight, text, data, partners_of(case, explanation))


def _what_else(case: Case, second: Explanation, data: dict[str, Any]) -> str:
    """The second explanation in words; its figures join the first one's."""
    fit, best = second.fit, second.fit.best.seen_by(case.test)
    expected, own = fit.expected(fit.best), np.isin(fit.rows.member, fit.rows.members_of(case.test))
    ids = case.ids(fit)
    data["second"] = {
        "starts": "bad" if best.starts_bad else "good",
        "writes_bad": [ids(c) for c in best.bad],
        "writes_good": [ids(c) for c in best.good],
        "expected_to_fail": _counts(fit, expected & own),
        "expected_to_pass": _counts(fit, ~expected & own),
        "log_bayes_factor": round(second.order - second.rival, 2),
    }
    return _sentence(case, fit, best, data["second"])


def _counts(fit: Fit, mask: Any) -> dict[str, int]:
    return {"failed": int(fit.rows.failed[mask].sum()), "runs": int(mask.sum())}


def _rival_words(rival: str) -> str:
    words = {
        "chance": "a constant rate",
        "shared chance": "a constant rate",
        "run": "something that befalls whole runs",
        "date": "a change at some date",
        "slowness": "the slowness of the run",
        "usual order": "something that comes with unusual orders",
    }
    return words.get(rival, f"the {rival} of the run")


def _usual_order(case: Case, explanation: Explanation, own: Any) -> str | None:
    """For a dependence that shows in the orders, though no test explains it."""
    rows = explanation.fit.rows
    if case.usual is None:
        return None
    unusual = case.usual[rows.run] > 0
    away, home = _counts(explanation.fit, own & unusual), _counts(explanation.fit, own & ~unusual)
    return (
        f"failed in {away['failed']} of {away['runs']} runs in unusual orders and in {home['failed']} of "
        f"{home['runs']} in the usual one, but no single test explains in which{_what_tells(case)}"
    )


def _what_tells(case: Case) -> str:
    if not case.telling:
        return ""
    place, _, _ = case.telling[0]
    return f"; most is told by whether {case.bare(case.candidates.ids[place])} ran before it"


def _sentence(case: Case, fit: Fit, best: Writers, data: Mapping[str, Any]) -> str:
    failing, passing = data["expected_to_fail"], data["expected_to_pass"]
    bad = [case.words(fit, c) for c in best.bad]
    good = [c for c in best.good if not case.is_every(fit, c)]
    adjacent = len(good) < len(best.good)
    if best.bad and not best.starts_bad:
        where = f"{_any(bad)} ran {'right ' if adjacent and not good else ''}before it"
        if good:
            where += f" and {none_of(case, fit, good, between=True)} in between"
    else:
        where = f"{none_of(case, fit, good)} before it" if good else "it was the first test"
        if best.bad:
            where += f", or {_any(bad)} ran last"
    return (
        f"failed in {failing['failed']} of {failing['runs']} runs in which {where}, "
        f"and in {passing['failed']} of {passing['runs']} others"
    )


def _any(names: list[str]) -> str:
    return " or ".join(names)


def none_of(case: Case, fit: Fit, writers: Sequence[int], *, between: bool = False) -> str:
    """That none of these writers ran, in words that are followed by "before it", or by "in between"."""
    names, ran = [case.words(fit, writer) for writer in writers], "ran" if between else "had run"
    if len(names) > 1:
        return f"neither {' nor '.join(names)} {ran}"
    if len(fit.links(writers[0])) > 1:
        return f"not {names[0]} {ran}"
    if case.is_group(fit, writers[0]):
        return f"no {names[0].removeprefix('a ')} {ran}"
    return f"{names[0]} {'did not run' if between else 'had not yet run'}"
