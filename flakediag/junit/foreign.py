"""What a file that is no JUnit XML looks like, so that its refusal can name it."""

from __future__ import annotations

import re

from flakediag.expressions import expression

JUNIT_ROOTS = frozenset({"testsuites", "testsuite", "testcase", "testrun"})  # testrun: Eclipse

ROOTS = {
    "test-results": "an NUnit 2 result",
    "test-suite": "an NUnit or Allure result",
    "coverage": "a coverage report (Cobertura)",
    "report": "a coverage report (JaCoCo)",
    "testng-results": "TestNG's own report; its JUnit XML stands beside it",
    "TestLog": "a Boost.Test log",
    "TestResult": "a Boost.Test or CppUnit result",
    "TestResults": "a CppUnit or FPCUnit result",
    "TestRunResult": "a CppUnit result",
    "TestCase": "a Qt Test log",
    "robot": "Robot Framework's own output; `rebot --xunit` writes JUnit XML",
    "testExecutions": "a Sonar test execution report",
    "Site": "a CTest dashboard submission; `ctest --output-junit` writes JUnit XML",
    "checkstyle": "a Checkstyle report",
    "pmd": "a PMD report",
    "project": "a Maven or Ant project file",
    "html": "an HTML page",
    "HTML": "an HTML page",
    "gtester": "a GLib test log",
    "tusar": "a TUSAR report",
    "Result": "a compatibility test suite result (CTS)",
    "ResultsSession": "a Parasoft C++test report",
    "TestSuites": "JUnit XML with its element names in upper case, which no consumer reads",
    "Error": "an error answer of a storage service",
}

# In order, and no results of tests: passed over where nobody named the file.
_NO_TESTS = frozenset({"coverage", "report", "checkstyle", "pmd", "project"})

_HEADS: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (expression(rb"version https://git-lfs"), "a Git LFS pointer, not the file itself; run `git lfs pull`"),
    (expression(rb"<(!doctype\s+)?html", re.IGNORECASE), "an HTML page"),
    (expression(rb"[\[{]"), "JSON"),
    (expression(rb"TAP version|1\.\.\d+\s|(not )?ok \d+ "), "TAP output"),
    (expression(rb"%PDF-"), "a PDF"),
    (expression(rb"\x89PNG"), "an image"),
    (expression(rb"SQLite format 3"), "an SQLite database"),
    (expression(rb"\x7fELF|MZ"), "a program"),
    (expression(rb"7z\xbc\xaf\x27\x1c"), "a 7-Zip archive; unpack it first"),
    (expression(rb"\x28\xb5\x2f\xfd"), "zstd-compressed; decompress it first"),
    (expression(rb"Rar!"), "a RAR archive; unpack it first"),
)


def by_root(root: str, namespace: str = "") -> str:
    """What a document with this root element is."""
    if root in ROOTS:
        return ROOTS[root]
    shown = root if len(root) <= 60 else root[:60] + "…"
    return f"XML with the root element <{shown}>" + (f" of {namespace[:100]}" if namespace else "")


def holds_no_tests(root: str) -> bool:
    """Whether a document with this root element has nothing to do with tests, as far as is known."""
    return root in _NO_TESTS or root not in ROOTS


def by_head(head: bytes) -> str | None:
    """What a file that begins like this is; None where that is not known."""
    stripped = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not stripped:
        return "an empty file" if not head else "a file with nothing but blanks in it"
    if not stripped.strip(b"\0"):
        return "a file with nothing but NUL bytes in it"
    for pattern, name in _HEADS:
        if pattern.match(stripped):
            return name
    return None
