"""The table of secrets: each row masks what it says, keeps what it says, and can keep nobody busy."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakediag.analysis.boundary import boundary_of
from flakediag.analysis.signature import masked_text
from flakediag.model import FailureDetail
from flakediag.redact import Redactor, own_pattern
from flakediag.redact.patterns import hinted, table

ROWS = table()


def cases(kind: str) -> list[Any]:
    return [
        pytest.param(row["name"], text.replace("¦", ""), id=f"{row['name']}-{number}")
        for row in ROWS
        for number, text in enumerate(row[kind])
    ]


def redacted(text: str) -> str:
    return Redactor().text(text, Counter())


@pytest.mark.parametrize(("name", "example"), cases("masked"))
def test_a_secret_is_masked_and_nothing_beside_it(name: str, example: str) -> None:
    before, secret, after = example.partition("⟦")[0], *example.partition("⟦")[2].split("⟧")
    masked: Counter[str] = Counter()
    assert Redactor().text(f"{before}{secret}{after}", masked) == f"{before}<redacted:{name}>{after}"
    assert masked == {name: 1}


@pytest.mark.parametrize(("name", "example"), cases("masked"))
def test_what_is_masked_stays_as_it_is(name: str, example: str) -> None:
    once = redacted(example.replace("⟦", "").replace("⟧", ""))
    assert redacted(once) == once


@pytest.mark.parametrize(("name", "example"), cases("kept"))
def test_what_only_looks_like_one_is_kept(name: str, example: str) -> None:
    assert redacted(example) == example


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_every_row_has_examples_of_both_and_a_pattern_whose_work_is_bounded(row: dict[str, Any]) -> None:
    assert row["masked"] and row["kept"]
    assert all(hint == hint.lower() for hint in row["hints"])
    assert own_pattern(row["name"], row["pattern"])


WORDS = sorted({hint for row in ROWS for hint in row["hints"]})


@given(
    st.lists(
        st.one_of(st.sampled_from(WORDS), st.sampled_from(WORDS).map(lambda word: word[1:]), st.text()), max_size=4
    )
)
def test_a_text_has_the_hints_that_stand_in_it(parts: list[str]) -> None:
    text = "".join(parts).lower()
    found = {(hint, pattern.name) for hint, pattern in hinted(text)}
    assert found == {(hint, row["name"]) for row in ROWS for hint in row["hints"] if hint in text}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_mask_is_no_evidence_and_stays_in_a_signature(row: dict[str, Any]) -> None:
    mask = f"<redacted:{row['name']}>"
    assert masked_text(mask) == mask
    assert boundary_of(FailureDetail("", "", mask)) is None
