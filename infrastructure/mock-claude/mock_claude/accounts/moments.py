"""Times of the injected clock as the API writes them: RFC 3339, in UTC.

This prevents a client that sleeps until a reset from being told a time of another clock. The rule:
the clock's reading at the start stands for the wall's time of that moment, and goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache


class Moments:
    """Turns readings of ``clock`` (seconds) into texts. ``wall`` is asked once."""

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float] = time.time) -> None:
        self._offset = wall() - clock()

    def second(self, at: float) -> bytes:
        """``2026-11-20T12:00:05Z``: the first whole second at or after ``at``."""
        return _second(-int(-(at + self._offset) // 1))

    def exact(self, start: float, at: float) -> str:
        """``2026-11-20T12:00:04.250000Z``, to the microsecond; exactly as long after ``start``."""
        moment = datetime.fromtimestamp(start + self._offset, UTC) + timedelta(seconds=at - start)
        return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


@lru_cache(maxsize=1024)
def _second(seconds: int) -> bytes:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
