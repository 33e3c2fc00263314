"""Who owns a test: its file by its names, and the file's owners by CODEOWNERS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flakediag.errors import UsageError
from flakediag.owners.codeowners import CodeOwners, glob, host_of, parse
from flakediag.owners.places import Checkout, files_of

if TYPE_CHECKING:
    from flakediag.model import Identity, Report

PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
"""Where a file is looked for, in this order: the first one counts, as on either host."""


@dataclass(frozen=True)
class Ownership:
    """The tests of one checkout and their owners. `codeowners` is None where the checkout has no such file."""

    checkout: Checkout
    codeowners: CodeOwners | None = None
    source: Path | None = None

    @property
    def skipped(self) -> tuple[int, ...]:
        """The lines of the file that its host would not understand."""
        return self.codeowners.skipped if self.codeowners else ()

    def files_of(self, test: Identity, framework: str) -> tuple[str, ...]:
        """The files that a test may stand in; empty where nothing tells."""
        return files_of(test, framework, self.checkout)

    def owners_of(self, test: Identity, framework: str) -> tuple[str, ...] | None:
        """The owners of a test, empty for nobody; None where its file is not known, or may be one of several that
        are not owned by the same people."""
        return self.owners_of_files(self.files_of(test, framework))

    def owners_of_files(self, files: Sequence[str]) -> tuple[str, ...] | None:
        if self.codeowners is None or not files:
            return None
        found = {self.codeowners.owners_of(file) for file in files}
        return found.pop() if len(found) == 1 else None


def find(root: Path, file: Path | None = None) -> Ownership:
    """The ownership of the checkout at `root`, by `file` or the CODEOWNERS file that stands there, if any does.

    Raises `UsageError` where the file cannot be read.
    """
    named = None if file is None else (file, file.as_posix())
    for path, place in [named] if named else [(root / place, place) for place in PLACES]:
        if named or path.is_file():
            try:
                text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
            except OSError as error:
                raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
            return Ownership(Checkout(root), parse(text, host_of(_relative(path, root, place), text)), path)
    return Ownership(Checkout(root))


def _relative(path: Path, root: Path, place: str) -> str:
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return place


def owned(report: Report, ownership: Ownership, owner: str | None = None) -> Report:
    """The report with the owners of every test in it, and only the tests of `owner` where one is named.

    Without a CODEOWNERS file it comes back unchanged. Raises `UsageError` where an owner is asked for then.
    """
    if ownership.codeowners is None:
        if owner is not None:
            raise no_codeowners()
        return report
    tests = [replace(f, owners=ownership.owners_of(f.test, f.framework)) for f in report.tests]
    return replace(report, tests=tuple(f for f in tests if owner is None or is_owner(owner, f.owners)))


def no_codeowners() -> UsageError:
    return UsageError(
        f"the checkout at the working directory has no CODEOWNERS file ({', '.join(PLACES)})",
        "write one; only flakediag owners takes one from elsewhere, with --file",
    )


def is_owner(asked: str, owners: Sequence[str] | None) -> bool:
    """Whether `asked` is one of the owners; hosts do not tell upper case from lower, and the @ may be left out."""
    return owners is not None and asked.lstrip("@").lower() in {owner.lstrip("@").lower() for owner in owners}


__all__ = ["PLACES", "CodeOwners", "Ownership", "find", "glob", "is_owner", "no_codeowners", "owned"]
