"""The settings: flags over FLAKEDIAG_* variables over `[tool.flakediag]` over the defaults.

Unknown names are refused rather than ignored: a threshold that is misspelt must not silently be another threshold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flakediag import model
from flakediag.errors import ConfigError
from flakediag.location import Location, location, shown
from flakediag.model import Metric, Redaction

if TYPE_CHECKING:
    from flakediag.model import GateRule

PREFIX = "FLAKEDIAG_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be configured. Rates are fractions; a path in `db` is absolute or relative to the working
    directory."""

    db: Location | None = None
    project: str | None = None
    branch: str | None = None
    days: int = 90
    max_runs: int = 500
    metric: Metric = Metric.TESTS
    max_flaky_rate: float | None = None
    max_flaky_tests: float | None = None
    max_flaky_runs: float | None = None
    max_flaky_executions: float | None = None
    rules: tuple[GateRule, ...] = ()
    strict: bool = False
    min_runs: int = 10
    baseline: str | None = None
    ratchet_file: Path | None = None
    quarantine: Path | None = None
    quarantine_max_days: int = 90
    redact: Redaction = Redaction.ALL
    redact_patterns: tuple[tuple[str, str], ...] = ()  # name, regular expression
    source: Path | None = None  # the file that was read, None without one


def rate(value: object) -> float:
    """A rate as a fraction, from `1%`, `"0.01"` or `0.01`. A bare 1 is refused: it could mean 1 % or 100 %."""
    text = str(value).strip()
    percent = text.endswith("%")
    try:
        number = float(text.removesuffix("%").strip())
    except ValueError:
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number) or number < 0:
        raise ValueError("must be a rate such as 1% or 0.01")
    if percent:
        if number > 100:
            raise ValueError("must be at most 100%")
        return number / 100
    if number >= 1:
        raise ValueError(f"is ambiguous: write {number:g}% or a fraction below 1, such as 0.01")
    return number


def count(value: object) -> int:
    """A whole number of at least 1."""
    try:
        number = int(str(value))
    except ValueError:
        number = 0
    if isinstance(value, bool) or number < 1:
        raise ValueError("must be a whole number of at least 1")
    return number


def word(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be text")
    return value


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    try:
        return {"true": True, "1": True, "false": False, "0": False}[str(value).strip().lower()]
    except KeyError:
        raise ValueError("must be true or false") from None


def _metric(value: object) -> Metric:
    try:
        return Metric(str(value))
    except ValueError:
        raise ValueError(f"must be one of {', '.join(Metric)}") from None


def _location(value: object) -> Location:
    return location(word(value))


def _path(value: object) -> Path:
    return Path(word(value)).expanduser()


def _redaction(value: object) -> Redaction:
    try:
        return Redaction(str(value))
    except ValueError:
        raise ValueError(f"must be one of {', '.join(Redaction)}") from None


def _patterns(value: object) -> tuple[tuple[str, str], ...]:
    """The table `[tool.flakediag.redact-patterns]`, a regular expression for each name."""
    if not isinstance(value, dict) or not all(isinstance(pattern, str) for pattern in value.values()):
        raise ValueError("must be a table of names and regular expressions: [tool.flakediag.redact-patterns]")
    for name, pattern in value.items():
        from flakediag.redact import own_pattern

        try:
            own_pattern(name, pattern)
        except ValueError as error:
            raise ValueError(f"is refused: {name} {error}") from None
    return tuple(value.items())


_RULE: dict[str, Callable[[object], Any]] = {"path": word, "owner": word, "metric": _metric, "max": rate}


def _rules(value: object) -> tuple[GateRule, ...]:
    """The tables `[[tool.flakediag.gate.rules]]`."""
    if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
        raise ValueError("must be tables: [[tool.flakediag.gate.rules]]")
    return tuple(_rule(table, place) for place, table in enumerate(value, 1))


def _rule(table: Mapping[str, object], place: int) -> GateRule:
    values = {}
    for key, value in table.items():
        if key not in _RULE:
            raise ValueError(f"has the unknown key {key!r} in rule {place}: known are {', '.join(_RULE)}")
        try:
            values[key] = _RULE[key](value)
        except ValueError as error:
            raise ValueError(f"has {key} = {value!r} in rule {place}, which {error}") from None
    if "max" not in values or ("path" in values) == ("owner" in values):
        raise ValueError(f"needs in rule {place} a max and either a path or an owner")
    return model.GateRule(
        metric=values.get("metric", Metric.TESTS),
        limit=values["max"],
        path=values.get("path"),
        owner=values.get("owner"),
    )


# Field of Settings -> (its name in the file, its reader). The names are those of the flags.
_KEYS: dict[str, tuple[str, Callable[[object], Any]]] = {
    "db": ("db", _location),
    "project": ("project", word),
    "branch": ("branch", word),
    "days": ("days", count),
    "max_runs": ("max-runs", count),
    "max_flaky_rate": ("gate.max-flaky-rate", rate),
    "metric": ("gate.metric", _metric),
    "max_flaky_tests": ("gate.max-flaky-tests", rate),
    "max_flaky_runs": ("gate.max-flaky-runs", rate),
    "max_flaky_executions": ("gate.max-flaky-executions", rate),
    "rules": ("gate.rules", _rules),
    "strict": ("gate.strict", _switch),
    "min_runs": ("gate.min-runs", count),
    "baseline": ("gate.baseline", word),
    "ratchet_file": ("gate.ratchet-file", _path),
    "quarantine": ("quarantine", _path),
    "quarantine_max_days": ("quarantine-max-days", count),
    "redact": ("redact", _redaction),
    "redact_patterns": ("redact-patterns", _patterns),
}
_ONLY_IN_FILES = ("rules", "redact_patterns")
NAMES = tuple(name for name, _ in _KEYS.values())
VARIABLES = {f"{PREFIX}{field.upper()}": field for field in _KEYS if field not in _ONLY_IN_FILES}
# Variables that are read elsewhere, so that they are not taken for misspelt settings.
_OTHER_VARIABLES = (f"{PREFIX}CONFIG", f"{PREFIX}COLOR", f"{PREFIX}CACHE", f"{PREFIX}PROCESSES")


def load(
    flags: Mapping[str, object], *, environ: Mapping[str, str], directory: Path, file: Path | None = None
) -> Settings:
    """The settings in force.

    `flags` maps fields of `Settings` to values already parsed, None where a flag was not given. `file` is the one
    named by `--config`; without it the nearest pyproject.toml with a `[tool.flakediag]` is looked for from
    `directory` upwards. Raises `ConfigError` for what cannot be understood.
    """
    values: dict[str, Any] = {}
    source, table = _table(directory, file)
    if source:
        values |= _from_file(table, source)
    values |= _from_environment(environ)
    values |= {name: value for name, value in flags.items() if value is not None}
    known = {field.name for field in fields(Settings)} - {"source"}
    return replace(Settings(source=source), **{name: value for name, value in values.items() if name in known})


def _table(directory: Path, file: Path | None) -> tuple[Path | None, dict[str, Any]]:
    if file:
        content = _toml(file)
        table = content.get("tool", {}).get("flakediag")
        # A file of flakediag's own needs no [tool.flakediag] around everything.
        return file, table if table is not None else {} if file.name == "pyproject.toml" else content
    for folder in (directory, *directory.parents):
        candidate = folder / "pyproject.toml"
        if candidate.is_file():
            tool = _toml(candidate).get("tool", {})
            if isinstance(tool, dict) and "flakediag" in tool:
                return candidate, tool["flakediag"]
    return None, {}


def _toml(file: Path) -> dict[str, Any]:
    import tomllib  # here, because there is mostly no such file

    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError:
        raise ConfigError(f"there is no configuration file {file}", "name an existing file with --config") from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from error


def _flat(table: object, source: Path, prefix: str = "") -> Iterator[tuple[str, object]]:
    if not isinstance(table, dict):
        raise ConfigError(f"{source}: [tool.flakediag{'.' + prefix.rstrip('.') if prefix else ''}] must be a table")
    for key, value in table.items():
        name = f"{prefix}{key}".replace("_", "-")
        if name == "gate":
            yield from _flat(value, source, "gate.")
        else:
            yield name, value


def _said(value: Any) -> Any:
    """A value for people: what was meant as an address may hold a password."""
    return shown(value) if isinstance(value, str) else value


def _from_file(table: object, source: Path) -> dict[str, Any]:
    by_name = {name: (field, read) for field, (name, read) in _KEYS.items()}
    values = {}
    for name, value in _flat(table, source):
        if name not in by_name:
            raise ConfigError(f"{source}: unknown setting {name!r} in [tool.flakediag]", _nearest(name, NAMES))
        field, read = by_name[name]
        try:
            values[field] = read(value)
        except ValueError as error:
            raise ConfigError(f"{source}: {name} = {_said(value)!r} {error}") from None
    for field in ("db", "ratchet_file", "quarantine"):  # a path in a file means the same from wherever it is called
        if isinstance(values.get(field), Path):
            values[field] = source.parent / values[field]
    same = f"max_flaky_{values.get('metric', Metric.TESTS)}"
    if "max_flaky_rate" in values and same in values:
        raise ConfigError(f"{source}: gate.max-flaky-rate and {_KEYS[same][0]} limit the same", "keep one of them")
    return values


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for variable, value in sorted(environ.items()):
        if not variable.startswith(PREFIX) or variable in _OTHER_VARIABLES or not value:
            continue
        field = VARIABLES.get(variable)
        if field is None:
            raise ConfigError(f"unknown environment variable {variable}", _nearest(variable, tuple(VARIABLES)))
        try:
            values[field] = _KEYS[field][1](value)
        except ValueError as error:
            raise ConfigError(f"{variable}={_said(value)} {error}") from None
    return values


def _nearest(name: str, names: tuple[str, ...]) -> str:
    import difflib

    # The last part alone as well: `min-runs` is meant to be found as `gate.min-runs`.
    close = difflib.get_close_matches(name, names, 1) or [
        known
        for known in names
        if difflib.SequenceMatcher(None, name.rpartition(".")[2], known.rpartition(".")[2]).ratio() > 0.75
    ]
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names)}"
