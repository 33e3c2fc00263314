"""What is suggested where an earlier run left something on the host."""

from flakediag.model import Category, Diagnosis, Evidence, Identity, Partner
from flakediag.remedies import suggest

TEST = Identity("tests.test_report", "test_empty", "tests/test_report.py")
SUMMARY = "failed in 9 of 9 runs where tests.test_import::test_rows had failed in the run before it on the same host"


def found(role: str = "polluter") -> Diagnosis:
    partner = Partner("tests.test_import::test_rows", "test", role, 0.9, earlier=True)
    evidence = Evidence("previous-run", Category.ORDER, 5.0, SUMMARY, partners=(partner,))
    return Diagnosis(Category.ORDER, 0.95, evidence=(evidence,), partners=(partner,))


def test_the_polluter_runs_in_a_run_of_its_own_before_the_test():
    fix = suggest(TEST, found(), "pytest")
    first, second = (fix.reproduce or "").split("; ")
    assert "test_import.py::test_rows" in first
    assert "test_empty" not in first
    assert "test_empty" in second
    assert "test_import" not in second


def test_each_run_gets_a_place_of_its_own():
    fix = suggest(TEST, found(), "pytest")
    assert "outlives the run" in fix.summary
    assert "tests.test_import::test_rows" in fix.summary
    assert fix.example is not None
    assert "tmp_path" in fix.example.code


def test_a_test_that_needs_the_run_before_is_shown_alone():
    assert ";" not in (suggest(TEST, found("state-setter"), "pytest").reproduce or ";")
