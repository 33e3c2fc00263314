"""Names of tests come from reports, and reports from anybody: none of them is ever read by a shell."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import pytest

from flakediag.confirm import process
from flakediag.confirm.template import Template
from flakediag.errors import UsageError
from flakediag.model import Identity

PACKAGE = Path(__file__).parents[2] / "flakediag"
FILES = sorted(PACKAGE.rglob("*.py"))
# Calls that hand a text to a shell, or make a file with a name that somebody else may have taken by then.
FORBIDDEN = {
    *("os.system", "os.popen", "os.spawnl", "os.spawnlp", "os.execl", "os.execlp", "pty.spawn", "tempfile.mktemp"),
    *("subprocess.getoutput", "subprocess.getstatusoutput", "asyncio.create_subprocess_shell", "eval", "exec"),
    *("pickle.load", "pickle.loads", "marshal.loads", "yaml.load"),
}
# What a file may do all the same: this one reads what its own forks have written into a pipe that nobody else has.
ALLOWED = {"forks.py": {"pickle.load"}}


def offences(text: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in FORBIDDEN:
                found.append(f"{node.lineno}: {called}")
            found += [f"{node.lineno}: {called}({word.arg}=…)" for word in node.keywords if word.arg == "shell"]
            if (
                called.startswith("subprocess.")
                and node.args
                and isinstance(node.args[0], ast.Constant | ast.JoinedStr)
            ):
                found.append(f"{node.lineno}: {called} of one text")
        elif isinstance(node, ast.ImportFrom) and node.module in {"os", "subprocess", "pickle"}:
            found += [f"{node.lineno}: from {node.module} import {each.name}" for each in node.names]
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_no_shell_is_started_and_no_code_is_read_from_data(file: Path) -> None:
    allowed = ALLOWED.get(file.relative_to(PACKAGE).as_posix(), set())
    found = offences(file.read_text("utf-8"))
    assert [offence for offence in found if offence.partition(": ")[2] not in allowed] == []


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.system('ls')",
        "import subprocess\nsubprocess.run(command, shell=True)",
        "import subprocess\nsubprocess.run(f'ls {name}')",
        "from subprocess import run",
        "eval(text)",
    ],
)
def test_an_offence_would_be_found(text: str) -> None:
    assert len(offences(text)) == 1


HOSTILE = [
    "test_x; touch pwned",
    "test_x$(touch pwned)",
    "test_x`touch pwned`",
    "test_x | touch pwned",
    "test_x && touch pwned",
    "test_x > pwned",
    "test_x' 'touch pwned",
    'test_x" "touch pwned',
    "test_x[a b]",
    "test_x[$HOME]",
    "test_*",
    "~/test_x",
    "test_x\nü",
]
ECHO = "import json, sys; open('said', 'w').write(json.dumps(sys.argv[1:]))"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_one_word_of_the_command(tmp_path: Path, name: str) -> None:
    template = Template("python -c code {tests} --junitxml={junit} 'two words' $HOME;", "rspec")
    call = template.call([Identity("", name, "spec/a_spec.rb"), Identity("", "test_y", "spec/a_spec.rb")], tmp_path)
    argv = [sys.executable, "-c", ECHO, *call.argv[3:]]
    ended = process.run(argv, tmp_path, environ={"PATH": "/nowhere"}, timeout=60, log=tmp_path / "log")
    assert ended.code == 0, ended.output
    assert json.loads((tmp_path / "said").read_text()) == [
        f"spec/a_spec.rb::{name}",
        "spec/a_spec.rb::test_y",
        f"--junitxml={tmp_path / 'report.xml'}",
        "two words",
        "$HOME;",
    ]
    assert not (tmp_path / "pwned").exists()


def test_words_are_split_as_a_shell_would_and_an_open_quote_is_an_error() -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        Template("run 'x {tests} {junit}", "pytest")
