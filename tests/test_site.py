"""The documentation as a site: complete, linked, true, and built without asking anybody for anything."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import pytest

yaml = pytest.importorskip("yaml", reason="PyYAML is part of the development set-up")

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\(([\w./-]+\.md)?(#[\w-]+)?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# What a browser fetches by itself; a link (<a href>) waits for a person.
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|audio|video)\b[^>]*\bsrc=["']?(?:https?:)?//"""
    r"""|<link\b[^>]*\brel=["']?(?:stylesheet|preconnect|dns-prefetch|preload|icon)[^>]*\bhref=["']?(?:https?:)?//"""
    r"""|@import\s+["']?(?:url\()?["']?(?:https?:)?//|url\(["']?(?:https?:)?//"""
)


def config() -> dict[str, object]:
    loaded = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def pages_of(navigation: object) -> list[str]:
    if isinstance(navigation, str):
        return [navigation]
    entries = navigation.values() if isinstance(navigation, dict) else navigation
    return [page for entry in entries for page in pages_of(entry)]  # type: ignore[attr-defined]


def anchors(page: Path) -> set[str]:
    """The ids that MkDocs gives to the headings of a page."""
    titles = HEADING.findall(FENCED.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_is_in_the_navigation_once() -> None:
    pages = [*(page.name for page in DOCS.glob("*.md")), *tool("site").ELSEWHERE]
    assert sorted(pages_of(config()["nav"])) == sorted(pages)


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_links_lead_to_pages_and_headings(page: Path) -> None:
    for target, anchor in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        linked = (page.parent / target).resolve() if target else page
        assert linked.is_file(), target
        assert not anchor or anchor[1:] in anchors(linked), target + anchor


def test_links_out_of_the_site_keep_their_words() -> None:
    on_page_markdown = tool("site").on_page_markdown
    text = "see [`weights.toml`](../flakediag/weights.toml), [the table](check.md) and [it](../README.md)"
    assert on_page_markdown(text, page=None) == "see `weights.toml`, [the table](check.md) and it"


@pytest.mark.slow
def test_the_tutorial_prints_what_it_says() -> None:
    text = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        now = tool("tutorial").written(text, Path(folder))
    assert now == text, "python tools/tutorial.py brings it up to date; then see that the words around still hold"


@pytest.mark.slow
def test_the_site_builds_strictly_and_fetches_nothing(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="MkDocs is part of the development set-up")
    command = (sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    built = [*tmp_path.rglob("*.html"), *tmp_path.rglob("*.css")]
    assert len(built) > len(list(DOCS.glob("*.md")))
    for file in built:
        found = FETCHED.search(file.read_text(encoding="utf-8"))
        assert not found, f"{file.relative_to(tmp_path)}: {found and found[0]}"
