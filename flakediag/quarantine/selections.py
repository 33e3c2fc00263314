"""The quarantined tests in the words of each runner.

Only pytest lets a plugin excuse a failure by what it says. The others get two invocations: one without the quarantined
tests, whose result counts, and one with only them, whose result does not. Names come from reports and are untrusted:
each argument is one word, none can be taken for an option, patterns match nothing but the name, and a name that a
runner cannot be given is left out and said.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from flakediag.analysis.frameworks import framework_of
from flakediag.model import Identity, QuarantineEntry, RunnerSelection
from flakediag.quarantine import patterns, scripts

Key = Hashable


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """How one runner is told. `frameworks` are those of its reports (a producer where it belongs to none).

    `refuses` says why a test cannot be chosen by name, None where it can. `key` is what it goes by when it is chosen,
    `taken_by` are the keys that would take it along. `select` makes the arguments.
    """

    frameworks: frozenset[str]
    refuses: Callable[[Identity], str | None]
    key: Callable[[Identity], Key]
    select: Callable[[Sequence[Identity]], RunnerSelection]
    taken_by: Callable[[Identity], Iterable[Key]] | None = None


RUNNERS: Mapping[str, Runner] = {
    "pytest": Runner(
        frameworks=frozenset({"pytest"}),
        refuses=lambda test: None,
        key=lambda test: test,
        select=lambda tests: RunnerSelection(
            runner="pytest",
            main="pytest {}",
            without=("-p", "flakediag.pytest_plugin"),
            notes=("pytest reads the quarantine file itself: one invocation, and only the quarantined way of failing",),
        ),
    ),
    "surefire": Runner(
        frameworks=frozenset({"junit"}),
        refuses=patterns.not_java,
        key=patterns.java_method,
        select=scripts.surefire,
    ),
    "gradle": Runner(
        frameworks=frozenset({"junit"}),
        refuses=patterns.not_java,
        key=patterns.java_method,
        select=scripts.gradle,
    ),
    "jest": Runner(
        frameworks=frozenset({"jest"}),
        refuses=patterns.no_title,
        key=patterns.title,
        select=patterns.jest,
    ),
    "vitest": Runner(
        frameworks=frozenset({"vitest"}),
        refuses=patterns.no_title,
        key=patterns.title,
        select=patterns.vitest,
    ),
    "go": Runner(
        frameworks=frozenset({"go"}),
        refuses=patterns.not_go,
        key=lambda test: test.name,
        taken_by=patterns.go_prefixes,
        select=patterns.go,
    ),
    "rspec": Runner(
        frameworks=frozenset({"rspec"}),
        refuses=patterns.no_title,
        key=lambda test: (test.classname, test.file, test.name),
        select=scripts.rspec,
    ),
    "playwright": Runner(
        frameworks=frozenset({"playwright"}),
        refuses=patterns.no_title,
        key=lambda test: (test.classname, test.name, test.variant),
        select=patterns.playwright,
    ),
}
NAMES = tuple(RUNNERS)


def select(
    name: str, entries: Iterable[QuarantineEntry], known: Mapping[str, tuple[Identity, str]], *, today: date
) -> RunnerSelection:
    """What the runner called `name` needs for the entries that have not expired.

    `known` are the tests of the history by id, with the producer of their reports. A test that it does not hold is
    read from its id, and taken to be of this runner if its name could be.
    """
    runner = RUNNERS[name]
    entries = list(entries)
    live = dict.fromkeys(entry.test for entry in entries if entry.expires >= today)
    chosen: list[Identity] = []
    left_out: list[tuple[str, str]] = []
    foreign = 0
    for id in sorted(live):
        test, producer = known.get(id) or (_from_id(id), None)
        framework = producer and (framework_of(producer) if framework_of(producer) != "unknown" else producer)
        if framework not in (None, *runner.frameworks):
            foreign += 1
        elif reason := patterns.unprintable(test) or runner.refuses(test):
            left_out.append((id, reason))
        else:
            chosen.append(test)
    selection = runner.select(chosen) if chosen or name == "pytest" else RunnerSelection(runner=name, main="")
    notes = [*selection.notes]
    if foreign:
        notes.append(f"{_tests(foreign)} of other runners not shown")
    expired = len({entry.test for entry in entries if entry.expires < today} - live.keys())
    if expired:
        notes.append(f"{_tests(expired)} whose quarantine has expired not excused")
    return replace(
        selection,
        tests=tuple(test.id for test in chosen),
        left_out=tuple(left_out),
        also=tuple(_also(runner, chosen, known)) if name != "pytest" else (),
        notes=tuple(notes),
    )


def _also(runner: Runner, chosen: Sequence[Identity], known: Mapping[str, tuple[Identity, str]]) -> list[str]:
    """The other tests that the runner leaves out by the same names, as far as the history knows."""
    keys = {runner.key(test) for test in chosen}
    taken_by = runner.taken_by or (lambda test: (runner.key(test),))
    own = set(chosen)
    return sorted(
        id
        for id, (test, producer) in known.items()
        if test not in own
        and (framework_of(producer) in runner.frameworks or producer in runner.frameworks)
        and not runner.refuses(test)
        and not keys.isdisjoint(taken_by(test))
    )


def _from_id(id: str) -> Identity:
    home, separator, name = id.partition("::")
    is_file = "/" in home or home.endswith((".js", ".ts", ".jsx", ".tsx", ".mjs", ".mts", ".cjs", ".cts"))
    if not separator:
        return Identity("", id)
    return Identity("", name, home) if is_file else Identity(home, name)


def _tests(count: int) -> str:
    return f"{count} test" if count == 1 else f"{count} tests"
