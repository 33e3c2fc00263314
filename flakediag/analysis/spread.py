"""One function over many items, by several processes where that pays.

The outcome is that of a plain loop, in the same order, however many processes there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from flakediag.forks import Fork, processes

Item = TypeVar("Item")
Made = TypeVar("Made")


def spread(work: Callable[[Item], Made], items: Sequence[Item], least: int = 16) -> list[Made]:
    """[work(item) for item in items]. `work` changes nothing but what it returns, which can be pickled.

    Fewer items than `least` are not worth a second process.
    """
    count = min(processes(), len(items))
    if count < 2 or len(items) < least:
        return [work(item) for item in items]

    def share(number: int) -> Iterator[list[Made]]:
        yield [work(item) for item in items[number::count]]

    forks = [Fork(partial(share, number)) for number in range(1, count)]
    made: list[Made | None] = [None] * len(items)
    try:
        made[::count] = next(share(0))
        for number, fork in enumerate(forks, 1):
            try:
                made[number::count] = fork.take()
            except EOFError:  # it came to nothing
                made[number::count] = next(share(number))
    finally:
        for fork in forks:
            fork.end()
    return made  # type: ignore[return-value]  # every place is filled by now
