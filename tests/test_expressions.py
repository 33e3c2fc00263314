"""Expressions that are compiled late do what compiled ones do."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from flakediag.expressions import expression

PATTERN = r"(?P<word>[a-z]+)(\d)?"
LATE, COMPILED = expression(PATTERN, re.IGNORECASE), re.compile(PATTERN, re.IGNORECASE)


@pytest.mark.parametrize("text", ["", "a1 B2", "12", "é", "abc"])
def test_it_does_what_a_compiled_one_does(text: str) -> None:
    for _ in range(2):
        for method in ("findall", "split"):
            assert getattr(LATE, method)(text) == getattr(COMPILED, method)(text)
        for method in ("match", "fullmatch", "search"):
            assert str(getattr(LATE, method)(text)) == str(getattr(COMPILED, method)(text))
        assert LATE.sub(r"<\g<word>>", text) == COMPILED.sub(r"<\g<word>>", text)
        assert [found.span() for found in LATE.finditer(text)] == [found.span() for found in COMPILED.finditer(text)]
    assert (LATE.pattern, LATE.flags, LATE.groups) == (COMPILED.pattern, COMPILED.flags, COMPILED.groups)


def test_bytes() -> None:
    assert expression(rb"a+").sub(b"-", b"baab") == b"b-b"


def test_what_is_wrong_is_told_when_it_is_used() -> None:
    wrong = expression("(")
    with pytest.raises(re.error):
        wrong.match("")


def test_nothing_is_compiled_before() -> None:
    script = (
        "import re\ndef compile(*args): raise AssertionError(args)\nre.compile = compile\n"
        "from flakediag.expressions import expression\nexpression('a')\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
