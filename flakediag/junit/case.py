"""One test case that says more than its attributes do."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element

from flakediag.junit.document import CaseDetail
from flakediag.junit.numbers import seconds
from flakediag.model import Attempt, FailureDetail, Outcome

RESULTS = frozenset({"failure", "error", "skipped"})
RERUNS = frozenset({"rerunFailure", "rerunError", "flakyFailure", "flakyError"})
OUTPUTS = frozenset({"system-out", "system-err"})

# Some producers have no elements for outcomes, or write attributes beside them. Only attributes that stand alone count.
_FAILED = CaseDetail(Outcome.FAILED, (Attempt(Outcome.FAILED, None, None),))
_ERROR = CaseDetail(Outcome.ERROR, (Attempt(Outcome.ERROR, None, None),))
_SKIPPED = CaseDetail(Outcome.SKIPPED)
_WORDS: Mapping[str, CaseDetail] = {
    **dict.fromkeys(("failed", "failure", "fail"), _FAILED),
    **dict.fromkeys(("error", "errored", "broken", "crashed", "timeout", "timedout"), _ERROR),
    **dict.fromkeys(("skipped", "skip", "disabled", "notrun", "not_run", "ignored", "pending", "suppressed"), _SKIPPED),
    **dict.fromkeys(("notrunnable", "notexecuted", "inconclusive", "todo", "untested"), _SKIPPED),
}

EXCUSED = "flakediag.quarantined"
"""The property in which flakediag's plugins keep a failure that the report calls expected: JSON with `outcome`
("failure" or "error"), `message` and `text`. The history counts it as the failure that it was."""

_WORKER_PROPERTIES = frozenset({"worker_id", "worker", "xdist_worker", "pytest_worker"})
_XDIST = re.compile(r"^\[gw\d+\] \S+ -- Python|worker 'gw\d+' crashed", re.MULTILINE)


def by_attributes(attributes: Mapping[str, str]) -> CaseDetail | None:
    """The outcome that a test case without result elements states in its attributes; None where it passed."""
    for key in ("result", "status"):
        if detail := _WORDS.get(attributes.get(key, "").strip().lower()):
            return detail
    if attributes.get("executed", "").strip().lower() in ("false", "no"):
        return _SKIPPED
    return None


def names_xdist_worker(attributes: Mapping[str, str]) -> bool:
    """Whether this `<property>` of a test case names the pytest-xdist worker that ran it."""
    return attributes.get("name") in _WORKER_PROPERTIES and attributes.get("value", "").startswith("gw")


def excused_failure(attributes: Mapping[str, str]) -> tuple[str, str, str] | None:
    """The element, message and text of the failure that this `<property>` of a test case keeps, None for any other."""
    if attributes.get("name") != EXCUSED:
        return None
    value = attributes.get("value", "")
    try:
        kept = json.loads(value)
    except (ValueError, RecursionError):
        kept = None
    if not isinstance(kept, dict):
        return "failure", value, ""
    message, text = (kept[key] if isinstance(kept.get(key), str) else "" for key in ("message", "text"))
    return "error" if kept.get("outcome") == "error" else "failure", message, text


@functools.cache
def _junitparser() -> Any:
    """The flavour of junitparser that knows reruns. Imported late: most reports need none of it."""
    from junitparser import xunit2

    classes = (xunit2.RerunFailure, xunit2.RerunError, xunit2.FlakyFailure, xunit2.FlakyError)
    return {kind._tag: kind for kind in classes}


def by_children(element: Element, signs: set[str]) -> CaseDetail:
    """What the children of a `<testcase>` say. Of several results the worst counts: error, failure, skipped."""
    output = _joined(element.findtext("system-out"), element.findtext("system-err"))
    finals: list[Attempt] = []
    reruns: list[Attempt] = []
    outcome = Outcome.PASSED
    flaky = False
    for child in element:
        tag, kind = child.tag, child.get("type", "")
        if tag in RERUNS:
            flaky = flaky or tag.startswith("flaky")
            reruns.append(_rerun(child))
        elif tag == "skipped":
            if outcome is Outcome.PASSED:
                outcome = Outcome.SKIPPED
            if kind.startswith("pytest."):
                signs.add("pytest")
        elif tag in RESULTS:
            became = Outcome.ERROR if tag == "error" else Outcome.FAILED
            if outcome is not Outcome.ERROR:
                outcome = became
            failure = FailureDetail(kind, child.get("message", ""), (child.text or "").strip(), output)
            if "gw" in failure.text and _XDIST.search(failure.text):
                signs.add("xdist")
            finals.append(Attempt(became, None, failure))
    return CaseDetail(outcome, tuple(finals), tuple(reruns), flaky)


def _rerun(child: Element) -> Attempt:
    """An attempt that Surefire writes as a child of its own, in junitparser's reading. The element is the standard
    library's; junitparser takes those also where lxml is installed."""
    entry = _junitparser()[child.tag].fromelem(child)
    text = (entry.stack_trace or entry.text or "").strip()
    said = FailureDetail(entry.type or "", entry.message or "", text, _joined(entry.system_out, entry.system_err))
    kind = Outcome.ERROR if child.tag.endswith("Error") else Outcome.FAILED
    return Attempt(kind, seconds(child.get("time")), said)


def _joined(*parts: str | None) -> str:
    return "\n".join(part.strip() for part in parts if part and not part.isspace())
