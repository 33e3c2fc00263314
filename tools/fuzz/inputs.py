"""Inputs made of seeds: input `number` of a `seed` is the same on every machine and every day."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from fuzz.mutations import changed, damaged

CORPUS = Path(__file__).resolve().parents[2] / "fixtures" / "fuzz"
PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"PK", b"\x28\xb5\x2f\xfd")

NAMES = (
    "report.xml",
    "TEST-a.Test.xml",
    "TEST-b.Test.xml",
    "TESTS-TestSuites.xml",
    "junit.xml",
    "sub/TEST-c.xml",
    "a\nb.xml",
)
INNER = (
    *NAMES,
    "../../up.xml",
    "/root.xml",
    "C:\\x.xml",
    "a/./b.xml",
    "x.tar.gz",
    "._a.xml",
    "a\udcffb.xml",
    "",
    "dir/",
    "é.xml",
)


@dataclass(frozen=True, slots=True)
class Input:
    """Files in one folder, by name: read each by its path, the folder as a whole, or the first one as standard input.

    `tight` sets limits so low that reports of a few kilobytes meet them.
    """

    files: tuple[tuple[str, bytes], ...]
    way: str = "file"  # file, folder or stdin
    tight: bool = False


@dataclass(frozen=True, slots=True)
class Seeds:
    """The corpus: every file as it is, and those that are text once more as text, for changes to draw on."""

    contents: tuple[bytes, ...]
    texts: tuple[str, ...]


def seeds(folder: Path = CORPUS) -> Seeds:
    """Whatever lies in the folder is a seed. Raises `ValueError` where nothing does."""
    contents = tuple(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file())
    if not contents:
        raise ValueError(f"{folder} holds no seeds")
    return Seeds(contents, tuple(each.decode("latin-1") for each in contents if not is_packed(each)))


def is_packed(content: bytes) -> bool:
    return content.startswith(PACKED) or content[257:262] == b"ustar"


def made(seed: int, number: int, corpus: Seeds) -> Input:
    """Input `number` of this seed."""
    chance = Random(f"{seed}:{number}")
    way = chance.choices(("file", "folder", "stdin"), (20, 3, 1))[0]
    names = chance.sample(NAMES, chance.choice((2, 3, 4))) if way == "folder" else [chance.choice(NAMES)]
    files = tuple((name, _content(chance, corpus)) for name in names)
    return Input(files, way, tight=chance.random() < 0.1)


def _content(chance: Random, corpus: Seeds) -> bytes:
    content = chance.choice(corpus.contents)
    if is_packed(content):
        return damaged(content, chance)
    content = changed(content, chance, corpus.texts)
    if chance.random() < 0.85:
        return content
    packed = _pack(content, chance, corpus)
    return packed if chance.random() < 0.5 else damaged(packed, chance)


def _pack(content: bytes, chance: Random, corpus: Seeds) -> bytes:
    kind = chance.choice(("gz", "bz2", "xz", "zip", "zip", "tar", "tar.gz"))
    if kind == "gz":
        return gzip.compress(content, 1, mtime=0)
    if kind == "bz2":
        return bz2.compress(content, 1)
    if kind == "xz":
        return lzma.compress(content, preset=0)
    names = chance.sample(INNER, chance.choice((1, 1, 2, 3)))
    members = [(names[0], content), *((name, chance.choice(corpus.contents)) for name in names[1:])]
    return _zip(members) if kind == "zip" else _tar(members, kind)


def _zip(members: Sequence[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members:
            entry = zipfile.ZipInfo(name.encode("utf-8", "replace").decode() or "x", (2026, 1, 1, 0, 0, 0))
            with archive.open(entry, "w") as file:  # `writestr` would warn of names that come twice
                file.write(content)
    return buffer.getvalue()


def _tar(members: Sequence[tuple[str, bytes]], kind: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", errors="surrogateescape") as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), 1, mtime=0) if kind == "tar.gz" else buffer.getvalue()
