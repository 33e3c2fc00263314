"""The quarantine in the words of each runner."""

from __future__ import annotations

import json
import re
import shlex
from datetime import timedelta
from io import StringIO

import pytest

from flakediag.cli.quarantine import RUNNERS as OFFERED
from flakediag.model import Identity, RunnerSelection
from flakediag.quarantine.selections import NAMES, select
from flakediag.report.quarantine import write_selection
from quarantine.entries import TODAY, entry
from quarantine.test_file import valid

PRODUCERS = {
    "pytest": "pytest", "surefire": "surefire", "gradle": "gradle", "jest": "jest", "vitest": "vitest",
    "go": "gotestsum", "rspec": "rspec", "playwright": "playwright",
}  # fmt: skip


def chosen(
    runner: str, *tests: Identity, known: tuple[Identity, ...] = (), producer: str | None = None
) -> RunnerSelection:
    """The selection where `tests` are quarantined and these and `known` stand in the history."""
    history = {test.id: (test, producer or PRODUCERS[runner]) for test in (*tests, *known)}
    return select(runner, [entry(test.id) for test in tests], history, today=TODAY)


def text(selection: RunnerSelection, format_name: str = "text") -> str:
    stream = StringIO()
    write_selection(selection, format_name, stream)
    return stream.getvalue()


def js(pattern: str, name: str, flags: int = re.IGNORECASE) -> bool:
    return re.search(pattern, name, flags) is not None


def argument(words: tuple[str, ...], option: str) -> str:
    return next(word.removeprefix(f"{option}=") for word in words if word.startswith(f"{option}="))


def test_the_command_offers_every_runner() -> None:
    assert OFFERED == NAMES


def test_go_names_tests_and_subtests_by_level() -> None:
    selection = chosen(
        "go",
        Identity("shop.example/a", "TestTotal"),
        Identity("shop.example/b", "TestOrder/two_(a+b)/x"),
        known=(
            Identity("shop.example/c", "TestTotal"),
            Identity("shop.example/a", "TestTotal/sub"),
            Identity("shop.example/a", "TestTotals"),
            Identity("shop.example/b", "TestOrder"),
        ),
    )
    pattern = r"^TestTotal$|^TestOrder$/^two_\(a\+b\)$/^x$"
    assert selection.without == (f"-skip={pattern}",)
    assert selection.only == (f"-run={pattern}", "-count=1", "shop.example/a", "shop.example/b")
    assert selection.also == ("shop.example/a::TestTotal/sub", "shop.example/c::TestTotal")
    assert "Go 1.20" in " ".join(selection.notes)


@pytest.mark.parametrize("runner", ["jest", "vitest"])
def test_javascript_titles_are_matched_whole(runner: str) -> None:
    cart = Identity("", "cart > adds $1 (a|b) [x] /y/", "test/cart.test.js")
    selection = chosen(
        runner, cart, known=(Identity("", cart.name, "test/b.test.js"), Identity("", "cart adds", "test/b.test.js"))
    )
    title = "cart adds $1 (a|b) [x] /y/"
    without, only = (argument(words, "--testNamePattern") for words in (selection.without, selection.only))
    for name, quarantined in [(title, True), (f"{title} more", False), (f"x {title}", False), ("cart adds", False)]:
        assert (js(without, name), js(only, name)) == (not quarantined, quarantined), name
    assert selection.only[-1] == "test/cart.test.js"
    assert selection.also == (f"test/b.test.js::{cart.name}",)


def test_files_are_named_only_where_all_of_them_are_known() -> None:
    selection = chosen("jest", Identity("", "a", "x.test.js"), Identity("cart", "adds"))
    assert selection.only == ("--testNamePattern=^(?:cart adds|a)$",)


def test_surefire_gets_methods_in_a_file_and_parameters_go_along() -> None:
    selection = chosen(
        "surefire",
        Identity("shop.CartTest", "total(int)[2]"),
        Identity("shop.CartTest", "empty"),
        Identity("shop.CartTest", "shows the total"),
        known=(Identity("shop.CartTest", "total(int)[1]"), Identity("shop.CartTest", "totals")),
    )
    assert selection.without == ("-Dsurefire.excludesFile=flakediag-quarantine.txt",)
    assert selection.file == ("flakediag-quarantine.txt", "shop.CartTest#empty\nshop.CartTest#total\n")
    assert "-Dtest=shop.CartTest#empty+total" in selection.only
    assert selection.also == ("shop.CartTest::total(int)[1]",)
    assert selection.left_out == (("shop.CartTest::shows the total", "it has a display name instead of a method's"),)
    assert "# not excused: shop.CartTest::shows the total" in text(selection)


def test_gradle_gets_an_init_script() -> None:
    selection = chosen("gradle", Identity("shop.CartTest", "total()"), Identity("shop.Cart$Inner", "empty"))
    assert selection.file is not None
    name, content = selection.file
    assert name in selection.without and name in selection.only
    assert "  'shop.Cart$Inner.empty',\n  'shop.CartTest.total'\n" in content
    assert selection.only[-1] == "-PflakediagQuarantined"


def test_rspec_gets_a_script_in_which_no_name_is_code() -> None:
    selection = chosen(
        "rspec", Identity("spec.cart_spec", "it's #{exit} \\ 'x'"), Identity("", "b", "./spec/b_spec.rb")
    )
    assert selection.file is not None
    assert r"  ['spec.cart_spec', 'it\'s #{exit} \\ \'x\'']," in selection.file[1]
    assert "  ['spec.b_spec', 'b']," in selection.file[1]
    assert selection.without[-2:] == ("--tag", "~flakediag_quarantined")


def test_playwright_matches_file_titles_and_tags() -> None:
    selection = chosen("playwright", Identity("cart.spec.ts", "cart › adds (2)", variant="chromium"))
    invert, grep = argument(selection.without, "--grep-invert"), argument(selection.only, "--grep")
    assert invert == grep
    for name, matches in [
        (" chromium cart.spec.ts cart adds (2)", True),
        (" chromium cart.spec.ts cart @slow adds (2) @a @b", True),
        (" firefox cart.spec.ts cart adds (2)", False),
        (" chromium cart.spec.ts cart adds (2) twice", False),
        (" chromium my-cart.spec.ts cart adds (2)", False),
        (" chromium cartXspec.ts cart adds (2)", False),
    ]:
        assert js(grep, name) is matches, name


def test_pytest_needs_its_plugin_and_no_second_run() -> None:
    selection = chosen("pytest", Identity("tests.test_shop", "test_0"))
    assert selection.without == ("-p", "flakediag.pytest_plugin")
    assert selection.only == ()
    assert "pytest -p flakediag.pytest_plugin\n" in text(selection)


@pytest.mark.parametrize("runner", [name for name in NAMES if name != "pytest"])
def test_names_are_one_word_and_cannot_be_options_or_lines(runner: str) -> None:
    hostile = ["TestA';$(reboot)`id`\"", "--config=evil", "TestTwo\nlines", "TestRtl\u202e"]
    tests = [Identity(home, name) for name in hostile for home in ("--x", "pkg.Class", "spec.a_spec")]
    selection = chosen(runner, Identity("shop.CartTest", "TestFine"), *tests)
    assert all("\n" not in word and "\u202e" not in word for word in (*selection.without, *selection.only))
    assert {test for test, reason in selection.left_out if "invisible" in reason} == {
        test.id for test in tests if not test.name.isprintable()
    }
    lines = [line for line in text(selection).splitlines() if not line.startswith("#")]
    commands = [shlex.split(line) for line in lines if not line.startswith("flakediag ")]
    for command, words in zip(commands, (selection.without, selection.only), strict=True):
        assert set(words) <= set(command)
    for words in (selection.without, selection.only):
        assert not [word for word in words if word.startswith(("--x", "--config"))]


def test_nothing_in_quarantine_is_nothing_to_say() -> None:
    for runner in NAMES:
        selection = select(runner, [], {}, today=TODAY)
        assert selection.only == ()
        assert selection.without == () or runner == "pytest"
        assert text(selection, "only") == ""
    assert text(select("go", [], {}, today=TODAY)) == "# nothing is in quarantine for go\n"


def test_expired_entries_and_tests_of_other_runners_are_not_chosen_and_said() -> None:
    known = {"tests.test_shop::test_0": (Identity("tests.test_shop", "test_0"), "pytest")}
    old = entry("a::TestOld", expires=TODAY - timedelta(days=1))
    selection = select("go", [entry("a::TestNew"), old, entry("tests.test_shop::test_0")], known, today=TODAY)
    assert selection.tests == ("a::TestNew",)
    assert any("other runners" in note for note in selection.notes)
    assert any("expired" in note for note in selection.notes)


def test_without_a_history_tests_are_read_from_their_ids() -> None:
    ids = ["test/cart.test.js::cart adds", "pkg::TestX"]
    entries = [entry(id) for id in ids]
    assert select("jest", entries[:1], {}, today=TODAY).only[-1] == "test/cart.test.js"
    assert select("go", entries, {}, today=TODAY).tests == ("pkg::TestX",)
    assert select("go", entries, {}, today=TODAY).left_out == ((ids[0], "it is not named like a Go test"),)


def test_json_fits_the_schema_and_arguments_are_a_line_each() -> None:
    selection = chosen("rspec", Identity("spec.a_spec", "works"))
    document = valid(json.loads(text(selection, "json")), "export")
    assert document["without"] == text(selection, "without").splitlines()
    assert document["only"] == text(selection, "only").splitlines()
    assert document["file"]["content"] == text(selection, "file")
