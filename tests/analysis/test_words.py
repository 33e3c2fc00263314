import re
import time

import pytest
from evidence_samples import failing, subjects, weight, with_details, words

from flakediag.analysis.evidence import words as words_evidence
from flakediag.analysis.evidence.words import catalogue, name_of
from flakediag.model import Category, Identity

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
    ("left-over", "rows left over from another test"),
    ("directory-not-empty", "OSError: Directory not empty: './cache'"),
    ("called-otherwise", "However, there was exactly 1 interaction with this mock:"),
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
    ("test-timeout", "Test 'Pays' exceeded execution timeout period."),
    ("test-timeout", "Failed: Timeout >10.0s"),
    ("deadline", "called `Result::unwrap()` on an `Err` value: Elapsed(())"),
    ("timed-out", "execution expired"),
    ("timed-out", "** (EXIT) time out"),
    ("timed-out-waiting", "After waiting for 10s, the body is not completing"),
    ("within", "Condition not satisfied after 5.00 seconds and 50 attempts"),
    ("within", "AssertionError: still False after 2.0 s"),
    ("element-missing", "No matches found for Find: Button"),
    ("element-missing", "View (with id: total) didn't match condition"),
    ("element-missing-capybara", "expected not to find text 'Paid'"),
    ("live-page", "strict mode violation: getByRole('button') resolved to 2 elements"),
    ("never-came", 'expected "spy" to be called with arguments: [ 1 ]'),
    ("never-came", "Expected invocation on the mock once, but was 0 times: m => m.Send()"),
    ("never-came", "expected: 1 time with any arguments\nreceived: 0 times"),
    ("never-came", "Actually received no matching calls."),
    ("never-came", "Actual: never called - unsatisfied and active"),
    ("never-came", "Assertion failed, no matching message after 100ms"),
    ("never-came", "No value produced in 3s"),
    ("never-came", "The code you are testing needs to make 1 more call(s)."),
    ("state-flag", "assert False\n +  where False = Job(id=1).done"),
    ("state-flag", "assert not True\n +  where True = is_alive()\n +    where is_alive = <Thread>.is_alive"),
    ("null-member", "lateinit property basket has not been initialized"),
    ("after-the-end", "panic: Log in goroutine after TestPays has completed"),
    ("after-the-end", "Cannot log after tests are done."),
    ("after-the-end", "1 timer(s) still in the queue."),
    ("after-the-end", "Main looper has queued unexecuted runnables."),
    ("exists", "An item with the same key has already been added"),
    ("exists", "Cannot overwrite `Order` model once compiled."),
    ("registered-twice", "Register called twice for driver shop"),
    ("registered-twice", "RuntimeError: Already instantiated!"),
    ("already-running", "{:error, {:already_started, 12}}"),
    ("more-than-one", "get() returned more than one Order -- it returned 3!"),
    ("more-than-one", "Sequence contains more than one element"),
    ("mock-lost", "[Function send] is not a spy or a call to a spy!"),
    ("mock-lost", "Attempted to wrap send which is already wrapped"),
    ("module-replaced", "basket.clear is not a function"),
    ("module-replaced", "cannot import name 'clear' from 'shop'"),
    ("no-stub", "Real HTTP connections are disabled. Unregistered request: GET http://shop/"),
    ("poisoned", "called `Result::unwrap()` on an `Err` value: PoisonError { .. }"),
    ("gateway", "assert 502 == 200"),
    ("remote-request", 'Get "https://api.shop.io/orders": EOF'),
    ("remote-request", "unable to download 'https://cache.shop.io/a.tar'"),
    ("remote-request", "HTTPSConnectionPool(host='api.shop.io', port=443): failed"),
    ("connect-timeout", "Failed to connect to 172.20.0.100 port 80 after 30002 ms"),
    ("statistics-strong", "chi-square p=0.0003"),
    ("absolute-difference", "assert abs(mean - 3) < 0.1"),
    ("duration-compared", "Range: (00:00:00.1000000 - 01:00:00)"),
    ("race-word", "two winners: both took the lock"),
    ("agent", "Backing channel 'JNLP4-connect connection' is disconnected."),
    ("docker-down", "Is the docker daemon running?"),
    ("timed-out", "_queue.Empty"),
    ("timed-out", "called `Result::unwrap()` on an `Err` value: Timeout"),
    ("test-timeout", "canceling statement due to statement timeout"),
    ("element-missing", "ElementNotInteractableException: the button"),
    ("live-page", "Execution context was destroyed, most likely because of a navigation"),
    ("never-came", "the client never reported state 2"),
    ("duration-compared", "pool construction took 511.66ms against a limit"),
    ("duration-compared", "Average execution time: 246ms (> 200ms threshold)"),
    ("future-state", "Task { Status = WaitingForActivation }"),
    ("future-state", "java.util.concurrent.CompletableFuture@4f2a[Not completed]"),
    ("half-written", 'Error("EOF while parsing a value", line: 1, column: 0)'),
    ("half-written", "SyntaxError: Unexpected end of JSON input"),
    ("goroutine-leak", "found unexpected goroutines:\n[Goroutine 12 in state select"),
    (
        "executor-stopped",
        "RejectedExecutionException: Task X rejected from ThreadPoolExecutor@1[Terminated, pool size = 0",
    ),
    ("exists", "OverwriteModelError: basket"),
    ("registered-twice", "View function mapping is overwriting an existing endpoint function: index"),
    ("registered-twice", "orders_total is already in use by another Collector of type Counter"),
    ("state-missing", 'Table "BASKET" not found (this database is empty)'),
    ("state-missing", "uninitialized constant Shop::Basket"),
    ("did-not-raise", "Failed: DID NOT WARN. No warnings of type UserWarning were emitted."),
    ("mock-lost", "InvalidUseOfMatchersException: misplaced argument matcher detected here"),
    ("no-stub", "An HTTP request has been made that VCR does not know how to handle"),
    ("null-member", "Call to a member function total() on null"),
    ("shared-closed", "IllegalStateException: EntityManagerFactory is closed"),
    ("shared-closed", "ValueError: I/O operation on closed file."),
    ("transaction-left", "current transaction is aborted, commands ignored until end of transaction block"),
    ("context-failed", "java.lang.IllegalStateException: Failed to load ApplicationContext"),
    ("download", "curl: (56) Recv failure"),
    ("killed", "exit code: CRASHED (Signal: 9)"),
    ("random-input", "Falsified after 368 passed tests."),
    ("random-collision", "name: Faker::Appliance.name\nValidation failed: Name has already been taken"),
    ("element-order", "the keys are not sorted"),
    ("deadlock", "A second operation was started on this context instance"),
]

MISSES = [
    ("test-timeout", "expected 3 to equal 2"),
    ("deadline", "the invoice is due"),
    ("timed-out-waiting", "waiting room is empty"),
    ("timed-out", "lock wait timeout exceeded"),
    ("timed-out", "connection timed out"),
    ("within", "not within the range of the sensor"),
    ("within", "the light was still on after all"),
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
    ("left-over", "the basket is lefthanded"),
    ("directory-not-empty", "directory is empty"),
    ("called-otherwise", "however, there was one more thing"),
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
    ("test-timeout", "the timeout is configured"),
    ("deadline", "elapsed (3)"),
    ("timed-out", "the milk expired"),
    ("timed-out-waiting", "a waiting list of 10"),
    ("within", "Condition not satisfied:\n\ntotal == 3\n|     |\n4     false"),
    ("element-missing", "no matches were lit"),
    ("element-missing-capybara", "expected a text"),
    ("live-page", "strict rules were violated"),
    ("never-came", "expected send to have been called once, but was called twice"),
    ("never-came", "number of calls: 10"),
    ("never-came", "the order was received"),
    ("state-flag", "assert False\n +  where False = is_allowed('x')"),
    ("state-flag", "the job is done"),
    ("after-the-end", "after the test drive"),
    ("exists", "the same key opens both doors"),
    ("registered-twice", "he called twice on Monday"),
    ("already-running", "we are all ready"),
    ("more-than-one", "more than once"),
    ("mock-lost", "this is not a drill"),
    ("module-replaced", "this is not a functional test"),
    ("no-stub", "no match in the box"),
    ("poisoned", "a poisonous mushroom"),
    ("gateway", "assert 502 == 501"),
    ("remote-request", 'Get "http://127.0.0.1:8123/orders": EOF'),
    ("remote-request", "unable to open https://localhost/orders"),
    ("remote-request", "see https://docs.shop.io/errors"),
    ("connect-timeout", "failed to connect the dots"),
    ("statistics-strong", "a p value chain"),
    ("absolute-difference", "assert abs(elapsed - 3) < 0.1"),
    ("duration-compared", "at 10:00:01.5"),
    ("race-word", "WARNING: concurrent map writes"),
    ("agent", "the channel was changed"),
    ("docker-down", "the docker image is old"),
    ("docker", "Bind for 0.0.0.0:80 failed: no such container, port is already allocated"),
    ("timed-out", "the queue is empty"),
    ("timed-out", "Test timed out in 5000ms."),
    ("element-missing", "the selector matches"),
    ("live-page", "the context was destroyed"),
    ("never-came", "a key must never return twice"),
    ("duration-compared", "it took 3 steps"),
    ("future-state", "status = paid"),
    ("future-state", "a task in the future"),
    ("half-written", "response body: unexpected end of input"),
    ("half-written", "the end of the file"),
    ("goroutine-leak", "goroutine 12 [running]"),
    ("executor-stopped", "RejectedExecutionException: the queue is full"),
    ("shared-closed", "Target page, context or browser has been closed"),
    ("shared-closed", "Execution context was destroyed"),
    ("shared-closed", "the shop is closed"),
    ("transaction-left", "the transaction is recorded"),
    ("context-failed", "the application loads"),
    ("not-registered", "lateinit property basket has not been initialized"),
    ("killed", "signal 12"),
    ("random-input", "Falsified on the first call but did not on a subsequent one"),
    ("random-collision", "Name has already been taken"),
]


def rule(name):
    return next(r for r in catalogue() if r.name == name)


@pytest.mark.parametrize(("name", "message"), MATCHES)
def test_a_rule_matches(name, message):
    assert rule(name).search(words(message))


NAMES = [
    ("name-concurrency", "test_concurrent_orders_are_all_kept"),
    ("name-concurrency", "keepsOrdersWhenPaidInParallel"),
    ("name-time", "testRetriesAfterTimeout"),
    ("name-random", "draws a random coupon"),
    ("name-calendar", "test_month_end_invoice"),
    ("name-port", "ListensOnItsPort"),
    ("name-lost", "test_concurrent_increments_are_not_lost"),
    ("name-state", "readsSettingsFromTheEnvironment"),
    ("name-stored", "lists all invoices"),
]
NO_NAMES = [
    ("name-concurrency", "test_trace_of_sugar"),
    ("name-concurrency", "test_threaded_screws"),
    ("name-time", "test_total"),
    ("name-random", "test_brandom_street"),
    ("name-calendar", "test_updates"),
    ("name-port", "test_report_is_bound"),
    ("name-lost", "test_incremental_backup"),
    ("name-state", "test_environmentalist"),
    ("name-stored", "test_listens_to_the_storefront"),
]


@pytest.mark.parametrize(("name", "test"), NAMES)
def test_the_name_of_a_test_speaks(name, test):
    assert rule(name).search(words("no"), name_of(Identity("", test)))


@pytest.mark.parametrize(("name", "test"), NO_NAMES)
def test_the_name_of_a_test_does_not_speak(name, test):
    assert not rule(name).search(words("no"), name_of(Identity("", test)))


def test_only_the_last_part_of_a_class_belongs_to_the_name():
    assert name_of(Identity("com.random.port.shop.BasketTest", "keepsItems")) == "basket test keeps items"
    assert name_of(Identity("", "")) == ""


@pytest.mark.parametrize(("name", "message"), MISSES)
def test_a_rule_does_not_match(name, message):
    assert not rule(name).search(words(message))


def test_every_rule_is_well_formed():
    names = [r.name for r in catalogue()]
    assert len(names) == len(set(names))
    for r in catalogue():
        assert r.where in {"type", "message", "said", "whole", "name"}
        assert r.votes
        assert all(abs(w) <= 6 for w in r.votes.values())
        assert r.says
        assert not r.says.endswith(".")
        assert not r.pattern.search("")
        # Patterns see lower-cased text, so an upper-case letter outside an escape could never match.
        assert not any(re.search(r"(?<!\\)[A-Z]", pattern) for pattern in r.pattern.patterns), r.name


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
    began = time.process_time()
    for r in catalogue():
        r.search(long)
    assert time.process_time() - began < 3.0
