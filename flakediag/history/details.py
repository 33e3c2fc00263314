"""What a report says about a failure, as few bytes as possible.

Failures repeat, and where they do not repeat exactly they differ in a number or an address. So a detail is kept once
per content, and compressed against an earlier one with the same signature: some tens of bytes instead of a thousand.
"""

from __future__ import annotations

import struct
import zlib

from flakediag.model import FailureDetail

_LENGTHS = struct.Struct("<4I")
_DICTIONARY = 32 * 1024  # zlib looks no farther back


def encode(detail: FailureDetail) -> bytes:
    """Four byte lengths, then the four texts. Any character may stand in them, half surrogates too."""
    parts = [part.encode("utf-8", "surrogatepass") for part in detail]
    return _LENGTHS.pack(*map(len, parts)) + b"".join(parts)


def decode(content: bytes) -> FailureDetail:
    parts, start = [], _LENGTHS.size
    for length in _LENGTHS.unpack_from(content):
        parts.append(content[start : start + length].decode("utf-8", "surrogatepass"))
        start += length
    return FailureDetail(*parts)


def compress(content: bytes, base: bytes | None) -> bytes:
    packer = zlib.compressobj(zdict=base[-_DICTIONARY:]) if base else zlib.compressobj()
    return packer.compress(content) + packer.flush()


def decompress(stored: bytes, base: bytes | None) -> bytes:
    unpacker = zlib.decompressobj(zdict=base[-_DICTIONARY:]) if base else zlib.decompressobj()
    return unpacker.decompress(stored) + unpacker.flush()
