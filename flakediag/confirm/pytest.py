"""pytest: any tests in any order, each by the node id under which it was collected."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from flakediag.confirm.runners import ByReport, Call
from flakediag.errors import UsageError
from flakediag.model import Identity
from flakediag.remedies.reproduce import node_id

# What shuffles, spreads or repeats the tests would undo the order; plug-ins need not be installed to be refused.
PLAIN = ("-p", "no:randomly", "-p", "no:random_order", "-p", "no:xdist", "-p", "no:rerunfailures", "--maxfail=0")
LONG = 60_000  # bytes of node ids that are passed as words; more go through a file (pytest 8.2 and later)
LISTING = 300.0  # seconds that collecting may take


class Pytest(ByReport):
    name = "pytest"
    limits = ""

    def __init__(self, folder: Path, program: str | None, environ: dict[str, str]) -> None:
        self._folder = folder
        self._environ = environ
        self._program = tuple(shlex.split(program)) if program else _usual(environ)
        self._plain: tuple[str, ...] = PLAIN

    def known(self, tests: Sequence[Identity]) -> list[bool]:
        return [self._node(test) is not None for test in tests]

    def arranged(self, before: Sequence[Identity], test: Identity) -> Sequence[Identity] | None:
        return before

    def call(self, tests: Sequence[Identity], scratch: Path, seed: int | None = None) -> Call:
        junit = scratch / "report.xml"
        nodes = [self._node(test) or node_id(test) for test in tests]
        words = [f"./{node}" if node.startswith("-") else node for node in nodes]
        if sum(len(word.encode()) + 1 for word in words) > LONG:
            listed = scratch / "tests.txt"
            listed.write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
            words = [f"@{listed}"]
        return Call((*self._program, *self._plain, f"--junitxml={junit}", *words), (junit,))

    def _node(self, test: Identity) -> str | None:
        return self._nodes.get((test.classname, test.name)) or self._nodes.get((test.file, test.name))

    @cached_property
    def _nodes(self) -> dict[tuple[str, str], str]:
        """(class name, name) as the report writes them -> the node id, for all tests that pytest collects."""
        listing = self._collect()
        nodes = {}
        for line in listing.splitlines():
            path, separator, rest = line.partition("::")
            if not separator or not re.search(r"\.\w+$", path):
                continue
            node = f"{self._from_here(path)}::{rest}"
            # As pytest's junitxml does it: parameters may hold anything, also `::` and `/`.
            head, bracket, parameters = rest.partition("[")
            classes = head.split("::")
            module = re.sub(r"\.py$", "", path).replace("/", ".")
            name = classes.pop() + bracket + parameters
            nodes[".".join([module, *classes]), name] = node
            nodes.setdefault((path, name), node)
        if not nodes:
            raise UsageError(
                f"pytest collects no tests in {self._folder}",
                "run this where you run pytest, and in its environment" + _said(listing),
            )
        return nodes

    def _collect(self) -> str:
        command = [*self._program, *self._plain, "--collect-only", "-q", "--color=no"]
        done = self._run(command)
        if done.returncode == 4 and "unrecognized arguments" in done.stderr:
            # The project's own options (-n 4, --reruns 2) need the plug-ins that are refused here.
            self._plain = (*PLAIN, "-o", "addopts=")
            done = self._run([*self._program, *self._plain, "--collect-only", "-q", "--color=no"])
        if done.returncode == 4:
            raise UsageError(f"pytest does not start in {self._folder}" + _said(done.stderr), "see what it says above")
        return done.stdout

    def _run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                command, cwd=self._folder, env=self._environ, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                errors="replace", timeout=LISTING, check=False,
            )  # fmt: skip
        except OSError as error:
            raise UsageError(
                f"{command[0]} cannot be started: {error.strerror or error}",
                "run this in the project's environment, or name the program: --program 'poetry run pytest'",
            ) from error
        except subprocess.TimeoutExpired as error:
            raise UsageError(f"pytest took more than {LISTING:.0f} s to collect the tests") from error

    def _from_here(self, path: str) -> str:
        """Node ids start at pytest's root folder, which may lie above: its arguments start where it is called."""
        if (self._folder / path).exists():
            return path
        for above in self._folder.resolve().parents:
            if (above / path).exists():
                return os.path.relpath(above / path, self._folder)
        return path


def _usual(environ: dict[str, str]) -> tuple[str, ...]:
    if shutil.which("pytest", path=environ.get("PATH")):
        return ("pytest",)
    return (sys.executable, "-m", "pytest")


def _said(output: str) -> str:
    lines = [line for line in output.strip().splitlines() if line.strip()][-6:]
    return ":\n" + "\n".join(lines) if lines else ""
