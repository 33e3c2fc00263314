"""Who may import whom, and what `--help` may cost."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "flakediag"

# part -> the parts of flakediag that it may import, beside itself. `model` and `errors` stand below everything.
MAY_IMPORT = {
    "model": set[str](),
    "errors": set[str](),
    "location": set[str](),
    "expressions": set[str](),
    "tables": set[str](),
    "forks": set[str](),
    "analysis": {"model", "forks"},
    "simulate": {"model", "analysis"},
    "remedies": {"model"},
    "report": {"model"},
    "redact": {"model"},
    "config": {"model", "errors", "redact"},
    "ci": {"model", "errors"},
    "junit": {"model", "errors", "ci", "forks"},
    "history": {"model", "errors", "analysis"},
    "confirm": {"model", "errors", "analysis", "remedies", "history", "junit"},
    "service": {
        *("model", "errors", "analysis", "remedies", "history", "junit", "ci", "config", "confirm", "redact"),
        "report_cache",
    },
    "selftest": {"model", "errors", "analysis", "history", "service"},
    "experiments": {
        *("model", "errors", "analysis", "remedies", "history", "junit", "ci", "confirm", "service", "redact"),
    },
    "owners": {"model", "errors"},
    "report_cache": {"model"},
    "ratchet": {"model", "errors"},
    "gates": {*("model", "errors", "analysis", "history", "service", "owners")},
    "quarantine": {*("model", "errors", "analysis", "history", "service")},
    "pytest_plugin": {*("model", "errors", "analysis", "config", "junit", "quarantine", "redact")},
    "backtests": {*("model", "errors", "analysis", "history", "service", "gates", "owners")},
    "checks": {*("model", "errors", "analysis", "history", "junit", "ci", "service", "redact")},
    "fleet": {"model", "errors", "forks", "analysis", "history", "service", "report_cache"},
    "upkeep": {"model", "errors", "analysis", "history", "service", "redact"},
    "cli": {
        *("model", "errors", "forks", "service", "selftest", "experiments", "checks", "upkeep", "report"),
        *("config", "owners", "ratchet", "gates", "backtests", "quarantine", "redact", "report_cache", "fleet"),
    },
    "__main__": {"cli"},
    "__init__": set[str](),
}
# Libraries that one part alone may use.
ONLY_IN = {
    "click": {"cli"},
    "rich": {"report", "cli"},
    "junitparser": {"junit"},
    "xml": {"junit"},
    "sqlite3": {"history", "cli"},  # the crash report names its version
    "sqlite_utils": {"history"},
    "psycopg": {"history"},
    "pandas": {"report", "history"},
    "socket": {"confirm"},  # to hold a port that it was asked to hold; nothing else ever opens a connection
    "ssl": set[str](),
    "http": set[str](),
    "pickle": {"report_cache", "forks"},  # the classes of a report alone; and what our own forks send back
    "pytest": {"pytest_plugin"},
    "duckdb": {"history"},
    "pyarrow": {"history", "report"},
    "distributed": {"fleet"},
    "_pytest": {"pytest_plugin"},
}
BESIDE = {"expressions", "tables"}  # no words, but ways to write them: for every part
PURE = {"model", "expressions", "tables", "errors", "analysis", "remedies", "redact"}
PURE_LIBRARIES = sys.stdlib_module_names | {"numpy", "scipy"}

HEAVY = ("numpy", "pandas", "scipy", "junitparser", "sqlite_utils", "sqlite3", "rich", "lxml", "tomllib")


def imports(file: Path) -> Iterator[tuple[str, int]]:
    """(dotted name, line) of everything that `file` imports, at any depth of nesting."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: a relative import hides who is imported"
            if node.module == "flakediag":
                yield from ((f"flakediag.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield node.module or "", node.lineno


def part_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = sorted(PACKAGE.rglob("*.py"))


def offences(file: Path) -> list[str]:
    part, found = part_of(file), []
    allowed = MAY_IMPORT[part] | {part}
    if part not in BESIDE:
        allowed |= BESIDE
    if "errors" in allowed:  # where a history is, is a word that all of these share
        allowed |= {"location"}
    for name, line in imports(file):
        top, _, rest = name.partition(".")
        where = f"{file.relative_to(PACKAGE.parent)}:{line}"
        if top == "flakediag":
            target = rest.partition(".")[0]
            if target and target != "__version__" and target not in allowed:
                found.append(f"{where}: {part} imports {target}")
        elif part not in ONLY_IN.get(top, {part}) or (part in PURE and top not in PURE_LIBRARIES):
            found.append(f"{where}: {part} imports {top}")
    return found


def test_the_layers_hold() -> None:
    assert [said for file in FILES for said in offences(file)] == []


def test_every_part_is_known() -> None:
    assert {part_of(file) for file in FILES} <= set(MAY_IMPORT)


def test_an_offence_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    file = tmp_path / "report" / "table.py"
    file.parent.mkdir()
    file.write_text(
        "def f():\n    from flakediag import service\n    import click\n    import flakediag.history.history\n"
    )
    assert len(offences(file)) == 3


@pytest.mark.parametrize("args", [["--help"], ["--version"]])
def test_help_and_version_load_nothing_heavy(args: list[str]) -> None:
    # What a bare interpreter has loaded already (a .pth file of the environment may) is not flakediag's doing.
    script = (
        "import sys; before = set(sys.modules)\n"
        "from flakediag.cli import main\n"
        f"try:\n    main({args!r})\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "print(*sorted(set(sys.modules) - before), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = done.stderr.split()
    assert "click" in loaded
    assert [name for name in loaded if name.partition(".")[0] in HEAVY] == []
    ours = [name for name in loaded if name.startswith("flakediag.") and "cli" not in name]
    assert ours == ["flakediag.errors", "flakediag.location"]


@pytest.mark.parametrize(
    "command",
    [
        *("ingest", "report", "show", "plan", "confirm", "gate", "owners", "backtest", "runs", "tests"),
        *("merge", "prune", "export", "import", "rename", "doctor"),
    ],
)
def test_the_help_of_a_command_loads_neither_the_history_nor_the_analysis(command: str) -> None:
    script = (
        "import sys\nfrom flakediag.cli import main\n"
        f"try:\n    main([{command!r}, '--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "assert not {'numpy', 'pandas', 'sqlite3', 'flakediag.service'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)


GREEN = '<testsuite name="s"><testcase classname="c" name="a" time="1"/></testsuite>'
RED = '<testsuite name="s"><testcase classname="c" name="a" time="1"><failure message="no"/></testcase></testsuite>'
DIAGNOSIS = (
    "flakediag.model.diagnosis",
    "flakediag.model.fixes",
    "flakediag.model.report",
    "flakediag.analysis.diagnose",
)


def loaded_by(folder: Path, *args: str) -> set[str]:
    """The modules that a command loads, nobody watching it."""
    script = (
        "import sys; before = set(sys.modules)\nfrom flakediag.cli import main\n"
        f"try:\n    main({[*args, '--db', str(folder / 'h.db')]!r})\nexcept SystemExit as end:\n    code = end.code\n"
        "print(code, *sorted(set(sys.modules) - before), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=folder)
    code, *names = done.stderr.splitlines()[-1].split()
    assert code in {"0", "1", "4"}, done.stderr
    return set(names)


def within(loaded: set[str], *names: str) -> list[str]:
    return sorted(each for each in loaded if any(f"{each}.".startswith(f"{name}.") for name in names))


def test_what_a_command_does_not_need_is_not_loaded(tmp_path: Path) -> None:
    for number, content in enumerate((GREEN, RED, RED)):
        (tmp_path / f"{number}.xml").write_text(content.replace('name="s"', f'name="s" id="{number}"'))
    always = (*DIAGNOSIS, "rich", "pandas", "sqlite_utils", "scipy", "flakediag.owners", "flakediag.report.document")
    only_flakes = ("numpy", "flakediag.analysis.flaky", "flakediag.model.findings")
    green = loaded_by(tmp_path, "ingest", "0.xml")
    assert within(green, *always, *only_flakes, "junitparser", "lxml", "flakediag.model.gate") == []
    red = loaded_by(tmp_path, "ingest", "1.xml")
    assert within(red, *always, *only_flakes, "flakediag.model.gate") == []
    twice = loaded_by(tmp_path, "ingest", "2.xml")  # now one test has failed twice, and could be flaky
    assert within(twice, *always, *only_flakes, "flakediag.model.gate") == []
    gate = loaded_by(tmp_path, "gate", "--max-flaky-rate", "1%")
    assert within(gate, *always, "junitparser", "lxml", "flakediag.junit", "flakediag.redact") == []
    report = loaded_by(tmp_path, "report")
    assert within(report, "rich.console", "pandas", "junitparser", "sqlite_utils", "flakediag.junit") == []
    assert within(report, "flakediag.model.gate", "flakediag.model.check", "flakediag.model.upkeep") == []


@pytest.mark.parametrize(("asked", "seen"), [({}, "1"), ({"OPENBLAS_NUM_THREADS": "3"}, "3")])
def test_matrices_have_one_thread_unless_asked_and_the_environment_is_handed_on_as_it_was(
    asked: dict[str, str], seen: str
) -> None:
    script = (
        "import os, subprocess, sys\nfrom flakediag.cli import main\n"
        "try:\n    main(['--version'])\nexcept SystemExit:\n    pass\n"
        "tell = [sys.executable, '-c', 'import os; print(os.environ.get(\"OPENBLAS_NUM_THREADS\"))']\n"
        "for env in (None, dict(os.environ)):\n    subprocess.run(tell, env=env, check=True)\n"
    )
    plain = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=plain | asked)
    told = done.stdout.splitlines()[-2:]  # what a library loaded here sees, and what a program started by us is told
    assert told == [seen, asked.get("OPENBLAS_NUM_THREADS", "None")]
