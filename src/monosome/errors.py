"""The errors a user may see: what failed, and what to type next."""

import difflib
from collections.abc import Sequence


class MonosomeError(Exception):
    """What failed, in one line, with what to type next.

    The command line prints both and exits with code 2; a traceback is always our own bug.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class ConfigError(MonosomeError):
    """A recipe, a key or a value that cannot be used."""


class DataError(MonosomeError):
    """Input that cannot be read or does not mean what it should."""


class CheckpointError(MonosomeError):
    """A checkpoint that is missing, damaged or of another model."""


class HardwareError(MonosomeError):
    """Something this machine cannot do."""


def nearest(name: str, choices: Sequence[str]) -> str:
    """The hint that names the choice closest to `name`, or all of them when none is close."""
    close = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"choose from: {', '.join(sorted(choices))}"
