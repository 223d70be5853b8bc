"""What a trial holds of a server: an address of its own, and the way to give it back.

This prevents trials that see each other's data, and data that outlives its trial.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from book.stage.services.supervised import Supervised


class Server(Protocol):
    """A running server of some kind: what the pool and incidents need of it."""

    process: Supervised

    def tenant(self, *, whole: bool) -> tuple[dict[str, str], Callable[[], None]]:
        """The variables of a new tenant and how it is dropped; ``whole``: it may do anything."""
        ...

    def flush(self) -> None:
        """Forget all data. ServiceError where a server of this kind holds none."""
        ...

    def restart(self) -> None:
        """Start again, after it ended or was killed, on the same port and the same data."""
        ...

    def end(self) -> None:
        """End it and remove its data. Safe to call twice."""
        ...


@dataclass
class Tenant:
    """A trial's part of a server. ``environment`` is what the trial's processes get.

    ``server`` is there where it is the trial's own: an incident may signal it
    (``server.process.signal``), flush and restart it. ``drop`` gives everything back.
    """

    kind: str
    environment: Mapping[str, str]
    server: Server | None
    process: Supervised | None  # None where the server is the user's
    _drop: Callable[[], None]
    _dropped: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def sentinels(self) -> list[int]:
        """What becomes readable when a server that others share has ended by itself."""
        return [] if self.process is None or self.server is not None else [self.process.sentinel]

    def check(self) -> None:
        """ServiceDied if a server that no incident may kill has ended."""
        if self.sentinels and self.process is not None and not self.process.runs:
            raise self.process.died()

    def drop(self) -> None:
        """Give it back; safe to call twice. A server that has ended has nothing to drop."""
        with self._lock:
            if self._dropped:
                return
            self._dropped = True
        self._drop()

    def __enter__(self) -> Tenant:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.drop()
