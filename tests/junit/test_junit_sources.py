"""Which files are found behind the named paths, and that nothing named is passed over in silence."""

from __future__ import annotations

import bz2
import lzma
import os
import random
import stat
import sys
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from junit_samples import NOW, case, gzipped, pytest_report, read, refusals, runs, tarred, write, zipped

from flakediag.errors import UsageError
from flakediag.junit import read_reports
from flakediag.junit.text import natural
from flakediag.model import FileReport, FileStatus


def one(name: str) -> str:
    return pytest_report(case(name))


def names(found: list) -> list[str]:  # type: ignore[type-arg]
    return [result.test.name for report in runs(found) for result in report.results]


def test_natural_order_counts_numbers() -> None:
    written = ["run-10.xml", "run-2.xml", "run-1.xml", "run-02.xml", "Run-3.xml", "a"]
    assert sorted(written, key=natural) == ["Run-3.xml", "a", "run-1.xml", "run-02.xml", "run-2.xml", "run-10.xml"]
    assert natural("9" * 10_000) > natural("8" * 10_000)


def test_folders_are_walked_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 9, 1):
        write(tmp_path, f"run-{number}.xml", one(f"t{number}"))
    write(tmp_path, "b/run.xml", one("b"))
    write(tmp_path, "a/run.XML", one("a"))
    write(tmp_path, "a/notes.txt", "not a report")
    write(tmp_path, "a/._run.xml", "resource fork")
    write(tmp_path, "a/__MACOSX/run.xml", one("never"))
    write(tmp_path, "a/later.zip", zipped({"run.xml": one("zipped")}))
    write(tmp_path, "a/sources.zip", zipped({"main.c": "int main"}))
    found = read(tmp_path)
    assert names(found) == ["t1", "t9", "t10", "a", "zipped", "b"]
    assert refusals(found) == {}


def test_globs_are_expanded_by_us_too(tmp_path: Path) -> None:
    write(tmp_path, "a/run-1.xml", one("a1"))
    write(tmp_path, "a/run-2.xml", one("a2"))
    write(tmp_path, "a/b/run-10.xml", one("b10"))
    assert names(read(f"{tmp_path}/a/*.xml")) == ["a1", "a2"]
    assert names(read(f"{tmp_path}/**/run-?.xml")) == ["a1", "a2"]
    write(tmp_path, "odd[1].xml", one("odd"))
    assert names(read(tmp_path / "odd[1].xml")) == ["odd"]


PACKED = {
    "plain": lambda data: data,
    "gz": gzipped,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zip": lambda data: zipped({"in/run.xml": data}),
    "tar": lambda data: tarred({"in/run.xml": data}),
    "tar.gz": lambda data: tarred({"in/run.xml": data}, "gz"),
    "tar.bz2": lambda data: tarred({"in/run.xml": data}, "bz2"),
    "tar.xz": lambda data: tarred({"in/run.xml": data}, "xz"),
    "zip of gz": lambda data: zipped({"in/run.xml.gz": gzipped(data)}),
}


@pytest.mark.parametrize("how", PACKED)
@pytest.mark.parametrize("way", ["right name", "any name", "standard input"])
def test_the_content_tells_what_a_named_file_is(tmp_path: Path, how: str, way: str) -> None:
    data = PACKED[how](one("t").encode())
    path = tmp_path / ("file." + how if way == "right name" else "artifact.xml" if how == "zip" else "artifact")
    if way == "standard input":
        found = read("-", stdin=data)
    else:
        path.write_bytes(data)
        found = read(path)
    (report,) = runs(found)
    assert names(found) == ["t"]
    shown = "-" if way == "standard input" else str(path)
    inside = {"zip of gz": "!in/run.xml.gz"}.get(how, "!in/run.xml" if "zip" in how or "tar" in how else "")
    assert report.files[0].path == shown + inside
    assert report.run.digest == runs(read("-", stdin=one("t").encode()))[0].run.digest  # of what is inside


def test_members_come_in_a_stable_order_and_links_are_passed_over(tmp_path: Path) -> None:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        data = one("real").encode()
        for name, kind in (
            ("link.xml", tarfile.SYMTYPE),
            ("hard.xml", tarfile.LNKTYPE),
            ("fifo.xml", tarfile.FIFOTYPE),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
        folder = tarfile.TarInfo("dir.xml")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        member = tarfile.TarInfo("../../real.xml")
        member.size = len(data)
        archive.addfile(member, BytesIO(data))
    found = read(write(tmp_path, "runs.tar", buffer.getvalue()))
    assert names(found) == ["real"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs.tar"]

    with zipfile.ZipFile(tmp_path / "runs.zip", "w") as archive:
        link = zipfile.ZipInfo("link.xml")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("run-10.xml", one("ten"))
        archive.writestr("run-9.xml", one("nine"))
        archive.writestr("/abs.xml", one("absolute"))
    assert names(read(tmp_path / "runs.zip")) == ["absolute", "nine", "ten"]


def test_a_broken_member_does_not_stop_the_others(tmp_path: Path) -> None:
    found = read(write(tmp_path, "runs.zip", zipped({"1.xml": one("a"), "2.xml": "<html/>", "3.xml": one("c")})))
    assert names(found) == ["a", "c"]
    assert refusals(found) == {f"{tmp_path}/runs.zip!2.xml": "it is not JUnit XML but an HTML page"}


def test_an_archive_in_an_archive_is_told_not_opened(tmp_path: Path) -> None:
    found = read(write(tmp_path, "a.zip", zipped({"in.zip": zipped({"r.xml": one("t")}), "r.xml": one("u")})))
    assert names(found) == ["u"]
    assert "inside an archive" in refusals(found)[f"{tmp_path}/a.zip!in.zip"]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("cut.tar.gz", tarred({"r.xml": random.Random(1).randbytes(9000)}, "gz")[:-2000], "damaged"),
        ("cut.zip", zipped({"r.xml": one("t")})[:-30], "damaged"),
        ("a.tar.zst", b"\x28\xb5\x2f\xfd" + b"0" * 600, "zstd"),
        ("noise.zip", random.Random(1).randbytes(2000).replace(b"PK", b"__"), "XML"),
    ],
    ids=["cut.tar.gz", "cut.zip", "a.tar.zst", "noise.zip"],
)
def test_damaged_archives_are_refused_by_name(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    write(tmp_path, "good.xml", one("good"))
    found = read(write(tmp_path, name, data), tmp_path / "good.xml")
    assert names(found) == ["good"]
    told = refusals(found)
    assert told and all(path.startswith(str(tmp_path / name)) for path in told)
    assert any(reason in said or "well formed" in said for said in told.values())


def test_what_came_before_the_damage_is_kept(tmp_path: Path) -> None:
    whole = gzipped(
        pytest_report(*(case(f"t{number}{random.Random(number).randbytes(20).hex()}") for number in range(2000)))
    )
    (report,) = runs(read(write(tmp_path, "cut.xml.gz", whole[: len(whole) // 2])))
    assert 100 < len(report.results) < 2000
    assert "broken off" in (report.files[0].partial or "")


def test_an_entry_without_a_name_is_passed_over(tmp_path: Path) -> None:
    packed = zipped({"nameless.xml": one("never"), "a.xml": one("t")})
    packed = packed.replace(b"nameless", b"\0ameless")  # zipfile cuts names at a NUL
    assert names(read(write(tmp_path, "a.zip", packed))) == ["t"]


def test_a_damage_before_which_nothing_came_is_told(tmp_path: Path) -> None:
    packed = bytearray(lzma.compress(one("t").encode()))
    packed[30] ^= 0xFF
    (reason,) = refusals(read(write(tmp_path, "damaged.xml.xz", bytes(packed)))).values()
    assert "broken off after 0 bytes" in reason


@pytest.mark.skipif(sys.platform == "win32", reason="no FIFOs")
def test_fifos_devices_and_folders_that_loop_do_no_harm(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.xml")
    write(tmp_path, "a/run.xml", one("t"))
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(tmp_path / "a")
    (tmp_path / "dangling.xml").symlink_to(tmp_path / "nowhere")
    found = read(tmp_path, "/dev/zero", tmp_path / "fifo.xml")
    assert names(found) == ["t"]
    said = refusals(found)
    assert "FIFO" in said[f"{tmp_path}/fifo.xml"]
    assert "device" in said["/dev/zero"]
    assert "cannot be opened" in said[f"{tmp_path}/dangling.xml"]


@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="the superuser may read everything")
def test_what_may_not_be_read_is_told(tmp_path: Path) -> None:
    write(tmp_path, "secret.xml", one("t")).chmod(0)
    write(tmp_path, "run.xml", one("u"))
    assert "cannot be opened" in refusals(read(tmp_path))[f"{tmp_path}/secret.xml"]


def test_missing_paths_are_refused_beside_others_and_an_error_alone(tmp_path: Path) -> None:
    write(tmp_path, "run.xml", one("t"))
    found = read(tmp_path / "run.xml", tmp_path / "gone.xml", f"{tmp_path}/none-*.xml")
    assert names(found) == ["t"]
    assert refusals(found) == {
        f"{tmp_path}/gone.xml": "no such file or folder",
        f"{tmp_path}/none-*.xml": "no file matches",
    }
    (tmp_path / "empty").mkdir()
    for paths in ([], [str(tmp_path / "gone.xml")], [str(tmp_path / "empty"), "-"]):
        with pytest.raises(UsageError) as caught:
            list(read_reports(paths, now=NOW))
        assert all(path in caught.value.message for path in paths[:1])
        assert caught.value.hint


def test_the_same_bytes_twice_are_a_duplicate(tmp_path: Path) -> None:
    first = write(tmp_path, "a.xml", one("t"))
    write(tmp_path, "b.xml.gz", gzipped(one("t")))
    found = read(tmp_path, first)
    assert names(found) == ["t"]
    duplicates = [report for report in found if isinstance(report, FileReport)]
    assert [(report.path, report.status, report.cases) for report in duplicates] == [
        (f"{tmp_path}/b.xml.gz", FileStatus.DUPLICATE, 1),
        (f"{tmp_path}/a.xml", FileStatus.DUPLICATE, 1),
    ]
    assert duplicates[0].reason == f"the same bytes as {first}"


def test_limits_are_named(tmp_path: Path) -> None:
    bomb = gzipped(pytest_report(case("t", f"<system-out>{'A' * 3_000_000}</system-out>")))
    many = zipped({f"{number}.xml": "<testsuite/>" for number in range(20)})
    big = one("t" * 5000)
    cases = [
        ("bomb.xml.gz", bomb, {"ratio_floor": 1 << 20}, "max_ratio"),
        ("bomb.zip", zipped({"r.xml": b"<testsuite>" + b" " * 3_000_000}), {"ratio_floor": 1 << 20}, "max_ratio"),
        ("many.zip", many, {"max_members": 10}, "max_members"),
        ("many.tar", tarred({f"{n}.txt": "" for n in range(20)}), {"max_members": 10}, "max_members"),
        ("big.xml", big, {"max_file_bytes": 1000}, "max_file_bytes"),
        (
            "big.tar.xz",
            tarred({"r.xml": big, "x.bin": b"0" * 9000}, "xz"),
            {"max_archive_bytes": 9000},
            "max_archive_bytes",
        ),
    ]
    for name, data, settings, said in cases:
        found = read(write(tmp_path, name, data), **settings)
        assert any(said in reason for reason in refusals(found).values()), (name, found)


def test_progress_is_told(tmp_path: Path) -> None:
    write(tmp_path, "a.xml", one("a"))
    write(tmp_path, "b.xml", one("b"))
    seen: list[tuple[int, int | None, str]] = []
    list(read_reports([str(tmp_path)], now=NOW, progress=lambda *told: seen.append(told)))
    assert seen == [(0, None, f"{tmp_path}/a.xml"), (1, None, f"{tmp_path}/b.xml")]
