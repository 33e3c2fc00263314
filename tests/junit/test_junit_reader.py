"""What is taken from a report, however it is cut, encoded or damaged."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from junit_samples import case, document, failure, pytest_report, suite

from flakediag.junit import ReadSettings
from flakediag.junit.document import Document
from flakediag.junit.problems import UnreadableError
from flakediag.model import Outcome

REPORT = """\
<?xml version="1.0" encoding="UTF-8"?>
<j:testsuites xmlns:j="urn:x" name="all">
  <testsuite name="outer" tests="9" timestamp="2024-03-01T10:20:30Z" hostname="ci">
    <properties><property name="a" value="1"/><property name="b">two</property></properties>
    <testcase classname="C" name="passes" time="1,234.5"/>
    <testcase classname="C" name="prints" time="0.1"><system-out>hi &lt;there&gt;</system-out></testcase>
    <testcase classname="C" name="fails" time="0.2"><failure type="T" message="m"><![CDATA[a <b> c]]></failure>
      <system-out>out</system-out><system-err>err</system-err></testcase>
    <testsuite name="inner">
      <j:testcase classname="D" name="errs"><error message="m">text <b>with</b> markup</error></j:testcase>
      <testcase classname="D" name="skipped"><skipped message="why"/></testcase>
      <system-out>of the inner suite</system-out>
    </testsuite>
  </testsuite>
</j:testsuites>
"""


def gist(read: Document) -> list[tuple[str, str, str]]:
    names = [suite.name for suite in read.suites]
    return [(names[case.suite], case.name, case.outcome.name) for case in read.cases]


def test_everything_that_matters_is_taken() -> None:
    read = document(REPORT)
    assert gist(read) == [
        ("outer", "passes", "PASSED"),
        ("outer", "prints", "PASSED"),
        ("outer", "fails", "FAILED"),
        ("inner", "errs", "ERROR"),
        ("inner", "skipped", "SKIPPED"),
    ]
    assert [case.duration for case in read.cases] == [1234.5, 0.1, 0.2, None, None]
    assert read.suites[1].properties == {"a": "1", "b": "two"}
    fails, errs = read.cases[2].detail, read.cases[3].detail
    assert fails and fails.finals[0].failure == ("T", "m", "a <b> c", "out\nerr")
    assert errs and errs.finals[0].failure == ("", "m", "text with markup", "of the inner suite")
    assert (read.failures, read.errors, read.skipped, read.partial, read.notes) == (1, 1, 1, None, [])


@given(st.integers(min_value=1, max_value=200))
def test_it_does_not_matter_where_the_bytes_are_cut(piece: int) -> None:
    whole, cut = document(REPORT), document(REPORT, piece=piece)
    assert (cut.cases, cut.suites, cut.digest) == (whole.cases, whole.suites, whole.digest)


@given(st.integers(min_value=0, max_value=len(REPORT)))
def test_a_report_that_ends_anywhere_keeps_what_is_complete(end: int) -> None:
    whole = gist(document(REPORT))
    try:
        read = document(REPORT[:end])
    except UnreadableError:
        assert "</testcase>" not in REPORT[:end] and "/>" not in REPORT[REPORT.index("<testcase") : end]
        return
    complete = gist(read)
    assert complete == whole[: len(complete)]
    if len(complete) < len(whole):
        assert read.partial and re.match(r"line \d+, column \d+: ", read.partial)


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("", Outcome.PASSED),
        ("<system-out/>", Outcome.PASSED),
        ("<properties><property name='failure' value='x'/></properties>", Outcome.PASSED),
        ("<unknown><failure/></unknown>", Outcome.PASSED),
        ("<failure/>", Outcome.FAILED),
        ("<error/>", Outcome.ERROR),
        ("<skipped/>", Outcome.SKIPPED),
        ("<failure/><error/>", Outcome.ERROR),
        ("<error/><failure/>", Outcome.ERROR),
        ("<skipped/><failure/>", Outcome.FAILED),
        ("<failure/><skipped/>", Outcome.FAILED),
        ("<flakyFailure/>", Outcome.PASSED),
        ("<n:failure xmlns:n='urn:n'/>", Outcome.FAILED),
    ],
)
def test_of_several_results_the_worst_counts(body: str, outcome: Outcome) -> None:
    assert document(suite(case("t", body))).cases[0].outcome is outcome


@pytest.mark.parametrize(
    ("attributes", "outcome"),
    [
        ({"status": "failed"}, Outcome.FAILED),
        ({"status": "Failure"}, Outcome.FAILED),
        ({"result": "error"}, Outcome.ERROR),
        ({"status": "run", "result": "skipped"}, Outcome.SKIPPED),
        ({"status": "notrun", "result": "suppressed"}, Outcome.SKIPPED),
        ({"status": "disabled"}, Outcome.SKIPPED),
        ({"executed": "false"}, Outcome.SKIPPED),
        ({"status": "run", "result": "completed"}, Outcome.PASSED),
        ({"status": "passed"}, Outcome.PASSED),
        ({"status": "anything"}, Outcome.PASSED),
    ],
)
def test_an_outcome_may_stand_in_attributes_only(attributes: dict[str, object], outcome: Outcome) -> None:
    read = document(suite(case("first"), case("t", **attributes)))
    assert read.cases[1].outcome is outcome
    assert read.failures + read.errors == outcome.failed
    # Result elements are what counts where there are some.
    assert document(suite(case("t", "<failure/>", **attributes))).cases[0].outcome is Outcome.FAILED


def test_three_attributes_are_not_always_the_usual_three() -> None:
    read = document('<testsuite><testcase name="a" classname="c" status="failed"/><testcase name="b"/></testsuite>')
    assert gist(read) == [("", "a", "FAILED"), ("", "b", "PASSED")]


def test_cases_inside_cases_are_tests_of_their_own() -> None:
    inner = case("inner", failure()) + case("next")
    read = document(suite(case("outer", inner + "<system-out/>"), case("after")))
    assert gist(read) == [
        ("S", "inner", "FAILED"),
        ("S", "next", "PASSED"),
        ("S", "outer", "PASSED"),
        ("S", "after", "PASSED"),
    ]


def test_errors_outside_tests_are_told() -> None:
    read = document(suite(case("t"), "<error message='no database'/>"))
    assert gist(read) == [("S", "t", "PASSED")]
    assert "no database" in read.notes[0]


def test_long_texts_keep_head_and_tail() -> None:
    text = "HEAD" + "x" * 300_000 + "TAIL"
    body = f"<failure message='{text}'>{text}</failure><system-out>{text}</system-out>"
    detail = document(suite(case("t", body))).cases[0].detail
    assert detail and detail.finals[0].failure
    kept, settings = detail.finals[0].failure, ReadSettings()
    for part, limit in (
        (kept.message, settings.max_message),
        (kept.text, settings.max_text),
        (kept.output, settings.max_output),
    ):
        assert part.startswith("HEAD") and part.endswith("TAIL")
        assert limit <= len(part) < limit + 60
        assert f"{len(text) - limit} characters left out" in part


def test_surefire_children_are_attempts() -> None:
    inside = "<stackTrace>st</stackTrace><system-out>o</system-out>"
    again = f"<rerunFailure type='T2' message='m2' time='0.5'>{inside}</rerunFailure>"
    detail = document(suite(case("t", again + failure("m1") + "<rerunError/>"))).cases[0].detail
    assert detail and not detail.flaky and [one.outcome for one in detail.reruns] == [Outcome.FAILED, Outcome.ERROR]
    assert detail.reruns[0] == (Outcome.FAILED, 0.5, ("T2", "m2", "st", "o"))
    detail = document(suite(case("t", "<flakyError message='m'>text</flakyError>"))).cases[0].detail
    assert detail and detail.flaky and detail.outcome is Outcome.PASSED


# --- encodings and damage ----------------------------------------------------------------------------------------

WORDS = "naïve – 漢字 😀"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (suite(case(WORDS)).encode("utf-8-sig"), WORDS),
        (suite(case(WORDS)).encode("utf-16"), WORDS),
        (suite(case(WORDS)).encode("utf-16-le"), WORDS),
        (('<?xml version="1.0" encoding="UTF-16"?>' + suite(case(WORDS))).encode("utf-16-be"), WORDS),
        (('<?xml version="1.0" encoding="utf-16"?>' + suite(case(WORDS))).encode(), WORDS),  # it is not
        (('<?xml version="1.0" encoding="ISO-8859-1"?>' + suite(case("naïve"))).encode("latin-1"), "naïve"),
        (('<?xml version="1.0" encoding="windows-1252"?>' + suite(case("naïve –"))).encode("cp1252"), "naïve –"),
        (('<?xml version="1.0" encoding="Shift_JIS"?>' + suite(case("漢字"))).encode("shift_jis"), "漢字"),
        (('<?xml version="1.0" encoding="GB18030"?>' + suite(case("漢字"))).encode("gb18030"), "漢字"),
        (suite(case("naïve")).encode("latin-1"), "naïve"),
        (('<?xml version="1.0" encoding="UTF-8"?>' + suite(case("naïve"))).encode("latin-1"), "naïve"),
        (('<?xml version="1.0" encoding="no-such"?>' + suite(case(WORDS))).encode(), WORDS),
        *(
            (f'<?xml version="1.0" encoding="{name}"?>{suite(case("t", failure("NOT")))}'.encode(), "t")
            for name in ("base64", "rot13", "zlib", "hex", "punycode", "undefined")  # codecs, but not of text
        ),
        (
            ('<?xml version="1.0" encoding="hz"?>' + suite(case("a~b")) + "<!-- ~~ -->").encode(),
            "a\N{REPLACEMENT CHARACTER}b",
        ),
        (suite(case("PAIR")).encode().replace(b"PAIR", b"\xed\xa0\xbd\xed\xb8\x80"), "😀"),
        (suite(case("a\x1b[31mb")).encode(), "a�[31mb"),
        (suite(case("a\0b")).encode(), "a�b"),
        (suite(case("aREFb")).replace("REF", "&#27;").encode(), "a�b"),
        (suite(case("aREFb")).replace("REF", "&#xD83D;").encode(), "a�b"),
        (('<?xml version="1.1"?>' + suite(case("aREFb")).replace("REF", "&#x1b;")).encode(), "a�b"),
        (suite(case("aREFb")).replace("REF", "&nbsp;").encode(), "a&nbsp;b"),
        (("Downloading…\n& <stuff\n" + '<?xml version="1.0"?>' + suite(case("t"))).encode(), "t"),
    ],
)
@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_encodings_and_characters_that_xml_may_not_hold(data: bytes, name: str, piece: int) -> None:
    read = document(data, piece=piece)
    assert [case.name for case in read.cases] == [name]
    assert read.partial is None


def test_halves_of_a_character_find_each_other_wherever_the_bytes_are_cut() -> None:
    long_enough_to_come_in_pieces = f"<!--{'x' * 5_000}-->"
    data = suite(long_enough_to_come_in_pieces, case("PAIR")).encode()
    data = data.replace(b"PAIR", b"\xfc\xed\xa0\xbd\xed\xb8\x80\xed")
    read = [document(data, piece=piece) for piece in (*range(1, 9), *range(5_000, 5_100))]
    assert {case.name for each in read for case in each.cases} == {"ü😀í"}


def test_repairs_are_told_and_leave_good_files_alone() -> None:
    (note,) = document(suite(case("a\x1bb\x07"))).notes
    assert re.match(r"not well formed \(line 1, column 6\d: .*\); repaired: 2 characters .* were masked$", note)
    kept = "<![CDATA[&#27; &nbsp; <?xml version='1.0'?>]]>"
    detail = document(suite(case("t", f"<failure>{kept}</failure>"))).cases[0].detail
    assert detail and detail.finals[0].failure and detail.finals[0].failure.text == "&#27; &nbsp; <?xml version='1.0'?>"


def test_two_documents_in_one_file_are_both_read() -> None:
    first, second = '<?xml version="1.0"?>\n' + suite(case("a")), pytest_report(case("b", failure()))
    assert [case.name for case in document(first + "\n" + second).cases] == ["a", "b"]
    assert [case.name for case in document(first + "\n" + first).cases] == ["a", "a"]


@pytest.mark.parametrize(
    ("damaged", "complete"),
    [
        (suite(case("a"), '<testcase name="b" name="c"/>', case("d")), 1),
        (suite(case("a"), '<testcase name="x < y"/>', case("d")), 1),
        (suite(case("a"), case("b", "<failure><![CDATA[x]]> ]]></failure>"), case("d")), 1),
        (suite(case("a"), "</oops>", case("d")), 1),
        (suite(case("a"), case("b"), "<testcase name='c'><failure>cut"), 2),
    ],
)
def test_what_is_complete_is_kept_and_the_place_is_told(damaged: str, complete: int) -> None:
    read = document(damaged)
    assert [case.name for case in read.cases] == ["a", "b"][:complete]
    assert re.search(rf"line 1, column \d+: .+; the {complete} test cases before it were read", read.partial or "")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "an empty file"),
        (b" \n\n", "nothing but blanks"),
        (b"\0" * 100, "NUL bytes"),
        (b'<?xml version="1.0"?>', "not well formed"),
        (b'{"tests": 3}', "JSON"),
        (b"TAP version 13\n1..2\nok 1 a\n", "TAP"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
        (b"<html><body>502 Bad Gateway</body></html>", "HTML"),
        (b"<!DOCTYPE html><html><br></html>", "HTML"),
        (b'<test-results name="a"/>', "NUnit 2"),
        (b'<coverage line-rate="1"/>', "Cobertura"),
        (b"<TestSuites><TestSuite/></TestSuites>", "upper case"),
        (b'<nothing><testcase name="a"/></nothing>', "<nothing>"),
        (b"<testsuites><suite><test/></suite></testsuites>", "holds neither suites nor test cases, but <suite>"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "image"),
        (bytes(range(256)) * 4, "well formed"),
    ],
)
def test_what_is_not_junit_is_refused_by_name(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableError, match=re.escape(reason)):
        document(data)


@pytest.mark.parametrize(
    "data", ["<testsuites/>", "<testsuite name='a' tests='5'/>", "<testsuites><testsuite/></testsuites>"]
)
def test_reports_without_tests_are_reports(data: str) -> None:
    assert document(data).cases == []


def test_eclipse_wraps_junit_in_a_testrun() -> None:
    assert gist(document(f"<testrun name='r'>{suite(case('a', failure()))}</testrun>")) == [("S", "a", "FAILED")]


# --- attacks -----------------------------------------------------------------------------------------------------

BODY = suite(case("t", "<failure>&x;</failure>"))


@pytest.mark.parametrize(
    "dtd",
    [
        '<!DOCTYPE t [<!ENTITY x "y">]>',
        '<!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE t SYSTEM "http://127.0.0.1:9/x.dtd" [<!ENTITY x "y">]>',
        "<!DOCTYPE t []>",
        '<!DOCTYPE testsuite [<!ATTLIST testcase status CDATA "failed">]>',
        "<!DOCTYPE t [" + "".join(f'<!ENTITY e{n} "&e{n - 1};">' for n in range(1, 20_000)) + "]>",
    ],
)
def test_a_document_type_with_declarations_is_refused_before_anything_expands(dtd: str) -> None:
    for data in (dtd + BODY, '<?xml version="1.0"?>\n' + dtd + BODY, (dtd + BODY).encode("utf-16")):
        with pytest.raises(UnreadableError, match="document type"):
            document(data)


@pytest.mark.parametrize("dtd", ["<!DOCTYPE testsuites>", '<!DOCTYPE testsuite SYSTEM "http://127.0.0.1:9/x.dtd">'])
def test_a_document_type_that_declares_nothing_is_passed_over(dtd: str) -> None:
    for data in (dtd + suite(case("t")), (f'<?xml version="1.0"?>\n{dtd}' + suite(case("t"))).encode("utf-16")):
        assert gist(document(data)) == [("S", "t", "PASSED")]
    # A reference to what it may declare elsewhere stays what it is.
    detail = document(dtd + BODY).cases[0].detail
    assert detail and detail.finals[0].failure and detail.finals[0].failure.text == "&x;"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("<testsuite>" * 200 + "</testsuite>" * 200, "max_depth"),
        (suite(case("t", "<failure>" + "<b>" * 200 + "</b>" * 200 + "</failure>")), "max_depth"),
        ("".join(f"<testsuite><testcase name='{n}'>" for n in range(200)), "max_depth"),
        (suite("<testcase " + " ".join(f"a{n}='1'" for n in range(2000)) + "/>"), "max_attributes"),
        ("<testsuite " + " ".join(f"a{n}='1'" for n in range(2000)) + "/>", "max_attributes"),
        (suite(*(case("t") for _ in range(1001))), "max_cases"),
        (suite(*("<testsuite/>" for _ in range(1001))), "max_suites"),
        ("<testsuite name='" + "x" * 3_000_000 + "'/>", "max_token_bytes"),
        ("<testsuite><!--" + "x" * 3_000_000 + "--></testsuite>", "max_token_bytes"),
    ],
)
def test_limits_are_named(data: str, reason: str) -> None:
    settings = ReadSettings(max_cases=1000, max_suites=1000, max_token_bytes=1 << 20)
    with pytest.raises(UnreadableError, match=reason):
        document(data, settings)


def test_a_case_with_endless_children_stays_small() -> None:
    detail = document(suite(case("t", failure("first") + "<failure/>" * 5000))).cases[0].detail
    assert detail and len(detail.finals) == ReadSettings().max_children


@given(st.binary(max_size=200))
def test_no_bytes_do_harm(data: bytes) -> None:
    for whole in (data, b"<testsuite>" + data, suite(case("a")).encode()[:-12] + data + b"</testsuite>"):
        try:
            document(whole)
        except UnreadableError as refused:
            assert str(refused)


@given(st.text(alphabet=st.sampled_from("<>/=\"'& \ntestcasesuitefailure![]-?;#x0"), max_size=120))
def test_no_markup_does_harm(text: str) -> None:
    for whole in (text, f"<testsuite>{text}</testsuite>", suite(case("t", text))):
        try:
            document(whole)
        except UnreadableError as refused:
            assert str(refused)


def test_only_reruns_need_junitparser() -> None:
    import subprocess

    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from junit_samples import *; "
        "document(suite(case('t'), case('u', '<system-out>x</system-out>'), case('v', failure()))); "
        "assert 'junitparser' not in sys.modules; "
        "document(suite(case('t', failure(tag='flakyFailure')))); assert 'junitparser' in sys.modules"
    )
    here = str(__file__).rpartition("/")[0]
    subprocess.run([sys.executable, "-c", program, here], check=True)
