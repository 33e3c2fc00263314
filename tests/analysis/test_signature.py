import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakediag.analysis.signature import _MASKS, LENGTH, NOTHING_SAID, _mask, masked_text, signature_of
from flakediag.model import FailureDetail


def signature(message: str = "", kind: str = "", text: str = "") -> str:
    return signature_of(FailureDetail(kind, message, text))


SPELLED = [
    (("assert 3 == 2", "AssertionError"), "AssertionError: assert <n> == <n>"),
    (("AssertionError: assert 3 == 2\n +  where 3 = len([1, 2, 3])",), "AssertionError: assert <n> == <n>"),
    (("Address already in use", "java.net.BindException"), "BindException: Address already in use"),
    (("java.lang.IllegalStateException: closed", "java.lang.IllegalStateException"), "IllegalStateException: closed"),
    (("dial tcp 10.1.2.3:5432: refused",), "dial tcp <addr>:<port>: refused"),
    (("no server on port 5432",), "no server on port <port>"),
    (("order 550e8400-e29b-41d4-a716-446655440000 is gone",), "order <uuid> is gone"),
    (("<Cart object at 0x7f3a12bc> is not empty",), "<Cart object at <addr>> is not empty"),
    (("blob 9f8e7d6c5b4a is missing",), "blob <hex> is missing"),
    (("seen at 2026-03-01T10:11:12.345Z",), "seen at <time>"),
    (("cannot open /tmp/pytest-of-me/pytest-12/out.csv",), "cannot open <tmp>"),
    (("cannot open C:\\Users\\me\\AppData\\Local\\Temp\\x1\\out.csv",), "cannot open <tmp>"),
    (("cannot open /home/me/shop/out.csv",), "cannot open <path>"),
    (("worker3 did not answer in 250ms",), "worker<n> did not answer in <n>ms"),
    (("token Xk9Pq2LmZ4Rt was refused",), "token <id> was refused"),
    (("POST /api/orders answered 500",), "POST /api/orders answered <n>"),
    (("", "", ""), NOTHING_SAID),
]


@pytest.mark.parametrize(("given_", "expected"), SPELLED)
def test_what_a_signature_looks_like(given_, expected):
    assert signature(*given_) == expected


SAME = [
    ("expected 3 rows, got 4", "expected 17 rows, got 4096"),
    ("timeout after 5.01 s", "timeout after 4.9 s"),
    ("bind 127.0.0.1:41235 failed", "bind 127.0.0.1:9 failed"),
    ("src\\shop\\cart.py broke", "src/shop/cart.py broke"),
    ("request 7f9a2b1c failed", "request 00ab34cd failed"),
    ("user-42 exists", "user-7 exists"),
    ("balance is -3", "balance is 3"),
    ("at [::1]:80", "at [fe80::1]:8080"),
    ("key 'a1b2c3d4e5f6' is new", "key '0f9e8d7c6b5a' is new"),
]

DIFFERENT = [
    ("KeyError: 'a'", "KeyError: 'b'"),
    ("ValueError: bad", "TypeError: bad"),
    ("expected true", "expected false"),
    ("utf8 is not valid", "latin1 is not valid"),
    ("POST /api/orders failed", "POST /api/users failed"),
    ("cannot read sha256", "cannot read md5"),
    ("i18n is off", "log4j is off"),
    ("no such table: orders", "no such table: users"),
    ("Error: a", "Error: b"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_failure_with_other_numbers(one, other):
    assert signature(one) == signature(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_failures(one, other):
    assert signature(one) != signature(other)


def test_a_bare_message_makes_it_look_into_the_text():
    go = "=== RUN   TestCart\n--- FAIL: TestCart (0.01s)\n    cart_test.go:14: got 3, want 4\n"
    assert signature("Failed", text=go) == "cart_test.go:<n>: got <n>, want <n>"
    python = ">       assert f() == 1\nE       AssertionError: assert 2 == 1\nE        +  where 2 = f()\n"
    assert signature(text=python) == "AssertionError: assert <n> == <n>"
    jest = "Error: expect(received).toBe(expected)\n\nExpected: 3\n    at Object.<anonymous> (cart.test.js:5:1)"
    assert "expect(received)" in signature(text=jest)
    java = "\n\tat com.shop.CartTest.adds(CartTest.java:10)\njava.lang.IllegalStateException: closed\n"
    assert signature(text=java) == "IllegalStateException: closed"


def test_a_header_takes_the_next_lines_along():
    one = signature("assertion `left == right` failed\n  left: 1\n right: 2")
    assert one.startswith("assertion `left == right` failed left: <n>")


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=300))
def test_one_capped_line_whatever_comes(kind, message, text):
    found = signature(message, kind, text)
    assert found
    assert "\n" not in found
    assert len(found) <= LENGTH
    assert found.isprintable()
    assert found == signature(message, kind, text)


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_numbers_never_matter(one, other):
    assert signature(f"expected {one} but was {other}") == signature("expected 1 but was 2")


@given(st.integers(0, 2**63), st.integers(1, 65535))
def test_addresses_and_ports_never_matter(address, port):
    found = signature(f"<Server at 0x{address:x}> lost 127.0.0.1:{port}")
    assert found == "<Server at <addr>> lost <addr>:<port>"


@pytest.mark.parametrize(
    "piece", ["1.", "a1", "/tmp", "-", "<", "E   x\n", "Error:", "\n", " ", "0x", "127.0.0.1:", "(", "a_", "::", "é"]
)
def test_hostile_input_takes_no_time(piece):
    text = piece * (400_000 // len(piece))
    began = time.process_time()
    signature(text, text, text)
    signature("", "", text)
    assert time.process_time() - began < 1.0


SCRAPS = ("7", "ab", "f", "-", "_", " ", ":", ".", "@", "/", "[", "]", "\\", "x", "Z", "0x")
WORDS = ("localhost", "port ", "home", "tmp")


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(SCRAPS + WORDS), max_size=40).map("".join)))
def test_a_text_in_which_nothing_is_volatile_need_not_be_looked_at_closely(text: str) -> None:
    assert masked_text(text) == _MASKS.sub(_mask, text.replace("\\\\", "/").replace("\\", "/"))


@given(st.text("abcdefABC", min_size=8, max_size=8), st.text("abc", min_size=4, max_size=4))
def test_an_identifier_of_letters_alone_is_volatile(long: str, short: str) -> None:
    assert masked_text(f"order {long}-{short}-{short}-{short}-{long}{short} is gone") == "order <uuid> is gone"
