"""Any command, given as a template."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from flakediag.confirm.java import METHOD
from flakediag.confirm.runners import ByReport, Call, safe
from flakediag.errors import UsageError
from flakediag.model import Identity
from flakediag.remedies.reproduce import node_id


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
        return [safe(self._word(test)) for test in tests]

    def arranged(self, before: Sequence[Identity], test: Identity) -> Sequence[Identity] | None:
        return before

    def call(self, tests: Sequence[Identity], scratch: Path, seed: int | None = None) -> Call:
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
            method = METHOD.match(test.name)
            return f"{test.classname}#{method[1]}" if method else test.classname
        return test.name if self._framework == "go" else test.id
