"""Go, through gotestsum."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from flakediag.confirm.runners import Call, safe, words
from flakediag.model import Identity

EVENTS = "events.jsonl"


class Go:
    name = "gotestsum"
    limits = (
        "Go runs the tests of a package as they are written, or shuffled by a seed, "
        "each package in a process of its own: only tests of the same package can be tried"
    )
    shuffles = True

    def __init__(self, folder: Path, program: str | None) -> None:
        self._folder = folder
        self._program = program

    def executed(self, tests: Sequence[Identity], scratch: Path) -> Sequence[Identity] | None:
        """As they were started, by the events that `go test -json` writes; the report sorts them otherwise."""
        places: dict[tuple[str, str], int] = {}
        try:
            for number, line in enumerate((scratch / EVENTS).read_text("utf-8").splitlines()):
                event = json.loads(line)
                if event.get("Action") == "run":
                    places.setdefault((event.get("Package", ""), event.get("Test", "")), number)
        except (OSError, ValueError):
            return None
        if any((test.classname, test.name) not in places for test in tests):
            return None
        return sorted(tests, key=lambda test: places[test.classname, test.name])

    def known(self, tests: Sequence[Identity]) -> list[bool]:
        return [safe(test.classname) and bool(re.match(r"(Test|Example|Fuzz)\w*", test.name)) for test in tests]

    def arranged(self, before: Sequence[Identity], test: Identity) -> Sequence[Identity] | None:
        top = test.name.partition("/")[0]
        same = [t for t in before if t.classname == test.classname and t.name.partition("/")[0] != top]
        return same if same or not before else None

    def call(self, tests: Sequence[Identity], scratch: Path, seed: int | None = None) -> Call:
        report = scratch / "report.xml"
        names = dict.fromkeys(re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", t.name.partition("/")[0]) for t in tests)
        argv = (
            *words(self._program, "gotestsum"), "--junitfile", str(report), "--jsonfile", str(scratch / EVENTS), "--",
            "-count=1", f"-shuffle={'off' if seed is None else seed}", "-p=1",
            "-run", f"^({'|'.join(names)})$", tests[-1].classname,
        )  # fmt: skip
        return Call(argv, (report,))
