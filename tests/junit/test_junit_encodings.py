"""Every way of writing the same words, and numbers and attributes as nobody should write them.

What is read of them, and what the history gives back.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from junit_samples import NOW, case, document, failure, read_one, suite, told

from flakediag.history import History
from flakediag.junit import ReadSettings
from flakediag.model import CaseResult, Outcome, RunReport

WORDS = "naïve café"
WIDE = "naïve – 漢字 😀 \u202ertl"


def declared(encoding: str, text: str = WORDS, version: str = "1.0") -> str:
    return f'<?xml version="{version}" encoding="{encoding}"?>\n{suite(case(text, failure(text, text)))}'


def plain(text: str = WORDS) -> str:
    return suite(case(text, failure(text, text)))


# how it is written: (bytes, the words in it)
WRITTEN: dict[str, tuple[bytes, str]] = {
    "UTF-8": (plain(WIDE).encode(), WIDE),
    "UTF-8, declared": (declared("UTF-8", WIDE).encode(), WIDE),
    "UTF-8 with a mark": (declared("utf-8", WIDE).encode("utf-8-sig"), WIDE),
    "UTF-8 with a mark, declared as Latin-1": (declared("ISO-8859-1", WIDE).encode("utf-8-sig"), WIDE),
    "UTF-8, declared as UTF-16": (declared("UTF-16", WIDE).encode(), WIDE),
    "UTF-16 with a mark": (plain(WIDE).encode("utf-16"), WIDE),
    "UTF-16 LE without a mark": (plain(WIDE).encode("utf-16-le"), WIDE),
    "UTF-16 BE without a mark": (plain(WIDE).encode("utf-16-be"), WIDE),
    "UTF-16 LE, declared": (declared("UTF-16", WIDE).encode("utf-16-le"), WIDE),
    "UTF-16 BE with a mark, declared": (b"\xfe\xff" + declared("UTF-16", WIDE).encode("utf-16-be"), WIDE),
    "UTF-16, declared as UTF-8": (declared("UTF-8", WIDE).encode("utf-16"), WIDE),
    "UTF-32": (plain(WIDE).encode("utf-32"), WIDE),
    "Latin-1, declared": (declared("ISO-8859-1").encode("latin-1"), WORDS),
    "Latin-1, undeclared": (plain().encode("latin-1"), WORDS),
    "Latin-1, declared as UTF-8": (declared("UTF-8").encode("latin-1"), WORDS),
    "Windows-1252": (declared("windows-1252", "a – b “c”").encode("cp1252"), "a – b “c”"),
    "Shift JIS": (declared("Shift_JIS", "漢字").encode("shift_jis"), "漢字"),
    "KOI8-R": (declared("koi8-r", "слово").encode("koi8-r"), "слово"),
    "an encoding that nobody knows": (declared("x-none", WIDE).encode(), WIDE),
    "a half character": (plain("aXb").encode().replace(b"X", b"\xc3"), "aÃb"),
    "surrogates that make a pair": (plain("aXb").encode().replace(b"X", b"\xed\xa0\xbd\xed\xb8\x80"), "a😀b"),
    "a surrogate alone": (plain("aXb").encode().replace(b"X", b"\xed\xa0\xbd"), "aí\xa0½b"),
    "a surrogate as a reference": (plain("aXb").replace("X", "&#xD800;").encode(), "a�b"),
    "a raw control character": (plain("aXb").replace("X", "\x1b").encode(), "a�b"),
    "NUL": (plain("aXb").replace("X", "\0").encode(), "a�b"),
    "a reference to a control character": (plain("aXb").replace("X", "&#7;").encode(), "a�b"),
    "XML 1.1": (declared("UTF-8", WIDE, version="1.1").encode(), WIDE),
    "XML 1.1 with what only that allows": (declared("UTF-8", "aXb", "1.1").replace("X", "&#x1b;").encode(), "a�b"),
    "a document type": (f"<!DOCTYPE testsuite>{plain(WIDE)}".encode(), WIDE),
    "a document type elsewhere, Latin-1": (
        b'<!DOCTYPE testsuite SYSTEM "http://127.0.0.1:9/x.dtd">\n' + plain().encode("latin-1"),
        WORDS,
    ),
    "a namespace": (plain(WIDE).replace("<testsuite", "<testsuite xmlns='urn:x'", 1).encode(), WIDE),
}


@pytest.mark.parametrize("how", WRITTEN)
@pytest.mark.parametrize("piece", [3, 1 << 20])
def test_the_words_are_the_same_however_they_are_written(how: str, piece: int) -> None:
    data, words = WRITTEN[how]
    read = document(data, piece=piece)
    assert read.partial is None
    (only,) = read.cases
    assert only.name == words and only.detail is not None
    failed = only.detail.finals[0].failure
    assert failed is not None and (failed.message, failed.text) == (words, words)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<failure><![CDATA[a <b> & c]]></failure>", "a <b> & c"),
        ("<failure><![CDATA[a]]]]><![CDATA[>b]]></failure>", "a]]>b"),  # how the end of a section is written in one
        ("<failure><![CDATA[<![CDATA[]]>x]]&gt;</failure>", "<![CDATA[x]]>"),
        ("<failure>one <![CDATA[two]]> three</failure>", "one two three"),
        ("<failure>&lt;&amp;&gt;&#x263A;</failure>", "<&>☺"),
        ("<failure>a\r\nb\rc</failure>", "a\nb\nc"),  # line ends are XML's to decide
        ("<f:failure xmlns:f='urn:f'>x</f:failure>", "x"),
        ("<failure><!-- not said -->said</failure>", "said"),
    ],
)
def test_texts_are_what_xml_says_they_are(body: str, text: str) -> None:
    detail = document(suite(case("t", body))).cases[0].detail
    assert detail is not None and detail.finals[0].failure is not None
    assert detail.finals[0].failure.text == text


@pytest.mark.parametrize(
    ("time", "duration"),
    [
        ("1,234.5", 1234.5),
        ("0,123", 0.123),
        ("1.234,5", 1234.5),
        ("1e-3", 0.001),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("", None),
        ("-1", None),
        ("-0.001", None),
        ("NaN", None),
        ("inf", None),
        ("1e400", None),
        ("soon", None),
        ("0x10", None),
        ("1_000", 1000.0),  # as Python reads it
        ("٣", 3.0),
        ("9" * 5000, None),
    ],
)
def test_times_are_seconds_or_unknown(time: str, duration: float | None) -> None:
    assert document(suite(case("t", time=time))).cases[0].duration == duration
    assert document(suite(case("t", failure(), time=time))).cases[0].duration == duration


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ("<testsuite><testcase/></testsuite>", [("::", "passed", 1)]),
        ("<testsuite><testcase name='t'/></testsuite>", [("::t", "passed", 1)]),
        ("<testsuite name='S'><testcase name='t'/></testsuite>", [("S::t", "passed", 1)]),
        ("<testsuite name='S'><testcase classname='C'/></testsuite>", [("C::", "passed", 1)]),
        (
            "<testsuite name='S'><testcase name='' classname=''><failure/></testcase></testsuite>",
            [("S::", "failed", 1)],
        ),
        ("<testsuite><testcase name='t' time='1' time2='2' unknown='x'/></testsuite>", [("::t", "passed", 1)]),
        ("<testsuites><testsuite name='empty'/><testsuite tests='3'></testsuite></testsuites>", []),
        ("<testsuites/>", []),
        ("<testcase name='alone'/>", [("::alone", "passed", 1)]),
    ],
)
def test_missing_attributes_and_empty_suites(tmp_path: Path, xml: str, expected: list[tuple[str, str, int]]) -> None:
    assert told(read_one(tmp_path, xml)) == expected


def stored(report: RunReport, folder: Path) -> list[CaseResult]:
    """What a history gives back of the report."""
    with History.open(folder / "history.db", "write") as history:
        (one,) = history.add_runs([report], lambda detail: detail.message)
        return list(history.run_report(one.run).results)


@pytest.mark.parametrize("how", WRITTEN)
def test_the_history_gives_back_what_was_read(tmp_path: Path, how: str) -> None:
    report = read_one(tmp_path, WRITTEN[how][0])
    assert stored(report, tmp_path) == list(report.results)


def test_ten_megabytes_of_text_and_names_of_one(tmp_path: Path) -> None:
    text = "HEAD" + "line of a log\n" * 750_000 + "TAIL"
    name = "x" * 1_000_000 + "é"
    report = read_one(tmp_path, suite(case(name, failure("m", text) + f"<system-out>{text}</system-out>")))
    (result,) = stored(report, tmp_path)
    assert result.test.name == name
    failed, limit = result.failure, ReadSettings().max_text
    assert failed is not None and limit <= len(failed.text) <= limit + 60
    assert failed.text.startswith("HEAD") and failed.text.endswith("TAIL") and failed.output.endswith("TAIL")


def test_what_is_kept_of_many_failures_together_is_bounded(tmp_path: Path) -> None:
    cases = [case(f"t{number}", failure(f"m{number}", "x" * 900)) for number in range(30)]
    report = read_one(tmp_path, suite(*cases), max_failures=10_000, max_rest=50)
    texts = [result.failure.text for result in report.results if result.failure is not None]
    assert len(texts) == 30 and all(result.outcome is Outcome.FAILED for result in report.results)
    assert [len(text) < 120 for text in texts] == [False] * 11 + [True] * 19
    assert any("only the beginning was kept" in note for note in report.notes)


def test_a_run_that_names_no_moment_began_now(tmp_path: Path) -> None:
    report = read_one(tmp_path, plain())
    assert report.run.started_at - NOW == timedelta()
