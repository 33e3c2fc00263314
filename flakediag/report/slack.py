"""The report as a Slack message (Block Kit): the worst tests, each with its cause, why, and what to do.

Limits: docs.slack.dev, "Block Kit": 50 blocks of a message, 3,000 characters of a text, 150 of a header. `&`, `<` and
`>` begin links, mentions and entities, and are escaped; Slack knows no escape for the characters that mark up.
"""

from __future__ import annotations

import re
from typing import TextIO

from flakediag.model import Finding, Report
from flakediag.report import document, issues, wording
from flakediag.report.document import Document
from flakediag.report.format import Options
from flakediag.report.text import number, percent, plural, visible

BLOCKS = 50
TEXT = 3_000
HEADER = 150
PER_TEST = 1_200  # of one id or sentence: together they fit into one text

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# A marker means something at the edge of a word; the look-alikes never do.
_MARKER = re.compile(r"(?<![A-Za-z0-9])[*_~]|[*_~](?![A-Za-z0-9])|`")
_ALIKE = str.maketrans({"*": "\u2217", "_": "\u02cd", "~": "\u223c", "`": "\u02cb"})


class Slack:
    name = "slack"

    def write(self, report: Report, stream: TextIO, options: Options) -> None:
        document.write(message(report), stream)


def message(report: Report) -> Document:
    """What `chat.postMessage` and an incoming webhook take; `text` is what a notification shows."""
    rate = report.rates.flaky_tests
    title = f"Flaky tests: {percent(rate.value, 1)} ({number(rate.count)} of {number(rate.of)})"
    found = issues.issues(report)
    room = BLOCKS - 3  # beside the header, the window and the last line
    shown = found[:room]
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": title[:HEADER], "emoji": False}},
        _context(escape(wording.window(report), TEXT)),
        *({"type": "section", "text": _mrkdwn(_test(finding))} for finding in shown),
    ]
    if nothing := wording.nothing_to_show(report):
        blocks.append({"type": "section", "text": _mrkdwn(escape(nothing, TEXT))})
    elif left := len(found) - len(shown) + report.hidden:
        blocks.append(_context(f"{plural(left, 'more test is', 'more tests are')} not shown."))
    return {"text": title, "blocks": blocks}


def _test(finding: Finding) -> str:
    """`*Flaky test: timing 87 %*` and below it the id as code, how often, why and what to do."""
    often, *others = issues.sentences(finding)
    often = often.removeprefix(wording.test_id(finding)).strip().capitalize()
    lines = [f"*{escape(issues.title(finding), HEADER)}*", f"`{_code(finding.id)}`", escape(often, HEADER)]
    return "\n".join([*lines, *(escape(sentence, PER_TEST // 2) for sentence in others)])


def escape(text: str, most: int) -> str:
    """Text that Slack shows and does nothing else with, at most `most` characters, cut between characters."""
    return _within(_MARKER.sub(lambda m: m.group().translate(_ALIKE), visible(text)), most)


def _code(text: str) -> str:
    """Text for a code span: nothing but its end means anything there."""
    return _within(visible(text).replace("`", "\u02cb"), PER_TEST)


def _within(text: str, most: int) -> str:
    written = [_ENTITIES.get(character, character) for character in text]
    if sum(map(len, written)) <= most:
        return "".join(written)
    length, kept = 1, []
    for piece in written:
        length += len(piece)
        if length > most:
            break
        kept.append(piece)
    return "".join(kept) + "…"


def _mrkdwn(text: str) -> Document:
    return {"type": "mrkdwn", "text": text, "verbatim": True}  # verbatim: no addresses, channels or names are linked


def _context(text: str) -> Document:
    return {"type": "context", "elements": [_mrkdwn(text)]}
