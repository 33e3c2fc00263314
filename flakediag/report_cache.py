"""Reports that were made before: diagnosing a window again that has not changed would find the same.

A report is found by the content of the window that it was made of and by the code that made it, so that it cannot be
out of date: another run, a renamed test, another version of flakediag have another key. What is kept is bounded, and
stands in the user's cache folder; to lose it costs time and nothing else.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from flakediag import model
from flakediag.model import Report, Scope

KEPT = 256 * 1024**2  # bytes, of the latest used reports; one of a large suite takes some 700 KB
_PACKAGE = Path(__file__).parent
_CHECKSUM = 16  # bytes
# What a report is made of, and nothing else: reading a cache must not run code that somebody has put there.
_SAFE = {
    ("builtins", "frozenset"),
    ("builtins", "object"),
    ("copyreg", "_reconstructor"),
    ("datetime", "date"),
    ("datetime", "datetime"),
    ("datetime", "timezone"),
    ("datetime", "timedelta"),
}
_UNREADABLE = (
    *(OSError, EOFError, pickle.UnpicklingError),
    *(ValueError, TypeError, KeyError, AttributeError, ImportError, IndexError),  # what pickle says of other bytes
)


class ReportCache:
    """Reports in a folder, one file each. `folder` None: nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @classmethod
    def of_user(cls, environ: Mapping[str, str]) -> ReportCache:
        """The cache in the user's cache folder, or in FLAKEDIAG_CACHE; none where that is "off"."""
        asked = environ.get("FLAKEDIAG_CACHE", "")
        if asked == "off":
            return cls(None)
        if asked:
            return cls(Path(asked).expanduser())
        home = environ.get("XDG_CACHE_HOME") or (Path(environ["HOME"]) / ".cache" if environ.get("HOME") else None)
        return cls(Path(home) / "flakediag" if home else None)

    @property
    def keeps(self) -> bool:
        """Whether anything is kept at all."""
        return self._folder is not None

    def key(self, fingerprint: bytes, scope: Scope) -> str:
        """What a report of this window, asked for like this, is found by."""
        hashed = hashlib.blake2b(digest_size=20)
        for part in (_code(), fingerprint, repr(scope).encode("utf-8", "surrogatepass")):
            hashed.update(b"%d:" % len(part))
            hashed.update(part)
        return hashed.hexdigest()

    def get(self, key: str) -> Report | None:
        """The report with this key; None where there is none that can be read."""
        if self._folder is None:
            return None
        path = self._folder / key
        try:
            content = path.read_bytes()
            if hashlib.blake2b(content[_CHECKSUM:], digest_size=_CHECKSUM).digest() != content[:_CHECKSUM]:
                return None
            report = _Reader(io.BytesIO(content[_CHECKSUM:])).load()
            os.utime(path)
        except _UNREADABLE:
            return None
        return report if isinstance(report, Report) else None

    def put(self, key: str, report: Report) -> None:
        """Keep a report. Where that cannot be done, it is not kept."""
        if self._folder is None:
            return
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            content = pickle.dumps(report, pickle.HIGHEST_PROTOCOL)
            with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".", delete=False) as file:
                try:
                    file.write(hashlib.blake2b(content, digest_size=_CHECKSUM).digest())
                    file.write(content)
                    file.close()
                    os.replace(file.name, self._folder / key)  # noqa: PTH105 - a half-written one is never seen
                except BaseException:
                    Path(file.name).unlink(missing_ok=True)
                    raise
            self._forget()

    def _forget(self) -> None:
        """All but the latest used ones."""
        assert self._folder is not None
        files = [(path, path.stat()) for path in self._folder.iterdir()]
        kept = 0
        for path, state in sorted(files, key=lambda each: each[1].st_mtime_ns, reverse=True):
            kept += state.st_size
            if kept > KEPT:
                path.unlink(missing_ok=True)


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _SAFE:
            return super().find_class(module, name)
        if module.startswith(f"{model.__name__}.") and name in model.__all__:  # no dot in it that leads elsewhere
            found = getattr(model, name)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a report")


@cache
def _code() -> bytes:
    """What tells one state of flakediag's code from another: names, sizes and times of its files."""
    files = sorted(path for path in _PACKAGE.rglob("*") if path.suffix in (".py", ".toml"))
    states = ((str(path.relative_to(_PACKAGE)), path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    return hashlib.blake2b(repr(list(states)).encode(), digest_size=20).digest()
