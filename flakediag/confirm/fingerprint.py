"""Which code an experiment was about: what was learnt of one state of a project holds for no other one."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

MOST_FILES = 20_000
MOST_BYTES = 200_000_000
# Without git, nobody says what is code: these are looked at, and no folder that a build makes.
CODE = re.compile(
    r"(\.(pyi?|cfg|ini|toml|[cm]?jsx?|tsx?|json|java|kts?|groovy|gradle|scala|go|mod|rb|rspec|cs|csproj|rs"
    r"|c|cc|cpp|h|hpp|sql|ya?ml|properties)|pom\.xml)$"
)
MADE = re.compile(r"[._].*|node_modules|target|build|dist|out|bin|obj|venv|vendor|reports|test-results")
SECONDS = 20.0  # that git may take


def fingerprint(folder: Path, words: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """A digest of the project's files and of `words` (what starts its runner); None where there is too much to read.

    With git, the files that it tracks or would track; without, those whose names say that they are code.
    """
    tracked = _of_git(folder, environ)
    files = _of_folder(folder) if tracked is None else tracked
    digest = hashlib.sha256("\0".join(words).encode("utf-8", "surrogateescape"))
    size = 0
    for number, file in enumerate(sorted(files)):
        try:
            size += file.stat().st_size
            if number >= MOST_FILES or size > MOST_BYTES:
                return None
            content = file.read_bytes() if file.is_file() else b""
        except OSError:
            content = b""  # deleted, but not yet for git
        name = os.fsencode(file.relative_to(folder))
        digest.update(b"%d %s %d " % (len(name), name, len(content)) + content)
    return digest.hexdigest()[:32]


def _of_git(folder: Path, environ: Mapping[str, str]) -> list[Path] | None:
    try:
        done = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=folder, env=dict(environ), stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    names = dict.fromkeys(os.fsdecode(name) for name in done.stdout.split(b"\0") if name)
    return [folder / name for name in names if not _history(name)]


def _history(name: str) -> bool:
    """flakediag's own file changes with every experiment."""
    return name.startswith(".flakediag/") or name.endswith((".db", ".db-wal", ".db-shm"))


def _of_folder(folder: Path) -> Iterable[Path]:
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not MADE.fullmatch(name)]
        yield from (Path(top, name) for name in names if CODE.search(name))
