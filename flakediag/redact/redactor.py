"""What of a report is looked at, and what stands in the place of a secret.

A mask names the kind of secret and nothing of its value: the same failure with another token has the same signature.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from flakediag.model import Attempt, FailureDetail, Redaction, Results, Run, RunReport, Told
from flakediag.redact.own import own_pattern
from flakediag.redact.patterns import Pattern, hinted

_MOST_LINES = 20_000  # that are remembered to need no look
_LONGEST_LINE = 400  # of them, in characters
_MOST_CHARACTERS = 4_000_000  # of the texts that are remembered to hold no secret


class Remembered:
    """Texts that were seen, which are forgotten all together when they are too many."""

    def __init__(self, most: int = _MOST_CHARACTERS) -> None:
        self._texts: set[str] = set()
        self._most = most
        self._held = 0

    def __contains__(self, text: str) -> bool:
        return text in self._texts

    def add(self, text: str) -> None:
        self._held += len(text)
        if self._held > self._most:
            self._texts.clear()
            self._held = len(text)
        if len(text) <= self._most:
            self._texts.add(text)


class Redacted(NamedTuple):
    """A report without its secrets, and how many were masked, by kind."""

    report: RunReport
    masked: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Redactor:
    """Masks secrets in texts.

    `own` are patterns of the user's own, (name, regular expression) each; raises `ValueError` for one that is refused.
    """

    level: Redaction = Redaction.ALL
    own: Sequence[tuple[str, str]] = ()
    _own: tuple[Pattern, ...] = field(init=False, repr=False, compare=False)
    _hintless: set[str] = field(init=False, repr=False, compare=False, default_factory=set)
    _clean: Remembered = field(init=False, repr=False, compare=False, default_factory=Remembered)

    def __post_init__(self) -> None:
        made = tuple(Pattern(name, pattern, own_pattern(name, pattern)) for name, pattern in self.own)
        object.__setattr__(self, "_own", made)

    def report(self, report: RunReport) -> Redacted:
        """The report as it may be stored. What needs no mask is passed on as it is.

        Names of tests, files and branches are what history hangs on, and stay.
        """
        masked: Counter[str] = Counter()
        if self.level is Redaction.OFF:
            return Redacted(report, masked)
        results = Results.of(report.results)
        if (kept := self.results(results, masked)) is not results:
            report = replace(report, results=kept)
        if self.level is Redaction.ALL:
            report = replace(report, run=self._run(report.run, masked))
        return Redacted(report, masked)

    def results(self, results: Results, masked: Counter[str]) -> Results:
        """The same results, masked where they must be. What was masked is added to `masked`."""
        changed = {place: new for place, told in results.told.items() if (new := self._told(told, masked)) is not told}
        return results.telling(changed) if changed else results

    def _told(self, told: Told, masked: Counter[str]) -> Told:
        earlier = tuple(self._attempt(attempt, masked) for attempt in told.earlier)
        failure = None if told.failure is None else self.failure(told.failure, masked)
        if failure is told.failure and all(a is b for a, b in zip(earlier, told.earlier, strict=True)):
            return told
        return Told(failure, earlier)

    def failure(self, failure: FailureDetail, masked: Counter[str] | None = None) -> FailureDetail:
        """The same failure, masked where it must be. What was masked is added to `masked`."""
        masked = Counter() if masked is None else masked
        if self.level is Redaction.ALL:
            parts = [self.text(part, masked) for part in failure]
            return failure if parts == list(failure) else FailureDetail(*parts)
        if self.level is Redaction.OUTPUT and failure.output:
            return failure._replace(output=self.text(failure.output, masked))
        return failure

    def text(self, text: str, masked: Counter[str]) -> str:
        """The same text, masked where it must be. What was masked is added to `masked`."""
        if not text or text in self._clean:  # a test that fails again mostly says the same
            return text
        found: Counter[str] = Counter()
        new = _masked(text, self._due(text), found)
        if found:
            masked.update(found)
        else:
            self._clean.add(text)
        return new

    def _due(self, text: str) -> list[Pattern]:
        """The patterns that may find something, in the order in which they are to look."""
        fresh = list(set(text.split("\n")) - self._hintless)
        lowered = "\n".join(fresh).lower()
        found = hinted(lowered)
        if found:
            words = {hint for hint, _ in found}
            small = lowered.split("\n")
            fresh = [line for line, low in zip(fresh, small, strict=True) if not any(word in low for word in words)]
        self._remember(fresh)
        return [*sorted({pattern for _, pattern in found}, key=lambda pattern: pattern.place), *self._own]

    def _remember(self, lines: Sequence[str]) -> None:
        """Most lines of a trace have been seen in another one, and a line without a hint is none for ever."""
        if len(self._hintless) + len(lines) > _MOST_LINES:
            self._hintless.clear()
        self._hintless.update(line for line in lines if len(line) <= _LONGEST_LINE)

    def _attempt(self, attempt: Attempt, masked: Counter[str]) -> Attempt:
        if attempt.failure is None:
            return attempt
        failure = self.failure(attempt.failure, masked)
        return attempt if failure is attempt.failure else attempt._replace(failure=failure)

    def _run(self, run: Run, masked: Counter[str]) -> Run:
        properties = {name: self._value(name, value, masked) for name, value in run.properties.items()}
        return replace(run, properties=properties, url=run.url and self.text(run.url, masked))

    def _value(self, name: str, value: str, masked: Counter[str]) -> str:
        """A property's value; its name may be what says that it is a secret."""
        head = f"{name}="
        whole = self.text(head + value, masked)
        return whole[len(head) :] if whole.startswith(head) else whole


def _masked(text: str, due: Sequence[Pattern], masked: Counter[str]) -> str:
    small = text.lower()
    for pattern in due:
        if not pattern.hints or any(hint in small for hint in pattern.hints):
            text = pattern.mask(text, masked)
    return text
