"""No name of a test, and nothing that it says, acts in any format: one table of names for all formats."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from flakediag.model import (
    Check,
    CheckedFailure,
    CheckedRun,
    Evidence,
    FailureStatus,
    FileReport,
    FileStatus,
    Identity,
    Partner,
    Report,
)
from flakediag.report import check, format
from flakediag.report.format import Options
from report import sample
from report.test_code_review import commands
from report.test_formats import written

NAMES = {
    "markup": "</script><script>alert(1)</script><img src=x onerror=alert(1)>",
    "comment": "--> <!-- <b>",
    "section": "]]>&lt;&amp;",
    "terminal": "\x1b[2J\x1b]0;title\x07",
    "right to left": "a\u202egnp\u2066",
    "lines": "a\n::error::b\r\n::warning file=x::c\r##[error]d",
    "pipeline": "##vso[task.setvariable variable=x]y ##[group]z ##teamcity[x]",
    "workflow": "::set-output name=x::y",
    "escaped": "100%0A::error::x,title=y",
    "markdown": "`a` [x](http://e.org) ![x](y) @all #12 ~~x~~ **b** | c | <http://e.org> www.e.org \\",
    "fence": "```\n````\n<script>",
    "slack": "<!channel> <@U1> <http://e.org|x> &lt;!here&gt;",
    "formula": '=HYPERLINK("http://e.org")',
    "full width": "＝1+1",
    "call": "@SUM(1)",
    "tab": "\t-1+1",
    "zero": "a\x00b",
    "surrogate": "a\ud800b",
    "quotes": "\"'`$(id);\\",
}


def report(name: str) -> Report:
    """A report in which everything that a suite has a say in is called `name`."""
    cause = replace(
        sample.ORDER,
        evidence=(Evidence(name, sample.ORDER.category, 6.1, name), *sample.ORDER.evidence),
        partners=(Partner(name, "test", "polluter", 0.9),),
        settle=name,
    )
    fix = replace(sample.FIX, summary=name, steps=(name,), reproduce=name)
    signature = replace(sample.TOTAL.signatures[0], text=name, diagnosis=cause)
    test = Identity(name, name, name, name)
    flaky = replace(sample.TOTAL, test=test, cause=cause, fix=fix, signatures=(signature,), reason=name)
    broken = replace(sample.BROKEN, test=test, reason=name, since_commit=name)
    whole = sample.drawn(sample.report(flaky, broken))
    cluster = replace(whole.clusters[0], tests=(flaky.id, broken.id), summary=name)
    return replace(whole, project=name, branch=name, clusters=(cluster,), notes=(name,))


def checked(name: str) -> Check:
    failure = CheckedFailure(
        test=Identity(name, name, name),
        signature=name,
        status=FailureStatus.NEW_FAILURE,
        reason=name,
        known=report(name).tests[0],
    )
    run = replace(sample.run(), project=name, shard=name)
    return Check(
        runs=(CheckedRun(run=run, executed=1, failures=(failure,), outage=True, runs_before=3),),
        branch=name,
        refused=(FileReport(path=name, status=FileStatus.REFUSED, reason=name),),
    )


def checked_as(name: str, of: str) -> str:
    stream = io.StringIO()
    check.write(checked(of), name, stream, Options())
    return stream.getvalue()


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)


def in_markdown(text: str) -> None:
    """Rendered as GitHub does: HTML goes through, bare addresses and tables are understood."""
    markdown_it = pytest.importorskip("markdown_it")
    shown = markdown_it.MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)
    allowed = "h3 p table thead tbody tr th td ul ol li strong code pre details summary blockquote em"
    assert Tags(shown).found <= set(allowed.split())
    prose = re.sub(r"<pre>.*?</pre>", "", shown, flags=re.DOTALL)
    assert not re.search(r"(?<!\w)@(?=\w)|(?<!&)#(?=\d)", prose)
    # Bare addresses are looked for before character references are resolved.
    source = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert not re.search(r"://|www\.", source.partition("\n")[2])
    assert source.count("<!--") == source.count("-->") == 1  # the marker alone, in the first line


def in_csv(text: str) -> None:
    header, *rows = csv.reader(io.StringIO(text))
    assert len(rows) == 2
    for row in rows:
        assert len(row) == len(header)
        named = dict(zip(header, row, strict=True))
        for column in ("id", "classname", "name", "file", "partner", "why", "fix", "reproduce"):
            assert named[column].lstrip()[:1] not in tuple("=+-@＝＋－＠"), column


def in_json(text: str) -> None:
    assert text.isascii()
    json.loads(text)


def in_slack(text: str) -> None:
    in_json(text)
    for block in json.loads(text)["blocks"]:
        for part in (block.get("text"), *block.get("elements", ())):
            assert part is None or not re.search(r"[<>]|&(?!amp;|lt;|gt;)", part["text"])


def in_junit(text: str) -> None:
    root = ElementTree.fromstring(text)
    assert {element.tag for element in root.iter()} == {"testsuites", "testsuite", "testcase", "failure"}
    assert len(list(root.iter("testcase"))) == 2


def in_svg(text: str) -> None:
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(text).iter()}
    assert not tags & {"script", "img", "foreignObject", "a", "b"}


def in_html(text: str) -> None:
    assert "<script>alert" not in text and "<img" not in text
    assert text.count("</script") == len(re.findall(r"<script[ >]", text))


def in_commands(text: str) -> None:
    for kind, properties, _ in commands(text):
        assert kind in ("error", "warning", "notice")
        assert set(properties) <= {"file", "title"}
        assert not any(character in value for value in properties.values() for character in "\r\n")


def in_text(text: str) -> None:
    """What holds for every text is all there is to say."""


ACTS: dict[str, Callable[[str], None]] = {
    "table": in_text,
    "json": in_json,
    "markdown": in_markdown,
    "csv": in_csv,
    "html": in_html,
    "svg": in_svg,
    "github": in_commands,
    "gitlab": in_json,
    "sarif": in_json,
    "junit": in_junit,
    "slack": in_slack,
}


def in_any(text: str, *, log: bool) -> None:
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
    if log:
        assert not re.search(r"##(\[|vso\[|teamcity\[)", text)


def test_every_format_of_text_is_looked_at() -> None:
    assert set(ACTS) == set(format.NAMES) - set(format.BINARY)
    assert set(check.FORMATS) <= {"text", *ACTS}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ACTS)
def test_a_report_is_harmless(kind: str, name: str) -> None:
    text = written(kind, report(NAMES[name]))
    in_any(text, log=kind not in ("html", "svg"))
    if kind not in ("github", "html", "svg"):
        assert not any(line.lstrip().startswith("::") for line in text.splitlines())
    ACTS[kind](text)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", check.FORMATS)
def test_a_check_is_harmless(kind: str, name: str) -> None:
    text = checked_as(kind, NAMES[name])
    in_any(text, log=True)
    if kind != "github":
        assert not any(line.lstrip().startswith("::") for line in text.splitlines())
    ACTS.get(kind, in_text)(text)


def test_what_acts_would_be_noticed() -> None:
    with pytest.raises(AssertionError):
        in_markdown("<!-- x -->\n\n[x](http://e.org)")
    with pytest.raises(AssertionError):
        in_commands("::error file=a,b=c::x\n")
    with pytest.raises(AssertionError):
        in_any("##vso[task.complete]", log=True)
