"""What was measured, held against what it may take at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from measure import Figure, Task

HEAD = ("work", "CPU s", "wall s", "peak MB", "× walk", "at most", "reached")


@dataclass(frozen=True, slots=True)
class Limit:
    """A figure, and the most that it may be."""

    what: str
    measured: float
    most: float

    def __str__(self) -> str:
        return f"{self.what} {self.measured:.3g}" + (f" > {self.most:g}" if self.missed else "")

    @property
    def missed(self) -> bool:
        return self.measured > self.most


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. `ratio` is to the walk over the same files, in CPU; `task` is profiled if it missed."""

    work: str
    figure: Figure | None = None
    ratio: float | None = None
    bar: str = ""
    limits: Sequence[Limit] = ()
    task: Task | None = None

    @property
    def missed(self) -> bool:
        return any(limit.missed for limit in self.limits)

    def cells(self) -> list[str]:
        figure = self.figure
        own = [f"{figure.cpu:.2f}", f"{figure.wall:.2f}", f"{figure.peak:.0f}"] if figure else ["", "", ""]
        verdict = f"{'**no**' if self.missed else 'yes'}: {', '.join(map(str, self.limits))}" if self.limits else ""
        return [self.work, *own, "" if self.ratio is None else f"{self.ratio:.2f}", self.bar, verdict]
