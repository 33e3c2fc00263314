"""The fixtures' own checks: what the recordings hold is what their truth says, without flakediag having a say."""

import subprocess
import sys
from pathlib import Path

import pytest

FIXTURES = Path(__file__).parent.parent / "fixtures"


@pytest.mark.parametrize("check", ["orders_service", "other_runners"])
def test_the_recordings_are_what_their_truth_says(check: str) -> None:
    done = subprocess.run([sys.executable, FIXTURES / check / "check.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_recordings_are_small() -> None:
    assert sum(path.stat().st_size for path in (FIXTURES / "recordings").rglob("*") if path.is_file()) < 2_000_000
