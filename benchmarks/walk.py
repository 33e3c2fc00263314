"""The yardstick: a bare walk over report files, with lxml or with expat. No reader of JUnit XML does less.

    python benchmarks/walk.py lxml|expat FILE…

Reads name, classname and time of each test case and counts its children.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

Case = tuple[str | None, str | None, str | None, int]


def with_lxml(path: str) -> list[Case]:
    from lxml.etree import iterparse

    cases = []
    for _, case in iterparse(path, tag="testcase"):
        cases.append((case.get("classname"), case.get("name"), case.get("time"), len(case)))
        case.clear()
        while case.getprevious() is not None:  # what was read before is not kept
            del case.getparent()[0]
    return cases


def with_expat(path: str) -> list[Case]:
    from xml.parsers.expat import ParserCreate

    cases: list[Case] = []
    attributes: dict[str, str] = {}
    depth = children = 0  # of the case that is open

    def start(tag: str, own: dict[str, str]) -> None:
        nonlocal attributes, depth, children
        if depth:
            children += depth == 1
            depth += 1
        elif tag == "testcase":
            attributes, depth, children = own, 1, 0

    def end(_: str) -> None:
        nonlocal depth
        if depth == 1:
            cases.append((attributes.get("classname"), attributes.get("name"), attributes.get("time"), children))
        depth = max(0, depth - 1)

    parser = ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    with open(path, "rb") as file:  # noqa: PTH123 - pathlib's import would be measured too
        parser.ParseFile(file)
    return cases


WALKS: dict[str, Callable[[str], Sequence[Case]]] = {"lxml": with_lxml, "expat": with_expat}

if __name__ == "__main__":
    print(sum(len(WALKS[sys.argv[1]](path)) for path in sys.argv[2:]))
