"""What the words of a failure say about its cause.

The rules are data (`analysis/words.toml`): a pattern, where it applies, and the categories that it speaks for or
against. Words are weak: most rules only tilt the odds, and rules that say the same are damped where evidence is pooled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from flakediag import tables
from flakediag.analysis.evidence.phrases import Phrases
from flakediag.analysis.evidence.text import Said, sample
from flakediag.analysis.window import Subject, Window
from flakediag.model import Category, Evidence, Identity

QUOTED = 70  # characters of a match that a summary quotes

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_WORD = re.compile(r"[\W_]+")


PLACES: Mapping[str, Callable[[Said, str], str]] = {
    "name": lambda words, name: name,
    "type": lambda words, name: words.type.lower(),
    "message": lambda words, name: f"{words.type}\n{words.message}".lower(),
    "said": lambda words, name: words.said,
    "whole": lambda words, name: words.whole,
}
"""Where a rule may look: a text, from a failure's words and the name of its test."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of the catalogue. `where` is one of `PLACES`."""

    name: str
    pattern: Phrases
    unless: Phrases | None
    where: str
    says: str
    votes: Mapping[Category, float]

    def search(self, words: Said, name: str = "") -> re.Match[str] | None:
        """Where the rule matches a failure of the test with this name, None where it does not."""
        place = PLACES[self.where](words, name)
        match = self.pattern.search(place)
        if match and self.unless and self.unless.search(place):
            return None
        return match


@cache
def catalogue() -> tuple[Rule, ...]:
    """The rules, in the order of the file."""
    return tuple(
        Rule(
            name=entry["name"],
            pattern=Phrases(entry["any"]),
            unless=Phrases(entry["unless"]) if "unless" in entry else None,
            where=entry.get("where", "said"),
            says=entry["says"],
            votes={Category(name): weight for name, weight in entry["votes"].items()},
        )
        for entry in tables.read("analysis/words.toml")["rule"]
    )


def find(window: Window, subjects: Sequence[Subject]) -> list[list[Evidence]]:
    """Evidence from the words of the subjects' failures; a rule counts by the share of failures that it matches."""
    return [_of(subject, name_of(window.tests[subject.test])) for subject in subjects]


def name_of(test: Identity) -> str:
    """A test's name and the last part of its class as words in lower case: `testSendsMail` is "test sends mail"."""
    last = re.split(r"[./:\\]", test.classname[-200:])[-1]
    words = _CAMEL.sub(" ", f"{last} {test.name[:300]}")
    return " ".join(_NO_WORD.sub(" ", words).lower().split())


def _of(subject: Subject, name: str) -> list[Evidence]:
    read = sample(subject)
    # Most rules match none of the failures, which shows in all of them at once.
    together = {where: "\n".join([place(words, name) for words, _ in read]) for where, place in PLACES.items()}
    found = []
    for rule in catalogue():
        if not rule.pattern.may_match(together[rule.where]):
            continue
        matches = [(match, share) for words, share in read if (match := rule.search(words, name))]
        if not matches:
            continue
        share = sum(share for _, share in matches)
        quote = _quote(matches[0][0])
        summary = f"{rule.says}: “{quote}”" if quote else rule.says
        found += [
            Evidence("words", category, weight * share, summary, {"rule": rule.name, "share": round(share, 3)})
            for category, weight in rule.votes.items()
        ]
    return found


def _quote(match: re.Match[str]) -> str:
    words = " ".join(match[0].split())
    return words if len(words) <= QUOTED else f"{words[: QUOTED - 1]}…"
