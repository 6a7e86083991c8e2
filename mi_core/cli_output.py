"""What commands say while they work, on standard error."""

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
