"""Test cases that passed and say no more than a few attributes, found by a pattern.

They are most of nearly every report, and expat's two calls of Python for each of them would cost more than all else
that is done to read it. A pattern is as strict as XML here: elements in the very form of the first one, with values of
printable ASCII in which nothing has to be replaced. Everything else is left to expat.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

_VALUE = r"[ !#-%'-;=-~]*+"  # without quotation marks, & and <
_SPACE = r"[ \t\r\n]*+"
_NAME = r"[A-Za-z_][A-Za-z0-9_.-]*+"
_END = rf"{_SPACE}(?:/>|>{_SPACE}</testcase>){_SPACE}"
_FIRST = re.compile(rf'<testcase((?: {_NAME}="{_VALUE}")++){_END}')
_ATTRIBUTE = re.compile(rf' ({_NAME})="{_VALUE}"')
WANTED = ("classname", "name", "file", "time")
_TELLING = frozenset({"status", "result", "executed", "timestamp"})  # what has to be looked at in every case
_LONGEST = 400  # characters of the names of attributes: longer ones would make a pattern that takes long to compile


class Form(NamedTuple):
    """How the plain test cases of a report are written.

    `groups` are those of `pattern` for the attributes in `WANTED`, 0 for one that is not written; `step` is one more
    than there are. The pattern also takes the white space after an element.
    """

    pattern: re.Pattern[str]
    groups: Sequence[int]
    step: int


class Found(NamedTuple):
    """What a text holds, for people who split by a form: `parts` are the texts between the elements, and behind each
    of them but the last one the values of the element that follows it."""

    form: Form
    parts: Sequence[str]

    @property
    def between(self) -> Sequence[str]:
        return self.parts[:: self.form.step]

    def columns(self, start: int, stop: int) -> Iterator[Sequence[str]]:
        """The values of the elements from `start` up to `stop`, in the order of `WANTED`; nothing for an attribute that
        they do not have."""
        step = self.form.step
        first, end = start * step, stop * step
        return (self.parts[first + group : end : step] if group else () for group in self.form.groups)


def first_form(text: str) -> tuple[Form, int] | None:
    """The form of the first plain test case in a text, and where that ends; None where there is none."""
    match = _FIRST.search(text)
    if match is None:
        return None
    names = tuple(_ATTRIBUTE.findall(match[1]))
    if sum(map(len, names)) > _LONGEST or len(set(names)) < len(names) or _TELLING.intersection(names):
        return None
    return _form(names), match.end()


@lru_cache(maxsize=64)
def _form(names: tuple[str, ...]) -> Form:
    wanted = [name for name in names if name in WANTED]
    values = {name: f"({_VALUE})" if name in wanted else _VALUE for name in names}
    attributes = "".join(f' {re.escape(name)}="{value}"' for name, value in values.items())
    groups = tuple(wanted.index(name) + 1 if name in wanted else 0 for name in WANTED)
    return Form(re.compile(f"<testcase{attributes}{_END}"), groups, len(wanted) + 1)


def split(form: Form, text: str) -> Found:
    return Found(form, form.pattern.split(text))


def beginning(form: Form, text: str, number: int) -> int:
    """Where element `number` of those that `split` finds begins."""
    for place, match in enumerate(form.pattern.finditer(text)):
        if place == number:
            return match.start()
    return len(text)
