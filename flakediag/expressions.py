"""Regular expressions that are compiled when they are first used.

To compile one takes as long as to use it some hundred times, and most commands use few of those that their files name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, AnyStr, cast


def expression(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """What `re.compile` gives, later. A pattern that is wrong is told when it is used."""
    return cast(re.Pattern[AnyStr], _Expression(partial(re.compile, pattern, flags)))


class _Expression:
    def __init__(self, compiled: Callable[[], re.Pattern[Any]]) -> None:
        self._compiled = compiled  # by `re`, which remembers it

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._compiled(), name)
        setattr(self, name, found)  # the next time nothing stands in between
        return found
