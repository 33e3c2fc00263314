"""For all tests."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest
from hypothesis import settings

# No test depends on the settings, or on the Git hook, of whoever runs it.
for _name in [name for name in os.environ if name.startswith(("FLAKEDIAG_", "GIT_"))]:
    del os.environ[_name]
os.environ["FLAKEDIAG_CACHE"] = "off"  # no test reads or leaves anything in the cache of whoever runs it

# CI tries the same examples each time, so that what it says is about the change; elsewhere they are new ones each time.
# None has to be done in so many milliseconds: how long it takes says more about who else uses the machine.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("elsewhere", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "elsewhere")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT interrupts, also what is started: a shell lets what it runs in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def three_processors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three processors, and no other thread; of the processes that are forked none is left over."""
    forked: list[int] = []
    fork = os.fork

    def noted() -> int:
        child = fork()
        forked.append(child)
        return child

    monkeypatch.setattr(os, "fork", noted)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2})
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    yield
    for child in forked:
        with pytest.raises(ChildProcessError):
            os.waitpid(child, os.WNOHANG)
