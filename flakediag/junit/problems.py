"""Why a file, or the rest of it, cannot be read. Neither leaves this package: one bad file never stops the others."""


class UnreadableError(Exception):
    """Nothing of the file can be used; the text says why."""


class BrokenOffError(Exception):
    """The bytes of a file end early or cannot be unpacked further; the text says why. What came before can be used."""


class ForeignError(UnreadableError):
    """The file is in order and no test report: of interest only to somebody who named it."""
