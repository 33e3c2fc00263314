"""The named paths as a stream of report files: folders walked, globs expanded, archives looked into.

Nothing is ever extracted to disk, so names inside archives are only names. What cannot be read becomes a `Refusal`
and the stream goes on.
"""

from __future__ import annotations

import glob
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from flakediag.junit import foreign
from flakediag.junit.documents import is_format
from flakediag.junit.packed import (
    ArchiveBudget,
    Member,
    decompressed,
    kind_of,
    open_regular,
    tar_members,
    unpacking_errors,
    zip_members,
)
from flakediag.junit.problems import BrokenOffError, UnreadableError
from flakediag.junit.settings import MIB, ReadSettings
from flakediag.junit.text import natural

_GLOB = re.compile(r"[*?\[]")
_ARCHIVE_NAME = re.compile(r"\.(zip|tar|tgz|txz|tbz2?|tar\.(gz|xz|bz2))$", re.IGNORECASE)
_REPORT_NAME = re.compile(r"\.(xml|trx)(\.(gz|xz|bz2))?$", re.IGNORECASE)
# These may be anything: of interest only where the content is that of a report.
_PERHAPS_NAME = re.compile(r"\.(json|jsonl|ndjson|tap)(\.(gz|xz|bz2))?$", re.IGNORECASE)
_PASSED_OVER = frozenset({".git", "__MACOSX", "node_modules"})
_HELD_IN_MEMORY = 16 * MIB  # of an archive's member, so that it can be read twice without unpacking again


@dataclass(frozen=True, slots=True)
class Source:
    """One report file.

    `path` is for display (`runs.tar.xz!run-001.xml`). `folder` is where it stands: files of one folder may be one run.
    `scope` names the folder or archive whose files follow each other in the stream, None where nothing says when the
    last file of `folder` has been seen. `chunks` reads its decompressed bytes from the beginning, as often as called;
    it raises `UnreadableError` beyond a limit and `BrokenOffError` where the bytes end early.
    """

    path: str
    name: str
    folder: str
    scope: str | None
    chunks: Callable[[], Iterator[bytes]]
    named: bool = True  # by the user; otherwise only come across, in a folder or an archive
    modified: float | None = None  # when it was last written, in seconds, where that is known to less than a second
    size: int | None = None  # in bytes, of a file of its own, which another process can open as well


@dataclass(frozen=True, slots=True)
class Refusal:
    """A path that cannot be read. `missing` where there was nothing at all to look at."""

    path: str
    reason: str
    missing: bool = False


Found = Source | Refusal


def find_sources(paths: Sequence[str], settings: ReadSettings, stdin: BinaryIO | None = None) -> Iterator[Found]:
    """Every report file that the paths name, in a stable order: the paths' own, and natural order inside each."""
    for path in paths:
        if path == "-":
            yield from _from_stdin(stdin, settings)
            continue
        matches = _expanded(path)
        for match in matches:
            if _is_folder(match):
                yield from _from_folder(match, settings)
            else:
                yield from _from_file(match, settings, named=True)
        if not matches:
            yield Refusal(path, "no file matches" if _GLOB.search(path) else "no such file or folder", missing=True)


def _expanded(path: str) -> list[Path]:
    if os.path.lexists(path):
        return [Path(path)]
    if _GLOB.search(path):
        return [Path(match) for match in sorted(glob.glob(path, recursive=True), key=natural)]  # noqa: PTH207
    return []


# --- folders -----------------------------------------------------------------------------------------------------


def _from_folder(top: Path, settings: ReadSettings) -> Iterator[Found]:
    seen: set[tuple[int, int]] = set()
    any_found = False
    for folder in _folders(top, seen):
        if isinstance(folder, Refusal):
            any_found = True
            yield folder
            continue
        for name in _reports_in(folder):
            for found in _from_file(folder / name, settings, named=False):
                any_found = True
                yield found
    if not any_found:
        yield Refusal(str(top), "no XML file or archive of XML files in this folder", missing=True)


def _folders(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path | Refusal]:
    """`folder` and what is below it, each once however many links lead there."""
    waiting = [folder]
    while waiting:
        folder = waiting.pop()
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                below = [entry.name for entry in entries if entry.name not in _PASSED_OVER and _is_folder(entry)]
        except OSError as problem:
            yield Refusal(str(folder), f"the folder cannot be read: {problem.strerror or problem}")
            continue
        yield folder
        waiting.extend(folder / name for name in sorted(below, key=natural, reverse=True))


def _is_folder(entry: os.DirEntry[str] | Path) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _reports_in(folder: Path) -> list[str]:
    found = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            named = any(names.search(entry.name) for names in (_REPORT_NAME, _PERHAPS_NAME, _ARCHIVE_NAME))
            if named and not entry.name.startswith("._") and not _is_folder(entry):
                found.append(entry.name)
    # Archives last: the files of a folder must follow each other.
    return sorted(found, key=lambda name: (bool(_ARCHIVE_NAME.search(name)), natural(name)))


# --- files -------------------------------------------------------------------------------------------------------


def _from_file(path: Path, settings: ReadSettings, *, named: bool) -> Iterator[Found]:
    """The report or the reports in one file. An archive that was only come across may be of something else."""
    shown = str(path)
    scope = None if named else str(path.parent)
    try:
        file = open_regular(path)
    except UnreadableError as problem:
        yield Refusal(shown, str(problem))
        return
    with file:
        size = os.fstat(file.fileno()).st_size

        reopened = partial(open_regular, path)
        yield from _look_inside(file, shown, path.name, str(path.parent), scope, size, reopened, settings, named=named)


def _from_stdin(stdin: BinaryIO | None, settings: ReadSettings) -> Iterator[Found]:
    """Standard input, kept in memory or a nameless temporary file: it may be an archive, or need a second reading."""
    if stdin is None:
        yield Refusal("-", "there is no standard input", missing=True)
        return
    with tempfile.SpooledTemporaryFile(max_size=64 * MIB) as spool:
        size = 0
        while chunk := stdin.read(settings.chunk_bytes):
            size += len(chunk)
            if size > settings.max_archive_bytes:
                yield Refusal("-", f"more than {settings.max_archive_bytes:,} bytes (setting max_archive_bytes)")
                return
            spool.write(chunk)

        @contextmanager
        def reopened() -> Iterator[IO[bytes]]:
            spool.seek(0)
            yield spool

        spool.seek(0)
        yield from _look_inside(spool, "-", "-", "-", None, size, reopened, settings, named=True)


def _look_inside(
    file: IO[bytes],
    shown: str,
    name: str,
    folder: str,
    scope: str | None,
    size: int,
    reopened: Callable[[], AbstractContextManager[IO[bytes]]],
    settings: ReadSettings,
    *,
    named: bool,
) -> Iterator[Found]:
    try:
        kind = kind_of(file)
    except OSError as problem:
        yield Refusal(shown, f"cannot be read: {problem.strerror or problem}")
        return
    if kind == "zip":
        yield from _from_members(shown, zip_members(file, settings), size, settings, named=named, by_folder=True)
    elif kind and kind.startswith("tar"):
        members = tar_members(file, kind, size, settings)
        yield from _from_members(shown, members, size, settings, named=named, by_folder=False)
    elif kind == "zstd" or (kind is None and not named and _ARCHIVE_NAME.search(name)):
        yield Refusal(shown, foreign.by_head(b"\x28\xb5\x2f\xfd") or "" if kind == "zstd" else "not an archive")
    else:

        def chunks() -> Iterator[bytes]:
            with reopened() as again:
                if kind is None:
                    yield from _as_it_was(again, size, settings)
                else:
                    yield from _bounded(decompressed(again, kind), size, settings)

        if not named and _PERHAPS_NAME.search(name) and not _is_report(chunks):
            return
        if name == "-":
            yield Source(shown, name, folder, scope, chunks, named)
        else:
            yield Source(shown, name, folder, scope, chunks, named, os.fstat(file.fileno()).st_mtime, size)


def _is_report(chunks: Callable[[], Iterator[bytes]]) -> bool:
    """Whether a file that may be anything is a report of another format than JUnit XML."""
    try:
        return is_format(chunks)
    except (UnreadableError, BrokenOffError, OSError):
        return False


def _as_it_was(file: IO[bytes], size: int, settings: ReadSettings) -> Iterator[bytes]:
    """The bytes that a file had when it was found: one that grows while it is read would else have no end."""
    left = size
    for chunk in _bounded(file, None, settings):
        yield chunk[:left]
        left -= len(chunk)
        if left < 0:
            raise BrokenOffError(f"it grew while it was read; only the {size:,} bytes that it had were read")


def _bounded(stream: IO[bytes], packed: int | None, settings: ReadSettings) -> Iterator[bytes]:
    """The stream's bytes in chunks, as far as the limits allow. `packed` is the size before decompression."""
    total = 0
    # Take what is there: to insist on a full chunk would lose what comes before a damage.
    read = getattr(stream, "read1", stream.read)
    while True:
        try:
            chunk = read(settings.chunk_bytes)
        except unpacking_errors() as problem:
            raise BrokenOffError(f"broken off after {total:,} bytes: {problem}") from problem
        if not chunk:
            return
        total += len(chunk)
        if total > settings.max_file_bytes:
            raise UnreadableError(f"more than {settings.max_file_bytes:,} bytes (setting max_file_bytes)")
        if packed is not None and total > max(settings.ratio_floor, packed * settings.max_ratio):
            raise UnreadableError(
                f"{packed:,} bytes unpack to more than {total - len(chunk):,}: more than {settings.max_ratio} times as "
                "much (setting max_ratio)"
            )
        yield chunk


# --- archives ----------------------------------------------------------------------------------------------------


def _from_members(
    shown: str,
    members: Iterable[Member],
    size: int,
    settings: ReadSettings,
    *,
    named: bool,
    by_folder: bool,
) -> Iterator[Found]:
    """The reports in an archive; `by_folder` tells whether the members of a folder follow each other."""
    budget = ArchiveBudget(size, settings)
    any_found = False
    try:
        for name, packed, opened in members:
            inner = PurePosixPath(name.replace("\\", "/"))
            if inner.name.startswith("._") or _PASSED_OVER.intersection(inner.parts):
                continue
            path = f"{shown}!{name}"
            if _ARCHIVE_NAME.search(inner.name):
                any_found = True
                yield Refusal(path, "an archive inside an archive is not opened; unpack the outer one first")
                continue
            certain = _REPORT_NAME.search(inner.name)
            if not certain and not _PERHAPS_NAME.search(inner.name):
                continue
            chunks = _member_chunks(opened, packed, budget, settings)
            if not certain and not _is_report(chunks):
                continue
            any_found = True
            folder = f"{shown}!{inner.parent}" if str(inner.parent) != "." else shown
            yield Source(path, inner.name, folder, folder if by_folder else shown, chunks, named=False)
    except (UnreadableError, BrokenOffError) as problem:
        yield Refusal(shown, str(problem))
        return
    except unpacking_errors() as problem:
        yield Refusal(shown, f"the archive is damaged: {problem}")
        return
    if not any_found and named:
        yield Refusal(shown, "no XML file in this archive", missing=True)


def _member_chunks(
    opened: Callable[[], IO[bytes]], packed: int | None, budget: ArchiveBudget, settings: ReadSettings
) -> Callable[[], Iterator[bytes]]:
    """Reads a member; what is small enough is remembered for a second reading."""
    held: list[bytes] = []
    complete = False

    def chunks() -> Iterator[bytes]:
        nonlocal complete
        if complete:
            yield from held
            return
        held.clear()
        kept = 0
        try:
            raw = opened()
            kind = kind_of(raw)
        except unpacking_errors() as problem:
            raise UnreadableError(f"it cannot be unpacked: {problem}") from problem
        with raw:
            for chunk in _bounded(decompressed(raw, kind), packed, settings):
                budget.spend(len(chunk))
                kept += len(chunk)
                if kept <= _HELD_IN_MEMORY:
                    held.append(chunk)
                yield chunk
        complete = kept <= _HELD_IN_MEMORY

    return chunks
