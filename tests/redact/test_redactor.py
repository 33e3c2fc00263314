"""Which parts of a report are masked, and what that leaves alone."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakediag.analysis.signature import signature_of
from flakediag.model import Attempt, CaseResult, FailureDetail, Identity, Outcome, Redaction, Run, RunReport
from flakediag.redact import Redactor
from flakediag.redact.redactor import Remembered

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SECRET = "password=hunter2"
MASK = "password=<redacted:password>"
DETAIL = FailureDetail(f"E {SECRET}", f"m {SECRET}", f"t {SECRET}", f"o {SECRET}")
HIDDEN = FailureDetail(f"E {MASK}", f"m {MASK}", f"t {MASK}", f"o {MASK}")


def report_of(*results: CaseResult, **run: object) -> RunReport:
    described = Run(started_at=NOW, digest="d", **run)  # type: ignore[arg-type]
    return RunReport(run=described, results=results, files=())


def failed(detail: FailureDetail) -> CaseResult:
    return CaseResult(Identity("c", f"t[{SECRET}]"), Outcome.FAILED, 0.1, detail)


@pytest.mark.parametrize(
    ("level", "kept", "count"),
    [
        (Redaction.ALL, HIDDEN, 4),
        (Redaction.OUTPUT, DETAIL._replace(output=HIDDEN.output), 1),
        (Redaction.OFF, DETAIL, 0),
    ],
)
def test_a_level_says_which_parts_of_a_failure_are_masked(level: Redaction, kept: FailureDetail, count: int) -> None:
    report, masked = Redactor(level).report(report_of(failed(DETAIL)))
    assert report.results == (failed(kept),)  # the test's name is what its history hangs on
    assert sum(masked.values()) == count


def test_earlier_attempts_are_masked_too() -> None:
    tried = Attempt(Outcome.FAILED, 0.1, DETAIL)
    result = CaseResult(Identity("c", "t"), Outcome.PASSED, 0.1, None, (tried, tried._replace(failure=None)))
    report, masked = Redactor().report(report_of(result))
    assert [attempt.failure for attempt in report.results[0].earlier] == [HIDDEN, None]
    assert masked == {"password": 4}


def test_properties_and_the_url_of_a_run_are_masked() -> None:
    run = report_of(
        properties={"db.password": "hunter2", "seed": "42", "target": "redis://:hunter2@cache:6379"},
        url="https://ada:hunter2@ci.example.com/7",
        branch=SECRET,
    )
    report, masked = Redactor().report(run)
    assert report.run.properties == {
        "db.password": "<redacted:password>",
        "seed": "42",
        "target": "redis://<redacted:url-password>@cache:6379",
    }
    assert report.run.url == "https://<redacted:url-password>@ci.example.com/7"
    assert report.run.branch == SECRET
    assert masked == {"password": 1, "url-password": 2}


def test_what_holds_no_secret_is_the_very_same() -> None:
    detail = FailureDetail("AssertionError", "assert 3 == 4", "E assert 3 == 4", "listening on http://localhost:8080")
    report = report_of(failed(detail))
    assert Redactor().report(report).report.results is report.results


def test_own_patterns_come_after_the_known_ones_and_may_mask_a_part() -> None:
    own = (("customer-number", "KD-[0-9]{8}"), ("shop-token", "x-shop: (?P<secret>[a-z]{1,9})|y-shop"))
    masked: Counter[str] = Counter()
    said = Redactor(own=own).text("KD-12345678 x-shop: abc y-shop password=KD-12345678", masked)
    assert said == (
        "<redacted:customer-number> x-shop: <redacted:shop-token> <redacted:shop-token> password=<redacted:password>"
    )
    assert masked == {"customer-number": 1, "shop-token": 2, "password": 1}


def test_a_refused_pattern_is_an_error_at_once() -> None:
    with pytest.raises(ValueError, match="upper limit"):
        Redactor(own=(("mine", "(a+)+b"),))


def test_the_signature_is_the_same_whatever_the_secret_was() -> None:
    def signature(token: str) -> str:
        return signature_of(Redactor().failure(FailureDetail("AuthError", f"no access with {token}", "", "")))

    one, other = (signature(f"ghp_{letters * 18}") for letters in ("aB", "zY"))
    assert one == other == "AuthError: no access with <redacted:github-token>"


@given(st.text(max_size=200), st.sampled_from([SECRET, "mail ada@shop.de now", "redis://:pw@cache:1"]), st.text())
def test_masking_twice_is_masking_once(before: str, secret: str, after: str) -> None:
    redactor = Redactor()
    once = redactor.text(f"{before}\n{secret}\n{after}", Counter())
    masked: Counter[str] = Counter()
    assert redactor.text(once, masked) == once
    assert not masked


@given(st.lists(st.sampled_from(["ordinary line", SECRET, "  at Foo@1a2b", "ghp_" + "a" * 36, ""]), max_size=6))
def test_what_was_seen_before_changes_nothing(lines: list[str]) -> None:
    """Lines without a hint are remembered; a redactor that has seen many finds what a new one finds."""
    used, text = Redactor(), "\n".join(lines)
    for line in lines:
        used.text(line, Counter())
    assert used.text(text, Counter()) == Redactor().text(text, Counter())


@given(st.lists(st.sampled_from([SECRET, "no secret", f"line\n{SECRET}\nline", "line\nno secret", ""]), max_size=12))
def test_what_was_seen_before_is_masked_and_counted_as_at_first(texts: list[str]) -> None:
    redactor, masked = Redactor(), Counter[str]()
    assert [redactor.text(text, masked) for text in texts] == [text.replace(SECRET, MASK) for text in texts]
    assert masked["password"] == sum(SECRET in text for text in texts)


def test_texts_are_forgotten_before_they_are_too_many() -> None:
    seen = Remembered(10)
    seen.add("abcd")
    seen.add("efgh")
    assert "abcd" in seen
    seen.add("ijkl")
    assert ("abcd" in seen, "ijkl" in seen) == (False, True)
    seen.add("x" * 11)
    assert "x" * 11 not in seen
