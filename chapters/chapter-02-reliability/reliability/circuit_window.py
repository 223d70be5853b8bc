"""Keep one circuit: the window of recent calls that it is judged by, and its three states.

Prevents false verdicts: five failures spread over a week look like an outage, a month of successes
hides one, and a call that began before an outage closes the circuit in the midst of it. The rules:
recent calls only, as a rate, from a minimum number on; and a result counts only in the state that
admitted its call. A call that its caller's deadline cut off is a failure if it had at least twice
the time that answers take here, as a mean: with less, the caller was in too much of a hurry. While
no answer is known it counts, or a dependency that hangs from the first call on would never be
found by callers in a hurry. Nothing here awaits, so no other task comes between a check and its
change.
Sources: resilience4j (windows, rates, permits) and failsafe-go's circuitstates.go.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from reliability.events import CircuitChanged, CircuitState, emit
from reliability.retry_budget import require_numbers

Outcome = Literal["success", "failure", "cut_off", "neither"]

logger = logging.getLogger(__name__)

NEWEST_SHARE = 0.2  # of the newest answer in the mean time: the last ten or so decide
SLICES = 100  # of a time window: a call is forgotten up to 1 % of the window early


@dataclass(frozen=True)
class BreakerSettings:
    """The numbers of one circuit breaker. Raises ValueError."""

    failure_threshold: int = 5  # opens at so many failures in the window ...
    failure_rate: float = 0.5  # ... that are at least this share of its calls ...
    minimum_calls: int = 10  # ... once it holds so many
    window_calls: int = 100  # the window is the last so many calls
    window_s: float = 0.0  # above 0: all calls of the last so many seconds instead
    slow_call_s: float = 0.0  # a call that takes longer is slow; 0: none is
    slow_call_rate: float = 0.5  # opens too when this share of the window's calls is slow
    open_s: float = 10.0
    open_growth: float = 1.0  # each time that probes fail the open time grows by this factor ...
    open_cap_s: float = 60.0  # ... up to here: without growth it has no part
    open_jitter: float = 0.1  # at most this share is added, so that processes do not keep in step
    probes: int = 1  # at once while half open; so many successes close the circuit
    probe_max_age_s: float = 60.0  # an older one counts for nothing: keep it above a call's timeout

    def __post_init__(self) -> None:
        for field in ("failure_threshold", "minimum_calls", "window_calls", "probes"):
            value = getattr(self, field)
            if type(value) is not int or value < 1:
                raise ValueError(f"{field} must be a whole number >= 1, not {value!r}")
        require_numbers(self, "window_s", "slow_call_s", "open_jitter")
        require_numbers(self, "failure_rate", "slow_call_rate", "open_growth", above_zero=True)
        require_numbers(self, "open_s", "open_cap_s", "probe_max_age_s", above_zero=True)
        # What a count window cannot hold would never open the circuit.
        most = math.inf if self.window_s else self.window_calls
        for field, fits, rule in (
            ("failure_rate", self.failure_rate <= 1, "<= 1"),
            ("slow_call_rate", self.slow_call_rate <= 1, "<= 1"),
            ("open_growth", self.open_growth >= 1, ">= 1"),
            ("open_cap_s", self.open_cap_s >= self.open_s, ">= open_s"),
            ("minimum_calls", self.minimum_calls <= most, "<= window_calls"),
            ("failure_threshold", self.failure_threshold <= most, "<= window_calls"),
        ):
            if not fits:
                raise ValueError(f"{field} must be {rule}, not {getattr(self, field)!r}")


@dataclass(slots=True)
class _Slice:
    """Calls that are forgotten together: those since `began`, or a single one."""

    began: float
    calls: int = 0
    failures: int = 0
    slow: int = 0


class CallWindow:
    """Counts over the last `window_calls` calls, or the last `window_s` seconds in 100 slices."""

    def __init__(self, rules: BreakerSettings) -> None:
        self.rules = rules
        self.calls = self.failures = self.slow = 0
        self.slices: deque[_Slice] = deque()

    def add(self, now: float, *, failed: bool, slow: bool) -> None:
        """Count a call that ended at `now`, in seconds, and forget what is too old by then."""
        # By number each call is a slice of its own: its age is always 0 seconds or more.
        if not self.slices or now - self.slices[-1].began >= self.rules.window_s / SLICES:
            self.slices.append(_Slice(now))
        self._count(self.slices[-1], 1, int(failed), int(slow))
        while self._is_too_old(oldest := self.slices[0], now):
            self.slices.popleft()
            self._count(oldest, -oldest.calls, -oldest.failures, -oldest.slow)

    def is_failing(self) -> bool:
        """Say whether the calls counted so far are a reason to open."""
        rules, failures = self.rules, self.failures
        many = failures >= rules.failure_threshold and failures / self.calls >= rules.failure_rate
        slow = rules.slow_call_s > 0 and self.slow / self.calls >= rules.slow_call_rate
        return self.calls >= rules.minimum_calls and (many or slow)

    def _is_too_old(self, oldest: _Slice, now: float) -> bool:
        if self.rules.window_s:
            return now - oldest.began >= self.rules.window_s
        return self.calls > self.rules.window_calls

    def _count(self, part: _Slice, calls: int, failures: int, slow: int) -> None:
        self.calls += calls
        self.failures += failures
        self.slow += slow
        part.calls += calls
        part.failures += failures
        part.slow += slow


class Circuit:
    """What is known of one dependency: `admit` before each call, `record` after it."""

    def __init__(
        self, name: str, rules: BreakerSettings, uniform: Callable[[float, float], float]
    ) -> None:
        self.name, self.rules, self.uniform = name, rules, uniform
        self.state: CircuitState = "closed"
        self.window = CallWindow(rules)
        # Number of each call under way -> when it began, the oldest first. No number is given twice
        # and a change of state empties it: what began before finds nothing here at its end.
        self.permits: dict[int, float] = {}
        self.last_permit = 0
        self.successes = 0  # of probes
        self.answer_s: float | None = None  # the mean time of answers; no change of state ends it
        self.open_s = self.open_until = 0.0

    def retry_after_s(self, now: float) -> float:
        """Return the seconds until a call may pass, at the latest; 0 if one may pass now."""
        if self.state == "open":
            return max(0.0, self.open_until - now)
        if self.state == "closed":
            return 0.0
        # A probe that hangs holds its place until its limit only: half open always ends.
        limits = [began + self.rules.probe_max_age_s for began in self.permits.values()]
        limits = [limit for limit in limits if now < limit]
        return limits[0] - now if len(limits) >= self.rules.probes else 0.0

    def admit(self, now: float) -> int | None:
        """Return the permit that the call must bring back, or None: it must not be sent."""
        if self.state != "closed":
            if self.retry_after_s(now) > 0:
                return None
            if self.state == "open":
                self.change("half_open")
        self.last_permit += 1
        self.permits[self.last_permit] = now
        return self.last_permit

    def record(self, permit: int, outcome: Outcome, now: float) -> None:
        """Take the permit back and learn from the outcome, unless it comes too late."""
        began = self.permits.pop(permit, None)
        if began is None or outcome == "neither":
            return
        if self.state == "half_open" and now >= began + self.rules.probe_max_age_s:
            return
        took_s = now - began
        if outcome == "success":
            before_s = took_s if self.answer_s is None else self.answer_s
            self.answer_s = before_s + NEWEST_SHARE * (took_s - before_s)
        elif outcome == "cut_off" and self.answer_s is not None and took_s < 2 * self.answer_s:
            return
        failed = outcome != "success"
        slow = 0 < self.rules.slow_call_s < took_s
        if self.state == "closed":
            self.window.add(now, failed=failed, slow=slow)
            # A success may bring the calls to the minimum, but it is no reason to open.
            if (failed or slow) and self.window.is_failing():
                self._open(now, self.rules.open_s)
        elif failed or slow:
            self._open(now, min(self.open_s * self.rules.open_growth, self.rules.open_cap_s))
        else:
            self.successes += 1
            if self.successes == self.rules.probes:
                self.change("closed")

    def change(self, after: CircuitState, open_s: float | None = None) -> None:
        """Enter the state `after` with nothing known yet."""
        before, self.state = self.state, after
        self.window, self.permits, self.successes = CallWindow(self.rules), {}, 0
        if open_s is None:
            logger.info("%r: circuit %s, was %s", self.name, after, before)
        else:
            logger.warning("%r: circuit open for %.1f s, was %s", self.name, open_s, before)
        emit(CircuitChanged(self.name, before, after, open_s))

    def _open(self, now: float, open_s: float) -> None:
        self.open_s = open_s  # the jitter is left out, it must not grow
        drawn_s = self.uniform(open_s, open_s * (1 + self.rules.open_jitter))
        self.open_until = now + drawn_s
        self.change("open", drawn_s)
