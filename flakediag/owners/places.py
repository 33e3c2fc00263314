"""Where a test stands: the file of a test in the checkout, as far as its names tell.

A report that names the file settles it. Else the class name is read the way its framework makes it, and looked for
among the files of the checkout; where that names several files, all of them are meant, and where none, the usual place.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flakediag.model import Identity

# Folders without sources of the project: looking through them costs more than all the others together.
_PASSED_BY = {"node_modules", "venv", "build", "dist", "target", "vendor", "__pycache__", "site-packages"}
_JVM = (".java", ".kt", ".groovy", ".scala")
_SOURCE = re.compile(r"[\w./ -]+\.(?:py|rb|go|rs|[cm]?[jt]sx?|java|kt|cs|php|ex|exs|swift|feature)")


class Checkout:
    """The files below a folder, listed when first asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for folder, folders, names in os.walk(self.root):
            folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in _PASSED_BY)
            place = Path(folder).relative_to(self.root).as_posix()
            for name in names:
                found[name].append(name if place == "." else f"{place}/{name}")
        return found

    @cached_property
    def _go_folders(self) -> dict[str, list[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for name, paths in self._by_name.items():
            if name.endswith("_test.go"):
                for path in paths:
                    found[path.rpartition("/")[0]].append(path)
        return found

    def ending_in(self, path: str) -> tuple[str, ...]:
        """The file with this path, else all whose path ends in it."""
        found = self._by_name.get(path.rpartition("/")[2], ())
        return (path,) if path in found else tuple(sorted(f for f in found if f.endswith(f"/{path}")))

    def go_tests(self, package: str) -> tuple[str, ...]:
        """The test files of the folder that the longest end of an import path names."""
        parts = package.split("/")
        for start in range(len(parts)):
            if found := self._go_folders.get("/".join(parts[start:])):
                return tuple(sorted(found))
        return ()


def files_of(test: Identity, framework: str, checkout: Checkout) -> tuple[str, ...]:
    """The files that a test may stand in, relative to the checkout; empty where nothing tells."""
    if test.file:
        path = test.file.replace("\\", "/").removeprefix("./")
        return checkout.ending_in(path) or (path,)
    if framework == "go":
        return checkout.go_tests(test.classname)
    usual, *others = (*_paths(test.classname, framework), "")
    for path in (usual, *others):
        if path and (found := checkout.ending_in(path)):
            return found
    return (_at_home(usual, framework),) if usual and framework in _HOMES else ()


_HOMES = {"pytest": "", "rspec": "", "junit": "src/test/java/"}


def _at_home(path: str, framework: str) -> str:
    return f"{_HOMES[framework]}{path}"


def _paths(classname: str, framework: str) -> Iterator[str]:
    """Paths that a class name may stand for, the usual one first."""
    if _SOURCE.fullmatch(classname):
        yield classname.removeprefix("./")
        return
    if framework == "pytest":
        yield from _python(classname.split("."))
    elif framework == "junit":
        yield from (classname.partition("$")[0].replace(".", "/") + suffix for suffix in _JVM)
    elif framework == "rspec":
        yield classname.replace(".", "/") + ".rb"
    elif framework == "dotnet" and classname:
        yield re.split(r"[.+]", classname)[-1] + ".cs"


def _python(parts: Sequence[str]) -> Iterator[str]:
    """`tests.test_shop.TestCart`: classes are written in CamelCase by habit, but need not be."""
    module = len(parts)
    while module > 1 and re.match(r"_*[A-Z]", parts[module - 1]):
        module -= 1
    for length in (module, *(n for n in range(len(parts), 0, -1) if n != module)):
        if all(parts[:length]):
            yield "/".join(parts[:length]) + ".py"
