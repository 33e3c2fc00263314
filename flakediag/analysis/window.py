"""The slice of a history that an analysis looks at, as arrays.

Rows are results: R runs (oldest first), T tests, N results sorted by run and position. Everything downstream is a
function of this one value, so an analysis needs neither a database nor a clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.interleaving import Interleaving, find_interleaved
from flakediag.analysis.ordering import in_order
from flakediag.analysis.weights import weights
from flakediag.model import FailureDetail, Identity, Order, Outcome, Run

Ints = NDArray[np.int32]
Bytes = NDArray[np.int8]
Floats = NDArray[np.float32]

Made = TypeVar("Made")
Value = TypeVar("Value", bound=np.generic)

NOT_RUN = -1  # in `Window.outcomes`: the test was absent from that run


class Sealed:
    """What a report says of a failure, unpacked when somebody asks: most of a history's failures are never read.

    speaks: it is known to say something, without being unpacked.
    """

    __slots__ = ("_unpack", "detail", "speaks")
    detail: FailureDetail

    def __init__(self, unpack: Callable[[], FailureDetail], *, speaks: bool = False) -> None:
        self._unpack = unpack
        self.speaks = speaks

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> FailureDetail:
            """The detail, the first time; from then on it is there, without a call for each of many readers."""
            if name != "detail":
                raise AttributeError(name)
            self.detail = self._unpack()
            return self.detail

    def __eq__(self, other: object) -> bool:
        return self.detail == (other.detail if isinstance(other, Sealed) else other)

    def __hash__(self) -> int:
        return hash(self.detail)

    def __repr__(self) -> str:
        return repr(self.detail)


class Failure(NamedTuple):
    """One failed attempt. `run` and `test` index into the window; `attempt` counts from 1; `position` from 0."""

    run: int
    test: int
    position: int
    attempt: int
    outcome: Outcome
    signature: str
    said: FailureDetail | Sealed

    @property
    def detail(self) -> FailureDetail:
        return self.said.detail if isinstance(self.said, Sealed) else self.said

    @property
    def silent(self) -> bool:
        """Nothing is kept of the attempt but that it failed."""
        if isinstance(self.said, Sealed):
            return not (self.said.speaks or any(self.said.detail))
        return not any(self.said)


class Retried(NamedTuple):
    """The results with more than one attempt, by run: each a column as in `Window`."""

    run: Ints
    test: Ints
    outcome: Bytes
    attempts: Bytes
    duration: Floats


@dataclass(frozen=True)
class Window:
    """R runs × T tests.

    run, test, position: int32[N], row by row; outcome: int8[N] (`Outcome`), the last attempt's;
    attempts: int8[N], at least 1; duration: float32[N] in seconds, NaN where not known.
    `failures` has one entry for each failed attempt of these results, also of those that passed on retry.
    A test may stand in a run more than once (the producer ran it twice); such rows are all kept.
    """

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """The columns of a window made `of_tables`: as large as the tables, and hardly ever asked for."""
            if name not in _COLUMNS or "positions" not in vars(self):
                raise AttributeError(name)
            vars(self).update(self._columns())
            return vars(self)[name]

    runs: tuple[Run, ...]
    tests: tuple[Identity, ...]
    run: Ints
    test: Ints
    position: Ints
    outcome: Bytes
    attempts: Bytes
    duration: Floats
    failures: tuple[Failure, ...] = field(default=())
    _made: dict[Callable[[Window], Any], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def of_tables(
        cls,
        runs: tuple[Run, ...],
        tests: tuple[Identity, ...],
        tables: Tables,
        failures: tuple[Failure, ...] = (),
    ) -> Window:
        """A window whose results stand in tables, since no test stands in a run twice."""
        window = cls.__new__(cls)
        known = {"runs": runs, "tests": tests, "failures": failures, "_made": {}, "repeated": False}
        vars(window).update(known, **tables._asdict())
        return window

    def once(self, make: Callable[[Window], Made]) -> Made:
        """What `make` makes of this window: made when it is asked for first, and the same for all who ask."""
        if make not in self._made:
            self._made[make] = make(self)
        made: Made = self._made[make]
        return made

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.runs), len(self.tests)

    def only(self, kept: NDArray[np.bool_]) -> Window:
        """The same runs and tests with the results of some runs alone. kept: bool[R]."""
        rows = kept[self.run]
        return Window(
            runs=self.runs,
            tests=self.tests,
            run=self.run[rows],
            test=self.test[rows],
            position=self.position[rows],
            outcome=self.outcome[rows],
            attempts=self.attempts[rows],
            duration=self.duration[rows],
            failures=tuple(f for f in self.failures if kept[f.run]),
        )

    @cached_property
    def outcomes(self) -> Bytes:
        """int8[R, T]: `Outcome` of each test in each run, `NOT_RUN` where absent; the worst of duplicates."""
        matrix = self._placed(self.outcome, NOT_RUN)
        if self.repeated:
            # Duplicates: a failure outranks a pass, a pass outranks a skip. Written in rising rank, the worst wins.
            rank = np.array([1, 2, 3, 0], dtype=np.int8)[self.outcome]
            by_rank = np.argsort(rank, kind="stable")
            matrix[self.run[by_rank], self.test[by_rank]] = self.outcome[by_rank]
        return matrix

    @cached_property
    def positions(self) -> Ints:
        """int32[R, T]: the place of each test in its run's report, -1 where absent; the last of duplicates."""
        return self._placed(self.position, -1)

    @cached_property
    def durations(self) -> Floats:
        """float32[R, T]: seconds, NaN where absent or not known; those of the last of duplicates."""
        return self._placed(self.duration, np.nan)

    @cached_property
    def tries(self) -> Bytes:
        """int8[R, T]: attempts, 0 where absent; the last of duplicates."""
        return self._placed(self.attempts, 0)

    def _placed(self, column: NDArray[Value], absent: float) -> NDArray[Value]:
        """[R, T]: a value of each test in each run, the last one of a repeated test.

        Run by run: the places in one run's row are few enough to stay near, and no index of all results is made.
        """
        matrix = np.full(self.shape, absent, dtype=column.dtype)
        for row, (start, end) in zip(matrix, pairwise(self._bounds), strict=True):
            row[self.test[start:end]] = column[start:end]
        return matrix

    @cached_property
    def _bounds(self) -> list[int]:
        """The row at which each run begins, and the number of all."""
        bounds: list[int] = np.searchsorted(self.run, np.arange(len(self.runs) + 1, dtype=self.run.dtype)).tolist()
        return bounds

    def _columns(self) -> dict[str, NDArray[Any]]:
        """The results of the tables as columns, by run and position."""
        ran = [np.flatnonzero(row >= 0) for row in self.positions]
        ran = [tests[in_order(row[tests])] for row, tests in zip(self.positions, ran, strict=True)]
        run = np.repeat(np.arange(len(ran), dtype=np.int32), [len(tests) for tests in ran])
        test = np.concatenate([np.empty(0, dtype=np.int32), *ran], dtype=np.int32, casting="unsafe")
        tables = (self.positions, self.outcomes, self.tries, self.durations)
        return dict(zip(_COLUMNS, (run, test, *(table[run, test] for table in tables)), strict=True))

    def seconds(self, run: int) -> Floats:
        """The durations of the results of one run, in their order."""
        if "run" in vars(self):
            return self.duration[slice(*self._bounds[run : run + 2])]
        ran = np.flatnonzero(self.positions[run] >= 0)
        found: Floats = self.durations[run, ran[in_order(self.positions[run, ran])]]
        return found

    @cached_property
    def retried(self) -> Retried:
        if self.repeated:
            rows = np.flatnonzero(self.attempts > 1)
            run, test, outcome = self.run[rows], self.test[rows], self.outcome[rows]
            return Retried(run, test, outcome, self.attempts[rows], self.duration[rows])
        at = np.nonzero(self.tries > 1)
        run, test = (of.astype(np.int32) for of in at)
        return Retried(run, test, self.outcomes[at], self.tries[at], self.durations[at])

    @cached_property
    def repeated(self) -> bool:
        """Some test stands in a run more than once."""
        return len(self.run) > int(np.count_nonzero(self.positions >= 0))

    @cached_property
    def failures_of(self) -> dict[int, list[Failure]]:
        """The failures of each test that has any, in the order of `failures`."""
        by_test: dict[int, list[Failure]] = {}
        for failure in self.failures:
            by_test.setdefault(failure.test, []).append(failure)
        return by_test

    @cached_property
    def results(self) -> int:
        return len(self.run) if "run" in vars(self) else int(np.count_nonzero(self.tries))

    @cached_property
    def executed(self) -> NDArray[np.bool_]:
        """bool[R, T]: the test ran. Skipped tests did not, unless they had failed before they were skipped."""
        ran: NDArray[np.bool_] = (self.outcomes != NOT_RUN) & (self.outcomes != Outcome.SKIPPED)
        return ran | self.failed

    @cached_property
    def ended_failed(self) -> NDArray[np.bool_]:
        """bool[R, T]: the last attempt failed."""
        ended: NDArray[np.bool_] = (self.outcomes == Outcome.FAILED) | (self.outcomes == Outcome.ERROR)
        return ended

    @cached_property
    def failed(self) -> NDArray[np.bool_]:
        """bool[R, T]: some attempt of the test failed in the run, whatever its end."""
        failed = self.ended_failed.copy()
        if self.failures:
            runs, tests = np.array([(f.run, f.test) for f in self.failures], dtype=np.int64).T
            failed[runs, tests] = True
        return failed

    @cached_property
    def recovered(self) -> NDArray[np.bool_]:
        """bool[R, T]: an attempt failed and one passed: a retry that recovered, or a test that ran twice."""
        recovered: NDArray[np.bool_] = self.failed & (self.outcomes == Outcome.PASSED)
        if self.repeated:  # the worst of several is no pass; one of them may be
            rows = np.flatnonzero(self.outcome == Outcome.PASSED)
            rows = rows[self.failed[self.run[rows], self.test[rows]]]
            recovered[self.run[rows], self.test[rows]] = True
        return recovered

    @cached_property
    def serial(self) -> NDArray[np.bool_]:
        """bool[R]: the report's order is the execution order of one process."""
        found = np.array([run.order is Order.EXECUTION for run in self.runs], dtype=np.bool_)
        found[list(self.interleaved)] = False
        return found

    @cached_property
    def interleaved(self) -> Mapping[int, Interleaving]:
        """The runs whose order is seen to mix the sequences of several workers, whatever the report claims."""
        told = (Order.EXECUTION, Order.COMPLETION)
        suspects = np.array([run.order in told for run in self.runs], dtype=np.bool_)
        when = np.where(self.executed, self.positions, -1)
        return find_interleaved(when, suspects, self.tests, weights("interleaving"))


_COLUMNS = ("run", "test", "position", "outcome", "attempts", "duration")


class Tables(NamedTuple):
    """Results of which each has a place of its own, [R, T]: what `Window` says of each, and what stands for none."""

    positions: Ints
    outcomes: Bytes
    tries: Bytes
    durations: Floats

    @classmethod
    def empty(cls, runs: int, tests: int) -> Tables:
        """To be filled, row by row."""
        shape = runs, tests
        return cls(
            np.full(shape, -1, dtype=np.int32),
            np.full(shape, NOT_RUN, dtype=np.int8),
            np.zeros(shape, dtype=np.int8),
            np.full(shape, np.nan, dtype=np.float32),
        )


@dataclass(frozen=True)
class Subject:
    """One way in which one test fails: the unit that a cause belongs to.

    `failed` is int8[R]: 1 where an attempt failed with this signature, 0 where the test passed at the first attempt,
    -1 where the run says nothing about it (absent, skipped, failed with another signature, an outage).
    """

    test: int
    signature: str
    failed: Bytes
    failures: tuple[Failure, ...]

    @cached_property
    def details(self) -> Counter[FailureDetail]:
        """What reports say about the failures, each distinct content with how often it was said."""
        return Counter(failure.detail for failure in self.failures)
