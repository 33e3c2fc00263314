"""What integrations/install.sh asks pip for, by a pip that only notes it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from integrations.action_steps import ROOT, run_script

# Stands for python3: `-m venv` makes a folder with itself in it, `-m pip install` a command where it is to be made.
PYTHON = """#!/bin/sh
case "$1 $2" in
"-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
"-m pip")
    shift 5
    echo "$@" >>"$LOG"
    case "$*" in *--require-hashes*) ;; *) printf '#!/bin/sh\\necho flakediag\\n' >"$(dirname "$0")/flakediag" ;; esac
    chmod +x "$(dirname "$0")/flakediag" 2>/dev/null || true
    ;;
esac
"""
HASHED = [
    f"--require-hashes --only-binary :all: --requirement {ROOT}/requirements/runtime.txt",
    f"--no-index --no-deps --no-build-isolation {ROOT}",
]


@pytest.mark.skipif(sys.platform == "win32", reason="a script for sh")
@pytest.mark.parametrize(
    ("asked", "installed"),
    [
        ({}, HASHED),
        ({"REQUIREMENT": "", "UNHASHED": "false"}, HASHED),
        ({"UNHASHED": "true"}, [f"--constraint {ROOT}/constraints.txt {ROOT}"]),
        ({"REQUIREMENT": "flakediag==0.1.0"}, ["flakediag==0.1.0"]),
        ({"REQUIREMENT": "flakediag==0.1.0", "UNHASHED": "true"}, ["flakediag==0.1.0"]),
    ],
    ids=str,
)
def test_what_is_installed_is_pinned_by_hash_unless_asked_otherwise(
    tmp_path: Path, asked: dict[str, str], installed: list[str]
) -> None:
    python, log, path = tmp_path / "python", tmp_path / "log", tmp_path / "path"
    python.write_text(PYTHON)
    python.chmod(0o755)
    environ = {"PYTHON": str(python), "LOG": str(log), "GITHUB_PATH": str(path), "TOOL_HOME": str(tmp_path / "tool")}
    for _ in range(2):  # the second time it is there
        assert run_script(["integrations/install.sh"], tmp_path, **environ, **asked).stdout == "flakediag\n"
    assert log.read_text().splitlines() == installed
    assert path.read_text().splitlines() == [str(tmp_path / "tool" / "command")] * 2
