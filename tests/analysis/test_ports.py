from dataclasses import replace
from datetime import timedelta

import pytest
from evidence_samples import failing, subjects, weight, with_details, with_durations, words

from flakediag.analysis.evidence import peers, ports
from flakediag.analysis.evidence.portwords import port_words, ports_in
from flakediag.model import Category, Order

P, N = Category.PORT, Category.NETWORK

BIND = [
    ("OSError: [Errno 98] Address already in use: ('127.0.0.1', 8123)", (8123,)),
    ("OSError: [Errno 48] error while attempting to bind on address ('::1', 8123): address already in use", (8123,)),
    ("listen EADDRINUSE: address already in use :::3100", (3100,)),
    ("Error: listen EADDRINUSE 0.0.0.0:3100", (3100,)),
    ("listen tcp 127.0.0.1:8123: bind: address already in use", (8123,)),
    ("listen tcp :8123: bind: address already in use", (8123,)),
    ("java.net.BindException: Address already in use: bind", ()),
    ("Web server failed to start. Port 8123 was already in use.", (8123,)),
    ("Failed to bind to /0.0.0.0:8123", (8123,)),
    ("Failed to bind to address http://127.0.0.1:5003: address already in use.", (5003,)),
    (
        "Only one usage of each socket address is normally permitted. 127.0.0.1:8123",
        (8123,),
    ),
    ('Os { code: 98, kind: AddrInUse, message: "Address already in use" }', ()),
    ("Address already in use (os error 98)", ()),
    ("Bind for 0.0.0.0:8123 failed: port is already allocated", (8123,)),
    ('Address already in use - bind(2) for "127.0.0.1" port 8123 (Errno::EADDRINUSE)', (8123,)),
    ("net::ERR_ADDRESS_IN_USE at 127.0.0.1:8123", (8123,)),
    ("The Tomcat connector configured to listen on port 8123 failed to start", (8123,)),
    ("Something is already running on port 3100.", (3100,)),
    (
        'could not bind IPv4 address "127.0.0.1": Address already in use\nIs another one on port 5433?',
        (5433,),
    ),
    ("Another process is already listening on port 8123", (8123,)),
    ("No address added out of total 1 resolved for 127.0.0.1:8123", (8123,)),
    ("couldn't find a free port", ()),
    ("[WinError 10013] An attempt was made to access a socket in a way forbidden", ()),
    ("listen on prefix 'http://localhost:5001/': it conflicts with an existing registration on the machine.", (5001,)),
    ("HttpSysException: The process cannot access the file because it is being used by another process.", ()),
    ("Address localhost:8123 is already in use", (8123,)),
    ("Is another postmaster already running on port 5433?", (5433,)),
    ("could not create ServerSocket on address 0.0.0.0:8123", (8123,)),
]
NO_BIND = [
    "name already in use",
    "the report is bound in leather",
    "a property could be bound",
    "the address is correct",
    "failed to bind the parameter :name",
    "port of Hamburg",
    "connection refused 127.0.0.1:8123",
    "listening on port 8123",
    "server started at http://127.0.0.1:8123",
    'container name "/shop" is already in use',
    "errno 98",
    "found a free port: 8123",
    "no address was given",
    "expected 98 but was 48",
    "the mail address of Ada is already in use",
    "IOException: The process cannot access the file because it is being used by another process.",
    "the name conflicts with an existing registration",
]


@pytest.mark.parametrize(("message", "named"), BIND)
def test_bind_errors_and_their_ports(message, named):
    found = port_words(words(message))
    assert found.bind
    assert found.near == named


@pytest.mark.parametrize("message", NO_BIND)
def test_no_bind_error(message):
    assert not port_words(words(message)).bind


def test_the_innermost_cause_and_the_output_count():
    trace = "java.lang.IllegalStateException: no context\nCaused by: java.net.BindException: Address already in use\n"
    assert port_words(words("no context", text=trace)).bind
    late = port_words(words("no", output="10:00:01 ERROR server: bind: address already in use 127.0.0.1:8123"))
    assert late.bind
    assert not late.said
    assert late.near == (8123,)


PORTS = [
    ("http://127.0.0.1:8123/x", (8123,)),
    ("localhost:8123", (8123,)),
    ("port=8123", (8123,)),
    ("('localhost', 8123)", (8123,)),
]
NOT_PORTS = ["at 10:45:12", "cart.py:8123", "12345", "1.2.3", "0:00", "port is fine"]


@pytest.mark.parametrize(("message", "expected"), PORTS)
def test_port_numbers(message, expected):
    assert ports_in(words(message)) == expected


@pytest.mark.parametrize("message", NOT_PORTS)
def test_numbers_that_are_no_ports(message):
    assert ports_in(words(message)) == ()


def find(window):
    mine = subjects(window)
    return [a + b for a, b in zip(ports.find(window, mine), peers.find(window, mine), strict=True)]


def test_a_bind_error_names_the_port_and_who_else_uses_it(draw):
    window = with_details(
        draw(["F..", "..F", "F..", "..."]),
        {0: failing("listen tcp :5432: bind: address already in use"), 2: failing("refused: 127.0.0.1:5432")},
    )
    first, _ = find(window)
    [evidence] = first
    assert evidence.category is P
    assert evidence.weight > 4
    assert evidence.ports == (5432,)
    assert "5432" in evidence.summary
    assert [p.id for p in evidence.partners] == ["tests.test_shop::test_2", "PostgreSQL (port 5432)"]
    assert {p.role for p in evidence.partners} == {"port-user"}


def test_a_run_on_the_same_host_at_the_same_time_is_a_partner(draw):
    window = draw(["F.", "..", "F."], seconds=30.0)
    near = {0: timedelta(0), 1: timedelta(seconds=10), 2: timedelta(hours=5)}
    runs = tuple(
        replace(run, host="box", id=n + 1, started_at=window.runs[0].started_at + near[n])
        for n, run in enumerate(window.runs)
    )
    window = with_details(replace(window, runs=runs), {0: failing("EADDRINUSE 127.0.0.1:28123")})
    [[evidence]] = find(window)
    assert [(p.id, p.kind) for p in evidence.partners] == [("run 2", "run")]


def test_runs_of_the_same_second_need_not_have_met(draw):
    # Whole seconds: 0.4 s of overlap on paper may be none; with fractions of seconds it is one.
    window = draw(["F.", "..", "F."], seconds=0.4)
    window = with_details(window, {0: failing("EADDRINUSE 127.0.0.1:28123")})
    for fraction, met in ((timedelta(0), []), (timedelta(milliseconds=5), ["run 2"])):
        start = window.runs[0].started_at.replace(microsecond=0) + fraction
        at = [start, start + fraction, start + timedelta(hours=5)]
        runs = tuple(
            replace(run, host="box", id=n + 1, started_at=at[n], duration=0.4) for n, run in enumerate(window.runs)
        )
        [[evidence]] = find(replace(window, runs=runs))
        assert [p.id for p in evidence.partners] == met


def test_runs_on_unknown_hosts_are_no_partners(draw):
    window = with_details(draw(["F.", "..", "F."], seconds=30.0), {0: failing("EADDRINUSE 127.0.0.1:28123")})
    start = window.runs[0].started_at
    runs = tuple(replace(run, host=None, id=n + 1, started_at=start) for n, run in enumerate(window.runs))
    [[evidence]] = find(replace(window, runs=runs))
    assert evidence.partners == ()


OPENED = [
    ("10:00:00 INFO opening the callback on 127.0.0.1:8123", (8123,)),
    ("listening on 127.0.0.1:8000\nserver of the next test starts at http://localhost:8123", (8123,)),
    ("starting on port 8123", (8123,)),
    ("bound to 0.0.0.0:8123", (8123,)),
    ("talking to 10.1.2.3:8123", ()),
    ("took 8123 ms", ()),
    ("portrait 8123", ()),
    ("", ()),
]


@pytest.mark.parametrize(("output", "named"), OPENED)
def test_a_bind_error_without_a_number_takes_the_port_that_was_opened_last(output, named):
    text = "java.net.BindException: Address already in use\n\tat shop.CallbackTest.opens(CallbackTest.java:26)\n"
    found = port_words(words("Address already in use", "java.net.BindException", text, output))
    assert found.bind
    assert found.said
    assert found.near == named


LISTED = [
    ('    def sink():\n>       sink = Sink(("127.0.0.1", 2525))\n\nmail.py:17: \n', (2525,)),
    ("    def sink():\n>       sink = Sink(PORT)\n\nmail.py:17: \n", ()),
    ('>       a, b = Sink(("127.0.0.1", 2525)), Sink(("127.0.0.1", 2526))\n\nmail.py:17: \n', ()),
]


@pytest.mark.parametrize(("source", "named"), LISTED)
def test_a_bind_error_without_a_number_takes_the_port_of_the_source_that_is_shown(source, named):
    error = "E       OSError: [Errno 98] Address already in use\n\nsocketserver.py:472: OSError"
    found = port_words(words("OSError: [Errno 98] Address already in use", "OSError", source + error))
    assert (bool(found.bind), found.near) == (True, named)


def test_a_bind_error_with_a_number_does_not_look_at_the_output():
    found = port_words(words("listen EADDRINUSE: address already in use :::3100", output="opening 127.0.0.1:8123"))
    assert found.near == (3100,)


def test_a_refusal_alone_is_weak_and_stronger_beside_a_bind_error(draw):
    refused = failing("dial tcp 127.0.0.1:8123: connect: connection refused")
    bind = failing("listen tcp 127.0.0.1:8123: bind: address already in use")
    rows = ["F..", "...", "...", "F..", "...", "...", "...", "..."]
    alone = with_details(draw(rows), {0: refused})
    beside = with_details(draw([row.replace("F..", "F.F") for row in rows]), {0: refused, 2: bind})
    weak, strong = weight(find(alone)[0], P), weight(find(beside)[0], P)
    assert 0 < weak < 3 < strong
    assert "8123" in find(alone)[0][0].summary
    assert weight(find(alone)[0], N) < 0


def test_bind_errors_in_every_run_say_nothing_about_one_test(draw):
    refused, bind = failing("connection refused: 127.0.0.1:8123"), failing("EADDRINUSE 127.0.0.1:9999")
    window = with_details(draw(["F.F", "..F", "F.F", "..F", "..F", "..F"]), {0: refused, 2: bind})
    assert not [e for e in find(window)[0] if e.kind == "ports-beside"]


@pytest.mark.parametrize(
    "message",
    ["getaddrinfo ENOTFOUND api.shop: connection refused", "assert 3 == 2", "500 != 200", "certificate expired", ""],
)
def test_failures_that_are_no_ports(draw, message):
    window = with_details(draw(["F..", "...", "F..", "..."]), {0: failing(message)})
    assert weight(find(window)[0], P) == 0


EPHEMERAL = [
    ([49731, 49731], "port 49731 is fixed, but lies in the ephemeral range"),
    ([49731, 51002], "another ephemeral port each time"),
    ([49731], "any outgoing connection may have taken it"),
    ([8123, 8123], None),
]


@pytest.mark.parametrize(("numbers", "said"), EPHEMERAL)
def test_a_port_of_the_ephemeral_range_is_said_to_be_one(draw, numbers, said):
    window = draw(["F." if n < len(numbers) else ".." for n in range(6)])
    window = with_details(window, lambda run, test: failing(f"EADDRINUSE 127.0.0.1:{numbers[run]}"))
    found = [e for mine in find(window) for e in mine]
    assert all((said in e.summary) if said else ("ephemeral" not in e.summary) for e in found)
    assert {p.id for e in found for p in e.partners} == ({"any outgoing connection of the machine"} if said else set())


@pytest.mark.parametrize(
    ("bound", "port_known", "speaks"),
    [(8123, True, True), (9999, True, False), (9999, False, True), (None, True, False)],
)
def test_a_refusal_is_tied_to_a_bind_error_of_another_run_on_the_host(draw, bound, port_known, speaks):
    # Runs 0 and 1 go on at the same time on one host, as do 2 and 3: one is refused, the other cannot bind.
    window = draw(["F.", ".F", "F.", ".F", "..", ".."], seconds=60.0)
    start = window.runs[0].started_at
    runs = tuple(
        replace(run, host="box", id=n + 1, started_at=start + timedelta(hours=n // 2, seconds=n % 2))
        for n, run in enumerate(window.runs)
    )
    refused = failing(f"connect ECONNREFUSED 127.0.0.1{':8123' if port_known else ''}")
    other = failing(f"EADDRINUSE 127.0.0.1:{bound}" if bound else "no")
    window = with_details(replace(window, runs=runs), {0: refused, 1: other})
    found = [e for e in find(window)[0] if e.kind == "ports-host"]
    assert bool(found) is speaks
    if speaks:
        assert found[0].summary.startswith("in 2 of 2 failing runs another run on the same host at the same time")
        assert [p.id for p in found[0].partners] == ["run 2", "run 4"]
    elsewhere = replace(window, runs=tuple(replace(run, host=f"box-{n}") for n, run in enumerate(runs)))
    assert not [e for e in find(elsewhere)[0] if e.kind == "ports-host"]


def test_several_tests_that_lose_their_connection_at_once(draw):
    cut = failing("('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))")
    window = with_details(draw(["....", "FFF.", "....", "FFF.", "....", "...."]), dict.fromkeys(range(4), cut))
    quick = with_durations(window, lambda r, t: 0.01)
    assert all(weight(found, P, "ports-peer") > 3 for found in find(quick))
    slow = with_durations(window, lambda r, t: 12.0)
    assert all(weight(found, P, "ports-peer") == 0 for found in find(slow))
    apart = with_details(draw(["F...", ".F..", "..F.", "F...", ".F..", "..F."]), dict.fromkeys(range(4), cut))
    apart = with_durations(apart, lambda r, t: 0.01)
    assert all(weight(found, P, "ports-peer") == 0 for found in find(apart))


def parallel(window, runs):
    changed = tuple(
        replace(run, order=Order.COMPLETION, parallelism=1.8) if n in runs else run for n, run in enumerate(window.runs)
    )
    return replace(window, runs=changed)


def test_other_answers_in_parallel_runs_only(draw):
    rows = ["F." if r in (10, 11, 12) else ".." for r in range(16)]
    statuses = with_details(draw(rows), lambda run, test: failing(f"unexpected status code {run * 10 + 300}"))
    assert sum(weight(found, P, "ports-parallel") for found in find(parallel(statuses, {10, 11, 12, 13}))) > 2
    # Serial runs fail too; no runs are parallel; or it is no answer over a wire.
    assert all(weight(found, P, "ports-parallel") == 0 for found in find(parallel(statuses, {3, 4, 11, 13})))
    assert all(weight(found, P, "ports-parallel") == 0 for found in find(statuses))
    sums = with_details(draw(rows), {0: failing("the sum is off")})
    assert all(weight(found, P, "ports-parallel") == 0 for found in find(parallel(sums, {10, 11, 12, 13})))


def test_nobody_asked(draw):
    assert ports.find(draw(["..."]), []) == []
    assert peers.find(draw(["..."]), []) == []
