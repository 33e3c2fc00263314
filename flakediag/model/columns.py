"""The results of a run, a column for each field: nearly all of them passed and said nothing."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, compress, count
from typing import TYPE_CHECKING, NamedTuple, overload

from flakediag.model.results import CaseResult, Identity, Outcome

if TYPE_CHECKING:
    from flakediag.model.results import Attempt, FailureDetail

_OUTCOMES = tuple(Outcome)


class Told(NamedTuple):
    """What a result says beyond its outcome and how long it took: `failure` and `earlier` of `CaseResult`."""

    failure: FailureDetail | None
    earlier: tuple[Attempt, ...]


_NOTHING = Told(None, ())


class Listed(Sequence[Identity]):
    """Tests by their places in a list that several reports share: most reports of a suite name the same ones."""

    __slots__ = ("places", "roster")

    def __init__(self, roster: Sequence[Identity], places: array[int]) -> None:
        self.roster = roster
        self.places = places

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, place: int) -> Identity: ...
    @overload
    def __getitem__(self, place: slice) -> Listed: ...
    def __getitem__(self, place: int | slice) -> Identity | Listed:
        if isinstance(place, slice):
            return Listed(self.roster, self.places[place])
        return self.roster[self.places[place]]

    def __iter__(self) -> Iterator[Identity]:
        return map(self.roster.__getitem__, self.places)


class Results(Sequence[CaseResult]):
    """Results in the order of the report, not to be changed. Equal to any sequence of equal results.

    tests: n identities; outcomes: n bytes, an `Outcome` each; durations: n times in seconds or None; told: by place,
    of those results that have something to tell.
    """

    __slots__ = ("durations", "outcomes", "tests", "told")

    def __init__(
        self,
        tests: Sequence[Identity],
        outcomes: bytes,
        durations: Sequence[float | None],
        told: Mapping[int, Told],
    ) -> None:
        self.tests = tests
        self.outcomes = outcomes
        self.durations = durations
        self.told = told

    @classmethod
    def of(cls, results: Iterable[CaseResult]) -> Results:
        """The same results; the very object where it is one of this class."""
        if isinstance(results, Results):
            return results
        tests, outcomes, durations, told = [], bytearray(), [], {}
        for place, (test, outcome, duration, failure, earlier) in enumerate(results):
            tests.append(test)
            outcomes.append(outcome)
            durations.append(duration)
            if failure is not None or earlier:
                told[place] = Told(failure, earlier)
        return cls(tests, bytes(outcomes), durations, told)

    @classmethod
    def joined(cls, parts: Sequence[Results]) -> Results:
        """The results of the parts, one after the other."""
        if len(parts) == 1:
            return parts[0]
        told: dict[int, Told] = {}
        start = 0
        for part in parts:
            told.update((start + place, what) for place, what in part.told.items())
            start += len(part)
        return cls(
            list(chain.from_iterable(part.tests for part in parts)),
            b"".join(part.outcomes for part in parts),
            list(chain.from_iterable(part.durations for part in parts)),
            told,
        )

    def __len__(self) -> int:
        return len(self.tests)

    @overload
    def __getitem__(self, place: int) -> CaseResult: ...
    @overload
    def __getitem__(self, place: slice) -> Results: ...
    def __getitem__(self, place: int | slice) -> CaseResult | Results:
        if isinstance(place, slice):
            places = range(len(self))[place]
            told = {new: self.told[old] for new, old in enumerate(places) if old in self.told}
            return Results(self.tests[place], self.outcomes[place], self.durations[place], told)
        what = self.told.get(range(len(self))[place], _NOTHING)
        return CaseResult(self.tests[place], _OUTCOMES[self.outcomes[place]], self.durations[place], *what)

    def __iter__(self) -> Iterator[CaseResult]:
        for place, (test, outcome, duration) in enumerate(zip(self.tests, self.outcomes, self.durations, strict=True)):
            yield CaseResult(test, _OUTCOMES[outcome], duration, *self.told.get(place, _NOTHING))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Results):
            return (self.outcomes, self.told) == (other.outcomes, other.told) and (
                list(self.tests) == list(other.tests) and list(self.durations) == list(other.durations)
            )
        return tuple(self) == tuple(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as of any sequence that may be long

    def __repr__(self) -> str:
        return f"Results.of({list(self)!r})"

    def attempts(self) -> array[int]:
        """How many each of them took: n numbers from 1 on."""
        found = array("i", [1]) * len(self)
        for place, what in self.told.items():
            found[place] += len(what.earlier)
        return found

    def special(self) -> list[int]:
        """The places of those that did not simply pass, or not at their first attempt, in order."""
        places = set(compress(count(), self.outcomes))
        return sorted(places.union(place for place, what in self.told.items() if what.earlier))

    def of_tests(self, tests: Sequence[Identity]) -> Results:
        """The same results, of these tests."""
        return Results(tests, self.outcomes, self.durations, self.told)

    def telling(self, told: Mapping[int, Told]) -> Results:
        """The same results, of which these tell something else."""
        return Results(self.tests, self.outcomes, self.durations, {**self.told, **told})
