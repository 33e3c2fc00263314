"""Maven Surefire and Gradle: classes with methods."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from flakediag.confirm.runners import ByReport, Call, words
from flakediag.model import Identity

METHOD = re.compile(r"([A-Za-z_$][\w$]*)(?=$|[\[({])")


class _Java(ByReport):
    """What Surefire and Gradle have in common: tests are classes with methods."""

    def __init__(self, folder: Path, program: str | None) -> None:
        self._folder = folder
        self._program = program

    def known(self, tests: Sequence[Identity]) -> list[bool]:
        return [bool(re.fullmatch(r"[A-Za-z_$][\w.$]*", t.classname) and METHOD.match(t.name)) for t in tests]

    def _methods(self, tests: Sequence[Identity]) -> dict[str, list[str]]:
        classes: dict[str, list[str]] = {}
        for test in tests:
            found = METHOD.match(test.name)
            methods = classes.setdefault(test.classname, [])
            if found and found[1] not in methods:
                methods.append(found[1])
        return classes


class Maven(_Java):
    name = "Maven Surefire"
    limits = (
        "Surefire orders classes by the alphabet only, forwards or backwards, and methods not at all: "
        "suspects on both sides of the test's class are tried one side at a time"
    )

    def arranged(self, before: Sequence[Identity], test: Identity) -> Sequence[Identity] | None:
        same = [t for t in before if t.classname == test.classname]
        lower = sorted((t for t in before if t.classname < test.classname), key=lambda t: t.classname)
        upper = sorted((t for t in before if t.classname > test.classname), key=lambda t: t.classname, reverse=True)
        kept = [*(lower if len(lower) >= len(upper) else upper), *same]
        return kept if kept or not before else None

    def call(self, tests: Sequence[Identity], scratch: Path, seed: int | None = None) -> Call:
        classes = self._methods(tests)
        chosen = ",".join(f"{name}#{'+'.join(methods)}" for name, methods in classes.items())
        names = list(classes)
        order = "reversealphabetical" if len(names) > 1 and names[0] > names[-1] else "alphabetical"
        program = words(self._program, "./mvnw" if (self._folder / "mvnw").exists() else "mvn")
        argv = (
            *program, "-B", "-q", "test", f"-Dtest={chosen}", f"-Dsurefire.runOrder={order}",
            "-Dsurefire.rerunFailingTestsCount=0", "-DfailIfNoTests=false", "-Dsurefire.failIfNoSpecifiedTests=false",
            "-Dmaven.test.failure.ignore=true",
        )  # fmt: skip
        return Call(argv, (self._folder / "target" / "surefire-reports",))


class Gradle(_Java):
    name = "Gradle"
    limits = "Gradle takes no order of tests: they run in its own, and only what happened to run before the test counts"

    def arranged(self, before: Sequence[Identity], test: Identity) -> Sequence[Identity] | None:
        return before

    def call(self, tests: Sequence[Identity], scratch: Path, seed: int | None = None) -> Call:
        program = words(self._program, "./gradlew" if (self._folder / "gradlew").exists() else "gradle")
        chosen = [
            word
            for name, methods in self._methods(tests).items()
            for method in methods
            for word in ("--tests", f"{name}.{method}")
        ]
        argv = (*program, "--continue", "--max-workers=1", "cleanTest", "test", *chosen)
        return Call(argv, (self._folder / "build" / "test-results" / "test",))
