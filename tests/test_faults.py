"""What breaks under flakediag, a few times each; `make reliability-faults` does it hundreds of times."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FAULTS = ROOT / "tools" / "reliability" / "faults.py"
ROWS = {  # how many lines of the table each part makes at least
    "kills": 10,
    "storage": 14,
    "damage": 4,
    "versions": 4,
    "crowd": 2,
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="forks, limits memory and mounts a disk in memory")
@pytest.mark.parametrize("part", ROWS)
def test_every_fault_is_survived(tmp_path: Path, part: str) -> None:
    page = tmp_path / "reliability.md"
    shutil.copy(ROOT / "docs" / "reliability.md", page)
    command = [sys.executable, FAULTS, "--light", "--only", part, "-o", page, "--kept", tmp_path]
    environ = {"PATH": os.environ.get("PATH", "")}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / f"faults-{part}.json").read_text())["rows"]
    assert len(rows) >= ROWS[part]
    assert all(row["survived"] == row["tries"] for row in rows)
    assert all(row["tries"] or row["seen"].startswith("not tried") for row in rows)
    assert all(f"| {row['fault'].replace('|', chr(92) + '|')} |" in page.read_text("utf-8") for row in rows)
