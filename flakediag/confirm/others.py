"""The other runners. None of them takes any order of single tests; each says what it can do, and what ran before what
is read from its report afterwards, never taken for granted."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from flakediag.confirm.runners import ByReport, Call
from flakediag.errors import UsageError
from flakediag.model import Identity
from flakediag.remedies.reproduce import node_id

_METHOD = re.compile(r"([A-Za-z_$][\w$]*)(?=$|[\[({])")


def _words(program: str | None, usual: str) -> tuple[str, ...]:
    return tuple(shlex.split(program or usual))


def _safe(word: str) -> bool:
    """Whether a program takes this for a name: not an option, and no control characters."""
    return bool(word) and not word.startswith("-") and word.isprintable()


class _Java(ByReport):
    """What Surefire and Gradle have in common: tests are classes with methods."""

    def __init__(self, folder: Path, program: str | None) -> None:
        self._folder = folder
        self._program = program

    def known(self, tests: Sequence[Identity]) -> list[bool]:
        return [bool(re.fullmatch(r"[A-Za-z_$][\w.$]*", t.classname) and _METHOD.match(t.name)) for t in tests]

    def _methods(self, tests: Sequence[Identity]) -> dict[str, list[str]]:
        classes: dict[str, list[str]] = {}
        for test in tests:
            found = _METHOD.match(test.name)
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

    def call(self, tests: Sequence[Identity], scratch: Path) -> Call:
        classes = self._methods(tests)
        chosen = ",".join(f"{name}#{'+'.join(methods)}" for name, methods in classes.items())
        names = list(classes)
        order = "reversealphabetical" if len(names) > 1 and names[0] > names[-1] else "alphabetical"
        program = _words(self._program, "./mvnw" if (self._folder / "mvnw").exists() else "mvn")
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

    def call(self, tests: Sequence[Identity], scratch: Path) -> Call:
        program = _words(self._program, "./gradlew" if (self._folder / "gradlew").exists() else "gradle")
        chosen = [
            word
            for name, methods in self._methods(tests).items()
            for method in methods
            for word in ("--tests", f"{name}.{method}")
        ]
        argv = (*program, "--continue", "--max-workers=1", "cleanTest", "test", *chosen)
        return Call(argv, (self._folder / "build" / "test-results" / "test",))


class _Scripts(ByReport):
    """What the runners have in common that choose files, and tests in them by a pattern."""

    def __init__(self, folder: Path, program: str | None) -> None:
        self._folder = folder
        self._program = program

    def known(self, tests: Sequence[Identity]) -> list[bool]:
        return [_safe(self._file(test)) and bool(test.name) for test in tests]

    def arranged(self, before: Sequence[Identity], test: Identity) -> Sequence[Identity] | None:
        """Those of other files first; the tests of a file run as they are written."""
        away = [t for t in before if self._file(t) != self._file(test)]
        return [*away, *(t for t in before if self._file(t) == self._file(test))]

    def _file(self, test: Identity) -> str:
        found = test.file or (test.classname if re.search(r"\.[cm]?[jt]sx?$", test.classname) else "")
        return found.removeprefix("./")

    def _files(self, tests: Sequence[Identity]) -> list[str]:
        return list(dict.fromkeys(self._file(test) for test in tests))


class Jest(_Scripts):
    name = "Jest"
    limits = (
        "Jest takes the order of files, but runs the tests of a file as they are written; "
        "and each file has its own modules, so that only state outside the process passes between files"
    )

    def call(self, tests: Sequence[Identity], scratch: Path) -> Call:
        files = self._files(tests)
        sequencer = scratch / "sequencer.js"
        # A list in a file of ours: no name ever becomes code.
        (scratch / "order.json").write_text(json.dumps(files), encoding="utf-8")
        sequencer.write_text(_SEQUENCER, encoding="utf-8")
        report = scratch / "report.xml"
        argv = (
            *_words(self._program, "npx jest"), "--runInBand", "--ci", "--reporters=jest-junit",
            f"--testSequencer={sequencer}", f"--testNamePattern=^({'|'.join(_titles(tests))})$",
            "--runTestsByPath", *files,
        )  # fmt: skip
        return Call(argv, (report,), {"JEST_JUNIT_OUTPUT_FILE": str(report), "JEST_JUNIT_ADD_FILE_ATTRIBUTE": "true"})


_SEQUENCER = """\
const order = require('./order.json');
const rank = (path) => order.findIndex((file) => path.replace(/\\\\/g, '/').endsWith('/' + file));
module.exports = class {
  sort(tests) { return [...tests].sort((a, b) => rank(a.path) - rank(b.path)); }
  allFailedTests() { return []; }
  shard(tests) { return tests; }
  cacheResults() {}
};
"""


class Vitest(_Scripts):
    name = "Vitest"
    limits = "Vitest orders files as it likes and runs the tests of a file as they are written"

    def call(self, tests: Sequence[Identity], scratch: Path) -> Call:
        report = scratch / "report.xml"
        argv = (
            *_words(self._program, "npx vitest"), "run", "--no-file-parallelism", "--sequence.shuffle=false",
            "--reporter=junit", f"--outputFile={report}", f"--testNamePattern=^({'|'.join(_titles(tests))})$",
            *self._files(tests),
        )  # fmt: skip
        return Call(argv, (report,))


def _titles(tests: Sequence[Identity]) -> list[str]:
    return list(dict.fromkeys(_pattern(test.name.replace(" > ", " ")) for test in tests))


def _pattern(text: str) -> str:
    return re.sub(r"([\\.+*?()|\[\]{}^$/])", r"\\\1", text)


class Go:
    name = "gotestsum"
    limits = (
        "Go runs the tests of a package as they are written, each package in a process of its own: "
        "only tests of the same package that stand before it can be tried"
    )

    def __init__(self, folder: Path, program: str | None) -> None:
        self._folder = folder
        self._program = program
        self._listed: dict[str, list[str]] = {}

    def executed(self, tests: Sequence[Identity]) -> Sequence[Identity] | None:
        """As `go test -list` lists them, which is as they are written; subtests with their parents."""
        places = {}
        for test in tests:
            names = self._list(test.classname)
            top = test.name.partition("/")[0]
            if top not in names:
                return None
            places[test] = names.index(top)
        return sorted(tests, key=places.__getitem__)

    def _list(self, package: str) -> list[str]:
        if package not in self._listed:
            try:
                done = subprocess.run(
                    ["go", "test", "-list", ".", package],
                    cwd=self._folder, stdin=subprocess.DEVNULL, capture_output=True,
                    text=True, timeout=120, check=False,
                )  # fmt: skip
                self._listed[package] = done.stdout.split("\n")
            except (OSError, subprocess.TimeoutExpired):
                self._listed[package] = []
        return self._listed[package]

    def known(self, tests: Sequence[Identity]) -> list[bool]:
        return [_safe(test.classname) and bool(re.match(r"(Test|Example|Fuzz)\w*", test.name)) for test in tests]

    def arranged(self, before: Sequence[Identity], test: Identity) -> Sequence[Identity] | None:
        same = [t for t in before if t.classname == test.classname]
        ordered = self.executed([*same, test]) or [*same, test]
        same = [
            t for t in ordered[: list(ordered).index(test)] if t.name.partition("/")[0] != test.name.partition("/")[0]
        ]
        return same if same or not before else None

    def call(self, tests: Sequence[Identity], scratch: Path) -> Call:
        report = scratch / "report.xml"
        names = dict.fromkeys(re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", t.name.partition("/")[0]) for t in tests)
        argv = (
            *_words(self._program, "gotestsum"), "--junitfile", str(report), "--",
            "-count=1", "-shuffle=off", "-p=1", "-run", f"^({'|'.join(names)})$", tests[-1].classname,
        )  # fmt: skip
        return Call(argv, (report,))


class Rspec(_Scripts):
    name = "RSpec"
    limits = "RSpec takes the order of files, but runs the examples of a file as they are written"

    def call(self, tests: Sequence[Identity], scratch: Path) -> Call:
        report = scratch / "report.xml"
        usual = "bundle exec rspec" if (self._folder / "Gemfile").exists() else "rspec"
        files = self._files(tests)
        examples = dict.fromkeys(f"--example={test.name}" for test in tests)
        argv = (
            *_words(self._program, usual), "--order", "defined", "--require", "rspec_junit_formatter",
            "--format", "RspecJunitFormatter", "--out", str(report), *examples, *files,
        )  # fmt: skip
        return Call(argv, (report,))

    def _file(self, test: Identity) -> str:
        # rspec_junit_formatter writes the path with dots as the class name.
        dotted = test.classname.replace(".", "/") + ".rb" if test.classname.endswith("_spec") else ""
        return (test.file or dotted).removeprefix("./")


class Template(ByReport):
    """Any command, given in words: `{tests}` becomes one word for each test, `{junit}` the report's path."""

    limits = ""

    def __init__(self, template: str, framework: str) -> None:
        try:
            self._template = shlex.split(template)
        except ValueError as error:
            raise UsageError(f"--command cannot be read: {error}", "close every quotation mark") from error
        self.name = self._template[0] if self._template else "nothing"
        self._framework = framework
        if "{tests}" not in self._template:
            raise UsageError(
                "--command needs the word {tests}, standing alone: each test becomes a word in its place",
                "for example --command 'tox -e py -- {tests} --junitxml={junit}'",
            )
        if not any("{junit}" in word for word in self._template):
            raise UsageError(
                "--command needs {junit}: the path at which the JUnit XML is expected",
                "for example --command 'tox -e py -- {tests} --junitxml={junit}'",
            )

    def known(self, tests: Sequence[Identity]) -> list[bool]:
        return [_safe(self._word(test)) for test in tests]

    def arranged(self, before: Sequence[Identity], test: Identity) -> Sequence[Identity] | None:
        return before

    def call(self, tests: Sequence[Identity], scratch: Path) -> Call:
        report = scratch / "report.xml"
        argv: list[str] = []
        for word in self._template:
            if word == "{tests}":
                argv += [self._word(test) for test in tests]
            else:
                argv.append(word.replace("{junit}", str(report)))
        return Call(tuple(argv), (report, scratch))

    def _word(self, test: Identity) -> str:
        if self._framework == "pytest":
            return node_id(test)
        if self._framework == "junit":
            method = _METHOD.match(test.name)
            return f"{test.classname}#{method[1]}" if method else test.classname
        return test.name if self._framework == "go" else test.id
