"""Attacks: bounded memory and time, and a reason for each."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from junit_samples import read, refusals, runs, write

from flakediag.junit.settings import MIB

TOOLS = Path(__file__).parents[2] / "tools" / "reliability"
sys.path.insert(0, str(TOOLS))

from attacks import ATTACKS, Attack  # noqa: E402
from hostile import FLAKEDIAG, GOOD, MOST_MEMORY, Listener, _ingest, growing, said, tried  # noqa: E402

PROGRAM = """
import resource, sys  # the peak that `resource` tells is never below what the tests take themselves
from datetime import datetime, UTC
from flakediag.junit import read_reports
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for report in read_reports([sys.argv[1]], now=datetime.now(UTC)):
    print(len(report.results) if hasattr(report, "run") and hasattr(report, "notes") else report.reason)
print(*(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""

HEAD = b'<testsuite name="S"><testcase classname="C" name="a">'
TAIL = b"</testcase></testsuite>"
YAML = [b"     a%d: %s\n" % (n, b"A" * 20_000) for n in range(50)]
FILES = {
    "text": ([HEAD, b"<system-out>", *[b"log line 0123456789\n" * 50_000] * 40, b"</system-out>", TAIL], "1"),
    "cdata": ([HEAD, b"<failure><![CDATA[", *[b"A" * MIB] * 40, b"]]></failure>", TAIL], "1"),
    "attribute": ([HEAD, b'<failure message="', *[b"A" * MIB] * 30, b'"/>', TAIL], "max_token_bytes"),
    "comment": ([HEAD, b"<!--", *[b"A" * MIB] * 30, b"-->", TAIL], "max_token_bytes"),
    "depth": ([b"<testsuite>" * 1_000_000], "max_depth"),
    "attributes": ([b"<testsuite ", *(b"a%d='' " % n for n in range(400_000)), b"/>"], "max_attributes"),
    "children": ([HEAD, b"<failure message='m'>text</failure>" * 100_000, TAIL], "1"),
    "comments": ([b"TAP version 13\n", *[b"    not ok - a\n", *[b"    # " + b"A" * 900 + b"\n"] * 50] * 8000], "8000"),
    "yaml": (
        [b"TAP version 13\n", *[b"    not ok - a\n     ---\n", *YAML, b"     ...\n"] * 400],
        "400",
    ),
    "entities": (
        [
            b'<!DOCTYPE t [<!ENTITY e0 "x">',
            *(b'<!ENTITY e%d "&e%d;">' % (n, n - 1) for n in range(1, 100_000)),
            b"]>",
            HEAD,
        ],
        "document type",
    ),
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space, and reads /proc")
@pytest.mark.parametrize("attack", FILES)
def test_memory_stays_bounded(tmp_path: Path, attack: str) -> None:
    parts, said = FILES[attack]
    path = tmp_path / "attack.xml"
    with path.open("wb") as file:
        file.writelines(parts)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), str(400 * MIB)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    *told, peak = done.stdout.splitlines()
    assert said in "\n".join(told)
    assert int(peak) < MOST_MEMORY * 1024


# --- the attacks that are measured by `make reliability-hostile`, those that are quick to make ---------------------

SMALL = [attack for attack in ATTACKS if not attack.big and not attack.unprivileged]


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    listening = Listener()
    yield listening
    listening.close()


@pytest.mark.skipif(sys.platform != "linux", reason="makes FIFOs, sockets and devices")
@pytest.mark.parametrize("attack", SMALL, ids=lambda attack: attack.name)
def test_an_attack_is_told_and_the_good_file_beside_it_read(tmp_path: Path, attack: Attack, listener: Listener) -> None:
    visits = listener.visits
    good = write(tmp_path, "good.xml", GOOD.format("t"))
    found = read(*attack.make(tmp_path, listener.port), good)
    assert any(report.files[0].path == str(good) for report in runs(found))
    troubled = bool(refusals(found)) or any(file.partial for report in runs(found) for file in report.files)
    assert troubled == (attack.exit == 5)
    assert all(refusals(found).values())
    assert listener.visits == visits
    assert not (tmp_path.parent / "outside.xml").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="gives up rights as Linux has them")
def test_what_may_not_be_read_is_refused_also_for_the_superuser(tmp_path: Path, listener: Listener) -> None:
    (attack,) = (attack for attack in ATTACKS if attack.unprivileged)
    _ingest(tmp_path / "empty.db", [write(tmp_path, "first.xml", GOOD.format("t"))])
    outcome = tried(attack, tmp_path, tmp_path / "empty.db", listener)
    assert outcome.wrong == ()
    assert outcome.exit == 5
    assert "Permission denied" in outcome.said


def test_a_file_that_grows_while_it_is_read_comes_to_an_end(tmp_path: Path) -> None:
    path = write(tmp_path, "r.xml", HEAD + b"<system-out>" + b"x" * MIB)
    with growing(path):
        found = read(path, chunk_bytes=1000)
    (reason,) = refusals(found).values()
    assert "grew while it was read" in reason


def test_every_attack_has_a_name_of_its_own() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
    assert FLAKEDIAG.name == "flakediag"
    assert said("refused: /x/a.xml: it is a FIFO\nnote: x\n", "/x") == "refused: it is a FIFO"
