"""Which remedy a diagnosis gets, and what it names."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

import pytest

from flakediag.model import Category, Diagnosis, Evidence, Gap, Identity, Partner
from flakediag.remedies import suggest
from flakediag.remedies.catalogue import Remedy, code_for, remedies

FRAMEWORKS = ("pytest", "junit", "jest", "vitest", "go", "rspec", "dotnet")
VICTIM = Identity("tests.test_orders", "test_total")
POLLUTER = Partner("tests.test_import::test_import_orders", "test", "polluter", 0.93)
SETTER = Partner("tests.test_login::test_login", "test", "state-setter", 0.9)


def diagnosis(category: Category, *partners: Partner, ports: tuple[int, ...] = (), **data: object) -> Diagnosis:
    evidence = (Evidence("timing-plateau", category, 2.0, "fails at 5 s", data),) if data else ()
    return Diagnosis(category, 0.9, (), evidence, partners, ports)


def remedy_of(summary: str) -> str:
    """The catalogue's entry behind a summary."""
    for remedy in remedies():
        parts = [re.escape(part) for part in re.split(r"<<\w+>>", remedy.summary)]
        if re.fullmatch(".*".join(parts), summary):
            return remedy.name
    raise AssertionError(summary)


@pytest.mark.parametrize(
    ("signature", "name"),
    [
        ("UniqueViolation: duplicate key value violates unique constraint <str>", "database"),
        ("sqlalchemy.exc.MultipleResultsFound: Multiple rows were found", "database"),
        ("org.hibernate.exception.ConstraintViolationException", "database"),
        ("AssertionError: sequence orders_id_seq is at <n>", "sequence"),
        ("UndefinedTable: relation <str> does not exist; search_path is <str>", "session-setting"),
        ("KeyError: 'PAYMENT_MODE'", "environment-variable"),
        ("AssertionError: os.environ has <str>", "environment-variable"),
        ("FileExistsError: [Errno <n>] File exists: <path>", "files"),
        ("ENOENT: no such file or directory, open <path>", "files"),
        ("AssertionError: assert <MagicMock id=<n>> == <n>", "mock"),
        ("AssertionError: feature new-checkout is on", "feature-flag"),
        ("AssertionError: assert <n> == <n>", "state"),
        # what must not be taken for something more special
        ("AssertionError: the environment is fine, the total is not", "state"),
        ("KeyError: 'total'", "state"),
        ("AssertionError: assert 'browse' == 'x'", "state"),
        ("AssertionError: flagship store", "state"),
        ("NullPointerException", "state"),
    ],
)
def test_the_words_of_a_failure_choose_the_variant(signature: str, name: str) -> None:
    fix = suggest(VICTIM, diagnosis(Category.ORDER, POLLUTER), "pytest", signature=signature)
    assert remedy_of(fix.summary) == name
    assert POLLUTER.id in fix.summary


@pytest.mark.parametrize(
    ("signature", "name"), [("DoesNotExist: Customer", "set-up-rows"), ("AssertionError: assert <n> == <n>", "set-up")]
)
def test_a_brittle_test_gets_a_set_up_of_its_own(signature: str, name: str) -> None:
    fix = suggest(VICTIM, diagnosis(Category.ORDER, SETTER), "pytest", signature=signature)
    assert remedy_of(fix.summary) == name
    assert VICTIM.id in fix.steps[0]
    assert SETTER.id in fix.summary


def test_several_likely_polluters_are_all_named_and_the_cleaner_is_pointed_at() -> None:
    second = Partner("tests.test_b::test_b", "test", "polluter", 0.5)
    unlikely = Partner("tests.test_c::test_c", "test", "polluter", 0.05)
    cleaner = Partner("tests.test_d::test_reset", "test", "cleaner", 0.9)
    fix = suggest(VICTIM, diagnosis(Category.ORDER, unlikely, cleaner, second, POLLUTER), "pytest")
    assert f"{POLLUTER.id} and {second.id}" in fix.summary
    whole = " ".join([fix.summary, *fix.steps])
    assert unlikely.id not in whole
    assert f"{cleaner.id} cleans the state up" in whole


def test_a_group_is_named_as_one() -> None:
    group = Partner("tests.test_import.TestImport", "group", "polluter", 0.9)
    assert "the tests of tests.test_import.TestImport" in suggest(VICTIM, diagnosis(Category.ORDER, group), "x").summary


def test_a_group_and_a_test_in_it_are_named_once() -> None:
    group = Partner("tests.test_import", "group", "polluter", 0.99)
    beside = Partner("tests.test_importer::test_c", "test", "polluter", 0.5)
    fix = suggest(VICTIM, diagnosis(Category.ORDER, POLLUTER, group, beside), "pytest")
    assert "the tests of tests.test_import and tests.test_importer::test_c" in fix.summary
    assert POLLUTER.id not in fix.summary


def test_an_unknown_polluter() -> None:
    fix = suggest(VICTIM, diagnosis(Category.ORDER), "pytest")
    assert "another test" in fix.summary
    assert fix.reproduce is None
    assert any("not known yet" in step for step in fix.steps)


def test_a_partner_that_is_hardly_one_is_not_named() -> None:
    fix = suggest(VICTIM, diagnosis(Category.ORDER, replace(POLLUTER, probability=0.05)), "pytest")
    assert POLLUTER.id not in fix.summary
    assert fix.reproduce is None
    assert any("not known yet" in step for step in fix.steps)


def test_timing_names_the_plateau() -> None:
    fix = suggest(VICTIM, diagnosis(Category.TIMING, seconds=5.0), "pytest")
    assert fix.summary.endswith("gives up after 5 s")
    assert "def eventually" in (fix.example.code if fix.example else "")
    assert "deadline" in suggest(VICTIM, diagnosis(Category.TIMING), "pytest").summary


def test_a_port_is_named_with_who_else_uses_it() -> None:
    user = Partner("tests.test_webhook::test_callback", "test", "port-user", 0.7)
    fix = suggest(VICTIM, diagnosis(Category.PORT, user, ports=(8099,)), "pytest", signature="address already in use")
    assert fix.summary == (
        "Bind port 0 instead of port 8099 and pass the chosen port on (also used by tests.test_webhook::test_callback)"
    )
    refused = suggest(VICTIM, diagnosis(Category.PORT, ports=(8099,)), "pytest", signature="ConnectionRefusedError")
    assert "what answers there is not this test's server" in refused.summary


def test_an_open_cause_says_first_what_would_settle_it() -> None:
    fix = suggest(VICTIM, Diagnosis(Category.UNKNOWN, 0.6, settle="shuffle the suite"), "pytest")
    assert fix.steps[0] == "shuffle the suite"
    assert fix.example is None
    gaps = (Gap("order", "the order never varied", "`shuffle`"), Gap("failures", "it failed\nonce"))
    fix = suggest(VICTIM, Diagnosis(Category.UNKNOWN, 0.6, missing=gaps), "pytest")
    assert fix.steps == ("the order never varied: `shuffle`", "it failed<000a>once")


@pytest.mark.parametrize("framework", [*FRAMEWORKS, "unknown"])
@pytest.mark.parametrize("category", Category)
@pytest.mark.parametrize("partner", [POLLUTER, SETTER, None])
def test_every_diagnosis_gets_a_fix_without_gaps(category: Category, framework: str, partner: Partner | None) -> None:
    fix = suggest(VICTIM, diagnosis(category, *([partner] if partner else [])), framework)
    whole = "\n".join([fix.summary, *fix.steps, fix.example.code if fix.example else ""])
    assert "<<" not in whole
    assert fix.summary
    assert not fix.summary.endswith(".")
    assert fix.steps
    if framework == "unknown":
        assert fix.example is None
        assert fix.reproduce is None
    elif category in (Category.ORDER, Category.TIMING, Category.PORT):
        assert fix.example


HOSTILE = 'x\\u000a\n"""\nimport os; os.system("id")  # */ <<partner>> \x1b[31m\u202e'


@pytest.mark.parametrize("remedy", remedies(), ids=lambda r: f"{r.cause}-{r.name}")
def test_code_stays_valid_whatever_the_names_are(remedy: Remedy) -> None:
    from flakediag.remedies.advice import _one_line, fill_code

    for name in ("tests.a::b", HOSTILE):
        values = dict.fromkeys(("victim", "partner", "seconds", "port", "other"), _one_line(name))
        for framework in FRAMEWORKS:
            code = code_for(remedy, framework)
            if not code:
                continue
            filled = fill_code(code, values)
            assert filled.count("\n") == code.count("\n")
            assert "\x1b" not in filled
            assert "\\u" not in filled
            if framework == "pytest":
                ast.parse(filled)
            else:
                assert balanced(code, framework), f"{remedy.name} {framework}"
            assert "\t" not in filled or framework == "go"


def balanced(code: str, framework: str) -> bool:
    """Whether brackets close in order, outside strings and comments."""
    comment = r"#[^\n{]*" if framework == "rspec" else r"//[^\n]*"
    bare = re.sub(r'"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|\'(?:\\.|[^\'\\\n])*\'|' + comment, "", code)
    stack = []
    for sign in bare:
        if sign in "([{":
            stack.append(sign)
        elif sign in ")]}" and (not stack or stack.pop() + sign not in ("()", "[]", "{}")):
            return False
    if framework == "rspec":
        opened = re.findall(r"\bdo\b|^\s*(?:def|begin|if)\b", bare, re.MULTILINE)
        return not stack and len(opened) == len(re.findall(r"\bend\b", bare))
    return not stack


def test_the_check_for_brackets_can_fail() -> None:
    assert not balanced("f(", "go")
    assert not balanced("f(]", "jest")
    assert not balanced("before do\n", "rspec")


def test_names_in_comments_cannot_end_them() -> None:
    """Every name that is filled into code stands behind the sign of a comment that ends with the line."""
    for remedy in remedies():
        for framework, code in remedy.code.items():
            for line in code.splitlines():
                if "<<" in line:
                    before = line[: line.index("<<")]
                    sign = "#" if framework in ("pytest", "rspec") else "//"
                    assert sign in before, line


def test_hostile_names_stay_on_their_line() -> None:
    partner = Partner(HOSTILE, "test", "polluter", 0.9)
    fix = suggest(Identity("a", HOSTILE), diagnosis(Category.ORDER, partner), "pytest")
    assert not re.search(r"[\n\x1b\u202e]", fix.summary + "".join(fix.steps))
    assert fix.reproduce is None
