"""What real producers wrote of small suites, read: every result is what the suite's source says it must be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from junit_samples import read, runs, told

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "dialects"
RECORDED = FIXTURES / "recorded"
EXPECTED = json.loads((FIXTURES / "expected.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("what", EXPECTED)
def test_a_recorded_report_is_read_as_its_suite_says(what: str) -> None:
    expected = EXPECTED[what]
    (report,) = runs(read(RECORDED / what))
    assert [list(one) for one in told(report)] == expected["results"]
    assert (report.run.producer, report.run.order.value, report.run.host) == (
        expected["producer"],
        expected["order"],
        expected["host"],
    )
    assumed = any("name no zone" in note for note in report.notes)
    missing = any("names no moment" in note for note in report.notes)
    assert (None if missing else not assumed) == expected["zone"]


def test_every_recording_is_expected() -> None:
    written = {path.relative_to(RECORDED).as_posix() for path in RECORDED.rglob("*.xml")}
    assert {path for path in written if path not in EXPECTED and path.split("/")[0] not in EXPECTED} == set()


def test_the_same_tests_have_the_same_ids_however_a_producer_was_called() -> None:
    """With retries or without, shuffled or not, in one worker or two."""
    for producer, reports in {
        "pytest": ("plain", "rerunfailures"),
        "gotestsum": ("plain", "reruns"),
        "playwright": ("default", "retries"),
    }.items():
        one, other = ({id for id, _, _ in EXPECTED[f"{producer}/{report}.xml"]["results"]} for report in reports)
        assert one == other
    plain, shuffled, workers = (
        {id for id, _, _ in EXPECTED[f"pytest/{report}.xml"]["results"]} for report in ("plain", "randomly", "xdist")
    )
    assert shuffled < plain and workers < plain
