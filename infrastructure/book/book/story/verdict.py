"""A verdict's numbers beside their limits, in words a reader can check."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One number of a verdict beside its limit.

    ``value`` is None where there was nothing to measure: then the check is missed, and says so.
    ``applies`` is False where it asks nothing, such as a ratio of a run to itself.

    A check of a cure is missed on the step before, or on a contrast. A ``guard`` is not: it says
    what must stay true, for instance that the run put something to the test.
    """

    name: str
    value: float | None
    limit: float
    at_most: bool
    unit: str = ""
    applies: bool = True
    guard: bool = False

    @property
    def ok(self) -> bool:
        if not self.applies:
            return True
        if self.value is None:
            return False
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def __str__(self) -> str:
        if not self.applies:
            return f"{self.name} does not apply"
        if self.value is None:
            return f"{self.name} not measured"
        sign = ("<=" if self.at_most else ">=") if self.ok else (">" if self.at_most else "<")
        return f"{self.name} {show(self.value, self.unit)} {sign} {show(self.limit, self.unit)}"


def show(value: float | None, unit: str) -> str:
    """A figure with its unit, as short as it can be read: 99.2%, 3.7 s, $142, 12."""
    if value is None:
        return "not measured"
    if unit == "%":
        return f"{value:.1%}"
    if unit == "$":
        return f"${value:,.2f}"
    return f"{value:.4g}{unit and ' ' + unit}"


def at_least(
    name: str,
    value: float | None,
    limit: float,
    unit: str = "",
    *,
    guard: bool = False,
    applies: bool = True,
) -> Check:
    """The value must reach the limit."""
    return Check(name, value, limit, False, unit, applies, guard)


def at_most(
    name: str,
    value: float | None,
    limit: float,
    unit: str = "",
    *,
    guard: bool = False,
    applies: bool = True,
) -> Check:
    """The value must not exceed the limit."""
    return Check(name, value, limit, True, unit, applies, guard)
