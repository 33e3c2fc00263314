"""The tables of docs/reliability.md: each is made by one command and stands between two markers of the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; cells may hold anything, pipes and line ends are escaped."""

    def line(cells: Sequence[object]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(head), line(["---"] * len(head)), *map(line, rows)])


def write(section: str, text: str, page: Path = PAGE) -> None:
    """Put `text` between `<!-- section -->` and `<!-- /section -->`. Raises `ValueError` where the page has no such."""
    marked = re.compile(rf"(<!-- {re.escape(section)} -->\n).*?(<!-- /{re.escape(section)} -->)", re.DOTALL)
    before = page.read_text(encoding="utf-8")
    if not marked.search(before):
        raise ValueError(f"{page} has no section {section}")
    page.write_text(marked.sub(lambda found: f"{found[1]}\n{text.strip()}\n\n{found[2]}", before), encoding="utf-8")
