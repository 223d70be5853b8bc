"""A token bucket that refills continuously, in whole numbers.

This prevents a limit that depends on how a float was rounded. The rule, from the page on rate
limits (2026-04-26): a bucket holds what one minute allows, is full at first, and refills evenly.
Amounts are counted in sixty-billionths, so that a nanosecond refills a whole number of them.
"""

from __future__ import annotations

SCALE = 60 * 10**9
"""Of one token or request; a minute has as many nanoseconds."""


class Bucket:
    """What is left of ``per_minute`` requests or tokens. Times are in nanoseconds, never falling.

    With ``lends`` nothing is refused: what is taken beyond the rest is forgotten.
    """

    __slots__ = ("_at", "_level", "lends", "per_minute")

    def __init__(self, per_minute: int, now_ns: int, *, lends: bool = False) -> None:
        self.per_minute = per_minute
        self.lends = lends
        self._level = per_minute * SCALE
        self._at = now_ns

    def left(self, now_ns: int) -> int:
        """Whole tokens that may be taken."""
        self._refill(now_ns)
        return self._level // SCALE

    def wait_ns(self, amount: int, now_ns: int) -> int:
        """How long until ``amount`` is there; 0: it is. More than the bucket holds: until full."""
        self._refill(now_ns)
        if self.lends:
            return 0
        missing = min(amount, self.per_minute) * SCALE - self._level
        if missing > 0:
            return -(-missing // self.per_minute)
        return 0 if amount <= self.per_minute else 1

    def state(self, now_ns: int) -> tuple[int, int]:
        """What is left, and how long until nothing is missing."""
        self._refill(now_ns)
        level, per_minute = self._level, self.per_minute
        return level // SCALE, -((level - per_minute * SCALE) // per_minute)

    def take(self, amount: int, now_ns: int) -> None:
        """Take what :meth:`wait_ns` found to be there."""
        self._refill(now_ns)
        self._level -= amount * SCALE
        if self.lends and self._level < 0:
            self._level = 0

    def give(self, amount: int, now_ns: int) -> None:
        """Bring back what was reserved and not used."""
        self._refill(now_ns)
        self._level = min(self._level + amount * SCALE, self.per_minute * SCALE)

    def _refill(self, now_ns: int) -> None:
        passed = now_ns - self._at
        if passed > 0:
            self._at = now_ns
            level = self._level + passed * self.per_minute
            whole = self.per_minute * SCALE
            self._level = level if level < whole else whole
