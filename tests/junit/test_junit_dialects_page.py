"""The documentation's table of producers is what the entries say, and the measured section was made by its command."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tool(monkeypatch):
    """tools/reliability/dialects.py, as its command finds it; forgotten afterwards, since its names are common ones."""
    monkeypatch.syspath_prepend(str(ROOT / "tools" / "reliability"))
    import dialects

    yield dialects
    for name in ("dialects", "page"):
        sys.modules.pop(name, None)


def between(page: str, section: str) -> str:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = re.search(rf"<!-- {section} -->\n(.*?)<!-- /{section} -->", text, re.DOTALL)
    assert found, section
    return found[1].strip()


def test_the_table_of_producers_is_what_the_entries_say(tool):
    assert between("dialects.md", "producers") == tool.producers().strip(), "make reliability-dialects"


def test_every_recording_agrees_and_the_page_counts_it(tool):
    own = tool.recorded()
    assert {family: tally.wrong for family, tally in own.items() if tally.wrong} == {}
    files = sum(tally.files for tally in own.values())
    assert files == sum(tally.agreed for tally in own.values()) > 30
    assert f"| all | {files} | {files} |" in between("reliability.md", "dialects")


def test_without_a_collection_the_page_says_so(tool, monkeypatch, tmp_path):
    monkeypatch.setenv("FLAKEDIAG_DIALECTS", str(tmp_path))
    assert tool.collection() is None
    assert "was not at hand" in tool.section(tool.recorded(), None)
