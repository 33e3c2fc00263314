"""CODEOWNERS: who owns a file, by the rules of GitHub and of GitLab.

A parser of our own: the format is a few lines of rules, the two hosts read the same line differently, and GitLab's
sections, defaults and exclusions are part of what must be right here.

| | GitHub | GitLab |
|---|---|---|
| a pattern without a leading slash | as in gitignore: anchored if a slash stands inside it | matches at any depth |
| a name without a trailing slash | the file, or all below the folder | the file |
| `[…]`, `!` in front, a `#` escaped | the line is invalid and skipped | a range, an exclusion, a literal |
| ` # …` after the owners | a comment | no comment: the owners in it count |
| sections | none | each for itself; the owners of all of them together |
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

_OWNER = re.compile(r"@{1,2}\w[\w./-]*|[\w.+-]+@[\w.-]+")
_SECTION = re.compile(r"\^?\[(?P<name>[^\]]+)\](?:\[\d+\])?(?P<owners>(?:\s.*)?)")


class Host(StrEnum):
    GITHUB = "github"
    GITLAB = "gitlab"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: the files that it is about, and who owns them (nobody: an empty tuple). `section` is in lower case."""

    pattern: Glob
    owners: tuple[str, ...]
    section: str = ""
    excludes: bool = False


@dataclass(frozen=True, slots=True)
class CodeOwners:
    """A CODEOWNERS file. `skipped` are the numbers of lines that the host would not understand."""

    entries: tuple[Entry, ...]
    skipped: tuple[int, ...] = ()

    def owners_of(self, path: str) -> tuple[str, ...]:
        """The owners of a file (its path from the root of the repository, with forward slashes), empty for nobody.

        The last line that matches decides, in each section for itself; a line without owners takes them away.
        """
        by_section: dict[str, Entry] = {}
        excluded = set()
        for entry in self.entries:
            if entry.pattern.matches(path):
                if entry.excludes:
                    excluded.add(entry.section)
                else:
                    by_section[entry.section] = entry
        found = [owner for name, entry in by_section.items() if name not in excluded for owner in entry.owners]
        return tuple(dict.fromkeys(found))


def host_of(place: str, text: str) -> Host:
    """Whose rules a file at this place follows. At the root and in docs/, only GitLab knows sections and exclusions."""
    if place.startswith(".gitlab/"):
        return Host.GITLAB
    if place.startswith(".github/"):
        return Host.GITHUB
    sections = any(_SECTION.fullmatch(line.strip()) for line in text.splitlines())
    return Host.GITLAB if sections else Host.GITHUB


def parse(text: str, host: Host) -> CodeOwners:
    """Read a CODEOWNERS file. Lines that the host would not understand are skipped, as it does."""
    entries: list[Entry] = []
    skipped: list[int] = []
    section, defaults = "", tuple[str, ...]()
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        heading = _SECTION.fullmatch(line) if host is Host.GITLAB else None
        if heading:
            section, defaults = heading["name"].strip().lower(), tuple(_owners(heading["owners"].split()))
            continue
        entry = _gitlab(line, section, defaults) if host is Host.GITLAB else _github(line)
        if entry is None:
            skipped.append(number)
        else:
            entries.append(entry)
    return CodeOwners(tuple(entries), tuple(skipped))


def _github(line: str) -> Entry | None:
    path, words = _split(re.split(r"\s#", line, maxsplit=1)[0])
    owners = tuple(_owners(words))
    if len(owners) < len(words) or re.search(r"^!|^\\#|\[", path):
        return None
    return Entry(glob(path, below=True), owners)


def _gitlab(line: str, section: str, defaults: tuple[str, ...]) -> Entry | None:
    excludes = line.startswith("!")
    path, words = _split(line.removeprefix("!"))
    if not path:
        return None
    if not path.startswith("/"):
        path = f"/**/{path}"
    if path.endswith("/"):
        path += "**/*"
    return Entry(_compiled(path, ranges=True), tuple(_owners(words)) or defaults, section, excludes)


def _split(line: str) -> tuple[str, list[str]]:
    """The path, up to the first blank that is not escaped, and the words behind it."""
    found = re.match(r"(?:\\.|[^\s\\])+", line)
    path = found[0] if found else ""
    return path, line[len(path) :].split()


def _owners(words: list[str]) -> Iterator[str]:
    for word in words:
        if _OWNER.fullmatch(word):
            yield word


@dataclass(frozen=True, slots=True)
class Glob:
    """A pattern over whole paths, part by part; None stands for `**`, any number of folders.

    Matched by the set of places in the pattern that a path may have reached: linear in the path, whatever the pattern.
    `below`: all below what matches matches as well.
    """

    parts: tuple[re.Pattern[str] | None, ...]
    below: bool = False

    def matches(self, path: str) -> bool:
        reached = self._skipped({0})
        for name in path.split("/"):
            if self.below and len(self.parts) in reached:
                return True
            next_reached = {place for place in reached if place < len(self.parts) and self.parts[place] is None}
            for place in reached:
                part = self.parts[place] if place < len(self.parts) else None
                if part is not None and part.fullmatch(name):
                    next_reached.add(place + 1)
            reached = self._skipped(next_reached)
        return len(self.parts) in reached

    def _skipped(self, places: set[int]) -> set[int]:
        """These places, and those behind a `**` that stands for no folder."""
        found = set(places)
        for place in sorted(places):
            while place < len(self.parts) and self.parts[place] is None:
                place += 1
                found.add(place)
        return found


def glob(pattern: str, *, below: bool = False) -> Glob:
    """A pattern as in gitignore: anchored where a slash stands at its start or inside it, else at any depth.

    `*` and `?` stop at a slash, `**` does not; a trailing slash means all below a folder. With `below`, so does the
    folder's bare name, except where the last part is a bare `*` below a folder (`docs/*`: not the folders in docs).
    """
    anchored = "/" in pattern.rstrip("/")
    whole = pattern if anchored else f"**/{pattern}"
    if whole.endswith("/"):
        return _compiled(whole + "**/*")
    return _compiled(whole, below=below and not (anchored and whole.endswith("/*")))


def _compiled(pattern: str, *, ranges: bool = False, below: bool = False) -> Glob:
    parts = pattern.lstrip("/").split("/")
    if parts[-1] == "**":
        parts.append("*")  # what is below, not the folder itself
    return Glob(tuple(None if part == "**" else re.compile(_part(part, ranges), re.DOTALL) for part in parts), below)


_TOKEN = re.compile(
    r"\\(?P<literal>.)|(?P<stars>\*+)|(?P<any>\?)|(?P<range>\[[!^]?\]?[^\]]*\])|(?P<plain>.)", re.DOTALL
)


def _part(part: str, ranges: bool) -> str:
    """One part of a path between slashes as a regular expression."""
    made = ""
    for token in _TOKEN.finditer(part):
        if token["stars"]:
            made += "[^/]*"
        elif token["any"]:
            made += "[^/]"
        elif token["range"] and ranges:
            inside = token["range"][1:-1]
            negated = inside[:1] in ("!", "^")
            inside = re.sub(r"([\[\]\\^&~|])", r"\\\1", inside[1:] if negated else inside)
            made += f"[{'^' if negated else ''}{inside}]" if inside else re.escape(token[0])
        else:
            made += re.escape(token["literal"] or token[0])
    return made
