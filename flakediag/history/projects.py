"""Which project a question is about."""

from __future__ import annotations

from collections.abc import Collection

from flakediag.errors import UsageError


def chosen(projects: Collection[str], name: str | None) -> str | None:
    """The project with this name, or the only one; None in an empty history.

    Raises `UsageError` where the name is missing and there are several, or where it is not known.
    """
    names = ", ".join(projects)
    if name is None:
        if len(projects) > 1:
            raise UsageError(f"the history has several projects: {names}", hint="choose one with --project")
        return next(iter(projects), None)
    if projects and name not in projects:
        raise UsageError(f"no project {name!r} in the history; it has: {names}", hint="choose one with --project")
    return name if projects else None
