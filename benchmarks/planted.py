"""Report files to measure on: a made-up suite in shuffled runs, and the truth of what was planted in it.

As pytest writes them, in execution order. A victim fails in the runs in which its polluter came first; a slow test
fails now and then, and takes long then; a port is taken now and then; a broken test fails from some run on. Every
failure comes with a trace of 3 KB: the frames are the test's own, the values are the run's.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

BEGAN = datetime(2026, 3, 2, 6, tzinfo=UTC)
FRAMES = 21  # of a trace: about 3 KB
WORDS = (
    *("account", "address", "basket", "billing", "cache", "carrier", "catalogue", "checkout", "coupon", "currency"),
    *("customer", "delivery", "discount", "export", "gateway", "invoice", "ledger", "locale", "mailer", "order"),
    *("parcel", "payment", "price", "product", "quota", "receipt", "refund", "region", "report", "return"),
    *("schedule", "session", "shelf", "shipment", "stock", "supplier", "tariff", "tax", "voucher", "warehouse"),
)


@dataclass(frozen=True, slots=True)
class Suite:
    """How many tests, and how many of them are made to fail, why. Broken ones break within a part of the history."""

    tests: int
    order: int
    timing: int
    port: int
    broken: int
    breaks: tuple[float, float] = (0.3, 0.7)

    @property
    def flaky(self) -> int:
        return self.order + self.timing + self.port


@dataclass(frozen=True, slots=True)
class Truth:
    """By name of the test (`classname::name`): the cause of its flakiness, and its polluter; and who is broken."""

    causes: Mapping[str, str]
    polluters: Mapping[str, str]
    broken: frozenset[str]


@dataclass(frozen=True, slots=True)
class Workload:
    """Files in the order in which they came, the commit of each, and what is in them."""

    paths: Sequence[Path]
    commits: Sequence[str]
    results: int
    truth: Truth


def name(test: int) -> tuple[str, str]:
    """(classname, name)"""
    return f"tests.{WORDS[test // 25 % len(WORDS)]}.test_part_{test // 25:04}", f"test_case_{test}"


def write(folder: Path, suite: Suite, runs: int, per_commit: int = 1, seed: int = 7) -> Workload:
    """`runs` reports in `folder`, so many of one commit, of the same suite. The same seed writes the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(f"{seed} {suite}")
    chosen = draw.sample(range(suite.tests), suite.flaky + suite.broken + suite.order)
    victims, timing = chosen[: suite.order], chosen[suite.order : suite.order + suite.timing]
    ports = chosen[suite.order + suite.timing : suite.flaky]
    polluter_of = dict(zip(victims, chosen[suite.flaky + suite.broken :], strict=True))
    broken = {  # since the first run of a commit
        test: int(draw.uniform(*suite.breaks) * runs) // per_commit * per_commit
        for test in chosen[suite.flaky :][: suite.broken]
    }
    usual = [round(draw.gammavariate(2.0, 0.02), 3) for _ in range(suite.tests)]
    rates = {test: draw.uniform(0.08, 0.2) for test in (*timing, *ports)}
    paths, order = [], list(range(suite.tests))
    for number in range(runs):
        draw.shuffle(order)
        place = {test: at for at, test in enumerate(order)} if victims else {}
        said = {v: _state(v, number, draw) for v, p in polluter_of.items() if place[p] < place[v]}
        said |= {t: _late(t, draw) for t in timing if draw.random() < rates[t]}
        said |= {t: _taken(t) for t in ports if draw.random() < rates[t]}
        said |= {t: _wrong(t) for t, since in broken.items() if number >= since}
        seconds = [round(each * draw.uniform(0.9, 1.2), 3) for each in usual]
        for test in timing:
            seconds[test] = 5.0 + round(draw.uniform(0.0, 0.05), 3) if test in said else seconds[test]
        path = folder / f"run-{number:04}.xml"
        path.write_text(_report(number, order, seconds, said), encoding="utf-8")
        moment = (BEGAN + timedelta(hours=number)).timestamp()
        os.utime(path, (moment, moment))  # what some readers order runs by
        paths.append(path)
    return Workload(
        paths=paths,
        commits=[f"{1 + number // per_commit:040x}" for number in range(runs)],
        results=runs * suite.tests,
        truth=Truth(
            causes={_id(t): "order-dependence" for t in victims}
            | {_id(t): "timing" for t in timing}
            | {_id(t): "port-conflict" for t in ports},
            polluters={_id(victim): _id(polluter) for victim, polluter in polluter_of.items()},
            broken=frozenset(map(_id, broken)),
        ),
    )


def _id(test: int) -> str:
    return "::".join(name(test))


def _report(number: int, order: Sequence[int], seconds: Sequence[float], said: Mapping[int, str]) -> str:
    cases = []
    for test in order:
        classname, own = name(test)
        head = f'<testcase classname="{classname}" name="{own}" time="{seconds[test]:.3f}"'
        if test in said:
            text = said[test]
            failure = f"<failure message={quoteattr(text)}>{escape(_trace(test, text))}</failure>"
            cases.append(f"{head}>{failure}</testcase>")
        else:
            cases.append(f"{head} />")
    stamp = (BEGAN + timedelta(hours=number)).isoformat()
    return (
        '<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" errors="0" '
        f'failures="{len(said)}" skipped="0" tests="{len(order)}" time="{1.02 * sum(seconds):.3f}" '
        f'timestamp="{stamp}" hostname="runner-{number % 4}">{"".join(cases)}</testsuite></testsuites>'
    )


def _trace(test: int, said: str) -> str:
    draw = random.Random(test)
    lines = []
    for _ in range(FRAMES):
        module, verb, what = draw.choices(WORDS, k=3)
        line = draw.randrange(20, 900)
        lines.append(f"src/shop/{module}/{what}.py:{line}: in {verb}_{what}\n")
        lines.append(
            f"    {module} = self.{verb}({what}, {draw.choice(WORDS)}=self.{draw.choice(WORDS)}[{line % 7}])\n"
        )
        lines.append(f"        {what} = {draw.randrange(10**6)}\n")
    return "".join(lines) + f"E   {said}\n"


# --- what a failure says: without the word that gives its cause away, where real ones do without it -----------------


def _state(test: int, number: int, draw: random.Random) -> str:
    word = WORDS[test % len(WORDS)]
    return (
        f"AssertionError: assert {draw.randrange(2, 9)} == 1",
        f"KeyError: '{word}'",
        f"AssertionError: assert ['{word}', '{WORDS[number % len(WORDS)]}'] == ['{word}']",
        f"ValueError: {word} exists already",
    )[test % 4]


def _late(test: int, draw: random.Random) -> str:
    word = WORDS[test % len(WORDS)]
    return (
        "TimeoutError: timed out after 5 seconds",
        "AssertionError: assert 0 == 1",
        f"AssertionError: {word} not ready within 5 s",
        f"AssertionError: assert {draw.randrange(5000, 5050)} < 2000",
    )[test % 4]


def _taken(test: int) -> str:
    port = 8000 + test % 1000
    return (
        "OSError: [Errno 98] Address already in use",
        f"OSError: [Errno 98] error while attempting to bind on address ('127.0.0.1', {port}): address already in use",
        f"RuntimeError: server did not start: bind: 127.0.0.1:{port}: address already in use",
    )[test % 3]


def _wrong(test: int) -> str:
    return f"AssertionError: assert {test % 90 + 2} == {test % 90 + 3}"
