import re
import time

import pytest
from evidence_samples import failing, subjects, weight, with_details, words

from flakediag.analysis.evidence import words as words_evidence
from flakediag.analysis.evidence.words import catalogue
from flakediag.model import Category

MATCHES = [
    ("test-timeout", "Timeout of 2000ms exceeded."),
    ("deadline", "rpc error: context deadline exceeded"),
    ("timed-out-waiting", "timed out waiting for the queue to drain"),
    ("timed-out", "java.util.concurrent.TimeoutException"),
    ("within", "the mail was not sent within 5 seconds"),
    ("element-missing", "Unable to find an element with the text: Paid"),
    ("element-missing-capybara", "Unable to find css '.total'"),
    ("live-page", "expect(locator('#total')).toHaveText('3')"),
    ("never-came", "Wanted but not invoked: mailer.send()"),
    ("too-early", "the worker has not finished"),
    ("null-member", "'NoneType' object has no attribute 'total'"),
    ("duration-compared", "expected elapsed < 100"),
    ("unique", "duplicate key value violates unique constraint"),
    ("exists", "table orders already exists"),
    ("exists", "NameAlreadyInUse: basket"),
    ("registered-twice", "metric orders_total is already registered"),
    ("registered-twice", "panic: duplicate metrics collector registration attempted"),
    ("not-registered", "no handler registered for OrderPlaced"),
    ("not-registered", "the application has not been initialized"),
    ("module-attribute", "module 'shop.cart' has no attribute 'REGISTRY'"),
    ("race-word", "lost the race for the last seat"),
    ("foreign-key", "violates foreign key constraint"),
    ("state-missing", "no such table: orders"),
    ("mock-calls", "Expected number of calls: 1"),
    ("did-not-raise", "Failed: DID NOT RAISE <class 'ValueError'>"),
    ("left-over", "OSError: Directory not empty: './cache'"),
    ("null-argument", "must be of type array, null given"),
    ("after-teardown", "RuntimeError: Event loop is closed"),
    ("dns", "getaddrinfo ENOTFOUND api.shop"),
    ("gateway", "502 Bad Gateway"),
    ("rate-limit", "429: too many requests"),
    ("tls", "ssl handshake failed"),
    ("connection-cut", "read ECONNRESET"),
    ("descriptors", "OSError: [Errno 24] Too many open files"),
    ("memory", "java.lang.OutOfMemoryError: Java heap space"),
    ("disk", "No space left on device"),
    ("killed", "worker ended with signal=SIGKILL"),
    ("pools", "can't start new thread"),
    ("tolerance", "Not equal to tolerance rtol=1e-05"),
    ("random-input", "Falsifying example: f(x=0)"),
    ("should-differ", "generated names should be unique"),
    ("calendar", "3 days left"),
    ("no-such-date", "day is out of range for month"),
    ("validity", "certificate has expired"),
    ("race", "WARNING: DATA RACE"),
    ("race", "RuntimeError: dictionary changed size during iteration"),
    ("deadlock", "deadlock detected"),
    ("locked", "database is locked"),
    ("missing-tool", "git: command not found"),
    ("encoding", "'charmap' codec can't encode character"),
    ("permission", "EACCES: permission denied"),
    ("agent", "the runner has received a shutdown signal"),
    ("docker", "Cannot connect to the Docker daemon"),
]

MISSES = [
    ("test-timeout", "expected 3 to equal 2"),
    ("deadline", "the invoice is due"),
    ("timed-out-waiting", "waiting room is empty"),
    ("timed-out", "lock wait timeout exceeded"),
    ("timed-out", "connection timed out"),
    ("within", "not within the range of the sensor"),
    ("element-missing", "unable to open the door"),
    ("element-missing-capybara", "css is fine"),
    ("live-page", "the locators differ"),
    ("too-early", "notready is no word"),
    ("null-member", "object has no attribute 'total'"),
    ("duration-compared", "3 < 4"),
    ("unique", "unique is a nice word"),
    ("exists", "address 127.0.0.1 already in use"),
    ("exists", "it does not exist"),
    ("registered-twice", "the user registered"),
    ("not-registered", "the letter was registered"),
    ("module-attribute", "'Cart' object has no attribute 'total'"),
    ("race-word", "a trace of sugar"),
    ("foreign-key", "a key from abroad"),
    ("mock-calls", "Expected number of calls: >= 1\nReceived number of calls: 0"),
    ("did-not-raise", "the price was raised"),
    ("left-over", "directory is empty"),
    ("null-argument", "null"),
    ("dns", "the host is known"),
    ("gateway", "expected 502 rows"),
    ("rate-limit", "expected 429 rows"),
    ("tls", "the handshake was friendly"),
    ("connection-cut", "the connection is fine"),
    ("descriptors", "too many cooks"),
    ("memory", "a memory of mine"),
    ("disk", "space is left"),
    ("killed", "exit code 1"),
    ("pools", "the pool is warm"),
    ("tolerance", "elapsed 0.4 not almost equal"),
    ("random-input", "deadline exceeded, falsifying example: x"),
    ("should-differ", "the values differ"),
    ("calendar", "the days are long"),
    ("no-such-date", "the date is fine"),
    ("validity", "the token is fine"),
    ("race", "a horse race"),
    ("deadlock", "the lock is dead simple"),
    ("locked", "the account is locked"),
    ("missing-tool", "order not found"),
    ("encoding", "the code is encoded"),
    ("permission", "asked for permission"),
    ("agent", "agent 007"),
    ("docker", "Bind for 0.0.0.0:80 failed: no such container, port is already allocated"),
]


def rule(name):
    return next(r for r in catalogue() if r.name == name)


@pytest.mark.parametrize(("name", "message"), MATCHES)
def test_a_rule_matches(name, message):
    assert rule(name).search(words(message))


@pytest.mark.parametrize(("name", "message"), MISSES)
def test_a_rule_does_not_match(name, message):
    assert not rule(name).search(words(message))


def test_every_rule_is_well_formed():
    names = [r.name for r in catalogue()]
    assert len(names) == len(set(names))
    for r in catalogue():
        assert r.where in {"type", "message", "said", "whole"}
        assert r.votes
        assert all(abs(w) <= 6 for w in r.votes.values())
        assert r.says
        assert not r.says.endswith(".")
        assert not r.pattern.search("")
        # Patterns see lower-cased text, so an upper-case letter outside an escape could never match.
        assert not re.search(r"(?<!\\)[A-Z]", r.pattern.pattern), r.name


def test_stack_frames_do_not_speak():
    trace = "java.lang.AssertionError\n\tat com.shop.TimeoutException.<init>(TimeoutException.java:3)\n"
    assert not rule("timed-out").search(words("no", "AssertionError", trace))
    assert rule("timed-out").search(words("no", "AssertionError", "TimeoutException: late\n" + trace))


def test_the_source_in_a_pytest_listing_does_not_speak():
    listing = "    def test_it():\n>       with pytest.raises(TimeoutError):\nE       Failed: no\nshop.py:3: Failed"
    assert not rule("timed-out").search(words(text=listing))


def test_output_speaks_only_to_rules_that_ask_for_it():
    log = words("no", output="channelclosed and deadlock detected")
    assert rule("agent").search(log)
    assert not rule("deadlock").search(log)


def test_evidence_counts_the_share_of_failures(draw):
    window = draw(["F", ".", "F", "F", "F"])
    late, other = failing("timed out waiting for the queue"), failing("odd")
    window = with_details(window, lambda run, test: late if run == 0 else other)
    everything = [e for found in words_evidence.find(window, subjects(window)) for e in found]
    assert weight(everything, Category.TIMING) > 0
    window = draw(["F", "F"])
    one = with_details(window, {0: late})
    [found] = words_evidence.find(one, subjects(one))
    assert {e.category for e in found} >= {Category.TIMING}
    assert all(e.kind == "words" and not e.summary.endswith(".") for e in found)
    assert "timed out waiting" in found[0].summary


def test_a_message_without_words_has_no_evidence(draw):
    window = with_details(draw(["F", "."]), {0: failing("assert 3 == 2", "AssertionError")})
    assert words_evidence.find(window, subjects(window)) == [[]]


@pytest.mark.parametrize(
    "piece", ["not ", "expected ", "timed out ", "wait for ", "a", "\n", " ", "called ", "already "]
)
def test_hostile_input_takes_linear_time(piece):
    long = words(piece * (200_000 // len(piece)), text=piece * (200_000 // len(piece)))
    began = time.perf_counter()
    for r in catalogue():
        r.search(long)
    assert time.perf_counter() - began < 3.0
