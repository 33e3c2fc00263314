"""Plain test cases are found by a pattern: whatever stands around them, a report says the same as to expat alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakediag.junit import ReadSettings
from flakediag.junit.plain import first_form, split
from flakediag.junit.problems import UnreadableError
from flakediag.junit.reader import read_document

PLAIN = '<testcase classname="C" name="plain" time="0.25"/>'
DECLARED = '<?xml version="1.0" encoding="{}"?>\n'
FIXTURES = Path(__file__).parents[2] / "fixtures"

PIECES = (
    PLAIN,
    '<testcase classname="C" name="later" time="1,234.5"></testcase>\n  ',
    '<testcase classname="D.E" name="a > b [x=\'1\']" time=""/>\r\n',
    '<testcase classname="C" name="spaced"\n time="1" />',
    '<testcase name="other" classname="C" time="1"/>',
    '<testcase classname="C" name="with a file" file="a.py" time="1"/>',
    '<testcase classname="C" name="&lt;escaped&gt;" time="1"/>',
    '<testcase classname="C" name="ünïcödé" time="1"/>',
    "<testcase classname='C' name='quoted otherwise' time='1'/>",
    '<testcase classname="C" name="skips" time="1" status="skipped"/>',
    '<testcase classname="C" name="dated" time="1" timestamp="2024-03-01T10:20:30Z"/>',
    '<testcase classname="C" name="fails" time="1"><failure message="m">text</failure></testcase>',
    f'<testcase classname="C" name="quotes" time="1"><failure message="m"><![CDATA[{PLAIN}]]></failure></testcase>',
    f'<testcase classname="C" name="nests" time="1">{PLAIN}</testcase>',
    f'<testcase classname="C" name="prints"><system-out>&lt;<![CDATA[{PLAIN}]]>{PLAIN}</system-out></testcase>',
    f"<!-- {PLAIN} -->",
    f"<?note {PLAIN} ?>",
    f"<![CDATA[{PLAIN}]]>",
    f"<properties><property name='p'>{PLAIN}</property></properties>",
    f"<system-out>{PLAIN}</system-out>",
    "some text",
    '<testsuite name="inner">',
    "</testsuite>",
    "<unknown>",
    "</unknown>",
    "&undefined;",
    "\x07",
)


def said(content: str | bytes, piece: int, *, by_pattern: bool, **settings: int) -> Any:
    """What a report says: all of a document, or why there is none."""
    data = content.encode() if isinstance(content, str) else content

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(data), piece):
            yield data[start : start + piece]

    try:
        return read_document("report.xml", chunks, ReadSettings(**settings), by_pattern=by_pattern)
    except UnreadableError as problem:
        return str(problem)


@given(
    head=st.sampled_from(
        ["", '<?xml version="1.0" encoding="utf-8"?>\n', '<?xml version="1.0" encoding="cp037"?>', "\ufeff"]
    ),
    pieces=st.lists(st.sampled_from(PIECES), max_size=12),
    end=st.sampled_from(["</testsuite>", "", f"</testsuite>{PLAIN}", "</testsuites>"]),
    piece=st.integers(min_value=1, max_value=400),
)
def test_it_does_not_matter_what_stands_between_them(head: str, pieces: list[str], end: str, piece: int) -> None:
    content = f'{head}<testsuite name="outer">{"".join(pieces)}{end}'
    for size in (piece, len(content) * 4):
        assert said(content, size, by_pattern=True) == said(content, size, by_pattern=False)


@pytest.mark.parametrize("path", sorted(FIXTURES.rglob("*.xml")), ids=lambda path: path.name)
def test_recorded_reports_say_the_same(path: Path) -> None:
    content = path.read_bytes()
    for size in (1 << 20, 997):
        assert said(content, size, by_pattern=True) == said(content, size, by_pattern=False)


def test_a_lone_test_case_is_a_report_and_a_second_one_is_too_much() -> None:
    assert len(said(PLAIN, 1000, by_pattern=True).cases) == 1
    assert said(PLAIN * 2, 1000, by_pattern=True) == said(PLAIN * 2, 1000, by_pattern=False)


def test_an_error_behind_them_names_its_line() -> None:
    content = "<testsuite>\n" + f"{PLAIN}\n" * 5 + "<broken\n</testsuite>"
    assert said(content, 1000, by_pattern=True).partial.startswith("line 8, column 1: not well-formed")


def test_limits_hold_for_them() -> None:
    content = "<testsuite>" + PLAIN * 50 + "</testsuite>"
    assert "max_cases" in said(content, 1000, by_pattern=True, max_cases=20)
    assert "max_held" in said(content, 100, by_pattern=True, max_held=100)


@pytest.mark.parametrize("piece", [PLAIN, PIECES[1], PIECES[2]])
def test_what_is_written_like_the_first_is_left_out_of_what_expat_reads(piece: str) -> None:
    found = first_form(f"<testsuite>{PLAIN}")
    assert found is not None
    assert list(split(found[0], PLAIN + piece * 3 + "<other/>").between) == ["", "", "", "", "<other/>"]


@pytest.mark.parametrize("piece", [piece for piece in PIECES[3:] if piece.startswith("<testcase")])
def test_what_is_written_otherwise_is_not(piece: str) -> None:
    found = first_form(PLAIN)
    assert found is not None
    assert "".join(split(found[0], piece).between) != ""


@pytest.mark.parametrize(
    "text",
    [
        *("", "<testsuite/>", '<testcase name="a" name="b"/>', '<testcase name="a" result="x"/>', PIECES[11]),
        f'<testcase name="a" {"x" * 400}="1"/>',
    ],
)
def test_what_says_more_is_no_form(text: str) -> None:
    assert first_form(text) is None
