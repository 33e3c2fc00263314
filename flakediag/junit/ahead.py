"""Report files read by other processes, ahead of this one, which stores what they say."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import count
from typing import NamedTuple

from flakediag.forks import Fork, processes
from flakediag.junit.dialects import DEFAULT, DIALECTS
from flakediag.junit.results import Reading
from flakediag.junit.settings import MIB
from flakediag.junit.sources import Refusal, Source
from flakediag.model import FileReport, Identity, Listed

Outcome = Reading | FileReport
Read = Callable[[Source], Outcome]

_AT_A_TIME = 4096  # files that are known of before they are read
_MOST_READERS = 3  # one process cannot store what more of them read
_WORTH_A_PROCESS = 2 * MIB  # bytes


class Waiting(NamedTuple):
    """A report file, and how to come by what was read of it: to be called once, in the order of the files."""

    source: Source
    outcome: Callable[[], Outcome]


def read_ahead(sources: Iterable[Source | Refusal], read: Read) -> Iterator[Waiting | Refusal]:
    """The same in the same order, each file with its reading. Files of their own are read by other processes, where
    there are processors for them; the members of an archive are not, which follow each other."""
    own: list[Source] = []
    for source in sources:
        if isinstance(source, Source) and source.size is not None:
            own.append(source)
            if len(own) == _AT_A_TIME:
                yield from _shared_out(own, read)
                own = []
            continue
        yield from _shared_out(own, read)
        own = []
        yield source if isinstance(source, Refusal) else Waiting(source, partial(read, source))
    yield from _shared_out(own, read)


def _shared_out(sources: Sequence[Source], read: Read) -> Iterator[Waiting]:
    readers = min(processes() - 1, _MOST_READERS, len(sources) - 1)
    if readers < 1 or sum(source.size or 0 for source in sources) < _WORTH_A_PROCESS:
        yield from (Waiting(source, partial(read, source)) for source in sources)
        return
    others = [_Reader(sources[number::readers], read) for number in range(readers)]
    try:
        for number, source in enumerate(sources):
            yield Waiting(source, partial(others[number % readers].outcome, source))
    finally:
        for reader in others:
            reader.end()


class _Sent(NamedTuple):
    """What a process has read: the tests of its results by their numbers, of which `new` are named for the first time.
    Most reports of a suite name the same ones."""

    outcome: Outcome
    numbers: array[int]
    new: list[Identity]


class _Reader:
    """Another process that reads some files."""

    def __init__(self, sources: Sequence[Source], read: Read) -> None:
        self._read = read
        self._tests: list[Identity] = []  # by number
        self._fork = Fork(partial(_read_all, sources, read))
        self.end = self._fork.end

    def outcome(self, source: Source) -> Outcome:
        """What was read of the next of its files; read here where it could not be."""
        try:
            sent: _Sent | None = self._fork.take()
        except EOFError:
            sent = None
        if sent is None:
            return self._read(source)
        if isinstance(sent.outcome, Reading):
            self._tests += sent.new
            sent.outcome.results = sent.outcome.results.of_tests(Listed(self._tests, sent.numbers))
        return sent.outcome


def _read_all(sources: Sequence[Source], read: Read) -> Iterator[_Sent | None]:
    """What the other process does. None for what cannot be sent, the dialects of formats other than JUnit XML."""
    known: dict[Identity, int] = {}
    for source in sources:
        outcome = read(source)
        numbers, new = array("i"), list[Identity]()
        if isinstance(outcome, Reading):
            if not any(outcome.dialect is one for one in (*DIALECTS, DEFAULT)):
                yield None
                continue
            tests = outcome.results.tests
            try:
                numbers = array("i", map(known.__getitem__, tests))
            except KeyError:
                new = [test for test in dict.fromkeys(tests) if test not in known]
                known.update(zip(new, count(len(known))))
                numbers = array("i", map(known.__getitem__, tests))
            outcome.results = outcome.results.of_tests(())
        yield _Sent(outcome, numbers, new)
