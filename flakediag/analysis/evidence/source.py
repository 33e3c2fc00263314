"""What the test's own code, where the report quotes it, says about waiting.

pytest prints the source of the failing test up to the line that failed, Jest and Vitest a frame around it. A test that
sleeps for a fixed time and then looks is a test that hopes to have slept enough.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from flakediag.analysis.evidence.text import SAMPLE, TEXT, capped
from flakediag.analysis.weights import weights
from flakediag.analysis.window import Subject, Window
from flakediag.model import Category, Evidence, FailureDetail

# A call that lets a fixed time pass, in the languages whose runners quote source; the argument is kept for showing.
_SLEEP = re.compile(
    r"""(?<![\w"'])(?:
        (?:time|asyncio|anyio|trio|gevent|eventlet|Thread|Process|Kernel|timers)\.sleep
      | sleep | usleep | delay | wait_for_timeout | waitForTimeout | setTimeout | advance_sleep
    )\s?\((?P<argument>[^()\n]{0,60})\)""",
    re.VERBOSE,
)
_LOCATION = re.compile(r"^\S{1,300}:\d{1,6}: ?\w*$|^(?:_ ){5,}", re.MULTILINE)
_FRAME = re.compile(r"^\s*(?:at |File \")|^\s*E\s")


def find(window: Window, subjects: Sequence[Subject]) -> list[list[Evidence]]:
    """At most one piece of evidence for each subject, of kind "source"."""
    weight = float(weights("source")["sleep"])
    found: list[list[Evidence]] = []
    for subject in subjects:
        details = list(subject.details)[:SAMPLE]
        line = next((line for detail in details if (line := _sleeping_line(detail))), None)
        found.append([] if line is None else [_evidence(line, weight)])
    return found


def _evidence(line: str, weight: float) -> Evidence:
    return Evidence(
        kind="source",
        category=Category.TIMING,
        weight=weight,
        summary=f"the test waits for a fixed time, `{line}`, and then looks",
        data={"line": line},
    )


def _sleeping_line(detail: FailureDetail) -> str | None:
    """The last line of the test's own quoted source, before the line that failed, that sleeps."""
    text = capped(detail.text, TEXT)
    end = _LOCATION.search(text)
    lines = [line for line in text[: end.start() if end else None].splitlines() if not _FRAME.match(line)]
    failing = next((i for i, line in enumerate(lines) if line.startswith(">")), None)
    if failing is None:  # no quoted source
        return None
    for line in reversed(lines[:failing]):
        call = _SLEEP.search(line.partition("#")[0])
        if call and call["argument"].strip() not in ("", "0"):
            return call[0]
    return None
