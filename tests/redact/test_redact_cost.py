"""A pattern is used only where its work has a bound, and the refusal says what to write instead."""

from __future__ import annotations

import re

import pytest

from flakediag.redact import cost, own_pattern

BOUNDED = [
    ("KD-[0-9]{8}", 11),
    ("x{1,3}y", 6),
    ("(?:ab|cd)e", 6),
    (r"token-\w+", 8),
    (r"token-(?P<secret>\w{8,})", 15),
    (r"\w{1,64}+@corp", 69),
    ("(?=ab)ab", 4),
    ("(?>a{1,9}b|a{1,9}c)d", 37),
]


@pytest.mark.parametrize(("pattern", "steps"), BOUNDED)
def test_the_most_steps_are_counted(pattern: str, steps: int) -> None:
    assert cost.steps(pattern) == steps
    assert own_pattern("mine", pattern).pattern == pattern


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"(\w+)+!", "without an upper limit"),
        (r"\w+@corp", "without an upper limit"),
        (r".*secret", "without an upper limit"),
        (r"(?:a*b)c", "without an upper limit"),
        (r"(\w{1,30}){1,30}!", "lower its limits"),
        (r"\d{1,99}\d{1,99}\d{1,99}x", "lower its limits"),
        (r"(?:a|aa){1,40}x", "lower its limits"),
        (r"(['\"])x\1", "refers back"),
        (r"(a)?(?(1)b|c)", "refers back"),
        ("x*", "the empty text"),
        ("(?=secret)", "the empty text"),
        ("(unclosed", "no regular expression"),
        ("x" * 1001, "longer than 1,000"),
    ],
)
def test_what_has_no_bound_is_refused_with_what_to_do(pattern: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        own_pattern("mine", pattern)


@pytest.mark.parametrize("name", ["", "Key", "key2", "a b", "-a", "a-", "a" * 41, "käse", "a>b"])
def test_a_name_that_a_signature_would_change_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="small letters and hyphens"):
        own_pattern(name, "x")
