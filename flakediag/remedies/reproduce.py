"""The shortest command that shows a failure, in the words of the project's own runner.

Names come from reports and are untrusted: each is quoted for a POSIX shell, none can stand where an option is read,
and a name with control characters yields no command at all.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Callable, Sequence

from flakediag.model import Category, Diagnosis, Identity, Partner

TIMES = 30  # a failure that shows once in ten runs shows in 30 with 96 %

Runner = Callable[[Sequence[Identity]], str | None]


def reproduce(test: Identity, diagnosis: Diagnosis, framework: str, causes: Sequence[Partner]) -> str | None:
    """The command for `diagnosis`, None where the runner is not known or the names do not allow one.

    Order dependence: those of `causes` that spoil the state, then the test, in this order; for a test that needs
    another's set-up, the test alone. Timing: again and again under load. A port: with the port held by somebody else.
    """
    runner = _RUNNERS.get(framework)
    if runner is None:
        return None
    here: list[Identity] = []
    earlier: list[Identity] = []
    if diagnosis.category is Category.ORDER:
        if not causes:
            return None
        # A state-setter makes the test pass: the failure shows without it.
        spoil = [p for p in causes if p.role == "polluter"]
        here, earlier = ([_partner(p, test) for p in spoil if p.earlier is then] for then in (False, True))
    if any(_unprintable(part) for identity in (*earlier, *here, test) for part in identity):
        return None
    command = runner([*here, test])
    if command is not None and earlier:
        first = runner(earlier)  # in a run of its own: what it leaves behind is on the host, not in the process
        command = f"{first}; {command}" if first is not None else None
    if command is None or diagnosis.category is Category.ORDER:
        return command
    if diagnosis.category is Category.PORT:
        return _with_port_taken(command, diagnosis.ports[0]) if diagnosis.ports else command
    again = repeated(command, TIMES)
    return loaded(again) if diagnosis.category in (Category.TIMING, Category.CONCURRENCY) else again


def alone(test: Identity, framework: str) -> str | None:
    """The command that runs one test by itself, None where the runner is not known or its name does not allow one."""
    runner = _RUNNERS.get(framework)
    return runner([test]) if runner and not any(map(_unprintable, test)) else None


def repeated(command: str, times: int) -> str:
    """The command again and again, until it fails."""
    return f"for i in $(seq {times}); do {command} || break; done"


def loaded(command: str) -> str:
    """The command while every processor is busy, for two minutes at most."""
    return f'for c in $(seq "$(nproc)"); do timeout 120 yes >/dev/null & done; {command}'


def _with_port_taken(command: str, port: int) -> str:
    holder = f"python3 -m http.server --bind 127.0.0.1 {int(port)} >/dev/null 2>&1"
    return f"{holder} & holder=$!; sleep 1; {command}; kill $holder"


def _partner(partner: Partner, test: Identity) -> Identity:
    """The identity behind a partner's id, as far as the id tells; a group has no name of its own."""
    home, separator, name = partner.id.partition("::")
    identity = Identity(home, name if separator else "")
    if home == test.classname:
        return identity._replace(file=test.file)
    if test.file.endswith(".py"):
        # Where the path has folders above the class name's modules, the partner's path has them too.
        path = node_id(identity).partition("::")[0]
        below = node_id(test._replace(file="")).partition("::")[0]
        if test.file.endswith(f"/{below}"):
            return identity._replace(file=test.file.removesuffix(below) + path)
    return identity


def _unprintable(text: str) -> bool:
    return any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp", "Cf") for c in text)


# --- pytest ----------------------------------------------------------------------------------------------------


def _pytest(tests: Sequence[Identity]) -> str | None:
    nodes = [node_id(test) for test in tests]
    # What shuffles or spreads the tests would undo the order; the plug-ins need not be installed to be refused.
    return f"pytest -p no:randomly -p no:random_order -p no:xdist {' '.join(map(_word, nodes))}"


def node_id(test: Identity) -> str:
    """pytest's name for a test, a class, a module or a folder: `tests/test_x.py::TestA::test_b[1]`.

    With a file (xunit1), the classes are what the class name has beyond the file's module. Without one, parts of the
    class name that begin with a capital are classes and those before them the module; a last module part that neither
    begins with `test_` nor ends in `_test`, and has no test to it, is a folder.
    """
    parts = test.classname.split(".") if test.classname else []
    if test.file.endswith(".py"):
        path = test.file
        module = path.removesuffix(".py").replace("\\", "/").split("/")
        # The class name may start at another folder than the path does: compare from the end.
        stem = module[-1]
        classes = parts[len(parts) - parts[::-1].index(stem) :] if stem in parts else _classes(parts)
    elif test.classname.endswith(".py") or "/" in test.classname:
        path, classes = test.classname, []  # the id was `file::name`
    else:
        classes = _classes(parts)
        modules = parts[: len(parts) - len(classes)]
        path = "/".join(modules)
        if test.name or classes or (modules and re.match(r"test_|.*_test$", modules[-1])):
            path += ".py"
    return "::".join([path, *classes, *([test.name] if test.name else [])])


def _classes(parts: Sequence[str]) -> list[str]:
    start = len(parts)
    while start > 1 and re.match(r"_*[A-Z]", parts[start - 1]):
        start -= 1
    return list(parts[start:])


# --- the others ------------------------------------------------------------------------------------------------


def _maven(tests: Sequence[Identity]) -> str | None:
    classes: dict[str, list[str]] = {}
    for test in tests:
        if not re.fullmatch(r"[\w.$]+", test.classname):
            return None
        # `total(int)[2]`, `total()` and `total{int}` are all the method `total`; a display name is none.
        method = re.match(r"([A-Za-z_$][\w$]*)(?=$|[\[({])", test.name)
        classes.setdefault(test.classname, []).append(method[1] if method else "")
    chosen = []
    for name, methods in classes.items():
        known = list(dict.fromkeys(methods))
        chosen.append(name if "" in known else f"{name}#{'+'.join(known)}")
    names = list(classes)
    # Surefire takes no order of its own for classes: the alphabet, forwards or backwards, does for two.
    order = ""
    if len(names) > 1:
        order = f" -Dsurefire.runOrder={'alphabetical' if names[0] < names[-1] else 'reversealphabetical'}"
    return f"mvn test -Dtest={_word(','.join(chosen))}{order} -Dsurefire.rerunFailingTestsCount=0"


def _jest(tests: Sequence[Identity]) -> str | None:
    files = list(dict.fromkeys(file for test in tests if (file := _script(test))))
    return " ".join(["npx jest --runInBand", *_js_filter(tests), *map(_word, files)])


def _vitest(tests: Sequence[Identity]) -> str | None:
    files = list(dict.fromkeys(file for test in tests if (file := _script(test))))
    options = "--no-file-parallelism --sequence.shuffle=false"
    return " ".join([f"npx vitest run {options}", *_js_filter(tests), *map(_word, files)])


def _script(test: Identity) -> str:
    return test.file or (test.classname if re.search(r"\.[cm]?[jt]sx?$", test.classname) else "")


def _js_filter(tests: Sequence[Identity]) -> list[str]:
    if not all(test.name for test in tests):
        return []  # a group: any filter would leave its tests out
    # Vitest writes `suite > test`, and both match the pattern against the titles joined by spaces.
    titles = [_pattern(test.name.replace(" > ", " ")) for test in tests]
    return [f"--testNamePattern={_word('|'.join(dict.fromkeys(titles)))}"]


def _go(tests: Sequence[Identity]) -> str | None:
    packages = list(dict.fromkeys(test.classname for test in tests if test.classname))
    if not packages:
        return None
    if not all(test.name for test in tests):
        run = "."  # a group: all tests of the packages
    elif len(tests) == 1:
        run = "/".join(f"^{_pattern(part)}$" for part in tests[0].name.split("/"))
    else:
        # Subtests run with their parent; -run cannot name two of different depth.
        names = dict.fromkeys(_pattern(test.name.partition("/")[0]) for test in tests)
        run = f"^({'|'.join(names)})$"
    serial = " -p 1" if len(packages) > 1 else ""
    return f"go test -run {_word(run)} -count=1 -shuffle=off{serial} {' '.join(_word(p) for p in packages)}"


def _rspec(tests: Sequence[Identity]) -> str | None:
    files = dict.fromkeys(file for test in tests if (file := _spec(test)))
    whole = not all(test.name for test in tests)  # a group: any filter would leave its examples out
    names = [] if whole else [f"--example={_word(test.name)}" for test in tests]
    return " ".join(["rspec --order defined", *(_word(file) for file in files), *names])


def _spec(test: Identity) -> str:
    # rspec_junit_formatter writes the path with dots as the class name.
    path = test.file or (test.classname.replace(".", "/") + ".rb" if test.classname.endswith("_spec") else "")
    return path.removeprefix("./")


def _dotnet(tests: Sequence[Identity]) -> str | None:
    named = [".".join(part for part in (test.classname, test.name.partition("(")[0]) if part) for test in tests]
    escaped = [re.sub(r"([\\()&|=!~])", r"\\\1", name) for name in dict.fromkeys(named)]
    return f"dotnet test --filter {_word('|'.join(f'FullyQualifiedName~{name}' for name in escaped))}"


_RUNNERS: dict[str, Runner] = {
    "pytest": _pytest,
    "junit": _maven,
    "jest": _jest,
    "vitest": _vitest,
    "go": _go,
    "rspec": _rspec,
    "dotnet": _dotnet,
}


def _pattern(text: str) -> str:
    """A regular expression that Go and JavaScript both read as this very text."""
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text)


def _word(text: str) -> str:
    """One word for the shell that no program takes for an option."""
    return shlex.quote(f"./{text}" if text.startswith("-") else text)
