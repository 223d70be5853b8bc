"""Bound all retries to one dependency together, however many callers there are.

Prevents the outage that retries prolong: each caller is patient and polite, and a thousand of them
multiply the load on a service that is already down. The rule: retries are paid for by calls, so at
100 % failure the load grows by a fifth.
"""

from __future__ import annotations

import math


class RetryBudget:
    """A token bucket, full at first: each call adds `per_call`, each retry takes `per_retry`.

    With the defaults, n calls that all fail cause at most 100 + n/5 retries. Calls fill it, not the
    clock: a quiet night does not pay for a morning's storm.
    Source: Finagle's RetryBudget, 20 % of requests. Raises ValueError.
    """

    def __init__(
        self, capacity: float = 100.0, per_call: float = 0.2, per_retry: float = 1.0
    ) -> None:
        self.capacity, self.per_call, self.per_retry = capacity, per_call, per_retry
        require_numbers(self, "capacity", "per_call")
        require_numbers(self, "per_retry", above_zero=True)
        self.tokens = capacity

    def add_call(self) -> None:
        self.tokens = min(self.capacity, self.tokens + self.per_call)

    def take_retry(self) -> bool:
        """Pay for one retry, or take nothing and return False."""
        if self.tokens < self.per_retry:
            return False
        self.tokens -= self.per_retry
        return True


def require_numbers(owner: object, *fields: str, above_zero: bool = False) -> None:
    """Raise ValueError unless each field is a finite number, zero or more (or above zero)."""
    for field in fields:
        value = getattr(owner, field)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and 0 <= value < math.inf) or (above_zero and value == 0):
            least = "> 0" if above_zero else ">= 0"
            raise ValueError(f"{field} must be a finite number {least}, not {value!r}")
