"""Port conflicts: a bind error anywhere in the failure; without one, an answer that cannot be our own server's.

Who else uses the port comes from the other failures of the history, from runs on the same host at the same time, and
from a table of well-known services. A refusal on loopback alone says little: the server may just be slow. It says
more where a bind error stands in another failure of the same run, and where such runs are not the rule.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import timedelta
from math import log

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.evidence.portwords import (
    EPHEMERAL,
    LOST,
    bind_error,
    lost_connection,
    phrases,
    port_words,
    ports_in,
)
from flakediag.analysis.evidence.skimming import speaking
from flakediag.analysis.evidence.text import read, said, sample
from flakediag.analysis.weights import weights
from flakediag.analysis.window import Failure, Subject, Window
from flakediag.model import Category, Evidence, FailureDetail, Partner, Run

MOST_PARTNERS = 5


@dataclass(frozen=True)
class PortUse:
    """What all failures of a window say about ports, whoever failed.

    bound: bool[R]: some failure of the run holds a bind error; bound_ports and bound_tests: the ports with a bind
    error and the tests that met it, per run; lost: the failures that say that a connection was lost; tests: each
    distinct failure, and the tests that failed so.
    """

    bound: NDArray[np.bool_]
    bound_ports: Mapping[int, Set[int]]
    bound_tests: Mapping[int, Set[int]]
    lost: Set[FailureDetail]
    tests: Mapping[FailureDetail, Set[int]]

    def tests_naming(self, ports: Sequence[int]) -> set[int]:
        """The tests whose failures or output name one of these ports."""
        numbers = [str(port) for port in ports]
        return {
            test
            for detail, tests in self.tests.items()
            # The plain search is cheap, and spares most texts the patterns that tell a port from a number.
            if any(number in part for part in detail for number in numbers)
            and not set(ports).isdisjoint(ports_in(said(detail)))
            for test in tests
        }


def find(window: Window, subjects: Sequence[Subject]) -> list[list[Evidence]]:
    """Evidence of kinds "ports" and "ports-…", category port-conflict; what speaks against is "timing" and so on."""
    if not subjects:
        return []
    use = window.once(port_use)
    return [_bind(window, subject, use) or _loopback(window, subject, use) for subject in subjects]


def port_use(window: Window) -> PortUse:
    """Reads each distinct failure once that can have something to say."""
    alike: defaultdict[FailureDetail, list[Failure]] = defaultdict(list)
    for failure in window.failures:
        alike[failure.detail].append(failure)
    bound = np.zeros(len(window.runs), dtype=np.bool_)
    bound_ports: defaultdict[int, set[int]] = defaultdict(set)
    bound_tests: defaultdict[int, set[int]] = defaultdict(set)
    lost: set[FailureDetail] = set()
    for detail in speaking(list(alike), [phrases()[name] for name in ("bind", *LOST)]):
        words = read(detail)
        if lost_connection(words):
            lost.add(detail)
        if not bind_error(words):
            continue
        near = port_words(words).near
        for failure in alike[detail]:
            bound[failure.run] = True
            bound_ports[failure.run].update(near)
            bound_tests[failure.run].add(failure.test)
    tests = {detail: {failure.test for failure in failures} for detail, failures in alike.items()}
    return PortUse(bound, bound_ports, bound_tests, lost, tests)


def _bind(window: Window, subject: Subject, use: PortUse) -> list[Evidence]:
    """A bind error in the subject's own failures or their output."""
    table = weights("ports")
    read = sample(subject)
    hits = [(found, share) for words, share in read if (found := port_words(words)).bind]
    if not hits:
        return []
    share = sum(share for _, share in hits)
    in_words = sum(share for found, share in hits if found.said) >= share / 2
    weight = table["bind" if in_words else "bind_in_output"]
    ports = tuple(dict.fromkeys(port for found, _ in hits for port in found.near))[:3]
    count = len({f.run for f in subject.failures})
    where = "" if in_words else " (in the captured output)"
    named = f"port {ports[0]} could not be bound" if ports else "a port could not be bound"
    if len(ports) > 1:
        named = f"ports {', '.join(map(str, ports))} could not be bound"
    times = f", {count} of {count} failures" if share > 0.99 and count > 1 else ""
    ephemeral = _ephemeral(subject, ports)
    summary = f"{named}: “{hits[0][0].bind}”{where}{times}{ephemeral}"
    data = {"ports": list(ports), "share": round(share, 3), "ephemeral": bool(ephemeral)}
    partners = _users(window, subject, ports, use)
    if ephemeral and not partners:
        partners = (Partner("any outgoing connection of the machine", "process", "port-user", 0.4),)
    return [Evidence("ports", Category.PORT, weight * share, summary, data, partners, ports)]


def _ephemeral(subject: Subject, ports: Sequence[int]) -> str:
    """What it means that a port lies where the system takes the ports of outgoing connections from; else nothing.

    The same number in several runs was chosen by people; another one each time was free when somebody asked, and taken
    by the time it was bound.
    """
    if not any(port >= EPHEMERAL for port in ports):
        return ""
    met: dict[int, set[int]] = defaultdict(set)
    for failure in subject.failures:
        for port in port_words(said(failure.detail)).near:
            met[port].add(failure.run)
    high = {port: runs for port, runs in met.items() if port >= EPHEMERAL}
    again = [port for port in ports if len(high.get(port, ())) > 1]
    if again:
        return (
            f"; port {again[0]} is fixed, but lies in the ephemeral range (from {EPHEMERAL}), out of which the system "
            "gives any outgoing connection its port"
        )
    if len(high) > 1:
        return "; another ephemeral port each time: it was free when it was looked for, and taken before it was bound"
    return (
        f"; it lies in the ephemeral range (from {EPHEMERAL}), out of which any outgoing connection may have taken it"
    )


def _loopback(window: Window, subject: Subject, use: PortUse) -> list[Evidence]:
    """No bind error here: refusals and foreign answers, with what the rest of the run says."""
    table = weights("ports")
    tallies: dict[str, float] = defaultdict(float)
    ports: dict[int, None] = {}
    for words, share in sample(subject):
        found = port_words(words)
        local = found.loopback or bool(found.local)
        if found.expected_refusal:
            tallies["expected_refusal"] += share
        elif found.foreign and not found.remote:
            tallies["foreign_local" if local else "foreign"] += share
        elif found.refused and not found.remote:
            tallies["refused_local" if local else "refused"] += share
        elif found.cut and local:
            tallies["cut_local"] += share
        elif found.local and found.web:
            tallies["answer_local"] += share
        else:
            continue
        ports.update(dict.fromkeys(found.local or ports_in(words)))
    if not tallies:
        return []
    name = max(tallies, key=lambda key: (tallies[key], key))
    named = tuple(ports)[:2]
    at = f" on port {named[0]}" if named else ""
    summary = _SENTENCES[name].format(at=at)
    partners = _users(window, subject, named, use) if named else ()
    evidence = [
        Evidence(
            "ports-answer",
            Category(category),
            weight * tallies[name],
            summary,
            {"answer": name, "ports": list(named)},
            partners if category == Category.PORT.value else (),
            named if category == Category.PORT.value else (),
        )
        for category, weight in table[name].items()
    ]
    return evidence + _beside_bind(window, subject, named, partners, use)


_SENTENCES = {
    "expected_refusal": "somebody answered{at} where nobody should have listened",
    "foreign_local": "an answer{at} on this machine was not our server's",
    "foreign": "an answer{at} was in another protocol",
    "refused_local": "a connection{at} on this machine was refused: the server was not up, or never had its port",
    "refused": "a connection{at} was refused",
    "cut_local": "a connection{at} on this machine was cut at once",
    "answer_local": "a server{at} on this machine gave an unexpected answer",
}


def _beside_bind(
    window: Window, subject: Subject, ports: tuple[int, ...], partners: tuple[Partner, ...], use: PortUse
) -> list[Evidence]:
    """A bind error in another failure of the same runs; weighed by how rare such runs are."""
    runs = sorted({f.run for f in subject.failures})
    beside = [r for r in runs if use.bound[r]]
    if not beside:
        return _bound_on_host(window, subject, runs, ports, use)
    table = weights("ports")
    same = [r for r in beside if set(ports) & use.bound_ports.get(r, frozenset())]
    if same:
        summary = f"another failure of the same run could not bind port {ports[0]}"
        data = {"runs": len(same), "of": len(runs), "same_port": True}
        weight = table["beside_same_port"] * len(same) / len(runs)
        return [Evidence("ports-beside", Category.PORT, weight, summary, data, partners, ports)]
    # Bayes factor: every failing run holds a bind error under the one view, any run does at its usual rate else.
    usual = (float(use.bound.sum()) + 1) / (len(window.runs) + 2)
    weight = len(beside) * log(1 / usual) + (len(runs) - len(beside)) * log(0.1)
    weight = min(table["beside_cap"], weight - table["beside_cost"])
    if weight <= 0:
        return []
    others = sorted({t for r in beside for t in use.bound_tests[r]} - {subject.test})
    summary = f"in {len(beside)} of {len(runs)} failing runs another test could not bind its port"
    # A test that could not bind another port is a neighbour in misfortune and no user of this one.
    met = {port for r in beside for port in use.bound_ports.get(r, frozenset())}
    apart = bool(ports) and bool(met) and not met & set(ports)
    others_named = tuple(
        Partner(window.tests[t].id, "test", "port-user", 0.5) for t in others[:MOST_PARTNERS] if not apart
    )
    data = {"runs": len(beside), "of": len(runs)}
    return [Evidence("ports-beside", Category.PORT, weight, summary, data, partners or others_named, ports)]


def _bound_on_host(
    window: Window, subject: Subject, runs: Sequence[int], ports: tuple[int, ...], use: PortUse
) -> list[Evidence]:
    """A bind error in another run that went on at the same time on the same host: for the same port, where it is known.

    The other run lost the port to this one's server, or both to a third: either way they share it.
    """
    met = {r: [n for n in _overlapping_run(window, r) if use.bound[n]] for r in runs}
    same = {r: [n for n in others if set(ports) & use.bound_ports.get(n, frozenset())] for r, others in met.items()}
    known = any(same.values())
    hits = [r for r, others in (same if known else met).items() if others]
    if not hits or (ports and not known):  # ports are known on both sides, and differ
        return []
    table = weights("ports")
    others = list(dict.fromkeys(n for r in hits for n in (same if known else met)[r]))
    what = f"port {ports[0]}" if known else "a port"
    summary = (
        f"in {len(hits)} of {len(runs)} failing runs another run on the same host at the same time "
        f"could not bind {what}"
    )
    weight = table["host_same_port" if known else "host_bind"] * len(hits) / len(runs)
    data = {"runs": len(hits), "of": len(runs), "same_port": known}
    partners = tuple(Partner(_run_id(window.runs[n]), "run", "port-user", 0.6) for n in others[:2])
    return [Evidence("ports-host", Category.PORT, weight, summary, data, partners, ports)]


def _users(window: Window, subject: Subject, ports: Sequence[int], use: PortUse) -> tuple[Partner, ...]:
    """Who else uses the ports: other tests, overlapping runs on the host, well-known services."""
    found = [
        Partner(window.tests[test].id, "test", "port-user", 0.7)
        for test in sorted(use.tests_naming(ports) - {subject.test})
    ][:MOST_PARTNERS]
    found += [Partner(_run_id(window.runs[r]), "run", "port-user", 0.6) for r in _overlapping(window, subject.failures)]
    services = phrases()["services"]
    found += [
        Partner(f"{services[port]} (port {port})", "service", "port-user", 0.4) for port in ports if port in services
    ]
    return tuple(found[:MOST_PARTNERS])


def _overlapping(window: Window, failures: Sequence[Failure]) -> list[int]:
    """Other runs that certainly went on at the same time on the host of a failing run.

    Time stamps of whole seconds may be late or early by one: two short runs of the same second need not have met.
    """
    found = (n for run in dict.fromkeys(failure.run for failure in failures) for n in _overlapping_run(window, run))
    return list(dict.fromkeys(found))[:2]


def _overlapping_run(window: Window, index: int) -> list[int]:
    run = window.runs[index]
    if run.host is None or not run.duration:
        return []
    return [
        n
        for n, other in enumerate(window.runs)
        if n != index and other.host == run.host and other.duration and _met(run, other)
    ]


def _run_id(run: Run) -> str:
    return f"run {run.id}" if run.id is not None else f"run of {run.started_at:%Y-%m-%d %H:%M:%S}"


def _met(one: Run, other: Run) -> bool:
    began = max(one.started_at, other.started_at)
    ended = min(run.started_at + timedelta(seconds=run.duration or 0.0) for run in (one, other))
    coarse = not one.started_at.microsecond or not other.started_at.microsecond
    return (ended - began).total_seconds() > (1.0 if coarse else 0.0)
