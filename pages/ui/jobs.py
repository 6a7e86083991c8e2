"""Long work in the background: a thread with progress, cancel, and one sentence where it fails."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Thread

from mi_core.errors import Cancelled, MiCoreError


@dataclass
class Job:
    """One run in a thread of its own. The thread writes, the page reads."""

    done: int = 0
    total: int = 0
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

    def launch(self, work: Callable[[], None]) -> None:
        """Do `work` in the background. It asks `stop` whether to go on and calls `tell`."""
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

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Cancelled:
            pass
        except MiCoreError as error:
            self.error = str(error)
