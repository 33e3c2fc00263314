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
_WINDOWS = range(9, 16)  # zlib's, in bits
_OUT_OF_SIGHT = 262  # bytes of a window that zlib does not look back over


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
    # No larger a window than is of use: to make the largest one ready takes longer than to pack three kilobytes.
    needed = (len(content) + len(base or b"") + _OUT_OF_SIGHT).bit_length()
    window = min(max(needed, _WINDOWS[0]), _WINDOWS[-1])
    settings = (zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, window, window - 7)
    packer = zlib.compressobj(*settings, zdict=base[-_DICTIONARY:]) if base else zlib.compressobj(*settings)
    return packer.compress(content) + packer.flush()


def decompress(stored: bytes, base: bytes | None) -> bytes:
    unpacker = zlib.decompressobj(zdict=base[-_DICTIONARY:]) if base else zlib.decompressobj()
    return unpacker.decompress(stored) + unpacker.flush()


_NO_TEXT = zlib.adler32(encode(FailureDetail("", "", ""))).to_bytes(4, "big")


def speaks(stored: bytes) -> bool:
    """Whether a packed detail holds some text, by the checksum at its end; False: only unpacking it would tell."""
    return not stored.endswith(_NO_TEXT)
