"""What stands inside compressed files and archives, read in bounded pieces."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from flakediag.junit.problems import UnreadableError
from flakediag.junit.settings import MIB, ReadSettings
from flakediag.junit.text import natural

if TYPE_CHECKING:
    import tarfile
    import zipfile

_MAGIC = (
    (b"\x1f\x8b", "gz"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
_LARGEST_READ = 64 * MIB  # nothing here needs to read more at once; a header that asks for more is an attack
_LARGEST_DIRECTORY = 64 * MIB  # a zip's table of contents, which the standard library reads whole

Member = tuple[str, int | None, Callable[[], IO[bytes]]]


def unpacking_errors() -> tuple[type[Exception], ...]:
    """What the standard library raises for damaged, encrypted or unsupported archives."""
    import tarfile
    import zipfile

    return (
        OSError,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        tarfile.TarError,
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,  # zipfile: encrypted
        ValueError,
        struct.error,
    )


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; refuses what could block or never end."""
    try:
        # Without O_NONBLOCK, opening a FIFO nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as problem:
        if _kind_without_opening(path) == "a socket":
            raise UnreadableError("it is a socket, not a file") from problem
        raise UnreadableError(f"cannot be opened: {problem.strerror or problem}") from problem
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        hint = "; pipe it in and name `-` instead" if stat.S_ISFIFO(mode) else ""
        raise UnreadableError(f"it is {_kind(mode)}, not a file{hint}")
    return os.fdopen(descriptor, "rb")


def _kind_without_opening(path: Path) -> str:
    try:
        return _kind(path.stat().st_mode)
    except OSError:
        return ""


def _kind(mode: int) -> str:
    for test, name in (
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISDIR, "a folder"),
    ):
        if test(mode):
            return name
    return "something else"


def kind_of(file: IO[bytes]) -> str | None:
    """zip, tar, tar.gz, tar.xz, tar.bz2, gz, xz, bz2 or zstd by content; None for anything else. Rewinds the file."""
    head = file.read(512)
    file.seek(0)
    kind = next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)
    if kind is None:
        return "tar" if _is_tar(head) else None
    if kind in ("zip", "zstd"):
        return kind
    try:
        inner = decompressed(file, kind).read(512)
    except unpacking_errors():
        inner = b""
    file.seek(0)
    return f"tar.{kind}" if _is_tar(inner) else kind


def _is_tar(head: bytes) -> bool:
    if len(head) < 512:
        return False
    if head[257:262] == b"ustar":
        return True
    try:  # the first tar format had no magic, but a checksum
        stated = int(head[148:156].strip(b" \0") or b"x", 8)
    except ValueError:
        return False
    return stated == sum(head[:148]) + 256 + sum(head[156:512])


def decompressed(file: IO[bytes], kind: str | None) -> IO[bytes]:
    """The content of a compressed file as a stream; the file itself where it is not compressed."""
    if kind and kind.endswith("gz"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=file, mode="rb"))
    if kind and kind.endswith("xz"):
        return lzma.LZMAFile(file)
    if kind and kind.endswith("bz2"):
        return bz2.BZ2File(file)
    return file


class GuardedReader(io.BufferedIOBase):
    """A stream that refuses to be asked for absurd amounts at once, as a hostile archive header would."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0 or size > _LARGEST_READ:
            raise UnreadableError("its headers ask for more memory than any real archive")
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


class ArchiveBudget:
    """How much one archive may unpack to, over all of its members."""

    def __init__(self, packed: int, settings: ReadSettings) -> None:
        self._packed = packed
        self._settings = settings
        self._spent = 0

    def spend(self, count: int) -> None:
        self._spent += count
        if self._spent > self._settings.max_archive_bytes:
            raise UnreadableError(
                f"the archive of {self._packed:,} bytes unpacks to more than {self._settings.max_archive_bytes:,} "
                "(setting max_archive_bytes)"
            )


def tar_members(file: IO[bytes], kind: str, size: int, settings: ReadSettings) -> Iterator[Member]:
    """The regular files of a tar, in its own order; links, devices and folders are passed over."""
    import tarfile

    stream = GuardedReader(decompressed(file, kind))
    with tarfile.open(fileobj=stream, mode="r:", errorlevel=0, encoding="utf-8", errors="surrogateescape") as archive:
        count = 0
        while (member := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # it would remember every one of them
            count += 1
            if count > settings.max_members:
                raise UnreadableError(f"more than {settings.max_members:,} entries (setting max_members)")
            reached = member.offset_data + member.size
            if reached > settings.max_archive_bytes:
                raise UnreadableError(
                    f"the archive of {size:,} bytes unpacks to {reached:,} (setting max_archive_bytes)"
                )
            if member.isreg():
                yield _printable(member.name), None, partial(_tar_file, archive, member)


def _tar_file(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(member)
    if file is None:
        raise UnreadableError("it is not a file")
    return file


def zip_members(file: IO[bytes], settings: ReadSettings) -> Iterator[Member]:
    """The regular files of a zip, by folder and in natural order; links and folders are passed over."""
    import zipfile

    _check_directory(file)
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        if len(entries) > settings.max_members:
            raise UnreadableError(f"{len(entries):,} entries (setting max_members: {settings.max_members:,})")
        for entry in sorted(entries, key=_by_folder):
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if not entry.filename or entry.is_dir() or kind not in (0, stat.S_IFREG):
                continue
            yield _printable(entry.filename), max(entry.compress_size, 1), partial(archive.open, entry)


def _by_folder(entry: zipfile.ZipInfo) -> tuple[object, object]:
    folder, _, name = entry.filename.rpartition("/")
    return natural(folder), natural(name)


def _check_directory(file: IO[bytes]) -> None:
    """Look at the size of a zip's table of contents before the standard library reads it into memory."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - 66_000))
    tail = file.read(66_000)
    file.seek(0)
    at = tail.rfind(b"PK\x05\x06")
    if at >= 0 and len(tail) >= at + 22:
        (size,) = struct.unpack_from("<I", tail, at + 12)
        if size > _LARGEST_DIRECTORY and size != 0xFFFFFFFF:
            raise UnreadableError(f"its table of contents takes {size:,} bytes")
    if b"PK\x06\x06" in tail:
        at = tail.rfind(b"PK\x06\x06")
        if len(tail) >= at + 48:
            (size,) = struct.unpack_from("<Q", tail, at + 40)
            if size > _LARGEST_DIRECTORY:
                raise UnreadableError(f"its table of contents takes {size:,} bytes")


def _printable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
