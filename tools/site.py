"""A hook of MkDocs: links out of docs/ lead to what the site does not hold, so that only their words are kept.

In the repository those links lead somewhere (a test holds that); on the site, without this, a strict build would fail.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
# Pages that stand where a repository's host looks for them, and are on the site as well
ELSEWHERE = {"security.md": "SECURITY.md"}

OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]*\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs with each page's text."""
    return OUTSIDE.sub(r"\1", markdown)


def on_files(files: Files, config: Any) -> Files:
    """Called by MkDocs with what it found in docs/."""
    for name, source in ELSEWHERE.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=text.replace("](docs/", "](")))
    return files
