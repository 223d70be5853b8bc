"""How reliable is reliable enough, and who is called when it is not.

Prevents two bad alarms: one that wakes a person for errors that no user notices, and one that
sleeps while a month's allowance burns in an hour. The rules:

- Promise less than perfection. What is left over, the error budget, may be spent.
- Alert on the speed of spending (burn rate), not on errors. A long window says that it matters, a
  short one that it goes on; both must exceed the rate.
- Without traffic there is no SLI: it is None, neither 0 nor 1, and no alert fires.

Ratios are 0 to 1. Numbers are read as they print (0.999 is 999/1000) and results are Fractions, so
published figures come out exactly. A wrong value raises ValueError that names the field.

Sources: Google's "Site Reliability Workbook", chapters 2 and 5; its SRE book, chapter 4 (SLA).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal, TypeAlias

Number: TypeAlias = Fraction | Decimal | float | str
HOUR_S, DAY_S = 3_600, 86_400
TARGET = "above 0 and below 1 (100 % leaves no error budget; 99.9 % is written 0.999)"


def exact(field: str, value: Number, rule: str = "a finite number") -> Fraction:
    """The number as it prints: the float 0.1 is 1/10. Raises ValueError, also for a boolean."""
    try:
        n = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{field} must be a finite number, not {value!r}") from None
    holds = {"a finite number": True, ">= 0": n >= 0, "> 0": n > 0, "0 to 1": 0 <= n <= 1}
    if not (holds | {TARGET: 0 < n < 1})[rule]:
        raise ValueError(f"{field} must be {rule}, not {value!r}")
    return n


@dataclass(frozen=True)
class SLI:
    """The indicator: good events of all valid ones, counted over one window."""

    good: int
    valid: int

    def __post_init__(self) -> None:
        if not (type(self.good) is type(self.valid) is int and 0 <= self.good <= self.valid):
            counts = f"not {self.good!r} of {self.valid!r}"
            raise ValueError(f"good and valid must be whole, with 0 <= good <= valid, {counts}")

    @property
    def ratio(self) -> Fraction | None:
        return Fraction(self.good, self.valid) if self.valid else None

    @property
    def error_ratio(self) -> Fraction | None:
        return None if self.ratio is None else 1 - self.ratio


@dataclass(frozen=True)
class SLO:
    """The objective: the share of good events over a window that the team holds itself to."""

    target: Number
    window_s: Number = 30 * DAY_S

    def __post_init__(self) -> None:
        exact("target", self.target, TARGET)
        exact("window_s", self.window_s, "> 0")

    @property
    def budget_ratio(self) -> Fraction:
        return 1 - exact("target", self.target)  # the share of events that may be bad

    @property
    def budget_minutes(self) -> Fraction:
        """How long everything may fail in one window: 43.2 minutes of 30 days at 99.9 %."""
        return self.budget_ratio * exact("window_s", self.window_s) / 60

    def error_budget(self, sli: SLI) -> ErrorBudget:
        """The budget of the events counted so far (workbook, table 2-4)."""
        return ErrorBudget(self.budget_ratio * sli.valid, sli.valid - sli.good)

    def burn_rate(self, error_ratio: Number | None) -> Fraction | None:
        """How fast the budget goes: at 1 it lasts one window. None without traffic."""
        if error_ratio is None:
            return None
        return exact("error_ratio", error_ratio, "0 to 1") / self.budget_ratio

    def budget_consumed(self, rate: Number, window_s: Number) -> Fraction:
        """The share of the budget that a burn rate takes in `window_s` (chapter 5)."""
        share_of_time = exact("window_s", window_s, "> 0") / exact("window_s", self.window_s)
        return exact("rate", rate, ">= 0") * share_of_time

    def time_to_exhaustion_s(self, rate: Number | None, left_share: Number = 1) -> Fraction | None:
        """Seconds until the rest of the budget is gone at a burn rate (workbook, table 5-4).

        0 if nothing is left already; else None at rate 0, and at rate None (without traffic).
        """
        left = exact("left_share", left_share)
        speed = exact("rate", rate, ">= 0") if rate is not None else 0
        if left <= 0:
            return Fraction(0)
        return exact("window_s", self.window_s) * left / speed if speed else None

    def detection_s(self, error_ratio: Number, window_s: Number, rate: Number) -> Fraction | None:
        """Seconds from the start of an incident until one window exceeds the rate (chapter 5).

        None if it never does. Of an alert's two windows the long one decides.
        """
        errors = exact("error_ratio", error_ratio, "0 to 1")
        window = exact("window_s", window_s, "> 0")
        threshold = self.budget_ratio * exact("rate", rate, "> 0")
        return threshold / errors * window if errors > threshold else None

    def reset_s(self, error_ratio: Number, window_s: Number, rate: Number) -> Fraction | None:
        """Seconds from the end of a detected incident until the window no longer exceeds the rate.

        Of an alert's two windows the short one decides. Derived for steady traffic; see table 5-5.
        """
        detection = self.detection_s(error_ratio, window_s, rate)
        return None if detection is None else exact("window_s", window_s) - detection


@dataclass(frozen=True)
class ErrorBudget:
    """Bad events: as many as the traffic allows, and as many as happened (it may be more)."""

    allowed: Fraction  # whole events are its floor
    spent: int

    @property
    def left(self) -> Fraction:
        return self.allowed - self.spent

    @property
    def spent_share(self) -> Fraction | None:
        """Above 1 when overspent; None without traffic."""
        return self.spent / self.allowed if self.allowed else None


@dataclass(frozen=True)
class SLA:
    """The agreement: a promise to customers, looser than the SLO to leave time to act."""

    target: Number
    consequence: str
    slo: SLO

    def __post_init__(self) -> None:
        if exact("target", self.target, TARGET) >= exact("target", self.slo.target):
            raise ValueError(f"target must be below the SLO's {self.slo.target}, not {self.target}")
        if not self.consequence.strip():
            raise ValueError("consequence is blank: a promise that costs nothing is no SLA")

    def broken_by(self, sli: SLI) -> bool | None:
        """Whether the consequence is due; None without traffic."""
        return None if sli.ratio is None else sli.ratio < exact("target", self.target)


@dataclass(frozen=True)
class BurnRateAlert:
    """Fires while the burn rate is above `rate` over both windows."""

    severity: Literal["page", "ticket"]
    rate: Number
    long_s: int
    short_s: int

    def __post_init__(self) -> None:
        exact("rate", self.rate, "> 0")
        if exact("short_s", self.short_s, "> 0") >= exact("long_s", self.long_s):
            raise ValueError(f"short_s ({self.short_s}) must be below long_s ({self.long_s})")


# Workbook, table 5-8: 2 %, 5 % and 10 % of a budget for 30 days; short windows are 1/12 of long.
WORKBOOK_ALERTS = (
    BurnRateAlert("page", Decimal("14.4"), HOUR_S, HOUR_S // 12),
    BurnRateAlert("page", Decimal(6), 6 * HOUR_S, HOUR_S // 2),
    BurnRateAlert("ticket", Decimal(1), 3 * DAY_S, 6 * HOUR_S),
)


def firing(
    slo: SLO,
    error_ratios: Mapping[int, Number | None],
    alerts: Sequence[BurnRateAlert] = WORKBOOK_ALERTS,
) -> tuple[BurnRateAlert, ...]:
    """The alerts that fire, in the order given: send the first, the others say the same.

    `error_ratios` maps windows in seconds to error ratios, None where there was no traffic. One
    that it lacks is a ValueError, because forgotten is not the same as without traffic.
    """
    if missing := {w for a in alerts for w in (a.long_s, a.short_s)} - error_ratios.keys():
        raise ValueError(f"error_ratios lacks the windows {sorted(missing)} (seconds)")
    burn = {window: slo.burn_rate(ratio) or 0 for window, ratio in error_ratios.items()}
    return tuple(a for a in alerts if min(burn[a.long_s], burn[a.short_s]) > exact("rate", a.rate))
