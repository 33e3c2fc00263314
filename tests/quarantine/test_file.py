"""The file of the quarantine: what it gives back, and what it refuses."""

from __future__ import annotations

import json
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from flakediag.errors import UsageError
from flakediag.quarantine import file
from quarantine.entries import entry

ROW = {
    "test": "tests.test_shop::test_0",
    "signature": "AssertionError: no",
    "reason": "known",
    "added": "2026-03-02",
    "expires": "2026-03-16",
}
SCHEMA = json.loads(files("flakediag.report").joinpath("quarantine.schema.json").read_text("utf-8"))


def valid(document: Any, name: str = "file") -> Any:
    Draft202012Validator.check_schema(SCHEMA)
    target = {"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{name}"}
    Draft202012Validator(target, format_checker=FormatChecker()).validate(document)
    return document


def written(path: Path, *rows: Any, **more: Any) -> Path:
    path.write_text(json.dumps({"schema_version": 1, "entries": rows, **more}), encoding="utf-8")
    return path


def test_it_gives_back_what_it_was_given_sorted(tmp_path: Path) -> None:
    entries = [
        entry("b::x", None, owner="@a", ticket="T-1"),
        entry("a::x", "ValueError: ü ‮ \n"),
        entry("a::x", "KeyError: <n>", expires=date(2026, 4, 1)),
    ]
    path = tmp_path / file.NAME
    path.write_text(file.text(entries), encoding="utf-8")
    valid(json.loads(path.read_text("utf-8")))
    assert file.read(path) == (entries[2], entries[1], entries[0])
    assert file.text(reversed(entries)) == file.text(entries)


def test_a_further_entry_changes_no_other_line() -> None:
    before = file.text([entry("a::x"), entry("c::x")]).splitlines()
    after = file.text([entry("a::x"), entry("b::x"), entry("c::x")]).splitlines()
    added = len(after) - len(before)
    place = next(n for n, line in enumerate(after) if "b::x" in line) - 1
    assert after[:place] + after[place + added :] == before


def test_what_an_editor_does_not_show_is_escaped_and_letters_are_not() -> None:
    text = file.text([entry("a::ünïcode ‮\x1b[31m")])
    assert "ünïcode" in text
    assert "\\u202e\\u001b[31m" in text
    assert all(c == "\n" or c.isprintable() for c in text)


@pytest.mark.parametrize(
    ("rows", "said", "hint"),
    [
        (
            [ROW | {"expirs": "2026-03-16"}],
            r"entry 1 \(tests.test_shop::test_0\) has the unknown key 'expirs'",
            "expires",
        ),
        ([ROW, ROW | {"signature": ""}], r"entry 2 \(.*\): signature must be text", None),
        ([ROW | {"reason": " "}], "reason must be text", None),
        ([ROW | {"test": None}], "entry 1: test must be text", None),
        ([{k: v for k, v in ROW.items() if k != "signature"}], "lacks signature", "null excuses every way"),
        ([ROW | {"expires": "soon"}], r"expires must be a day such as 2026-03-31, not 'soon'", None),
        ([ROW | {"expires": 20260316}], "expires must be a day", None),
        ([ROW | {"owner": 3}], "owner must be text", None),
        ([ROW, dict(ROW)], r"entry 2 \(.*\) repeats entry 1", "keep one"),
        (["x"], "entry 1 must be an object", None),
    ],
)
def test_what_is_not_understood_is_refused_with_file_and_entry(
    tmp_path: Path, rows: list[Any], said: str, hint: str | None
) -> None:
    path = written(tmp_path / "q.json", *rows)
    with pytest.raises(UsageError, match=said) as caught:
        file.read(path)
    assert str(path) in caught.value.message
    assert (hint or "") in (caught.value.hint or "")


@pytest.mark.parametrize("rows", [[ROW | {"expirs": "x"}], [ROW | {"reason": " "}], [ROW | {"owner": 3}]])
def test_the_schema_refuses_it_as_well(rows: list[Any]) -> None:
    valid({"schema_version": 1, "entries": [ROW]})
    with pytest.raises(ValidationError):
        valid({"schema_version": 1, "entries": rows})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<<<<<<< HEAD\n", "line 1: not valid JSON"),
        ("[]", "no schema_version"),
        ('{"entries": []}', "no schema_version"),
        ('{"schema_version": 2, "entries": []}', "schema_version 2 is not known"),
        ('{"schema_version": 1}', "entries must be a list"),
        ('{"schema_version": 1, "entries": [], "note": 1}', "unknown key 'note'"),
        ("[" * 100_000, "not"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "q.json").write_text(text)
    with pytest.raises(UsageError, match=said) as caught:
        file.read(tmp_path / "q.json")
    assert str(tmp_path / "q.json") in caught.value.message


def test_it_is_found_upwards_within_the_working_tree(tmp_path: Path) -> None:
    outside = written(tmp_path / file.NAME)
    inner = tmp_path / "repo" / "packages" / "a"
    inner.mkdir(parents=True)
    assert file.nearest(inner) == outside
    (tmp_path / "repo" / ".git").mkdir()
    assert file.nearest(inner) is None
    assert file.usual(inner) == tmp_path / "repo" / file.NAME
    (tmp_path / "repo" / "packages" / "pyproject.toml").touch()
    assert file.usual(inner) == tmp_path / "repo" / "packages" / file.NAME
    assert file.nearest(tmp_path / "repo") is None
    mine = written(tmp_path / "repo" / file.NAME)
    assert file.nearest(inner) == mine
