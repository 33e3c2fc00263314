"""Which runner carries the experiments out, and what it can order."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from flakediag.errors import UsageError
from flakediag.model import Identity


@dataclass(frozen=True, slots=True)
class Call:
    """A command that runs some tests. `reports` are where its JUnit XML will be, files or folders; those of a folder
    count only when they were written after the start. `environ` is added to the environment."""

    argv: tuple[str, ...]
    reports: tuple[Path, ...]
    environ: dict[str, str] = field(default_factory=dict)


class Runner(Protocol):
    """One project's test runner."""

    name: str
    limits: str
    """What it cannot do, one sentence; empty where it can run any tests in any order."""
    shuffles: bool
    """Whether it shuffles by a seed: the same seed puts the same tests in the same order."""

    def known(self, tests: Sequence[Identity]) -> list[bool]:
        """Whether each test can be chosen here. May ask the runner to list its tests."""
        ...

    def arranged(self, before: Sequence[Identity], test: Identity) -> Sequence[Identity] | None:
        """The order in which it would run these before `test`; None where it cannot run them before it at all."""
        ...

    def call(self, tests: Sequence[Identity], scratch: Path, seed: int | None = None) -> Call:
        """The command for these tests, in this order as far as the runner takes one; shuffled where it does not and a
        seed is given. `scratch` is an empty folder for its files."""
        ...

    def executed(self, tests: Sequence[Identity], scratch: Path) -> Sequence[Identity] | None:
        """The order in which these ran, where the report does not tell it but the runner does in another way."""
        ...


def words(program: str | None, usual: str) -> tuple[str, ...]:
    return tuple(shlex.split(program or usual))


def safe(word: str) -> bool:
    """Whether a program takes this for a name: not an option, and no control characters."""
    return bool(word) and not word.startswith("-") and word.isprintable()


class ByReport:
    """For runners whose report is all that tells the order."""

    shuffles = False

    def executed(self, tests: Sequence[Identity], scratch: Path) -> Sequence[Identity] | None:
        return None


def find(framework: str, folder: Path, *, command: str | None, program: str | None, environ: dict[str, str]) -> Runner:
    """The runner for a framework as the history names it; a template, where one is given, goes before.

    program: the words that start the runner, where its usual name will not do. Raises `UsageError` where neither helps.
    """
    if command is not None:
        from flakediag.confirm.template import Template

        return Template(command, framework)
    made = _RUNNERS.get(framework)
    if made is None:
        raise UsageError(
            f"tests of the framework {framework!r} cannot be run by flakediag itself",
            "say how: --command 'program {tests} --junit {junit}' (words, no shell)",
        )
    return made(folder, program, environ)


def _pytest(folder: Path, program: str | None, environ: dict[str, str]) -> Runner:
    from flakediag.confirm.pytest import Pytest

    return Pytest(folder, program, environ)


def _junit(folder: Path, program: str | None, environ: dict[str, str]) -> Runner:
    from flakediag.confirm import java

    if any((folder / name).exists() for name in ("build.gradle", "build.gradle.kts", "gradlew")):
        return java.Gradle(folder, program)
    return java.Maven(folder, program)


def _script(name: str) -> Callable[[Path, str | None, dict[str, str]], Runner]:
    def make(folder: Path, program: str | None, environ: dict[str, str]) -> Runner:
        from flakediag.confirm import scripts

        made: Runner = getattr(scripts, name)(folder, program)
        return made

    return make


def _go(folder: Path, program: str | None, environ: dict[str, str]) -> Runner:
    from flakediag.confirm.go import Go

    return Go(folder, program)


_RUNNERS: dict[str, Callable[[Path, str | None, dict[str, str]], Runner]] = {
    "pytest": _pytest,
    "junit": _junit,
    "jest": _script("Jest"),
    "vitest": _script("Vitest"),
    "go": _go,
    "rspec": _script("Rspec"),
}

SHUFFLED = {
    "pytest": "pytest --random-order-bucket=global --junitxml=report.xml   (with pytest-random-order)",
    "junit": "mvn test -Dsurefire.runOrder=random   (classes; methods of JUnit 5: "
    "-Djunit.jupiter.testmethod.order.default='org.junit.jupiter.api.MethodOrderer$Random')",
    "jest": "npx jest --runInBand --randomize   (tests within files; jest-junit writes the report)",
    "vitest": "npx vitest run --no-file-parallelism --sequence.shuffle --reporter=junit --outputFile=report.xml",
    "go": "gotestsum --junitfile report.xml -- -shuffle=on -count=1 -p 1 ./...",
    "rspec": "rspec --order rand --format RspecJunitFormatter --out report.xml",
}
"""The flags that shuffle a whole suite."""
