"""The page as a document: what stands in it, what may act in it (nothing that came from a test), and its policy."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from flakediag.model import Fix, Report
from flakediag.report import format
from flakediag.report.format import Options
from flakediag.report.html.page import SCRIPTS, WITHOUT_SCRIPT, filled, resource
from report import sample
from report.large import large

URL = re.compile(r"https?://[^\s\"'<]+")


def page(report: Report) -> str:
    stream = io.StringIO()
    format.find("html").write(report, stream, Options())
    return stream.getvalue()


def hostile(text: str) -> Report:
    """A report in which every text that comes from tests or their surroundings is `text`."""
    test = sample.TOTAL.test._replace(classname=text, name=text, file=text, variant=text)
    cause = replace(
        sample.ORDER,
        evidence=tuple(replace(e, summary=text, kind=text) for e in sample.ORDER.evidence),
        partners=tuple(replace(p, id=text, role=text) for p in sample.ORDER.partners),
        settle=text,
    )
    runs = tuple(
        e._replace(run=replace(e.run, commit=text, branch=text, job=text, url=f"javascript:{text}"), signature=text)
        for e in sample.TOTAL.timeline
    )
    example = sample.TOTAL.signatures[0].example
    assert example is not None
    signature = replace(
        sample.TOTAL.signatures[0],
        text=text,
        diagnosis=cause,
        example=example._replace(type=text, message=text, text=text, output=text),
        artefacts=tuple(replace(a, kind=text, value=text) for a in sample.TOTAL.artefacts),
    )
    fix = replace(sample.FIX, summary=text, steps=(text, text), reproduce=text)
    finding = replace(
        sample.TOTAL,
        test=test,
        reason=text,
        cause=cause,
        signatures=(signature, signature),
        fix=fix,
        timeline=runs,
        since_commit=text,
    )
    whole = sample.drawn(replace(sample.report(finding), branch=text, project=text, notes=(text,)))
    assert whole.series
    [order] = whole.series.orders.values()
    orders = {finding.id: replace(order, others=(replace(sample.BEFORE, id=text),))}
    return replace(
        whole,
        clusters=(replace(whole.clusters[0], summary=text, tests=(finding.id,)),),
        series=replace(whole.series, orders=orders),
    )


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the content of its scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.content: list[tuple[dict[str, str | None], str]] = []
        self.inside: dict[str, str | None] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.inside = {"tag": tag, **dict(attrs)} if tag in ("script", "style") else None

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.content.append((self.inside, data))
            self.inside = None

    def data(self, name: str) -> Any:
        return json.loads(next(text for of, text in self.content if of.get("id") == f"data-{name}"))


PAGE = Elements(page(sample.drawn(sample.report())))


def policy(elements: Elements) -> dict[str, list[str]]:
    metas = [a["content"] for tag, a in elements.found if tag == "meta" and a.get("http-equiv")]
    assert len(metas) == 1 and metas[0]
    return {words[0]: words[1:] for words in (part.split() for part in metas[0].split(";"))}


def test_the_policy_lets_this_script_and_this_style_act_and_nothing_else() -> None:
    def hash_of(tag: str) -> str:
        [text] = [text for of, text in PAGE.content if of["tag"] == tag and "type" not in of]
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    assert policy(PAGE) == {
        "default-src": ["'none'"],
        "script-src": [hash_of("script")],
        "style-src": [hash_of("style")],
        "img-src": ["data:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["'none'"],
    }


def test_the_policy_stands_before_everything_that_it_governs() -> None:
    tags = [tag for tag, _ in PAGE.found]
    assert tags.index("meta") < tags.index("link") < tags.index("style") < tags.index("script")
    assert PAGE.found[tags.index("meta") + 1][1].get("http-equiv") == "Content-Security-Policy"


def test_nothing_is_loaded_and_no_attribute_acts() -> None:
    for tag, attributes in PAGE.found:
        assert tag not in ("iframe", "object", "embed", "base", "img", "form") or (
            tag == "form" and "action" not in attributes
        )
        for name in attributes:
            assert not name.startswith("on") and name not in ("src", "style", "srcdoc", "action"), (tag, name)
        assert (attributes.get("href") or "#").startswith(("#", "data:image/svg+xml,"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_script_has_no_way_to_make_markup_of_text(name: str) -> None:
    text = resource(f"script/{name}.js")
    for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "DOMParser"):
        assert sink not in text
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|import)\b\s*\(?", re.sub(r"//.*", "", text))


BREAKOUTS = (
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "]]></style><svg onload=alert(1)>",
    "\"'><b onmouseover=alert(1)>x</b>",
    "{{overview}}{{script}}",
    "&lt;script&gt;",
    sample.HOSTILE,
)


@pytest.mark.parametrize("text", BREAKOUTS)
def test_no_text_becomes_an_element_or_an_attribute(text: str) -> None:
    elements = Elements(page(hostile(text)))
    # The same page with a harmless text in every place has the same elements and attribute names.
    harmless = Elements(page(hostile("harmless")))
    assert [(tag, list(a)) for tag, a in elements.found] == [(tag, list(a)) for tag, a in harmless.found]
    for of, content in elements.content:
        if of.get("type") == "application/json":
            assert "<" not in content
            json.loads(content)


def test_text_is_kept_as_it_is_but_what_cannot_be_seen_is_written_out() -> None:
    elements = Elements(page(sample.drawn(sample.report(sample.NASTY))))
    [row] = elements.data("overview")["tests"]
    assert "<script>alert(1)</script>" in row["id"]
    assert "\\u202egnp" in row["id"]
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b]", page(sample.report(sample.NASTY)))


def test_only_an_address_of_the_web_is_a_link() -> None:
    run = replace(sample.run(), url="https://ci.example/1")
    for url, kept in ((run.url, True), ("javascript:alert(1)", False), ("data:text/html,x", False)):
        timeline = tuple(e._replace(run=replace(e.run, url=url)) for e in sample.TOTAL.timeline)
        runs = Elements(page(sample.report(replace(sample.TOTAL, timeline=timeline)))).data("overview")["runs"]
        assert all(("url" in told) is kept for told in runs)


def test_every_test_is_there_and_its_details_are_found_where_the_script_looks() -> None:
    report = large(120, 6)
    elements = Elements(page(report))
    whole = elements.data("overview")
    assert [row["id"] for row in whole["tests"]] == [finding.id for finding in report.tests]
    texts = elements.data("texts")
    assert len(set(texts)) == len(texts)
    for place in (0, 49, 50, 119):
        details = elements.data(f"details-{place // whole['chunk']}")[place % whole["chunk"]]
        said = [texts[number] for _, _, number, _ in details["cause"]["evidence"]]
        assert said == [e.summary for e in report.tests[place].cause.evidence]  # type: ignore[union-attr]
        assert len(details["durations"]) == 6


def test_outcomes_stand_at_the_place_of_their_run() -> None:
    late = replace(sample.SENT, timeline=sample.SENT.timeline[10:])
    whole = Elements(page(sample.drawn(sample.report(sample.TOTAL, late)))).data("overview")
    first, second = (row["outcomes"] for row in whole["tests"])
    assert len(first) == len(whole["runs"]) == 52
    assert second[:10] == " " * 10
    assert second[17] == "r"
    assert whole["outages"] == [17]


def test_a_partner_of_the_run_before_keeps_its_name() -> None:
    before = replace(sample.ORDER.partners[0], earlier=True)
    finding = replace(sample.TOTAL, cause=replace(sample.ORDER, partners=(before, *sample.ORDER.partners[1:])))
    partners = Elements(page(sample.report(finding))).data("details-0")[0]["cause"]["partners"]
    assert partners == [
        ["polluter", "93 %", before.id, "test", " in the run before on the same host"],
        ["cleaner", "31 %", "tests.test_import::test_cleanup", "test", ""],
    ]


def test_what_would_settle_the_cause_stands_with_it_and_not_among_the_steps_too() -> None:
    cause = replace(sample.TIMING, settle="run it under load: `make load`")
    finding = replace(sample.SENT, cause=cause, fix=Fix("Wait", steps=("run it under load: `make load`", "Await it.")))
    elements = Elements(page(sample.report(finding)))
    details = elements.data("details-0")[0]
    assert details["cause"]["settle"] == [["run it under load: `make load`", ""]]
    assert elements.data("texts")[details["fix"]["steps"]] == "Await it."


def test_the_page_needs_no_series() -> None:
    whole = Elements(page(sample.report()))
    assert len(whole.data("overview")["runs"]) == 52
    assert all(details["order"] is None for details in whole.data("details-0"))


@pytest.mark.parametrize("report", [sample.quiet_report(0), sample.quiet_report(), sample.report(sample.BROKEN)])
def test_a_report_without_flaky_tests_is_a_page_too(report: Report) -> None:
    elements = Elements(page(report))
    assert len(elements.data("overview")["tests"]) == len(report.tests)
    assert "No flaky tests" in page(report) or report.tests or not report.history.runs


def test_without_scripts_the_charts_and_the_first_tests_are_there() -> None:
    text = page(large(WITHOUT_SCRIPT + 3, 5))
    plain = text[text.index("<noscript>") : text.index("</noscript>")]
    assert plain.count("<tr>") == WITHOUT_SCRIPT + 1
    assert "3 more tests are shown where scripts run" in plain
    assert text.count('role="img"') == 3


def test_charts_say_what_they_show() -> None:
    labels = [a["aria-label"] for tag, a in PAGE.found if tag == "svg" and a.get("role") == "img"]
    assert labels[0] == (
        "Flaky rate over time: from 4.0 % in the first to 3.2 % in the last of 4 stretches of runs, at most 7.2 %"
    )
    assert "order-dependence 1, port-conflict 1, timing 1, unknown 1" in (labels[1] or "")
    assert "cluster 1: rows left by test_import_orders" in (labels[2] or "")


def test_the_same_report_is_the_same_page() -> None:
    assert page(sample.drawn(sample.report())) == page(sample.drawn(sample.report()))


def test_the_page_names_no_address() -> None:
    assert {url for url in URL.findall(page(sample.report())) if "w3.org" not in url} == set()


def test_what_is_filled_in_is_not_searched_again() -> None:
    assert filled("a {{x}} {{y}}", {"x": "{{y}}", "y": "1"}) == "a {{y}} 1"
