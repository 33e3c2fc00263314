"""Hostile input, made here: each attack writes its file (or whatever else it is) into a folder and says what to name.

Nothing is fetched from anywhere: what tries to reach the network is pointed at a socket of our own on loopback.
"""

from __future__ import annotations

import gzip
import io
import itertools
import os
import socket
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n'
CASE = b'<testsuite name="S"><testcase classname="C" name="a">'
END = b"</testcase></testsuite>"


@dataclass(frozen=True, slots=True)
class Attack:
    """`make(folder, port)` gives the paths to name. `exit` is what ingest must end with beside a good file.

    `big`: takes more than a second or 20 MB to make, so that no test does. `grows`: is written to while it is read.
    `unprivileged`: is read without the superuser's right to read everything.
    """

    name: str
    make: Callable[[Path, int], list[Path]]
    exit: int = 5
    big: bool = False
    grows: bool = False
    unprivileged: bool = False


def _written(folder: Path, name: str, parts: Iterable[bytes]) -> list[Path]:
    path = folder / name
    with path.open("wb") as file:
        file.writelines(parts)
    return [path]


def _file(*parts: bytes | Iterable[bytes], name: str = "attack.xml") -> Callable[[Path, int], list[Path]]:
    """A file of these parts; PORT in them is the port of our socket. The parts can be taken more than once."""

    def make(folder: Path, port: int) -> list[Path]:
        pieces = itertools.chain.from_iterable([part] if isinstance(part, bytes) else part for part in parts)
        return _written(folder, name, (piece.replace(b"PORT", b"%d" % port) for piece in pieces))

    return make


class _Repeated:
    """`count` pieces, made as they are asked for."""

    def __init__(self, piece: Callable[[int], bytes], count: int) -> None:
        self._piece = piece
        self._count = count

    def __iter__(self) -> Iterator[bytes]:
        return map(self._piece, range(self._count))


def _times(piece: bytes, count: int) -> _Repeated:
    return _Repeated(lambda _: piece, count)


def _doctype(declarations: bytes | Iterable[bytes], body: bytes) -> Callable[[Path, int], list[Path]]:
    return _file(HEAD + b"<!DOCTYPE t [", declarations, b"]>", CASE + body + END)


# --- archives ----------------------------------------------------------------------------------------------------


def _zip_bomb(folder: Path, port: int) -> list[Path]:
    """A zip of 2 MB with a report of 2 GB in it."""
    path = folder / "attack.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("report.xml", "w", force_zip64=True) as member,
    ):
        member.write(HEAD + CASE + b"<system-out>")
        for _ in range(2048):
            member.write(b"A" * MIB)
        member.write(b"</system-out>" + END)
    return [path]


def _zip_that_lies(folder: Path, port: int) -> list[Path]:
    """A zip whose table of contents declares 2 GB for a member of a few bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("report.xml", HEAD + CASE + END)
    data = bytearray(buffer.getvalue())
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 2_000_000_000)
    return _written(folder, "attack.zip", [bytes(data)])


def _gzip_bomb(folder: Path, port: int) -> list[Path]:
    with gzip.open(folder / "attack.xml.gz", "wb", compresslevel=9) as file:
        file.write(HEAD + b'<testsuite name="S">')
        for _ in range(1000):
            file.write(b'<testcase name="a"/>' * 10_000)
        file.write(b"</testsuite>")
    return [folder / "attack.xml.gz"]


def _climbing_zip(folder: Path, port: int) -> list[Path]:
    with zipfile.ZipFile(folder / "attack.zip", "w") as archive:
        for number, name in enumerate(["../../outside.xml", "/outside.xml", "..\\outside.xml", "C:/outside.xml"]):
            archive.writestr(name, HEAD + b'<testsuite name="S"><testcase name="t%d"/></testsuite>' % number)
    return [folder / "attack.zip"]


def _crowded_zip(folder: Path, port: int) -> list[Path]:
    with zipfile.ZipFile(folder / "attack.zip", "w") as archive:
        for number in range(110_000):
            archive.writestr(f"{number}.xml", b"")
    return [folder / "attack.zip"]


def _tar_of_links(folder: Path, port: int) -> list[Path]:
    with tarfile.open(folder / "attack.tar", "w") as archive:
        for name, kind in (("a.xml", tarfile.SYMTYPE), ("b.xml", tarfile.LNKTYPE), ("c.xml", tarfile.CHRTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    return [folder / "attack.tar"]


# --- what is no ordinary file ------------------------------------------------------------------------------------


def _links_in_a_circle(folder: Path, port: int) -> list[Path]:
    inside = folder / "in"
    (inside / "deeper").mkdir(parents=True)
    (inside / "deeper" / "again").symlink_to(inside)
    (inside / "self.xml").symlink_to(inside / "self.xml")
    return [inside]


def _fifo(folder: Path, port: int) -> list[Path]:
    os.mkfifo(folder / "attack.xml")
    return [folder / "attack.xml"]


def _socket(folder: Path, port: int) -> list[Path]:
    before = Path.cwd()
    os.chdir(folder)  # the path of a socket may not be long
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("attack.xml")
    finally:
        os.chdir(before)
    return [folder / "attack.xml"]


def _unreadable(folder: Path, port: int) -> list[Path]:
    (path,) = _written(folder, "attack.xml", [HEAD + CASE + END])
    path.chmod(0)
    return [path]


def _growing(folder: Path, port: int) -> list[Path]:
    return _written(folder, "attack.xml", [HEAD + CASE + b"<system-out>", *_times(b"A" * MIB, 20)])


# --- the table ---------------------------------------------------------------------------------------------------

_LAUGHS = b'<!ENTITY l0 "lol">' + b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 11))
_LONG = b"x" * 1000
_EVENT = b'{"Time":"2026-01-01T00:00:00Z","Action":"%s","Package":"p","Test":"T%d","Output":"%s"}\n'
_PLAYWRIGHT = b'{"config":{"fullyParallel":false},"suites":[{"title":"a","specs":[{"title":"b","tests":['

ATTACKS: tuple[Attack, ...] = (
    Attack("entities that multiply by ten, ten times, in a text", _doctype(_LAUGHS, b"<failure>&l10;</failure>")),
    Attack("the same in an attribute", _doctype(_LAUGHS, b'<failure message="&l10;"/>')),
    Attack(
        "an entity of 60 KB named 60,000 times",
        _doctype(b'<!ENTITY a "' + b"A" * 60_000 + b'">', b"<failure>" + b"&a;" * 60_000 + b"</failure>"),
    ),
    Attack(
        "a million entities in a chain",
        _doctype(_Repeated(lambda n: b'<!ENTITY e%d "&e%d;">' % (n + 1, n), 1_000_000), b"<failure>&e9;</failure>"),
        big=True,
    ),
    Attack(
        "an entity that is a local file",
        _doctype(b'<!ENTITY x SYSTEM "file:///etc/passwd">', b"<failure>&x;</failure>"),
    ),
    Attack(
        "an entity at an address", _doctype(b'<!ENTITY x SYSTEM "http://127.0.0.1:PORT/x">', b"<failure>&x;</failure>")
    ),
    Attack(
        "declarations at an address",
        _doctype(b'<!ENTITY % d SYSTEM "http://127.0.0.1:PORT/d">%d;', b"<failure>&x;</failure>"),
    ),
    Attack(
        "a document type at an address",
        _file(HEAD + b'<!DOCTYPE t SYSTEM "http://127.0.0.1:PORT/t.dtd">' + CASE + b"<failure>&x;</failure>" + END),
        exit=0,
    ),
    Attack("default attributes in the document type", _doctype(b'<!ATTLIST testcase status CDATA "failed">', b"")),
    Attack(
        "a style sheet and an inclusion at an address",
        _file(
            HEAD + b'<?xml-stylesheet href="http://127.0.0.1:PORT/s.xsl"?>' + CASE + b"<system-out>"
            b'<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="http://127.0.0.1:PORT/i"/></system-out>' + END
        ),
        exit=0,
    ),
    Attack("a million elements inside each other", _file(HEAD, _times(b"<testsuite>" * 1000, 1000)), big=True),
    Attack(
        "a million elements inside a failure", _file(HEAD + CASE + b"<failure>", _times(b"<b>" * 1000, 1000)), big=True
    ),
    Attack(
        "a million attributes",
        _file(HEAD + b"<testsuite ", _Repeated(lambda n: b'a%d="" ' % n, 1_000_000), b"/>"),
        big=True,
    ),
    Attack("a million suites", _file(HEAD + b"<testsuites>", _times(b"<testsuite/>" * 1000, 1000)), big=True),
    Attack("ten million test cases in 480 KB of gzip", _gzip_bomb, big=True),
    Attack(
        "a text of 200 MB",
        _file(HEAD + CASE + b"<system-out>", _times(b"log line 0123456789\n" * 50_000, 200), b"</system-out>" + END),
        exit=0,
        big=True,
    ),
    Attack(
        "a failure of 100 MB in CDATA",
        _file(HEAD + CASE + b"<failure><![CDATA[", _times(b"A" * MIB, 100), b"]]></failure>" + END),
        exit=0,
        big=True,
    ),
    Attack("a comment of 100 MB", _file(HEAD + CASE + b"<!--", _times(b"A" * MIB, 100), b"-->" + END), big=True),
    Attack(
        "an attribute of 100 MB",
        _file(HEAD + CASE + b'<failure message="', _times(b"A" * MIB, 100), b'"/>' + END),
        big=True,
    ),
    Attack("a name of 1 MB", _file(HEAD + b'<testsuite><testcase name="' + b"x" * MIB + b'"/></testsuite>'), exit=0),
    Attack(
        "400,000 test cases with names of 1 KB",
        _file(
            HEAD + b"<testsuite>",
            _Repeated(lambda n: b'<testcase name="%d%s"/>' % (n, _LONG), 400_000),
            b"</testsuite>",
        ),
        big=True,
    ),
    Attack(
        "5,000 failures of 30 KB each",
        _file(
            HEAD + b"<testsuite>",
            _Repeated(lambda n: b'<testcase name="%d"><failure>%d %s</failure></testcase>' % (n, n, _LONG * 30), 5_000),
            b"</testsuite>",
        ),
        exit=0,
        big=True,
    ),
    Attack(
        "100,000 suites with an output of 5 KB each",
        _file(
            HEAD + b"<testsuites>",
            _times(b"<testsuite><system-out>" + _LONG * 5 + b"</system-out></testsuite>", 100_000),
            b"</testsuites>",
        ),
        big=True,
    ),
    Attack(
        "100,000 failures of one test",
        _file(HEAD + CASE, _times(b"<failure message='m'>t</failure>", 100_000), END),
        exit=0,
    ),
    Attack(
        "control characters, a lone surrogate, half a character",
        _file(HEAD + CASE + b"<failure>\x1b]8;;x\x07\0\xed\xa0\x80\xc3</failure>" + END),
        exit=0,
    ),
    Attack("markup hidden in UTF-7", _file(b'<?xml version="1.0" encoding="UTF-7"?>+ADw-testsuite+AD4-')),
    Attack("2 GB in a zip of 2 MB", _zip_bomb, big=True),
    Attack("a zip that declares 2 GB and holds none", _zip_that_lies, exit=0),
    Attack("paths in a zip that climb out", _climbing_zip, exit=0),
    Attack("a zip with 110,000 entries", _crowded_zip, big=True),
    Attack("links and a device in a tar", _tar_of_links),
    Attack("folders and links in a circle", _links_in_a_circle),
    Attack("a FIFO", _fifo),
    Attack("a device that never ends", lambda folder, port: [Path("/dev/zero")]),
    Attack("a socket", _socket),
    Attack("a file without permission to read", _unreadable, unprivileged=True),
    Attack("a file that grows while it is read", _growing, grows=True, big=True),
    Attack(
        "JSON: a million arrays inside each other", _file(_PLAYWRIGHT, _times(b"[" * 1000, 1000), name="attack.json")
    ),
    Attack(
        "JSON: three million arrays beside each other",
        _file(_PLAYWRIGHT, _times(b"[]," * 1000, 3000), name="attack.json"),
    ),
    Attack(
        "JSON: a text of 100 MB",
        _file(_PLAYWRIGHT + b'{"x":"', _times(b"A" * MIB, 100), b'"}', name="attack.json"),
        big=True,
    ),
    Attack(
        "go test -json: 200 MB of output of one test",
        _file(
            _EVENT % (b"run", 1, b""),
            _times(_EVENT % (b"output", 1, b"x" * MIB), 200),
            _EVENT % (b"fail", 1, b""),
            name="attack.json",
        ),
        exit=0,
        big=True,
    ),
    Attack(
        "go test -json: a million tests that never end",
        _file(_Repeated(lambda n: _EVENT % (b"run", n, b"x"), 1_000_000), name="attack.json"),
        big=True,
    ),
    Attack(
        "TAP: a line of 100 MB", _file(b"TAP version 13\nok 1 - ", _times(b"A" * MIB, 100), name="attack.tap"), big=True
    ),
    Attack(
        "TAP: tests inside each other, 5,000 deep",
        _file(
            b"TAP version 14\n",
            _Repeated(lambda n: b" " * (4 * (n % 10_000)) + b"ok 1 - a\n", 5_000),
            name="attack.tap",
        ),
    ),
)
