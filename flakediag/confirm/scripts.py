"""Jest, Vitest and RSpec: files, and tests in them chosen by a pattern."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from flakediag.confirm.runners import ByReport, Call, safe, words
from flakediag.model import Identity


class _Scripts(ByReport):
    """What the runners have in common that choose files, and tests in them by a pattern."""

    shuffles = True

    def __init__(self, folder: Path, program: str | None) -> None:
        self._folder = folder
        self._program = program

    def known(self, tests: Sequence[Identity]) -> list[bool]:
        return [safe(self._file(test)) and bool(test.name) for test in tests]

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
        "Jest takes the order of files, but those in a file run as they are written, or shuffled by a seed; "
        "and each file has its own modules, so that only state outside the process passes between files"
    )

    def call(self, tests: Sequence[Identity], scratch: Path, seed: int | None = None) -> Call:
        files = self._files(tests)
        ordering: list[str] = []
        if len(files) > 1:
            sequencer = scratch / "sequencer.js"
            # A list in a file of ours: no name ever becomes code.
            (scratch / "order.json").write_text(json.dumps(files), encoding="utf-8")
            sequencer.write_text(_SEQUENCER, encoding="utf-8")
            ordering = [f"--testSequencer={sequencer}"]
        report = scratch / "report.xml"
        argv = (
            *words(self._program, "npx jest"), "--runInBand", "--ci", "--reporters=jest-junit",
            *ordering, *(() if seed is None else ("--randomize", f"--seed={seed}")),
            f"--testNamePattern=^({'|'.join(_titles(tests))})$",
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
    limits = (
        "Vitest orders files as it likes, and runs the tests of a file as they are written, or shuffled by a seed; "
        "each file has its own modules, unless the project says otherwise"
    )

    def call(self, tests: Sequence[Identity], scratch: Path, seed: int | None = None) -> Call:
        report, reporter = scratch / "report.xml", scratch / "reporter.mjs"
        reporter.write_text(_REPORTER, encoding="utf-8")
        argv = (
            *words(self._program, "npx vitest"), "run", "--no-file-parallelism", *_shuffle(seed),
            "--reporter=junit", f"--outputFile.junit={report}", f"--reporter={reporter}",
            f"--testNamePattern=^({'|'.join(_titles(tests))})$",
            *self._files(tests),
        )  # fmt: skip
        return Call(argv, (report,))

    def executed(self, tests: Sequence[Identity], scratch: Path) -> Sequence[Identity] | None:
        """As they ended; its JUnit XML has the tests of a file as they are written, even where they were shuffled."""
        try:
            ended = [tuple(json.loads(line)) for line in (scratch / ENDED).read_text("utf-8").splitlines()]
        except (OSError, ValueError):
            return None
        places = {
            test: next((n for n, (path, name) in enumerate(ended) if name == test.name and self._is(path, test)), None)
            for test in tests
        }
        if None in places.values():
            return None
        return sorted(tests, key=lambda test: places[test] or 0)

    def _is(self, path: str, test: Identity) -> bool:
        return f"/{path}".replace("\\", "/").endswith(f"/{self._file(test)}")


ENDED = "ended.jsonl"
_REPORTER = """\
import { appendFileSync } from "node:fs";
const told = new URL("./ended.jsonl", import.meta.url);
export default class {
  onTestCaseResult(test) {
    if (test.result().state === "skipped") return;
    appendFileSync(told, JSON.stringify([test.module.moduleId, test.fullName]) + "\\n");
  }
}
"""


def _shuffle(seed: int | None) -> tuple[str, ...]:
    return ("--sequence.shuffle=false",) if seed is None else ("--sequence.shuffle.tests", f"--sequence.seed={seed}")


def _titles(tests: Sequence[Identity]) -> list[str]:
    return list(dict.fromkeys(_pattern(test.name.replace(" > ", " ")) for test in tests))


def _pattern(text: str) -> str:
    return re.sub(r"([\\.+*?()|\[\]{}^$/])", r"\\\1", text)


class Rspec(_Scripts):
    name = "RSpec"
    limits = "RSpec takes the order of files; the examples of a file run as they are written, or shuffled by a seed"

    def call(self, tests: Sequence[Identity], scratch: Path, seed: int | None = None) -> Call:
        report = scratch / "report.xml"
        usual = "bundle exec rspec" if (self._folder / "Gemfile").exists() else "rspec"
        files = self._files(tests)
        examples = dict.fromkeys(f"--example={test.name}" for test in tests)
        argv = (
            *words(self._program, usual), "--order", "defined" if seed is None else f"rand:{seed}",
            "--require", "rspec_junit_formatter", "--format", "RspecJunitFormatter", "--out", str(report),
            *examples, *files,
        )  # fmt: skip
        return Call(argv, (report,))

    def _file(self, test: Identity) -> str:
        # rspec_junit_formatter writes the path with dots as the class name.
        dotted = test.classname.replace(".", "/") + ".rb" if test.classname.endswith("_spec") else ""
        return (test.file or dotted).removeprefix("./")
