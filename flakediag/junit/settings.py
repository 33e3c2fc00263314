"""How much of an input is read, and what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSettings:
    """The limits of reading. Beyond a limit of the first group a file is refused, with the limit named."""

    # What a file may be. Generous for real reports, far below what would hurt.
    max_file_bytes: int = 1024 * MIB  # one report, decompressed
    max_archive_bytes: int = 8 * 1024 * MIB  # everything in one archive, decompressed
    max_ratio: int = 500  # decompressed : compressed, looked at beyond `ratio_floor` only
    ratio_floor: int = 64 * MIB
    max_members: int = 100_000  # entries of one archive
    max_cases: int = 1_000_000  # test cases in one report
    max_suites: int = 200_000  # test suites in one report
    max_depth: int = 100  # elements inside each other
    max_attributes: int = 1_000  # of one element
    max_token_bytes: int = 8 * MIB  # one tag, comment or instruction; text is not a token
    max_value_bytes: int = 16 * MIB  # one part of a JSON report: a test with all its attempts
    max_value_parts: int = 1_000_000  # names and values in such a part
    max_held: int = 48 * MIB  # characters of names and of what suites say, in one report
    max_children: int = 1_000  # kept of one test case; the others are passed over

    # What is kept of a failure, in characters: the head and the tail of what is longer.
    max_message: int = 8 * KIB
    max_text: int = 32 * KIB
    max_output: int = 32 * KIB
    max_failures: int = 48 * MIB  # of all failures of one report together
    max_rest: int = 200  # of each text beyond that

    chunk_bytes: int = MIB  # how much is read at a time
    checkout: str = ""  # the folder that file names in reports are made relative to, beside the usual ones of CI
