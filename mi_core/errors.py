"""Everything `mi_core` raises about its input, so that a caller can catch one class.

    MiCoreError
    ├── InputError      (ValueError)  a board, sequence, parameter or option that cannot be used
    ├── SettingError    (ValueError)  a parameter out of its declared range
    ├── UnknownName     (KeyError)    a model, estimator or strategy that is not registered
    ├── FormatError     (ValueError)  a file that is not what it should be
    └── Cancelled       (Exception)   the user's own wish, never a fault

Each message is one sentence that says what was given, what is allowed and, if there is one, the way out.
"""

from collections.abc import Iterable


class MiCoreError(Exception):
    """Base class of every error that a user of `mi_core` may meet and mend."""


class InputError(MiCoreError, ValueError):
    """The input cannot be used as it is."""


class SettingError(MiCoreError, ValueError):
    """A parameter is unknown, of the wrong type, or outside its declared bounds."""


class UnknownName(MiCoreError, KeyError):
    """A name that no registry holds."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.message = f"Unknown {kind} {name!r}. Known: {', '.join(sorted(known))}."
        super().__init__(self.message)

    def __str__(self) -> str:  # KeyError would print the repr, quotes and all
        return self.message


class FormatError(MiCoreError, ValueError):
    """A file is damaged, of another kind, or of another version."""


class Cancelled(MiCoreError):
    """The caller asked to stop; nothing was damaged."""
