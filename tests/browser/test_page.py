"""The page in a real browser: what a reader does with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from hostile_names import NAMES
from report import sample
from report.large import large
from report.test_html import BREAKOUTS, hostile

from flakediag.model import Identity

REPORT = sample.drawn(sample.report())
TOTAL = f"#test={quote(sample.TOTAL.id, safe='')}"


def shown(page: Any) -> list[str]:
    """The ids of the rows in sight."""
    return [text.strip() for text in page.locator(".tests tbody th code").all_inner_texts()]


def soon(page: Any, holds: Callable[[], Any]) -> bool:
    """Whether it comes to hold within ten seconds: what a browser paints or says comes after what was done.

    Asked from here and not by `wait_for_function`, which evaluates text, and the page's policy forbids that.
    """
    for _ in range(500):
        if holds():
            return True
        page.wait_for_timeout(20)
    return False


def on_test(page: Any) -> str:
    page.wait_for_selector("#detail h1")
    return str(page.inner_text("#detail h1"))


# --- the table -------------------------------------------------------------------------------------------------


def test_a_heading_sorts_and_sorts_back(visit: Any) -> None:
    page = visit(REPORT)
    assert shown(page) == [finding.id for finding in REPORT.tests]
    rates = [f.id for f in sorted(REPORT.tests, key=lambda f: -f.rate.value)]
    page.click("th button:has-text('Fails')")
    assert shown(page)[0] == rates[0]
    assert page.get_attribute("th:has(button:has-text('Fails'))", "aria-sort") == "descending"
    page.click("th button:has-text('Fails')")
    assert shown(page)[-1] == rates[0]
    assert page.locator("th[aria-sort]").count() == 1
    page.select_option("#sort", "id")
    assert shown(page) == sorted(finding.id for finding in REPORT.tests)


def test_sorting_by_keyboard_keeps_the_focus(visit: Any) -> None:
    page = visit(REPORT)
    page.focus("th button:has-text('Lost')")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent").startswith("Lost")
    assert page.get_attribute("th:has(button:has-text('Lost'))", "aria-sort") == "descending"


def test_filters_and_search_go_together(visit: Any) -> None:
    page = visit(REPORT)
    page.select_option("#cause", "timing")
    assert shown(page) == [sample.SENT.id]
    assert page.inner_text("#count") == "1 of 6 tests"
    page.select_option("#cause", "")
    page.select_option("#verdict", "broken")
    assert shown(page) == [sample.BROKEN.id]
    page.select_option("#verdict", "")
    page.fill("#search", "STOCK reserve")
    assert shown(page) == [sample.BROKEN.id]
    page.fill("#search", "cluster 1")
    assert shown(page) == [sample.TOTAL.id]
    page.fill("#search", "nothing has this name")
    assert page.inner_text("#list") == "No test fits."


def test_the_heatmap_shows_the_tests_of_the_table(visit: Any) -> None:
    page = visit(REPORT)
    assert page.inner_text("#heat-size").startswith("4 tests × 52 runs")
    page.select_option("#cause", "timing")
    assert page.inner_text("#heat-size").startswith("1 test × 52 runs")
    page.select_option("#cause", "")
    page.select_option("#verdict", "broken")
    assert not page.is_visible("#heat")  # nothing is known of its runs


def test_a_long_table_is_shown_a_part_at_a_time(visit: Any) -> None:
    page = visit(large(230, 4))
    assert len(shown(page)) == 100
    page.click("#more")
    assert len(shown(page)) == 200
    page.click("#more")
    assert len(shown(page)) == 230
    assert not page.is_visible("#more")


# --- a test's own page -----------------------------------------------------------------------------------------


def test_a_link_leads_to_a_test_and_back(visit: Any) -> None:
    page = visit(REPORT)
    page.click(f".tests a:has-text('{sample.SENT.test.name}')")
    assert on_test(page) == sample.SENT.id
    assert page.title().startswith(sample.SENT.id)
    assert not page.is_visible("#overview")
    page.go_back()
    assert page.is_visible("#overview")
    page.go_forward()
    assert on_test(page) == sample.SENT.id
    page.click("text=All tests")
    assert page.is_visible("#overview") and not page.is_visible("#detail")


def test_an_address_with_a_test_opens_it(visit: Any) -> None:
    page = visit(REPORT, TOTAL)
    assert on_test(page) == sample.TOTAL.id
    text = page.inner_text("#detail")
    for part in (
        "flaky passed and failed on commit 3f2a91c",
        "+6.1\norder-dependence: failed in 23 of 23 runs where",
        "polluter\n93 %\ntests.test_import::test_import_orders\ncleaner\n31 %\ntests.test_import::test_cleanup\n",
        "Run every test inside a transaction",
        "def rolled_back():",
        "Ran before it, when it failed",
        "23 of 23 failing runs",
        "0 of 29 passing runs",
        "when it passed",
        "AssertionError: assert <n> == <n>",
    ):
        assert part in text
    assert page.locator(".order .s0").count() == 4  # in the legend, and in the three runs in which the partner ran
    assert page.locator(".cells .failed").count() > 10
    assert page.locator(".strip .dot").count() > 40


def test_a_test_that_is_not_there_is_said_to_be_missing(visit: Any) -> None:
    page = visit(REPORT, "#test=gone%3A%3Atest_gone")
    assert page.is_visible("#overview")
    assert "not in this report" in page.inner_text("#count")


@pytest.mark.parametrize(
    "name", ["test_50%", "test_a b&c=d#e?f", "test_ü[日本-🙂]", "test_%zz", "__proto__", "test_\ud800"]
)
def test_odd_names_have_stable_links(visit: Any, name: str) -> None:
    finding = replace(sample.TOTAL, test=Identity("tests.odd", name))
    page = visit(sample.report(finding))
    page.click(".tests a")
    title, address = on_test(page), page.url
    assert title == finding.id.encode("utf-8", "backslashreplace").decode()
    page.goto("about:blank")
    page.goto(address)
    assert on_test(page) == title


def test_the_runs_and_the_heatmap_are_tables_too(visit: Any) -> None:
    page = visit(REPORT, TOTAL)
    page.click("text=The runs as a table")
    row = page.locator("#detail tr:has(th:text-is('run 17'))")
    assert row.inner_text().split("\t")[4:6] == ["failed", "2"]
    page.click("text=All tests")
    page.click("#heat-table summary")
    page.wait_for_selector("#heat-table tbody")
    assert page.locator("#heat-table tbody tr").count() == 4


@pytest.mark.parametrize("clipboard", [True, False])
def test_the_reproduction_is_copied(visit: Any, clipboard: bool) -> None:
    page = visit(REPORT, TOTAL, permissions=["clipboard-read", "clipboard-write"])
    if not clipboard:  # as on a plain http server
        page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    button = page.locator(".copied:has-text('Reproduce') button")
    button.click()
    page.wait_for_selector(".copied button:text-is('Copied')")
    if clipboard:
        assert page.evaluate("navigator.clipboard.readText()") == sample.FIX.reproduce


# --- for everyone ----------------------------------------------------------------------------------------------


def test_the_keyboard_reaches_everything(visit: Any) -> None:
    page = visit(REPORT)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the tests"
    page.focus("#heat-map")
    for key in ("ArrowDown", "End", "ArrowLeft"):
        page.keyboard.press(key)
    assert sample.SENT.id in page.inner_text("#heat-cell")
    assert "in run 50 of" in page.inner_text("#heat-cell")
    page.keyboard.press("Enter")
    assert on_test(page) == sample.SENT.id
    assert page.evaluate("document.activeElement.id") == "detail"


def test_what_assistive_software_is_told(visit: Any) -> None:
    page = visit(REPORT, width=390)  # laid out as cards, it is a table all the same
    table = page.get_by_role("table", name="Tests", exact=True)
    assert table.get_by_role("row").count() == 7
    assert table.get_by_role("rowheader").count() == 6
    assert page.get_by_role("img").count() == 3
    for control in page.locator("input, select, button, canvas").all():
        assert control.evaluate("e => e.labels?.length || e.textContent.trim() || e.getAttribute('aria-label')")
    assert page.get_attribute("html", "lang") == "en"


def brightness(page: Any) -> float:
    colour = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    red, green, blue = (int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(", ")[:3])
    return (red + green + blue) / 3 / 255


def heat_brightness(page: Any) -> float:
    """Of the brightest part of a row of cells, as it is painted: a cell that passed, or the ground in the dark."""
    return float(
        page.evaluate(
            "(() => { const from = document.getElementById('heat-map');"
            "const copy = new OffscreenCanvas(from.width, 12), c = copy.getContext('2d', { willReadFrequently: true });"
            "c.drawImage(from, 0, 0); const { data } = c.getImageData(from.width / 2, 4, 100, 1);"
            "return Math.max(...data.filter((_, i) => i % 4 === 2)) / 255; })()"
        )
    )


def test_dark_and_light_follow_the_system_and_the_button(visit: Any) -> None:
    page = visit(REPORT, color_scheme="dark")
    assert brightness(page) < 0.2
    dark_cells = heat_brightness(page)
    page.emulate_media(color_scheme="light")
    assert brightness(page) > 0.9
    assert soon(page, lambda: heat_brightness(page) > dark_cells + 0.2)
    page.click("#theme")
    page.click("#theme")
    assert page.inner_text("#theme") == "Theme: dark"
    assert brightness(page) < 0.2
    assert soon(page, lambda: abs(heat_brightness(page) - dark_cells) <= 0.02)


@pytest.mark.parametrize("hash", ["", TOTAL])
@pytest.mark.parametrize("width", [390, 320])
def test_nothing_is_wider_than_a_phone(visit: Any, hash: str, width: int) -> None:
    page = visit(REPORT, hash, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_print_is_black_on_white_without_controls(visit: Any) -> None:
    page = visit(REPORT, color_scheme="dark")
    page.emulate_media(media="print")
    assert brightness(page) == 1
    assert not page.is_visible("#filters")
    assert not page.is_visible("#theme")
    assert page.is_visible(".tests thead")
    assert len(page.pdf()) > 10_000


def test_without_scripts_there_is_a_plain_table(visit: Any) -> None:
    page = visit(REPORT, java_script_enabled=False)
    assert page.locator("noscript tbody tr").count() == 6
    assert "Downloaded and opened as a file" in page.locator("noscript p").first.inner_text()
    assert page.locator("noscript p").first.is_visible()
    assert page.locator("figure svg").count() == 3


# --- hostile ---------------------------------------------------------------------------------------------------


SHORT = {name: text for name, text in NAMES.items() if len(text) < 1_000}  # how long a page takes is not asked here


@pytest.mark.parametrize("text", [*BREAKOUTS, *(pytest.param(text, id=name) for name, text in SHORT.items())])
def test_a_hostile_text_shows_as_text(visit: Any, text: str) -> None:
    page = visit(hostile(text))
    seen = page.inner_text(".tests tbody th code")
    assert all(part in seen for part in text.split() if part.isascii() and part.isprintable() and "##" not in part)
    page.press(".tests a", "Enter")  # however tall a name makes it
    page.wait_for_selector("#detail h1")
    page.eval_on_selector_all("#detail summary", "all => all.forEach(each => each.click())")
    assert page.locator("img, iframe, object, b, body svg script").count() == 0
    assert page.locator("a[href^='javascript']").count() == 0
    assert "\u202e" not in page.inner_text("body")


def test_the_policy_holds_against_a_script_that_got_in(chromium: Any, visit: Any) -> None:
    page = visit(REPORT)
    page.evaluate(
        "const s = document.createElement('script');"
        "try { s.append('window.broken = 1'); document.body.append(s); } catch {}"
        "try { document.body.innerHTML = '<img src=x onerror=\"window.broken = 1\">'; } catch {}"
        "try { fetch('https://example.org/').catch(() => {}); } catch {}"
    )
    assert soon(page, lambda: visit.complaints)  # the browser says that it refused
    assert page.evaluate("window.broken") is None
    visit.complaints.clear()


# --- many tests ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_five_thousand_flaky_tests_open_within_two_seconds(visit: Any) -> None:
    report = large(5000, 50)
    page = visit(report)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})  # of the processor: others may be busy too

    def worked() -> float:
        metrics = {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}
        return float(metrics["TaskDuration"])

    before = worked()
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    assert 0 < worked() - before < 2
    page.fill("#search", "test_case_04999")
    assert shown(page) == [report.tests[-1].id]
    page.click(".tests a")
    assert on_test(page) == report.tests[-1].id


def test_the_heatmap_paints_only_what_is_in_sight(visit: Any) -> None:
    page = visit(large(500, 500))
    assert page.evaluate("document.getElementById('heat-map').height") <= 440
    assert page.evaluate("document.getElementById('heat-space').offsetHeight") == 2000
    before = page.evaluate("document.getElementById('heat-map').toDataURL()")
    page.evaluate("document.getElementById('heat-box').scrollTop = 900")
    assert soon(page, lambda: page.evaluate("document.getElementById('heat-map').toDataURL()") != before)
    page.click("#heat-density")
    assert page.evaluate("document.getElementById('heat-space').offsetHeight") == 8000
