"""Where the time of a command goes, by the standard library's profiler.

Time that a built-in function took is its caller's. The profiler makes calls dearer than loops: the shares say what to
look at, not what would be won. What worker processes do is not in them.
"""

from __future__ import annotations

import pstats
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from measure import Task, run

PARTS, FUNCTIONS = 6, 5  # shown
Where = tuple[str, int, str]  # file, line, function; the file of a built-in one is "~"


class Hot(NamedTuple):
    """The largest shares of the time, as text: of parts of the program, and of functions in themselves."""

    parts: str
    functions: str


def hot(task: Task) -> Hot:
    """Of `python -m flakediag …`, the only command of the task."""
    (command,) = task.commands
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "profile"
        run(replace(task, commands=[(command[0], "-m", "cProfile", "-o", str(kept), *command[1:])]))
        stats: dict[Where, tuple] = pstats.Stats(str(kept)).stats  # type: ignore[attr-defined, type-arg]
    own: Counter[Where] = Counter()
    for where, (_, _, seconds, _, callers) in stats.items():
        if where[0] == "~" and callers:
            for caller, (_, _, part, _) in callers.items():
                own[caller] += part
        else:
            own[where] += seconds
    parts: Counter[str] = Counter()
    for where, seconds in own.items():
        parts[_part(where[0])] += seconds
    functions = Counter({where: seconds for where, seconds in own.items() if _part(where[0]) != "imports"})
    return Hot(
        ", ".join(f"{part} {_share(seconds, own)}" for part, seconds in parts.most_common(PARTS)),
        ", ".join(f"`{_name(where)}` {_share(seconds, own)}" for where, seconds in functions.most_common(FUNCTIONS)),
    )


def _share(seconds: float, own: Counter[Where]) -> str:
    return f"{seconds / sum(own.values()):.0%}"


def _part(file: str) -> str:
    parts = Path(file).parts
    if "importlib" in file or len(parts) < 2:
        return "imports"
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1].removesuffix(".py")
    inside = _inside(parts)
    if inside:
        return "/".join(inside[:-1])
    return "standard library: " + (parts[-2] if not parts[-2].startswith("python3") else parts[-1].removesuffix(".py"))


def _inside(parts: tuple[str, ...]) -> tuple[str, ...]:
    """From the package's folder on; nothing for another's file."""
    at = next((n for n in reversed(range(len(parts) - 1)) if parts[n] == "flakediag"), None)
    return () if at is None else parts[at:]


def _name(where: Where) -> str:
    parts = Path(where[0]).parts
    return f"{'/'.join(_inside(parts) or parts[-2:])} {where[2]}"
