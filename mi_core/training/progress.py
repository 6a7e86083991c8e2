"""A run's clock: how far it is, by steps or by minutes, and what to tell the user."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

Report = Callable[[str], None]  # one line for the log
Cancel = Callable[[], bool]  # True when the user wants to stop


@dataclass
class Clock:
    """Progress of a run that ends after `steps` steps or after `minutes` of working time, whichever comes first.

    `spent` carries the working time of earlier, interrupted parts of the same run.
    """

    steps: int
    minutes: float | None = None
    spent: float = 0.0

    def __post_init__(self) -> None:
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Working time so far, earlier parts included."""
        return self.spent + time.monotonic() - self._start

    def fraction(self, step: int) -> float:
        """How much of the run is done before `step`, in [0, 1]."""
        done = step / self.steps
        if self.minutes is not None:
            done = max(done, self.seconds / (60 * self.minutes))
        return min(1.0, done)

    def eta(self, step: int) -> str:
        """Time left, as m:ss."""
        done = self.fraction(step)
        if done <= 0:
            return "?"
        left = int(self.seconds * (1 - done) / done)
        return f"{left // 60}:{left % 60:02d}"


def cosine_with_warmup(fraction: float, step: int, *, warmup: int, floor: float = 0.01) -> float:
    """Learning-rate factor: linear over the first `warmup` steps, then a half cosine down to `floor`."""
    decay = floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * fraction))
    return min(1.0, (step + 1) / warmup) * decay
