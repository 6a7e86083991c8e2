"""Long work in the background: a thread with progress, cancel, and one sentence where it fails."""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

from mi_core.errors import Cancelled, MiCoreError

Tell = Callable[[int, int], None]  # how much is done, of how much
Stopped = Callable[[], bool]
Work = Callable[[Tell, Stopped], Any]


@dataclass
class Job:
    """One run in a thread of its own. The thread writes, the page reads."""

    subject: Hashable = None  # what the run is about: one for another subject is of no use any more
    done: int = 0
    total: int = 0
    result: Any = None  # what the work gives back
    error: str = ""
    begun: float = field(default_factory=time.monotonic)
    stop: Event = field(default_factory=Event)
    thread: Thread | None = None

    @property
    def running(self) -> bool:
        """Whether the thread is still at work."""
        return self.thread is not None and self.thread.is_alive()

    @property
    def share(self) -> float:
        """How much is done, 0..1."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def seconds_left(self) -> float | None:
        """At the pace so far; None before the first batch is back."""
        spent = time.monotonic() - self.begun
        return spent * (self.total - self.done) / self.done if self.done else None

    def launch(self, work: Work) -> None:
        """Do `work` in the background. It says how far it is and asks whether to stop."""
        self.thread = Thread(target=self._guarded, args=(work,), daemon=True)
        self.thread.start()

    def cancel(self) -> None:
        """Ask the thread to stop and wait for it to finish its batch."""
        self.stop.set()
        if self.thread is not None:
            self.thread.join(10)

    def tell(self, done: int, total: int) -> None:
        """How far the work is."""
        self.done, self.total = done, total

    def _guarded(self, work: Work) -> None:
        try:
            self.result = work(self.tell, self.stop.is_set)
        except Cancelled:
            pass
        except MiCoreError as error:
            self.error = str(error)
