"""From a diagnosis to what to do about it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from flakediag.model import Category, Diagnosis, Example, Fix, Identity, Partner
from flakediag.remedies.catalogue import Remedy, code_for, remedies
from flakediag.remedies.reproduce import reproduce

_PLACEHOLDER = re.compile(r"<<(\w+)>>")
HARDLY = 0.15  # below this, naming the first one would send people to the wrong place
LIKELY = 0.3  # partners from this probability on are named beside the first one
MOST_NAMED = 3
_WRITERS = ("polluter", "state-setter")


def suggest(test: Identity, diagnosis: Diagnosis, framework: str, *, signature: str | None = None) -> Fix:
    """What to do about `diagnosis`, with code for `framework` and the shortest command that shows the failure.

    `framework` is one of pytest, junit, jest, vitest, go, rspec, dotnet, or anything else for none: then there is
    neither code nor a command. `signature` is the failure's, whose words choose between variants (rows left in a
    database, an environment variable, a cache). Names in the result are on one line each, whatever they held.
    """
    causes = writers(diagnosis)
    values = _values(test, diagnosis, causes)
    said = "\n".join([signature or "", *(e.summary for e in diagnosis.evidence)])
    role = causes[0].role if causes else "polluter"
    remedy = _choose(diagnosis.category, said, role, frozenset(name for name, value in values.items() if value))
    code = code_for(remedy, framework)
    steps = [_fill(step, values) for step in remedy.steps]
    if diagnosis.category is Category.ORDER:
        steps += _about_order(diagnosis, causes, framework)
    if diagnosis.category is Category.UNKNOWN and diagnosis.missing:
        steps = [_one_line(f"{gap.summary}: {gap.how}" if gap.how else gap.summary) for gap in diagnosis.missing]
    elif diagnosis.settle:
        steps.insert(0, _one_line(diagnosis.settle))
    return Fix(
        summary=_fill(remedy.summary, values),
        steps=tuple(steps),
        example=Example(framework, fill_code(code, values)) if code else None,
        reproduce=reproduce(test, diagnosis, framework, causes),
    )


def writers(diagnosis: Diagnosis) -> tuple[Partner, ...]:
    """The partners to name: the likeliest, and others of the same role that are likely too (a chain, a second one).
    None where even the likeliest is hardly one.

    A group and a test in it are two ways to say one thing: the likelier of them is named.
    """
    if diagnosis.category is not Category.ORDER:
        return ()
    accused = (p for p in diagnosis.partners if p.role in _WRITERS and p.probability >= HARDLY)
    ranked = sorted(accused, key=lambda p: -p.probability)
    named: list[Partner] = []
    for partner in ranked[:1] + [p for p in ranked[1:] if p.probability >= LIKELY]:
        if partner.role == ranked[0].role and not any(_nested(partner.id, other.id) for other in named):
            named.append(partner)
    return tuple(named[:MOST_NAMED])


def _nested(one: str, other: str) -> bool:
    """Whether one id is that of a group which the other belongs to."""
    short, long = sorted((one, other), key=len)
    return long.startswith(short) and long[len(short) : len(short) + 1] in ("", ".", ":", "/", "$", "[")


def _choose(category: Category, said: str, role: str, known: frozenset[str]) -> Remedy:
    # Every category ends in an entry that always fits; a test holds this for both roles.
    return next(r for r in remedies() if r.cause is category and r.fits(said, role, known))


def _values(test: Identity, diagnosis: Diagnosis, causes: tuple[Partner, ...]) -> dict[str, str]:
    """What the placeholders stand for; empty where it is not known."""
    named = [f"the tests of {_one_line(p.id)}" if p.kind == "group" else _one_line(p.id) for p in causes]
    ports = [str(port) for port in diagnosis.ports]
    others = [_one_line(p.id) for p in diagnosis.partners if p.role == "port-user"][:MOST_NAMED]
    return {
        "victim": _one_line(test.id),
        "partner": " and ".join(named) or "another test",
        "seconds": _plateau(diagnosis),
        "port": f"port{'s' if len(ports) > 1 else ''} {' and '.join(ports)}" if ports else "the fixed port",
        "other": f" (also used by {', '.join(others)})" if others else "",
    }


def _plateau(diagnosis: Diagnosis) -> str:
    for evidence in diagnosis.evidence:
        seconds = evidence.data.get("seconds")
        if evidence.kind == "timing-plateau" and isinstance(seconds, int | float) and evidence.weight > 0:
            return f"{seconds:g}"
    return ""


def _about_order(diagnosis: Diagnosis, causes: tuple[Partner, ...], framework: str) -> list[str]:
    said = []
    cleaner = next((p for p in diagnosis.partners if p.role == "cleaner"), None)
    if cleaner:
        said.append(
            f"{_one_line(cleaner.id)} cleans the state up: what it does there is the reset to move to a fixture."
        )
    if causes and framework in ("junit", "dotnet"):
        said.append("The runner decides the order of tests inside a class: turn them round there if it passes.")
    if not causes:
        said.append("Who changes the state is not known yet: more runs in shuffled orders would name it.")
    return said


def _fill(text: str, values: Mapping[str, str]) -> str:
    # One pass: a name that itself holds <<partner>> stays as it is.
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], ""), text)


def fill_code(code: str, values: Mapping[str, str]) -> str:
    """`code` with names in its comments. Java reads `\\u000a` as a line's end even there, so no name may spell it."""
    return _fill(code, {name: value.replace("\\u", "\\ u") for name, value in values.items()})


def _one_line(text: str) -> str:
    """A name that cannot end a comment or a line of the code it is put into."""
    return "".join(
        c if unicodedata.category(c) not in ("Cc", "Zl", "Zp", "Cs", "Cf") else f"<{ord(c):04x}>" for c in text
    )
