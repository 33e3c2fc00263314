"""What a failure says, cut into the parts that evidence looks at: its own words without the code and the stack.

Everything is capped before a pattern sees it, so that the cost is linear in the cap whatever a report contains.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from flakediag.analysis.window import Failure, Subject
from flakediag.model import FailureDetail

MESSAGE, TEXT, OUTPUT = 4_000, 10_000, 16_000  # characters that are looked at: two thirds head, one third tail
SAMPLE = 4  # distinct failures of one subject that are read; more say the same again

_FRAME = re.compile(
    r"""^\s*(?:
        at\s+(?:async\s+)?[\w.$<>\[\]/\\~@:` -]{1,200}[(:]      # Java, JavaScript, .NET
      | at\s+(?:file|webpack|node|async|Object|eval)\b          # JavaScript without a bracket
      | File\s"[^"\n]{1,300}",\sline\s\d+                       # Python
      | \#\s[\w./-]{1,300}:\d+:in\b                             # Ruby
      | [\w.\\/<>@-]{1,300}\.(?:py|rb|php|go|rs|js|ts|tsx|jsx|java|kt|cs|c|cc|cpp|dart|ex|exs):\d+(?::\d+)?:?\s*
            (?:\+0x[0-9a-f]+\s*)?(?:in\s[\w<>.]+\s*)?$          # a bare place
      | goroutine\s\d+\s\[
      | created\sby\s
      | (?:\.\.\.\s)?\d+\smore$
      | \d{1,3}:\s+0x[0-9a-f]{4,16}\s-\s                        # Rust
    )""",
    re.VERBOSE,
)
_PYTEST_SAID = re.compile(r"^E(?:\s{1,12}|$)")


class Said(NamedTuple):
    """A failure's words. `type`, `message`, `text` and `output` keep their case; `said` and `whole` are lower case.

    `text` is without stack frames and, for pytest, without the source; `said` is type, message and text together;
    `whole` adds the captured output; `listing` is the text with its source lines and frames.
    """

    type: str
    message: str
    text: str
    output: str
    said: str
    whole: str
    listing: str


def capped(text: str, cap: int) -> str:
    """The head and the tail of a text that is longer than `cap` characters."""
    if len(text) <= cap:
        return text
    head = cap * 2 // 3
    return f"{text[:head]}\n{text[head - cap :]}"


def without_frames(text: str) -> str:
    """The lines of a failure's text that say something: no stack frames, and of a pytest listing its `E` lines."""
    lines = text.splitlines()
    if len(text) > 2000:
        lines = [line[:2000] for line in lines]
    if [line for line in lines if line[:1] == "E" and _PYTEST_SAID.match(line)]:
        # Sections such as "Captured log" follow the listing; they are output and not code.
        captured = next((n for n, line in enumerate(lines) if "Captured " in line and "---" in line), len(lines))
        lines = [line[1:] for line in lines[:captured] if _PYTEST_SAID.match(line)] + lines[captured:]
    return "\n".join([line for line in lines if not _is_frame(line)])


@lru_cache(maxsize=4096)
def _is_frame(line: str) -> bool:
    """Remembered: a suite's failures share most of their stacks."""
    return _FRAME.match(line) is not None


@lru_cache(maxsize=4096)
def said(detail: FailureDetail) -> Said:
    """The words of one failure, remembered: several kinds of evidence look at the same few."""
    return read(detail)


def read(detail: FailureDetail) -> Said:
    """The words of one failure, for who goes through all of them and comes back to none."""
    kind, message, output = detail.type[:300], capped(detail.message, MESSAGE), capped(detail.output, OUTPUT)
    listing = capped(detail.text, TEXT)
    text = without_frames(listing)
    words = "\n".join((kind, message, text)).lower()
    return Said(kind, message, text, output, words, f"{words}\n{output.lower()}", listing)


def sample(subject: Subject) -> list[tuple[Said, float]]:
    """The distinct failures of a subject, the commonest first, each with its share of the failures."""
    return _sample(subject.details)


def sample_of(failures: Sequence[Failure]) -> list[tuple[Said, float]]:
    """As `sample`, for any failures."""
    return _sample(Counter(failure.detail for failure in failures))


def _sample(counts: Counter[FailureDetail]) -> list[tuple[Said, float]]:
    common = counts.most_common(SAMPLE)
    total = sum(count for _, count in common)
    return [(said(detail), count / total) for detail, count in common]
