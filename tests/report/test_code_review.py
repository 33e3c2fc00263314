"""The formats for code review: annotations, Code Quality, SARIF, and Markdown for a comment."""

from __future__ import annotations

import io
import json
import os
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from flakediag.model import Check, CheckedFailure, CheckedRun, FailureStatus, Finding, Identity, Impact, Verdict
from flakediag.report import check, format, issues
from flakediag.report.fitting import LIMIT, Part, fitted
from flakediag.report.format import Options
from flakediag.report.github import PER_STEP
from flakediag.report.sarif import log
from report import sample
from report.test_formats import written


def many(count: int, finding: Finding = sample.TOTAL) -> list[Finding]:
    return [replace(finding, test=finding.test._replace(name=f"test_{n}"), rank=n) for n in range(1, count + 1)]


# --- Markdown ----------------------------------------------------------------------------------------------------


def test_a_comment_can_be_found_again() -> None:
    report = replace(sample.report(), project="shop -- <api>")
    assert written("markdown", report).splitlines()[0] == "<!-- flakediag report project=shop%20-%2D%20%3Capi%3E -->"


def test_the_same_history_gives_the_same_text() -> None:
    later = replace(sample.report(), generated_at=sample.START)
    for name in ("markdown", "github", "gitlab", "sarif", "junit", "slack", "csv"):
        assert written(name, sample.report()) == written(name, later), name


def test_what_to_mend_and_the_notes_stand_above_the_details() -> None:
    text = written("markdown")
    assert text.index("| # | Test |") < text.index("8 of 52 runs were parallel") < text.index("<details>")


def test_commands_in_sentences_are_code() -> None:
    open_ = replace(sample.OPEN, settle="run `pytest -x <y>` a few times")
    text = written("markdown", sample.report(replace(sample.RARE, cause=open_)))
    assert "- What would settle it: run <code>pytest -x &#60;y&#62;</code> a few times\n" in text


def test_a_large_report_fits_into_a_comment_and_says_what_is_missing() -> None:
    text = written("markdown", sample.report(*many(100), sample.BROKEN))
    assert 0.9 * LIMIT < len(text) <= LIMIT
    assert text.count("<details>") == text.count("</details>") > 10
    assert text.count("\n| ") == 102  # the whole table, with its heading and rule
    left = 100 - text.count("<details>")
    assert text.endswith(f"*Cut to 65,000 characters: {left} tests' details left out.*\n")
    assert "8 of 52 runs were parallel" in text


def test_five_thousand_tests_still_fit() -> None:
    text = written("markdown", sample.report(*many(5000)))
    assert len(text) <= LIMIT
    assert "table rows, " in text.splitlines()[-1]
    assert "8 of 52 runs were parallel" in text


def test_parts_are_cut_from_the_end_by_whole_items() -> None:
    parts = [Part(("a" * 10,) * 9, "head\n", "tail\n", "row", cut=1), Part(("note\n",), noun="note"), Part((), "empty")]
    text = fitted(parts, limit=500 + 5 + 10 + 35)
    assert text == f"head\n{'a' * 30}tail\nnote\n*Cut to 550 characters: 6 rows left out.*\n"
    assert fitted(parts) == f"head\n{'a' * 90}tail\nnote\n"


# --- annotations for GitHub Actions ------------------------------------------------------------------------------


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """(kind, properties, text) as the runner reads them. A line that is none fails."""
    found = []
    for line in text.splitlines():
        match = re.fullmatch(r"::(\w+) (.*?)::(.*)", line)
        assert match, line
        properties = dict(pair.split("=", 1) for pair in match[2].split(","))
        found.append((match[1], {name: unescaped(value) for name, value in properties.items()}, unescaped(match[3])))
    return found


def unescaped(text: str) -> str:
    for code, character in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(code, character)
    return text


def test_annotations_name_file_cause_and_fix() -> None:
    found = commands(written("github"))
    assert [kind for kind, _, _ in found] == ["error", *["warning"] * 4, "notice", "notice"]
    assert found[1][1] == {"file": "tests/test_orders.py", "title": "Flaky test: order-dependence 98 %"}
    assert found[1][2].splitlines() == [
        f"{sample.TOTAL.id} failed in 23 of 52 runs, 44 % (31–58 %)",
        f"Why: {sample.ORDER.evidence[0].summary}",
        f"Fix: {sample.FIX.summary}",
    ]
    assert found[0][1]["title"] == "Broken test since 9999999999"
    assert found[-1][1]["title"] == "Flaky tests: 12.0 % (15 of 125)"


def test_properties_are_escaped_as_documented() -> None:
    finding = replace(sample.TOTAL, test=Identity("", "a::b, 100%", "tests/a,b:c%.py"))
    text = written("github", sample.report(finding))
    assert "file=tests/a%2Cb%3Ac%25.py,title=Flaky test%3A order-dependence 98 %25::" in text
    assert commands(text)[0][1]["file"] == "tests/a,b:c%.py"
    assert "a::b, 100% failed in" in commands(text)[0][2]


def test_no_more_annotations_than_are_shown() -> None:
    report = replace(sample.report(*many(14), *many(12, sample.YOUNG)), hidden=3)
    found = commands(written("github", report))
    kinds = [kind for kind, _, _ in found]
    assert kinds.count("warning") == kinds.count("notice") == PER_STEP
    assert found[-1][2].splitlines()[-1].startswith("10 more are not annotated")


def checked() -> Check:
    def failure(name: str, status: FailureStatus, **more: Any) -> CheckedFailure:
        return CheckedFailure(
            test=Identity("tests.test_a", name, "tests/test_a.py"),
            signature="AssertionError: assert <n> == <n>",
            status=status,
            reason=f"because of {name}",
            **more,
        )

    failures = (
        failure("test_known", FailureStatus.KNOWN_FLAKE, known=sample.TOTAL),
        failure("test_retried", FailureStatus.NEW_FAILURE, recovered=True),
        failure("test_new", FailureStatus.NEW_FAILURE),
    )
    return Check(
        runs=(CheckedRun(run=sample.run(), executed=20, failures=failures, outage=False, runs_before=12),), branch=None
    )


def checked_as(name: str, of: Check | None = None) -> str:
    stream = io.StringIO()
    check.write(of or checked(), name, stream, Options())
    return stream.getvalue()


def test_what_blocks_is_an_error_and_what_is_excused_a_notice() -> None:
    found = commands(checked_as("github"))
    assert [(kind, properties["title"]) for kind, properties, _ in found] == [
        ("error", "New failure"),
        ("notice", "Known flake"),
        ("notice", "Passed on retry"),
        ("notice", "flakediag check: blocked"),
    ]
    assert found[0][1]["file"] == "tests/test_a.py"
    assert found[1][2].endswith("Cause: order-dependence 98 %")


def test_a_check_in_markdown_can_be_found_and_cut() -> None:
    text = checked_as("markdown")
    assert text.startswith("<!-- flakediag check project=default -->\n\n### Blocked: 1 failure blocks, 1 excused")
    assert text.count("<details>") == text.count("</details>") == 2
    run = checked().runs[0]
    large = checked_as("markdown", replace(checked(), runs=(replace(run, failures=run.failures * 500),)))
    assert len(large) <= LIMIT
    assert "failures excused" in large.splitlines()[-1]


# --- GitLab ------------------------------------------------------------------------------------------------------

CODE_QUALITY = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "additionalProperties": False,
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "pattern": "^flakediag/[a-z-]+$"},
            "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "pattern": r"^(?!\./|/).+"},
                    "lines": {"type": "object", "required": ["begin"], "properties": {"begin": {"type": "integer"}}},
                },
            },
        },
    },
}


@pytest.mark.parametrize("report", [sample.report(), sample.quiet_report(), sample.report(sample.NASTY)])
def test_code_quality_is_what_gitlab_documents(report: Any) -> None:
    entries = json.loads(written("gitlab", report))
    jsonschema.validate(entries, CODE_QUALITY)
    assert len({entry["fingerprint"] for entry in entries}) == len(entries) == len(issues.issues(report))


def test_code_quality_tells_how_grave_a_finding_is() -> None:
    calm = replace(sample.SENT, impact=Impact(0, 3.0, 0.1))
    found = json.loads(written("gitlab", sample.report(sample.TOTAL, calm, sample.BROKEN, sample.YOUNG)))
    assert [(e["severity"], e["check_name"].partition("/")[2]) for e in found] == [
        ("critical", "broken"),
        ("major", "order-dependence"),
        ("minor", "timing"),
        ("info", "too-little-history"),
    ]


# --- SARIF -------------------------------------------------------------------------------------------------------


@cache
def schemas() -> list[dict[str, Any]]:
    """The constraints that this project wrote down; and the official schema, where SARIF_SCHEMA names its file."""
    paths = [Path(__file__).with_name("sarif.schema.json"), *filter(None, [os.environ.get("SARIF_SCHEMA")])]
    return [json.loads(Path(path).read_text("utf-8")) for path in paths]


def sarif(report: Any) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(written("sarif", report))
    for schema in schemas():
        jsonschema.validators.validator_for(schema)(schema).validate(whole)
    run: dict[str, Any] = whole["runs"][0]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    return run


@pytest.mark.parametrize(
    "report", [sample.report(), sample.quiet_report(0), sample.quiet_report(), sample.report(sample.NASTY)]
)
def test_sarif_follows_the_standard(report: Any) -> None:
    run = sarif(report)
    hashes = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]
    assert len(set(hashes)) == len(hashes)


def test_a_schema_that_takes_anything_would_be_noticed() -> None:
    whole = log(sample.report())
    result = whole["runs"][0]["results"][0]
    for broken in ({**result, "level": "fatal"}, {**result, "locations": []}, {**result, "extra": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**whole, "runs": [{**whole["runs"][0], "results": [broken]}]}, schemas()[0])


def test_the_cause_is_the_rule_and_every_rule_says_what_to_do() -> None:
    run = sarif(sample.report())
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(issues.RULES)
    assert [(r["ruleId"], r["level"]) for r in run["results"]] == [
        ("broken", "error"),
        ("order-dependence", "warning"),
        ("timing", "warning"),
        ("port-conflict", "warning"),
        ("unknown", "warning"),
        ("too-little-history", "note"),
    ]
    first = run["results"][1]
    assert first["message"]["text"].startswith(f"Flaky test: order-dependence 98 %. {sample.TOTAL.id} failed in 23")
    assert sample.FIX.summary in first["message"]["text"]
    assert first["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "tests/test_orders.py"


def test_each_signature_is_a_result_under_its_own_cause() -> None:
    other = replace(sample.TOTAL.signatures[0], text="TimeoutError", failures=2, diagnosis=sample.TIMING)
    both = replace(sample.TOTAL, signatures=(*sample.TOTAL.signatures, other))
    found = sarif(sample.report(both))["results"]
    assert [(r["ruleId"], r["occurrenceCount"]) for r in found] == [("order-dependence", 23), ("timing", 2)]
    assert "2 failures like this: TimeoutError" in found[1]["message"]["text"]
    assert found[0]["partialFingerprints"] != found[1]["partialFingerprints"]
    assert sample.FIX.summary not in found[1]["message"]["text"]


def test_no_signature_of_a_broken_test_is_called_flaky() -> None:
    first = sample.TOTAL.signatures[0]
    broken = replace(sample.BROKEN, signatures=(first, replace(first, text="TimeoutError")))
    found = sarif(sample.report(broken))["results"]
    assert [result["ruleId"] for result in found] == ["broken", "broken"]
    assert all(result["message"]["text"].startswith("Broken test since 9999999999") for result in found)


def test_a_fingerprint_outlives_figures_and_commits() -> None:
    grown = replace(sample.TOTAL, failures=40, runs=90, rank=7, last_failed=sample.START, since_commit="a" * 40)
    other = replace(sample.TOTAL, test=sample.TOTAL.test._replace(name="test_other"))
    prints = [sarif(sample.report(f))["results"][0]["partialFingerprints"] for f in (sample.TOTAL, grown, other)]
    assert prints[0] == prints[1] != prints[2]


def test_a_parameter_of_a_test_is_no_link() -> None:
    finding = replace(sample.TOTAL, test=sample.TOTAL.test._replace(name="test[x](http://example.org)"))
    assert "](" not in sarif(sample.report(finding))["results"][0]["message"]["text"]


@pytest.mark.parametrize(
    ("test", "framework", "path"),
    [
        (Identity("tests.test_a.TestB", "test_c", "tests/test_a.py"), "pytest", "tests/test_a.py"),
        (Identity("tests.test_a.TestB.TestInner", "test_c"), "pytest", "tests/test_a.py"),
        (Identity("test_a", "test_c"), "pytest", "test_a.py"),
        (Identity("a title with spaces", "test_c"), "pytest", None),
        (Identity("com.shop.OrderTest", "total"), "junit", None),
        (Identity("", "adds up", ".\\src\\total.test.js"), "jest", "src/total.test.js"),
        (Identity("", "adds up", "/builds/shop/total.test.js"), "jest", None),
        (Identity("", "adds up", "C:\\shop\\total.test.js"), "jest", None),
        (Identity("", "adds up", "../shop/total.test.js"), "jest", None),
        (Identity("", ""), "unknown", None),
    ],
)
def test_source_files(test: Identity, framework: str, path: str | None) -> None:
    assert issues.source(test, framework) == path


def test_a_class_stands_for_a_file_that_is_not_known() -> None:
    finding = replace(sample.TOTAL, framework="junit", test=Identity("com.shop.OrderTest", "total(int)[1]"))
    location = sarif(sample.report(finding))["results"][0]["locations"][0]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "com.shop.OrderTest"
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "com.shop.OrderTest::total(int)[1]"
    assert json.loads(written("gitlab", sample.report(finding)))[0]["location"]["path"] == "com.shop.OrderTest"


def test_what_is_mended_is_no_issue() -> None:
    fixed = replace(sample.BROKEN, verdict=Verdict.FIXED)
    assert issues.issues(sample.report(fixed)) == []
    assert sarif(sample.report(fixed))["results"] == []


@pytest.mark.parametrize("name", format.NAMES)
def test_every_format_has_its_name(name: str) -> None:
    assert format.find(name).name == name
