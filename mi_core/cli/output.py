"""What the command modules share: what they say while they work (standard error), and numbers they read."""

import argparse
import sys
from typing import Any

from tqdm import tqdm


class Bar:
    """A progress bar for the benchmarks' ticks; a new one for each label."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __call__(self, done: int, total: int, label: str) -> None:
        if self._bar is None or self._bar.desc != label + ": ":
            self._bar = tqdm(total=total, desc=label, file=sys.stderr, disable=None, leave=False)
            self._bar.desc = label + ": "
        self._bar.update(done - self._bar.n)


def log(line: str) -> None:
    """One line of a log."""
    print(line, file=sys.stderr, flush=True)


def at_least_one(text: str) -> int:
    """A whole number from 1, as argparse reads it.

    Raises:
        ArgumentTypeError, ValueError: it is not one.
    """
    return _at_least(1, text)


def at_least_none(text: str) -> int:
    """A whole number from 0, as argparse reads it.

    Raises:
        ArgumentTypeError, ValueError: it is not one.
    """
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    value = int(text)
    if value < least:
        raise argparse.ArgumentTypeError(f"must be at least {least}, got {value}")
    return value
