"""Runs the steps of action.yml as GitHub's runner would: plain shell, in a faked environment."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml", reason="PyYAML is part of the development set-up")

ROOT = Path(__file__).parent.parent.parent
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
COMMAND = (sys.executable, "-m", "flakediag")
CONDITION = re.compile(r"(\S+) (==|!=) '([^']*)'")


def run_script(
    words: Sequence[str], folder: Path, *, check: bool = True, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a command, or a script of the repository with sh, in `folder`, with no CI system around it."""
    command = ["sh", str(ROOT / words[0]), *words[1:]] if words[0].endswith(".sh") else list(words)
    done = subprocess.run(command, cwd=folder, env=_clean() | environ, capture_output=True, text=True, timeout=120)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def _clean() -> dict[str, str]:
    """This process's environment without settings, CI and anybody's Git, and with the commands beside this Python."""
    others = ("FLAKEDIAG", "GITHUB", "CI", "GIT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return kept | {"PATH": path, "PYTHONPATH": str(ROOT), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


@dataclass
class Job:
    """A job of a workflow that uses the Action: a runner's disk, GitHub's cache, and what the steps said."""

    workspace: Path
    temp: Path
    cache: dict[str, bytes]
    environ: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    log: str = ""
    summary: str = ""
    failed: str | None = None

    def use(self, **inputs: str) -> Job:
        """Run the Action with `inputs` (underscores for hyphens), up to the first step that fails."""
        action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
        given = {name: spec.get("default", "") for name, spec in action["inputs"].items()}
        given |= {name.replace("_", "-"): value for name, value in inputs.items()}
        self._install()
        for step in action["runs"]["steps"]:
            if not self._holds(step.get("if", ""), given):
                continue
            self.ran.append(step["name"])
            if "run" in step:
                self._run(step, given)
            else:
                self._cache(step["uses"], {k: self._value(str(v), given) for k, v in step["with"].items()})
            if self.failed:
                break
        return self

    def _install(self) -> None:
        """What pip would do: install.sh finds it done, since a test must not reach for a package index."""
        command = self.temp / "flakediag" / "bin" / "flakediag"
        command.parent.mkdir(parents=True, exist_ok=True)
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m flakediag "$@"\n')
        command.chmod(command.stat().st_mode | stat.S_IXUSR)

    def _run(self, step: dict[str, Any], given: dict[str, str]) -> None:
        script, summary, output, path = (self.temp / name for name in ("step.sh", "summary", "output", "path"))
        script.write_text(step["run"])
        for file in (summary, output):
            file.write_text("")
        path.touch()
        environ = _clean() | {name: self._value(str(value), given) for name, value in step.get("env", {}).items()}
        environ |= self.environ | {
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_PATH": str(path),
            "RUNNER_TEMP": str(self.temp),
            "PATH": os.pathsep.join([*path.read_text().split(), os.environ["PATH"]]),
        }
        assert step["shell"] == "sh"
        done = subprocess.run(
            ["sh", "-e", str(script)], cwd=self.workspace, env=environ, capture_output=True, text=True, timeout=120
        )
        self.log += done.stdout + done.stderr
        self.summary += summary.read_text(encoding="utf-8")
        said = [line.partition("=") for line in output.read_text().splitlines()]
        self.outputs.setdefault(step.get("id", ""), {}).update({name: value for name, _, value in said})
        if done.returncode:
            self.failed = step["name"]

    def _cache(self, uses: str, arguments: dict[str, str]) -> None:
        """actions/cache: entries never change; the newest one whose name begins with the key is restored."""
        path = self.workspace / arguments["path"]
        if "/restore@" in uses:
            for name in reversed(self.cache):
                if name.startswith((arguments["key"], arguments["restore-keys"])):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(self.cache[name])
                    return
        else:
            assert "/save@" in uses
            self.cache.setdefault(arguments["key"], path.read_bytes())

    def _value(self, text: str, given: dict[str, str]) -> str:
        return EXPRESSION.sub(lambda found: self._look_up(found[1], given), text)

    def _look_up(self, name: str, given: dict[str, str]) -> str:
        if name.startswith("inputs."):
            return given[name.removeprefix("inputs.")]
        found = re.fullmatch(r"steps\.(\w+)\.outputs\.(\w+)", name)
        assert found, f"the runner of the tests does not know {name}"
        return self.outputs.get(found[1], {}).get(found[2], "")

    def _holds(self, condition: str, given: dict[str, str]) -> bool:
        for part in condition.split(" && ") if condition else ():
            found = CONDITION.fullmatch(part)
            assert found, f"the runner of the tests does not understand {part}"
            if (self._look_up(found[1], given) == found[3]) is (found[2] == "!="):
                return False
        return True

    def fresh(self) -> Job:
        """The next job, on another machine: the same repository and cache, none of the files."""
        shutil.rmtree(self.workspace / ".flakediag", ignore_errors=True)
        return Job(self.workspace, self.temp, self.cache, self.environ)
