"""A verdict's numbers beside their limits, in words a reader can check."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One number of a verdict beside its limit.

    A check of a lesson is missed on the step before, or on a contrast. A ``guard`` is not: it says
    what must stay true, for instance that the run put something to the test.
    """

    name: str
    value: float
    limit: float
    at_most: bool
    unit: str = ""
    guard: bool = False

    @property
    def ok(self) -> bool:
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def __str__(self) -> str:
        sign = ("<=" if self.at_most else ">=") if self.ok else (">" if self.at_most else "<")
        return f"{self.name} {self._show(self.value)} {sign} {self._show(self.limit)}"

    def _show(self, value: float) -> str:
        return f"{value:.1%}" if self.unit == "%" else f"{value:.4g}{self.unit and ' ' + self.unit}"


def at_least(
    name: str, value: float, limit: float, unit: str = "", *, guard: bool = False
) -> Check:
    return Check(name, value, limit, at_most=False, unit=unit, guard=guard)


def at_most(name: str, value: float, limit: float, unit: str = "", *, guard: bool = False) -> Check:
    return Check(name, value, limit, at_most=True, unit=unit, guard=guard)
