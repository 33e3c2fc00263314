"""A real browser: the Chromium of the system, headless. Without one, or without playwright, these tests are skipped."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flakediag.model import Report
from flakediag.report import format
from flakediag.report.format import Options

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        pytest.skip("no Chromium is installed here: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        try:
            # CI runs as root in a container, where Chromium's own sandbox cannot start; the pages are our own.
            browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"Chromium does not start here: {error}")
        yield browser
        browser.close()


class Visit:
    """Opens reports as pages, and keeps what the browser complained about and asked for."""

    def __init__(self, browser: Any, folder: Path) -> None:
        self.browser, self.folder = browser, folder
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.contexts: list[Any] = []

    def __call__(self, report: Report, hash: str = "", *, width: int = 1280, **options: Any) -> Any:
        """A page that shows the report, once it is ready (or loaded, where scripts are off)."""
        file = self.write(report)
        context = self.browser.new_context(viewport={"width": width, "height": 900}, **options)
        context.set_default_timeout(10_000)
        self.contexts.append(context)
        page = context.new_page()
        page.on(
            "console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (self.complaints.append(f"a dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(file.as_uri() + hash)
        if options.get("java_script_enabled", True):
            page.wait_for_selector("html[data-ready]", state="attached")
        return page

    def write(self, report: Report) -> Path:
        file = self.folder / "flaky.html"
        with file.open("w", encoding="utf-8") as stream:
            format.find("html").write(report, stream, Options())
        return file


@pytest.fixture
def visit(chromium: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens a report. Whatever the browser complains of fails the test; so does a request for anything else."""
    visit = Visit(chromium, tmp_path)
    yield visit
    for context in visit.contexts:
        context.close()
    assert visit.complaints == []
    assert {url.partition("#")[0] for url in visit.requests if not url.startswith("data:")} <= {
        (tmp_path / "flaky.html").as_uri()
    }
