"""Runners that choose tests by a pattern on the command line: Go, Jest, Vitest, Playwright.

A pattern matches the whole name and nothing else. Where a runner has no way to exclude, a negative lookahead does.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from flakediag.model import Identity, RunnerSelection

_METHOD = re.compile(r"([A-Za-z_$][\w$]*)(?=$|[\[({])")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn"})
_LOG_COMMAND = re.compile(r"##(\[|vso\[|teamcity\[)|^\s*::", re.IGNORECASE)


def unprintable(test: Identity) -> str | None:
    """Why no line and no word can hold its name."""
    if any(unicodedata.category(c) in _UNSEEN for part in test for c in part):
        return "its name holds control or invisible characters"
    # An argument stands as it is in the log of the job that made it.
    commands = any(_LOG_COMMAND.search(part) for part in test)
    return "its name is a command to a CI system" if commands else None


def escaped(text: str) -> str:
    """A regular expression that matches this very text, for Go and for JavaScript."""
    return re.sub(r"([\\.+*?()|\[\]{}^$/])", r"\\\1", text)


# --- Java, for scripts.py -----------------------------------------------------------------------------------------


def not_java(test: Identity) -> str | None:
    if not re.fullmatch(r"[A-Za-z_$][\w.$]*", test.classname):
        return "its class is not named"
    return None if _METHOD.match(test.name) else "it has a display name instead of a method's"


def java_method(test: Identity) -> tuple[str, str]:
    """Class and method: the parameters in brackets cannot be chosen."""
    match = _METHOD.match(test.name)
    return test.classname, match[1] if match else ""


# --- Go -----------------------------------------------------------------------------------------------------------


def not_go(test: Identity) -> str | None:
    return None if re.match(r"(Test|Example|Fuzz)\w*(/|$)", test.name) else "it is not named like a Go test"


def go_prefixes(test: Identity) -> Iterator[str]:
    """The test and the tests around it: they take their subtests along."""
    parts = test.name.split("/")
    return ("/".join(parts[:end]) for end in range(1, len(parts) + 1))


def go(tests: Sequence[Identity]) -> RunnerSelection:
    """`-skip` takes alternatives of slash-separated patterns, one for each level of subtests."""
    names = dict.fromkeys(test.name for test in tests)
    pattern = "|".join("/".join(f"^{escaped(part)}$" for part in name.split("/")) for name in names)
    packages = [package for package in dict.fromkeys(test.classname for test in tests) if _is_word(package)]
    return RunnerSelection(
        runner="go",
        main="go test {} ./...",
        quarantined="go test {}",
        without=(f"-skip={pattern}",),
        only=(f"-run={pattern}", "-count=1", *(packages or ["./..."])),
        notes=("-skip needs Go 1.20 or later", "-skip knows no packages: it takes equal names everywhere"),
    )


# --- Jest, Vitest -------------------------------------------------------------------------------------------------


def no_title(test: Identity) -> str | None:
    return None if test.name.strip() else "it has no title"


def title(test: Identity) -> str:
    """The titles from the outermost group to the test, as the runner joins them."""
    name = test.name.replace(" > ", " ")  # as Vitest reports them
    if test.file or _is_script(test.classname) or not test.classname:
        return name
    return name if name.startswith(test.classname) else f"{test.classname} {name}"


def jest(tests: Sequence[Identity]) -> RunnerSelection:
    files = _files(tests)
    return RunnerSelection(
        runner="jest",
        main="npx jest {}",
        quarantined="npx jest {}",
        without=(f"--testNamePattern={_none_of(tests)}",),
        only=(f"--testNamePattern={_one_of(tests)}", *(["--runTestsByPath", *files] if files else [])),
        notes=("Jest matches titles without regard to case and file: equal titles of other files go along",),
    )


def vitest(tests: Sequence[Identity]) -> RunnerSelection:
    return RunnerSelection(
        runner="vitest",
        main="npx vitest run {}",
        quarantined="npx vitest run {}",
        without=(f"--testNamePattern={_none_of(tests)}",),
        only=(f"--testNamePattern={_one_of(tests)}", *_files(tests)),
        notes=("Vitest matches titles without regard to the file: equal titles of other files go along",),
    )


def _titles(tests: Sequence[Identity]) -> str:
    return "|".join(dict.fromkeys(escaped(title(test)) for test in tests))


def _one_of(tests: Sequence[Identity]) -> str:
    return f"^(?:{_titles(tests)})$"


def _none_of(tests: Sequence[Identity]) -> str:
    return f"^(?!(?:{_titles(tests)})$)"


def _files(tests: Sequence[Identity]) -> list[str]:
    """The files of the tests; none where one of them is not known, since naming the others would leave it out."""
    files = [test.file or (test.classname if _is_script(test.classname) else "") for test in tests]
    return list(dict.fromkeys(files)) if all(_is_word(file) for file in files) else []


def _is_script(name: str) -> bool:
    return bool(re.search(r"\.[cm]?[jt]sx?$", name))


def _is_word(text: str) -> bool:
    """Whether no program takes it for an option."""
    return bool(text) and not text.startswith("-")


# --- Playwright ---------------------------------------------------------------------------------------------------


def playwright(tests: Sequence[Identity]) -> RunnerSelection:
    """`--grep` matches project, file, titles and tags, joined by spaces; tags may follow each title."""
    pattern = "|".join(dict.fromkeys(map(_grep, tests)))
    return RunnerSelection(
        runner="playwright",
        main="npx playwright test {}",
        quarantined="npx playwright test {}",
        without=(f"--grep-invert={pattern}",),
        only=(f"--grep={pattern}", "--pass-with-no-tests"),
    )


def _grep(test: Identity) -> str:
    tags = r"(?: @\S+)*"
    titles = [*([test.variant] if test.variant else []), *([test.classname] if test.classname else [])]
    return r"(?:^|\s)" + f"{tags} ".join(map(escaped, [*titles, *test.name.split(" › ")])) + f"{tags}$"
