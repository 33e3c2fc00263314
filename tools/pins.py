"""The pins anew, after a dependency was added in pyproject.toml or a version moved in constraints.txt: `make pins`.

constraints.txt holds one version of each package, requirements/*.txt the same versions with the SHA-256 of every file
that the package index has of them, for all platforms and Pythons that pyproject.toml admits. What is pinned already
stays; what is new gets the latest version that fits. The index is asked by uv, as it is configured on this machine.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
PROJECT = ROOT / "pyproject.toml"
# file -> the extras in it, and the oldest Python that all of it can be installed on
FILES: dict[str, tuple[tuple[str, ...], str]] = {
    "runtime": ((), "3.11"),
    "test": (("dev",), "3.11.5"),  # the documentation's Markdown extensions need that
}
TOOL = "uv"  # pinned as well, for this script alone

PIN = re.compile(r"^([\w.-]+)==([\w.!+-]+)", re.MULTILINE)


def normal(name: str) -> str:
    """A package's name, however it is spelt."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins_in(text: str) -> dict[str, str]:
    """Name as it is spelt → version."""
    return dict(PIN.findall(text))


def compile_file(name: str) -> str:
    """The content of requirements/NAME.txt."""
    extras, python = FILES[name]
    with tempfile.NamedTemporaryFile("w", suffix=".in") as build:
        # What builds the project itself is pinned too, so that its installation fetches nothing more.
        build.write("\n".join(tomllib.loads(PROJECT.read_text("utf-8"))["build-system"]["requires"]))
        build.flush()
        command = [
            *(TOOL, "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header", "--no-annotate"),
            *("--python-version", python, "--constraints", str(CONSTRAINTS)),
            *(word for extra in extras for word in ("--extra", extra)),
            *(str(PROJECT), build.name),
        ]
        done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"requirements/{name}.txt cannot be made:\n{done.stderr.strip()}")
    what = "runs flakediag" if not extras else "tests it"
    return f"# What {what}, with the hashes of all files of each version. Made by `make pins`.\n{done.stdout}"


def constraints(old: str, wanted: dict[str, str]) -> str:
    """constraints.txt with these versions: its comments, and its spelling of the names it has."""
    spelt = {normal(name): name for name in pins_in(old)}
    pinned = {normal(name): version for name, version in pins_in(old).items() if normal(name) == TOOL}
    pinned |= {normal(name): version for name, version in wanted.items()}
    head = [line for line in old.splitlines() if line.startswith("#")]
    rows = sorted((f"{spelt.get(name, name)}=={version}" for name, version in pinned.items()), key=str.lower)
    return "\n".join([*head, *rows, ""])


def main() -> None:
    made = {name: compile_file(name) for name in FILES}
    for name, text in made.items():
        (ROOT / "requirements" / f"{name}.txt").write_text(text, encoding="utf-8")
    every = {name: version for text in made.values() for name, version in pins_in(text).items()}
    CONSTRAINTS.write_text(constraints(CONSTRAINTS.read_text("utf-8"), every), encoding="utf-8")
    print(f"{len(every)} packages are pinned in constraints.txt and requirements/*.txt")


if __name__ == "__main__":
    main()
