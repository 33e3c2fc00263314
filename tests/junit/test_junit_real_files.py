"""Real reports of many producers, where they are at hand: what is read agrees with a plain count of the elements."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
from junit_samples import read, runs

from flakediag.model import FileReport, FileStatus

HERE = Path(__file__).resolve()
COLLECTION = HERE.parents[3] / "shared" / "dialects"

# Outcomes that stand in attributes only, which a count of elements does not see: docs/dialects.md, Disagreements.
STATED_IN_ATTRIBUTES = 7


@pytest.mark.slow
@pytest.mark.skipif(not COLLECTION.is_dir(), reason="the collection of real reports is not at hand")
def test_the_counts_agree(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (COLLECTION / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    with tarfile.open(COLLECTION / "files.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    found = read(*(tmp_path / row["path"] for row in rows))
    files = {file.path: file for report in runs(found) for file in report.files}
    duplicates = {one.path for one in found if isinstance(one, FileReport) and one.status is FileStatus.DUPLICATE}
    refused = {one.path for one in found if isinstance(one, FileReport) and one.status is FileStatus.REFUSED}
    assert len(files) + len(duplicates | refused) == len(rows)
    differing = []
    for row in rows:
        path, want = str(tmp_path / row["path"]), row["own_count"]
        if not (row["valid_xml"] and row["junit_root"] and want) or path in duplicates:
            continue
        file = files[path]
        have = (file.cases, file.failures + file.errors, file.skipped)
        if have != (want["tests"], want["failures"] + want["errors"], want["skipped"]):
            differing.append((row["path"], have, want))
    assert len(differing) == STATED_IN_ATTRIBUTES, differing
