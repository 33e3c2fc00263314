"""Text made of parts, cut to what a comment or a job summary may hold.

GitHub refuses a comment of more than 65,536 characters (its API says so), and drops the whole summary of a step beyond
1 MiB (docs.github.com, "Workflow commands").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flakediag.report.text import plural

LIMIT = 65_000  # characters: some room is left for what a pipeline adds; four bytes each are still no MiB
LAST_LINE = 500  # of them kept for the line that says what was cut


@dataclass(frozen=True, slots=True)
class Part:
    """`items` are each kept whole or left out, from the end; `head` and `tail` stand around those that are kept.

    Where not everything fits, parts with a small `cut` get their room before those with a greater one.
    """

    items: tuple[str, ...]
    head: str = ""
    tail: str = ""
    noun: str = "section"
    nouns: str | None = None
    cut: int = 0


def fitted(parts: Sequence[Part], limit: int = LIMIT) -> str:
    """The parts in their order, at most `limit` characters; what had to be left out is said in the last line."""
    room = limit - LAST_LINE
    kept: dict[int, int] = {}
    for place in sorted(range(len(parts)), key=lambda place: parts[place].cut):
        part = parts[place]
        before, room = room, room - len(part.head) - len(part.tail)
        kept[place] = 0
        for item in part.items:
            if len(item) > room:
                break
            room -= len(item)
            kept[place] += 1
        if not kept[place]:
            room = before
    text = "".join(
        f"{part.head}{''.join(part.items[: kept[place]])}{part.tail}" for place, part in enumerate(parts) if kept[place]
    )
    left = [
        plural(len(part.items) - kept[place], part.noun, part.nouns)
        for place, part in enumerate(parts)
        if kept[place] < len(part.items)
    ]
    return f"{text}*Cut to {limit:,} characters: {', '.join(left)} left out.*\n" if left else text
