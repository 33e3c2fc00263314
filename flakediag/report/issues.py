"""Findings in the terms that code-review tools share: a level, a rule, a place in the source, a lasting fingerprint."""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum

from flakediag.model import Category, Diagnosis, Finding, Identity, Report, Verdict
from flakediag.report import wording


class Level(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


# A test that is mended, or stable, is no issue.
LEVELS = {
    Verdict.BROKEN: Level.ERROR,
    Verdict.FLAKY: Level.WARNING,
    Verdict.NEW: Level.NOTE,
    Verdict.INSUFFICIENT: Level.NOTE,
}
BROKEN = "broken"
TOO_LITTLE = "too-little-history"
RULES = (*(category.value for category in Category), BROKEN, TOO_LITTLE)
"""The causes, and what stands for one where there is none. A rule's id never changes its meaning."""


def issues(report: Report) -> list[Finding]:
    """The findings that are an issue today, the gravest level first, each level in the report's order."""
    order = list(Level)
    found = [finding for finding in report.tests if finding.verdict in LEVELS]
    return sorted(found, key=lambda finding: order.index(level(finding)))


def level(finding: Finding) -> Level:
    """The level of a finding that is an issue."""
    return LEVELS[finding.verdict]


def rule(finding: Finding, diagnosis: Diagnosis | None = None) -> str:
    """The rule that a finding, or one signature of it, falls under: one of `RULES`."""
    if finding.verdict is Verdict.BROKEN:
        return BROKEN
    if finding.verdict is not Verdict.FLAKY:
        return TOO_LITTLE
    called = diagnosis or finding.cause
    return called.category.value if called else Category.UNKNOWN.value


def title(finding: Finding) -> str:
    """What is the matter, in a few words: `Flaky test: order-dependence 98 %`."""
    if finding.verdict is Verdict.FLAKY:
        return f"Flaky test: {wording.cause(finding.cause)}"
    if finding.verdict is Verdict.BROKEN:
        return " ".join(filter(None, ("Broken test", wording.since(finding))))
    return "Failing test with too little history to say why"


def sentences(finding: Finding) -> list[str]:
    """How often it failed, why, and what to do: a sentence each, without trailing full stop, safe to show."""
    said = [f"{wording.test_id(finding)} failed in {wording.failed(finding)}, {wording.rate(finding)}"]
    if why := wording.why(finding):
        said.append(f"Why: {why}")
    if todo := wording.todo(finding):
        said.append(f"{wording.todo_label(finding).strip().capitalize()}: {todo}")
    return said


def fingerprint(*parts: str) -> str:
    """64 hexadecimal digits that stay the same as long as the parts do: not with a rate, a cause or a commit."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()


def source(test: Identity, framework: str = "") -> str | None:
    """The path of the test's file, relative to the checkout, with slashes; None where it is not known.

    pytest's class name begins with the module's path; parts that begin with a capital are classes.
    """
    path = test.file.replace("\\", "/")
    if not path and framework == "pytest" and re.fullmatch(r"\w+(\.\w+)*", test.classname):
        parts = test.classname.split(".")
        while len(parts) > 1 and re.match(r"_*[A-Z]", parts[-1]):
            parts.pop()
        path = f"{'/'.join(parts)}.py"
    path = path.removeprefix("./")
    outside = path.startswith("/") or re.match(r"[A-Za-z]:", path) or ".." in path.split("/")
    return None if not path or outside else path


def place(finding: Finding) -> str:
    """The file where one is known, else the name of the class: for formats that ask for a path whatever is known."""
    return source(finding.test, finding.framework) or finding.test.classname or finding.test.file or "tests"
