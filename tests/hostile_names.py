"""Names that would act if they could, and what it means in each kind of output that they do not."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import unicodedata
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from report.test_code_review import commands

NAMES = {
    # a web page
    "markup": "</script><script>alert(1)</script><img src=x onerror=alert(1)>",
    "comment": "--> <!-- <b>",
    "section": "]]>&lt;&amp;",
    "attribute": "\" onmouseover='alert(1)' x=\"",
    "template": "${{ secrets.TOKEN }} {{7*7}} {% raw %} <%= 1 %>",
    # a terminal
    "terminal": "\x1b[2J\x1b]0;title\x07",
    "hyperlink": "\x1b]8;;http://e.org\x1b\\x\x1b]8;;\x1b\\",
    "C1": "\x9b31m\x9d0;title\x9c\x85\x90q\x9c",
    "backspace": "safe\x08\x08\x08\x08evil\r",
    "rich": "[red]x[/] [/foo] [link=http://e.org]y[/link] :smile: [bold",
    # a reader's eyes
    "right to left": "a\u202egnp\u2066\u2069\u061c",
    "zero width": "a\u200bb\u200dc\ufeffd\u00ade",
    "tags": "a\U000e0041\U000e0062\U000e007f",
    "nobody's": "\ue000\ufdd0\U0010ffff",
    # a CI system's log
    "lines": "a\n::error::b\r\n::warning file=x::c\r##[error]d",
    "other line ends": "a\u2028::error::b\u2029::error::c\x0b::error::d\x0c::error::e\x85::error::f",
    "workflow": "::set-output name=x::y",
    "workflow, indented": "  ::add-mask::x",
    "pipeline": "##vso[task.setvariable variable=x]y ##[group]z ##teamcity[x]",
    "pipeline, upper case": "##VSO[task.complete] ##TeamCity[x]",
    "escaped": "100%0A::error::x,title=y%0D%25",
    "properties": "a:b,c=d::e",
    # Markdown and chats
    "markdown": "`a` [x](http://e.org) ![x](y) @all #12 ~~x~~ **b** | c | <http://e.org> www.e.org \\",
    "mention": "@team @org/team,@x",
    "fence": "```\n````\n<script>",
    "block": "# a\n\n- b\n> c\n\n    d\n---\n| e |\n|---|",
    "slack": "<!channel> <@U1> <http://e.org|x> &lt;!here&gt;",
    # a spreadsheet
    "formula": '=HYPERLINK("http://e.org")',
    "full width": "＝1+1",
    "call": "@SUM(1)",
    "minus": "-2+3",
    "plus": "+1",
    "tab": "\t-1+1",
    "return": "\r=1+1",
    "cells": 'a","=1+1";"b\n=2',
    # a shell, a database, a file system
    "quotes": "\"'`$(id);\\",
    "option": "--output=/tmp/x",
    "shell": "'; touch /tmp/x; $(touch /tmp/x) `touch /tmp/x` ${IFS} !! & | > /tmp/x #",
    "SQL": "'; DROP TABLE runs; --",
    "path": "../../../etc/passwd",
    "glob": "*?[a-z]{a,b}~",
    # no text at all
    "zero": "a\x00b",
    "surrogate": "a\ud800b\udfff",
    "blank": " \t ",
    "long": "x" * 20_000,
    "long and wide": "字\u202e" * 5_000,
}
assert len(set(NAMES.values())) == len(NAMES)

_LOG_COMMAND = re.compile(r"##(\[|vso\[|teamcity\[)", re.IGNORECASE)
_FORMULA = tuple("=+-@＝＋－＠\t\r")
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn"}


# --- any text ----------------------------------------------------------------------------------------------------


def unseen(text: str) -> set[str]:
    """The characters of `text` that nobody sees, line ends aside."""
    return {character for character in set(text) - {"\n"} if unicodedata.category(character) in _UNSEEN}


def in_any(text: str, *, log: bool = True) -> None:
    """What holds everywhere: nothing invisible; and, where it may stand in a log, no command to a CI system."""
    assert not unseen(text)
    if log:
        assert not _LOG_COMMAND.search(text)


def in_text(text: str) -> None:
    in_any(text)
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())


def on_a_terminal(text: str) -> None:
    """Colours are flakediag's own; beside them it is text."""
    in_text(re.sub(r"\x1b\[[0-9;]*m", "", text))


# --- one kind each -----------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    """The elements of a page, and the names and values of their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.attributes |= {(name, value or "") for name, value in attrs}


def in_markdown(text: str) -> None:
    """Rendered as GitHub does: HTML goes through, bare addresses and tables are understood."""
    in_text(text)
    markdown_it = pytest.importorskip("markdown_it")
    shown = markdown_it.MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)
    allowed = "h3 p table thead tbody tr th td ul ol li strong code pre details summary blockquote em"
    tags = Tags(shown)
    assert tags.found <= set(allowed.split())
    assert {name for name, _ in tags.attributes} <= {"style", "start", "class"}
    prose = re.sub(r"<pre>.*?</pre>", "", shown, flags=re.DOTALL)
    assert not re.search(r"(?<!\w)@(?=\w)|(?<!&)#(?=\d)", prose)
    # Bare addresses are looked for before character references are resolved.
    source = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    marked, _, rest = source.partition("\n") if source.startswith("<!-- flakediag ") else ("", "", source)
    assert not re.search(r"://|www\.", rest)
    assert source.count("<!--") == source.count("-->") == marked.count("-->") <= 1


def in_csv(text: str) -> None:
    in_any(text)
    header, *rows = csv.reader(io.StringIO(text))
    assert rows
    for row in rows:
        assert len(row) == len(header)
        for column, cell in zip(header, row, strict=True):
            assert cell.lstrip()[:1] not in _FORMULA or _is_number(cell), column


def _is_number(cell: str) -> bool:
    return bool(re.fullmatch(r"-?\d+(\.\d+)?(e-\d+)?", cell))


def in_json(text: str) -> Any:
    assert text.isascii()
    in_any(text)
    return json.loads(text)


def in_lines_of_json(text: str) -> None:
    assert text.isascii()
    assert all(isinstance(json.loads(line), dict) for line in text.splitlines())


def in_slack(text: str) -> None:
    blocks = in_json(text)["blocks"]
    assert len(blocks) <= 50  # more, and longer texts than 3,000 characters, are refused by Slack
    for block in blocks:
        for part in (block.get("text"), *block.get("elements", ())):
            assert part is None or not re.search(r"[<>]|&(?!amp;|lt;|gt;)", part["text"])
            assert part is None or len(part["text"]) <= (150 if block["type"] == "header" else 3_000)


def in_junit(text: str) -> None:
    in_text(text)
    root = ElementTree.fromstring(text)
    assert {element.tag for element in root.iter()} <= {"testsuites", "testsuite", "testcase", "failure", "properties"}


def in_svg(text: str) -> None:
    in_any(text, log=False)
    root = ElementTree.fromstring(text)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not tags & {"script", "img", "image", "use", "foreignObject", "a", "b"}
    names = {name for element in root.iter() for name in element.attrib}
    assert not any(name.lower().startswith("on") or name.endswith("href") for name in names)


def in_html(text: str) -> None:
    in_any(text, log=False)
    assert "<script>alert" not in text and "<img" not in text
    assert text.count("</script") == len(re.findall(r"<script[ >]", text))
    tags = Tags(text)
    assert not tags.found & {"img", "iframe", "object", "embed", "base"}
    assert not any(name.startswith("on") for name, _ in tags.attributes)
    targets = [value for name, value in tags.attributes if name in ("href", "src", "action", "xlink:href")]
    assert all(value.startswith(("#", "data:")) for value in targets)


def in_commands(text: str) -> None:
    in_any(text)
    for kind, properties, _ in commands(text):
        assert kind in ("error", "warning", "notice")
        assert set(properties) <= {"file", "title"}
        assert not any(character in value for value in properties.values() for character in "\r\n")


def in_a_script(text: str) -> None:
    """Lines for a shell: in none of them does anything stand outside of its word. `#` begins a comment."""
    in_text(text)
    for line in text.splitlines():
        if not line.startswith("#"):
            words = shlex.shlex(line, posix=True, punctuation_chars=True)
            words.whitespace_split, words.commenters = True, ""
            operators = {word for word in words if re.fullmatch(r"[();<>|&]+", word)}
            assert operators <= {"||"}, line
            assert not re.search(r"[`$!]", re.sub(r"""'[^']*'|"'\"""", "", line)), line


HARMLESS: dict[str, Callable[[str], Any]] = {
    "text": in_text,
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
    "jsonl": in_lines_of_json,
    "script": in_a_script,
}
"""What to hold an output against, by the name of its format."""
