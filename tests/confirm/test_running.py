"""Processes, load, ports, and the commands of the runners."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from unused_port import unused_port

from flakediag.confirm import load, ports, process
from flakediag.confirm.go import Go
from flakediag.confirm.java import Gradle, Maven
from flakediag.confirm.pytest import Pytest
from flakediag.confirm.runners import find
from flakediag.confirm.scripts import Jest, Rspec, Vitest
from flakediag.confirm.template import Template
from flakediag.errors import UsageError
from flakediag.model import Identity

FORKING = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open("child", "w").write(str(child.pid))
time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Whoever lost its parent may stay a zombie where nobody collects it.
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_command_whose_time_is_up_is_ended_with_its_children(tmp_path: Path) -> None:
    child = tmp_path / "child"
    for patience in (1.0, 4.0, 16.0, 64.0):  # until it had the time to start its child
        ended = process.run(
            [sys.executable, "-c", FORKING], tmp_path, environ=os.environ, timeout=patience, log=tmp_path / "log"
        )
        assert ended.code is None
        if child.exists() and child.read_text():
            break
    deadline = time.monotonic() + 5
    while alive(int((tmp_path / "child").read_text())) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(int((tmp_path / "child").read_text()))


def test_an_interrupt_ends_the_command_and_comes_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: object, timeout: float | None = None) -> int:
        while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
            time.sleep(0.02)
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr("subprocess.Popen.wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        process.run([sys.executable, "-c", FORKING], tmp_path, environ=os.environ, timeout=30, log=tmp_path / "log")
    deadline = time.monotonic() + 5
    while alive(int((tmp_path / "child").read_text())) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(int((tmp_path / "child").read_text()))


def test_what_a_command_said_comes_back(tmp_path: Path) -> None:
    ended = process.run(
        [sys.executable, "-c", "print('out'); raise SystemExit(3)"], tmp_path,
        environ=os.environ, timeout=30, log=tmp_path / "log",
    )  # fmt: skip
    assert (ended.code, ended.output) == (3, "out")


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be started"):
        process.run(["no-such-program"], tmp_path, environ={}, timeout=1, log=tmp_path / "log")


def test_load_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    started, start = [], subprocess.Popen

    def remembered(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(start(*args, **options))
        return started[-1]

    monkeypatch.setattr("subprocess.Popen", remembered)
    with load.pressure(2, 30):
        assert [child.poll() for child in started] == [None, None]
    assert len(started) == 2 and None not in [child.returncode for child in started]  # ended, and waited for


def test_a_held_port_is_taken_and_then_free() -> None:
    port = unused_port()
    with ports.held(port):
        with socket.socket() as other, pytest.raises(OSError):
            other.bind(("127.0.0.1", port))
        with pytest.raises(UsageError, match="cannot be held"), ports.held(port):
            pass
    with ports.held(port):
        pass


# --- commands --------------------------------------------------------------------------------------------------


def test_the_commands_of_the_others(tmp_path: Path) -> None:
    a, b = Identity("shop.CartTest", "adds"), Identity("shop.OrderTest", "total(int)[2]")
    argv = Maven(tmp_path, None).call([a, b], tmp_path).argv
    assert "-Dtest=shop.CartTest#adds,shop.OrderTest#total" in argv
    assert "-Dsurefire.runOrder=alphabetical" in argv
    assert "-Dsurefire.runOrder=reversealphabetical" in Maven(tmp_path, None).call([b, a], tmp_path).argv
    argv = Gradle(tmp_path, None).call([a, b], tmp_path).argv
    assert argv[-4:] == ("--tests", "shop.CartTest.adds", "--tests", "shop.OrderTest.total")
    a, b = Identity("cart adds", "cart adds", "test/cart.test.js"), Identity("o", "orders (all) $1", "test/o.test.js")
    argv = Jest(tmp_path, None).call([a, b], tmp_path).argv
    assert argv[-2:] == ("test/cart.test.js", "test/o.test.js")
    assert r"--testNamePattern=^(cart adds|orders \(all\) \$1)$" in argv
    assert Vitest(tmp_path, None).call([a, b], tmp_path).argv[-2:] == ("test/cart.test.js", "test/o.test.js")
    a, b = Identity("shop/cart", "TestAdd"), Identity("shop/cart", "TestTotal/empty")
    argv = Go(tmp_path, None).call([a, b], tmp_path).argv
    assert argv[-2:] == ("^(TestAdd|TestTotal)$", "shop/cart")
    a, b = Identity("spec.cart_spec", "Cart adds"), Identity("spec.order_spec", "Order totals")
    argv = Rspec(tmp_path, None).call([a, b], tmp_path).argv
    assert argv[-4:] == ("--example=Cart adds", "--example=Order totals", "spec/cart_spec.rb", "spec/order_spec.rb")


def test_a_seed_shuffles_where_the_runner_can(tmp_path: Path) -> None:
    script = [Identity("c", "c a", "test/c.test.js"), Identity("c", "c b", "test/c.test.js")]
    written = Jest(tmp_path, None).call(script, tmp_path).argv
    assert not {"--randomize", "--testSequencer"} & {word.partition("=")[0] for word in written}
    assert {"--randomize", "--seed=4"} <= set(Jest(tmp_path, None).call(script, tmp_path, 4).argv)
    assert {"--sequence.shuffle.tests", "--sequence.seed=4"} <= set(
        Vitest(tmp_path, None).call(script, tmp_path, 4).argv
    )
    go = [Identity("shop/cart", "TestA"), Identity("shop/cart", "TestB")]
    assert "-shuffle=off" in Go(tmp_path, None).call(go, tmp_path).argv
    assert "-shuffle=4" in Go(tmp_path, None).call(go, tmp_path, 4).argv
    spec = [Identity("spec.cart_spec", "Cart adds")]
    assert "rand:4" in Rspec(tmp_path, None).call(spec, tmp_path, 4).argv
    assert not Maven(tmp_path, None).shuffles and not Gradle(tmp_path, None).shuffles


def test_go_tells_the_order_by_its_events(tmp_path: Path) -> None:
    a, b = Identity("shop/cart", "TestA"), Identity("shop/cart", "TestB/x")
    go = Go(tmp_path, None)
    assert go.executed([a, b], tmp_path) is None, "no events, no order"
    (tmp_path / "events.jsonl").write_text(
        '{"Action":"run","Package":"shop/cart","Test":"TestB/x"}\n{"Action":"pass","Package":"shop/cart","Test":"TestA"}\n'
        '{"Action":"run","Package":"shop/cart","Test":"TestA"}\n'
    )
    assert go.executed([a, b], tmp_path) == [b, a]


def test_vitest_tells_the_order_by_its_reporter(tmp_path: Path) -> None:
    a, b = Identity("test/c.test.js", "c > a"), Identity("test/c.test.js", "c > b")
    vitest = Vitest(tmp_path, None)
    assert vitest.executed([a, b], tmp_path) is None
    (tmp_path / "ended.jsonl").write_text('["/p/test/c.test.js","c > b"]\n["/p/test/c.test.js","c > a"]\n')
    assert vitest.executed([a, b], tmp_path) == [b, a]


def test_what_cannot_be_ordered_is_said_not_pretended(tmp_path: Path) -> None:
    low, mid, high = (Identity(f"shop.{name}Test", "m") for name in "ABC")
    maven = Maven(tmp_path, None)
    assert maven.arranged([low, high], mid) == [low]
    assert maven.arranged([high], mid) == [high]
    go = Go(tmp_path, None)
    assert go.arranged([Identity("shop/other", "TestA")], Identity("shop/cart", "TestB")) is None
    assert all(made(tmp_path, None).limits for made in (Maven, Gradle, Jest, Vitest, Go, Rspec))


HOSTILE = "test_a[$(touch pwned); `touch pwned` | touch pwned && '\"]"


def test_a_template_is_words_and_names_stay_words(tmp_path: Path) -> None:
    template = Template("run 'the tests' {tests} --xml={junit}", "unknown")
    argv = template.call([Identity("m", HOSTILE), Identity("m", "b")], tmp_path).argv
    assert argv == ("run", "the tests", f"m::{HOSTILE}", "m::b", f"--xml={tmp_path / 'report.xml'}")
    # No name becomes an option, or a placeholder.
    assert template.known([Identity("-rf", "x"), Identity("a", "b\nc"), Identity("m", "{junit}")]) == [
        False,
        False,
        True,
    ]
    assert "m::{junit}" in template.call([Identity("m", "{junit}")], tmp_path).argv


@pytest.mark.parametrize("template", ["run {junit}", "run {tests}", "run x{tests} {junit}", "run 'x {tests} {junit}"])
def test_a_template_that_cannot_work(template: str) -> None:
    with pytest.raises(UsageError):
        Template(template, "pytest")


def test_an_unknown_framework_needs_a_template(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be run by flakediag"):
        find("unknown", tmp_path, command=None, program=None, environ={})


@pytest.mark.slow
def test_pytest_finds_every_test_by_what_its_report_says(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -n 4 --reruns 2\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_odd.py").write_text(
        "import pytest\n"
        f"HOSTILE = {[HOSTILE, 'a::b', 'x/y.py', '-rf', 'ü ü']!r}\n"
        "@pytest.mark.parametrize('x', HOSTILE)\n"
        "def test_a(x): pass\n"
        "class TestB:\n    class TestC:\n        def test_d(self): pass\n"
    )
    environ = {"PATH": os.environ["PATH"], "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    runner = Pytest(tmp_path, f"{sys.executable} -m pytest", environ)
    odd = [Identity("tests.test_odd", f"test_a[{x}]") for x in (HOSTILE, "a::b", "x/y.py", "-rf")]
    nested = Identity("tests.test_odd.TestB.TestC", "test_d")
    assert runner.known([*odd, nested, Identity("tests.test_odd", "test_gone")]) == [True] * 5 + [False]
    call = runner.call([nested, *odd], tmp_path)
    assert call.argv[-8:-6] == ("-o", "addopts=")
    assert call.argv[-5] == "tests/test_odd.py::TestB::TestC::test_d"
    ended = process.run(call.argv, tmp_path, environ=environ, timeout=60, log=tmp_path / "log")
    assert ended.code == 0, ended.output
    assert not (tmp_path / "pwned").exists()
    written = call.reports[0].read_text()
    assert written.index("test_d") < written.index("test_a"), "in the order asked for"
    long = [Identity("tests.test_odd", "test_" + "x" * 500)] * 200
    assert runner.call(long, tmp_path).argv[-1] == f"@{tmp_path / 'tests.txt'}"
