"""Attacks: bounded memory and time, and a reason for each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flakediag.junit.settings import MIB

PROGRAM = """
import resource, sys
from datetime import datetime, UTC
from flakediag.junit import read_reports
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for report in read_reports([sys.argv[1]], now=datetime.now(UTC)):
    print(len(report.results) if hasattr(report, "run") and hasattr(report, "notes") else report.reason)
"""

HEAD = b'<testsuite name="S"><testcase classname="C" name="a">'
TAIL = b"</testcase></testsuite>"
FILES = {
    "text": ([HEAD, b"<system-out>", *[b"log line 0123456789\n" * 50_000] * 40, b"</system-out>", TAIL], "1"),
    "cdata": ([HEAD, b"<failure><![CDATA[", *[b"A" * MIB] * 40, b"]]></failure>", TAIL], "1"),
    "attribute": ([HEAD, b'<failure message="', *[b"A" * MIB] * 30, b'"/>', TAIL], "max_token_bytes"),
    "comment": ([HEAD, b"<!--", *[b"A" * MIB] * 30, b"-->", TAIL], "max_token_bytes"),
    "depth": ([b"<testsuite>" * 1_000_000], "max_depth"),
    "attributes": ([b"<testsuite ", *(b"a%d='' " % n for n in range(400_000)), b"/>"], "max_attributes"),
    "children": ([HEAD, b"<failure message='m'>text</failure>" * 100_000, TAIL], "1"),
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
@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")
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
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert said in done.stdout
