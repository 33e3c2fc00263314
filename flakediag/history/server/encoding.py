"""Runs on their way to the server: compact, and complete, so that writing them can be repeated.

A report is turned into a parcel as it arrives, and nothing is asked or told meanwhile; what is known of it already, and
what is written, is decided in one short transaction at the end.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from flakediag.history import details
from flakediag.history.failures import failed_attempts
from flakediag.history.pruned import PrunedRun
from flakediag.history.server.keys import project_key, test_key
from flakediag.history.values import digest, stored_milliseconds, text
from flakediag.model import FailureDetail, Identity, InputFile, Outcome, Results, Run, RunReport

_NOTHING = FailureDetail("", "", "")
_QUICK = 1  # zlib's level for texts that wait in memory


class FailedAttempt(NamedTuple):
    """A row of `failures`. `duration` in milliseconds."""

    position: int
    attempt: int
    outcome: int
    duration: int | None
    signature: bytes
    detail: bytes | None


@dataclass(slots=True)
class Columns:
    """The results of a run: keys of tests, outcomes, attempts and milliseconds, by position."""

    tests: array[int] = field(default_factory=lambda: array("q"))
    outcomes: bytearray = field(default_factory=bytearray)
    attempts: array[int] = field(default_factory=lambda: array("i"))
    durations: array[int] = field(default_factory=lambda: array("i"))
    failures: list[FailedAttempt] = field(default_factory=list)

    def of(self, slices: Iterable[slice]) -> Columns:
        """The results in these slices, one after the other."""
        kept = Columns()
        for each in slices:
            shift = len(kept.tests) - each.start
            kept.tests += self.tests[each]
            kept.outcomes += self.outcomes[each]
            kept.attempts += self.attempts[each]
            kept.durations += self.durations[each]
            kept.failures += [
                failure._replace(position=failure.position + shift)
                for failure in self.failures
                if each.start <= failure.position < each.stop
            ]
        return kept


@dataclass(frozen=True, slots=True)
class Counts:
    """Of the last attempts of a run."""

    results: int
    failures: int
    errors: int
    skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What is left of a pruned run: keys of tests, and the counts."""

    pruned: PrunedRun
    executed: tuple[int, ...]
    skipped: tuple[int, ...]
    failed: tuple[int, ...]


@dataclass(slots=True, kw_only=True)
class Parcel:
    """One run, ready to be written. `number` is given when it is first about to be, and kept."""

    project: int
    run: Run
    files: tuple[InputFile, ...]
    content: Columns | Sums
    number: int | None = None

    @property
    def digest(self) -> bytes:
        return text(self.run.digest).encode()

    @property
    def tests(self) -> Iterable[int]:
        """Keys; of a run with results in their order, and as often as they stand in it."""
        if isinstance(self.content, Sums):
            return dict.fromkeys((*self.content.executed, *self.content.skipped, *self.content.failed))
        return self.content.tests

    @property
    def counts(self) -> Counts:
        if isinstance(self.content, Sums):
            pruned = self.content.pruned
            return Counts(pruned.results, pruned.failures, pruned.errors, pruned.skips)
        outcomes = self.content.outcomes
        return Counts(len(outcomes), *map(outcomes.count, (Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED)))

    def only(self, files: tuple[InputFile, ...]) -> tuple[Parcel, bool]:
        """The parcel with the results that come from these of its files, and whether others had to be taken along.

        Results stand in file order, so that each file's are a slice, as long as every case is a result of its own.
        """
        assert isinstance(self.content, Columns)
        if sum(file.cases for file in self.files) != len(self.content.tests):
            return replace(self, files=files), True
        wanted = {id(file) for file in files}
        slices, start = [], 0
        for file in self.files:
            if id(file) in wanted:
                slices.append(slice(start, start + file.cases))
            start += file.cases
        return replace(self, files=files, content=self.content.of(slices)), False


class Said(NamedTuple):
    """What a failure said: compressed, and the key of its signature."""

    content: bytes
    signature: bytes


class Encoder:
    """Makes parcels, and remembers the names and texts that their keys stand for.

    `signature_of` is asked once for each distinct detail.
    """

    def __init__(self, signature_of: Callable[[FailureDetail], str]) -> None:
        self._signature_of = signature_of
        self._keys: dict[int, dict[Identity, int]] = {}
        self.projects: dict[int, str] = {}
        self.tests: dict[tuple[int, int], Identity] = {}
        self.signatures: dict[bytes, str] = {}
        self.said: dict[bytes, Said] = {}  # by the key of the detail

    def project(self, name: str) -> int:
        key = project_key(name)
        self.projects[key] = name
        return key

    def report(self, report: RunReport) -> Parcel:
        project = self.project(report.run.project)
        keys = self._keys.setdefault(project, {})
        columns, results = Columns(), Results.of(report.results)
        for test in set(results.tests).difference(keys):
            self.test(project, test)
        columns.tests.extend(map(keys.__getitem__, results.tests))
        columns.outcomes = bytearray(results.outcomes)
        columns.attempts = results.attempts()
        columns.durations = array("i", map(stored_milliseconds, results.durations))
        columns.failures += [
            FailedAttempt(position, attempt, int(outcome), duration, *self._keys_of(failure))
            for position in results.special()
            for attempt, outcome, failure, duration in failed_attempts(results[position])
        ]
        return Parcel(project=project, run=report.run, files=report.files, content=columns)

    def pruned(self, pruned: PrunedRun) -> Parcel:
        project = self.project(pruned.run.project)
        executed, skipped, failed = (
            tuple(self.test(project, test) for test in tests)
            for tests in (pruned.executed, pruned.skipped, pruned.failed)
        )
        sums = Sums(pruned=pruned, executed=executed, skipped=skipped, failed=failed)
        return Parcel(project=project, run=pruned.run, files=pruned.files, content=sums)

    def test(self, project: int, test: Identity) -> int:
        keys = self._keys.setdefault(project, {})
        key = keys.get(test)
        if key is None:
            key = keys[test] = test_key(project, test)
            self.tests[project, key] = test
        return key

    def _keys_of(self, failure: FailureDetail | None) -> tuple[bytes, bytes | None]:
        """Of its signature and its detail."""
        if failure is None:
            return self._signature(_NOTHING), None
        content = details.encode(failure)
        key = digest(content)
        said = self.said.get(key)
        if said is None:
            said = self.said[key] = Said(zlib.compress(content, _QUICK), self._signature(failure))
        return said.signature, key

    def _signature(self, failure: FailureDetail) -> bytes:
        stored = text(self._signature_of(failure))
        key = digest(stored.encode())
        self.signatures[key] = stored
        return key


def places(tests: Iterable[int], roster: Iterable[int]) -> Iterator[int]:
    """Of each test, its place in the roster."""
    place = {test: index for index, test in enumerate(roster)}
    return map(place.__getitem__, tests)
