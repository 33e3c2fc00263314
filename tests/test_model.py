"""The words that all parts share: every one is there, and none is built before somebody asks for it."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from flakediag import model
from flakediag.model import Identity, Outcome, Run

PARTS = sorted(path for path in Path(model.__file__).parent.glob("*.py") if path.stem != "__init__")


def named(path: Path) -> list[str]:
    return [node.name for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.ClassDef)]


@pytest.mark.parametrize("name", model.__all__)
def test_every_name_is_a_class_of_a_file(name: str) -> None:
    found = getattr(model, name)
    assert isinstance(found, type) and found.__name__ == name
    assert found.__module__.startswith("flakediag.model.")
    assert getattr(model, name) is found


@pytest.mark.parametrize("path", PARTS, ids=lambda path: path.stem)
def test_every_class_of_a_file_is_handed_out(path: Path) -> None:
    assert named(path)
    for name in named(path):
        assert getattr(model, name).__module__ == f"flakediag.model.{path.stem}"


def test_the_type_checker_sees_the_same_names() -> None:
    told = [
        (node.module, alias.name, alias.asname)
        for node in ast.walk(ast.parse(Path(model.__file__).read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("flakediag.model.")
        for alias in node.names
    ]
    assert sorted(told) == sorted((getattr(model, name).__module__, name, name) for name in model.__all__)


def test_the_names_are_listed() -> None:
    assert set(model.__all__) <= set(dir(model))


def test_what_is_none_of_them_is_an_error() -> None:
    with pytest.raises(AttributeError, match=r"'flakediag\.model' has no attribute 'Nonsense'"):
        _ = model.Nonsense  # type: ignore[attr-defined]


def test_what_is_asked_for_comes_alone() -> None:
    script = (
        "import sys\nfrom flakediag.model import Identity\n"
        "print(*sorted(name for name in sys.modules if name.startswith('flakediag.model.')))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [Identity.__module__]


def test_another_process_is_given_what_it_can_take() -> None:
    for value in (Identity("c", "n"), Outcome.FAILED):
        assert pickle.loads(pickle.dumps(value)) == value
    assert pickle.loads(pickle.dumps(Run)) is Run
