"""A hook of MkDocs: links out of docs/ lead to what the site does not hold, so that only their words are kept.

In the repository those links lead somewhere (a test holds that); on the site, without this, a strict build would fail.
"""

import re
from typing import Any

OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]*\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs with each page's text."""
    return OUTSIDE.sub(r"\1", markdown)
