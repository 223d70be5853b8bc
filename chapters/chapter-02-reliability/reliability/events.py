"""Tell the outside what a policy decided: listeners by an event, the caller by the error.

Prevents the silent rescue: a service that answers in time only because every call is sent three
times looks healthy until the bill comes. The rule: a policy that changes what happens to a call
emits one frozen event, and a listener can watch but never break the call. Logs, metrics and traces
subscribe here, so the policies know nothing of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from reliability.errors import Failure
from reliability.protect import is_async

logger = logging.getLogger(__name__)

CircuitState = Literal["closed", "open", "half_open"]
TimeoutScope = Literal["operation", "request", "session"]
LoopLimit = Literal["turns", "tool_calls", "identical_calls", "cycle"]
StopReason = Literal["permanent", "not_idempotent", "fallback", "attempts", "deadline", "budget"]


@dataclass(frozen=True)
class RetryScheduled:
    """Attempt number `attempt` (the first is 1) failed; the next begins after `wait_s` seconds."""

    dependency: str
    attempt: int
    wait_s: float
    failure: Failure


@dataclass(frozen=True)
class RetriesStopped:
    """The call failed for good after `attempts` attempts and `elapsed_s` seconds, waits included.

    `why`: "permanent" (a retry cannot help), "not_idempotent" (a repeat could do the work twice),
    "fallback" (it timed out, and one stands by), "attempts" (the limit), "deadline" (the wait would
    outlast it) or "budget" (of retries, spent).
    """

    dependency: str
    attempts: int
    elapsed_s: float
    failure: Failure
    why: StopReason


@dataclass(frozen=True)
class CircuitChanged:
    """A breaker went from `before` to `after`; when it opens, for `open_s` seconds."""

    dependency: str
    before: CircuitState
    after: CircuitState
    open_s: float | None = None


@dataclass(frozen=True)
class CircuitRefused:
    """A call was not sent: the circuit is open, or all its probes are under way."""

    dependency: str
    retry_after_s: float


@dataclass(frozen=True)
class TimedOut:
    """A call was cut off after `limit_s` seconds, or not begun because too few were left."""

    dependency: str
    scope: TimeoutScope
    limit_s: float


@dataclass(frozen=True)
class BulkheadEntered:
    """A call got its slot after `waited_s` seconds; `running` counts it, `waiting` the queue."""

    dependency: str
    running: int
    waiting: int
    waited_s: float


@dataclass(frozen=True)
class BulkheadRefused:
    """A call got no slot: the queue was full on its arrival, or its wait grew too long."""

    dependency: str
    running: int
    waiting: int
    why: Literal["queue_full", "wait_too_long"]


@dataclass(frozen=True)
class LoopStopped:
    """An agent's task was ended at a limit, after so many turns and tool calls."""

    limit: LoopLimit
    turns: int
    tool_calls: int


@dataclass(frozen=True)
class FallbackUsed:
    """A call that `dependency` could not serve goes to `fallback` instead."""

    dependency: str
    fallback: str
    failure: Failure


@dataclass(frozen=True)
class StaleServed:
    """The last known good result stands in for a failed call; it is `age_s` seconds old."""

    dependency: str
    age_s: float
    failure: Failure


@dataclass(frozen=True)
class ResultMissing:
    """A call failed and nothing could stand in for it: the answer lacks its result."""

    dependency: str
    failure: Failure


@dataclass(frozen=True)
class DependencyChanged:
    """A readiness check of `dependency` found it well again, or no longer."""

    dependency: str
    healthy: bool


@dataclass(frozen=True)
class LoopStalled:
    """The event loop did not turn for `stalled_s` seconds; no request moved meanwhile."""

    stalled_s: float


# Every policy adds its events to this union, so that mypy shows a listener what it forgot.
Event: TypeAlias = (
    RetryScheduled
    | RetriesStopped
    | CircuitChanged
    | CircuitRefused
    | TimedOut
    | BulkheadEntered
    | BulkheadRefused
    | LoopStopped
    | FallbackUsed
    | StaleServed
    | ResultMissing
    | DependencyChanged
    | LoopStalled
)
Listener: TypeAlias = Callable[[Event], None]

# The package's only module-level mutable state. The key is one subscription, not the listener:
# who subscribes twice hears twice, and each undo ends its own subscription.
_listeners: dict[object, Listener] = {}


def subscribe(listener: Listener) -> Callable[[], None]:
    """Call `listener` with each event, in the call's own task; return the function that ends it.

    The listener runs inside the call, so it must be quick and must not block. The returned undo
    may be called more than once. Raises TypeError for an async listener: nobody would await it.
    """
    if is_async(listener):
        raise TypeError("a listener is called, not awaited: pass a plain function")
    subscription = object()
    _listeners[subscription] = listener

    def undo() -> None:
        _listeners.pop(subscription, None)

    return undo


def emit(event: Event) -> None:
    """Give `event` to every listener. A listener that raises is logged; the others still hear."""
    for listener in tuple(_listeners.values()):  # a copy: a listener may subscribe or undo
        try:
            listener(event)
        except Exception:
            logger.exception("a listener failed on %s", type(event).__name__)


@dataclass(frozen=True)
class Attempts:
    """How often a failed call was tried, and the seconds it took, waits included."""

    attempts: int
    elapsed_s: float

    def __str__(self) -> str:
        return f"gave up at attempt {self.attempts}, after {self.elapsed_s:.2f} s"


def attempts_of(error: BaseException) -> Attempts | None:
    """Return what the last `retry` to raise `error` counted, or None if no retry raised it."""
    found = getattr(error, "_reliability_attempts", None)
    return found if isinstance(found, Attempts) else None


def attach_attempts(error: BaseException, attempts: Attempts) -> None:
    """Make `attempts` readable on `error`: by `attempts_of`, and as a note in its traceback.

    An exception object that is raised a second time keeps only the newest: one count, one note.
    """
    stale = str(attempts_of(error))
    notes = [note for note in getattr(error, "__notes__", ()) if note != stale]
    # Through vars(): an exception that is a frozen dataclass refuses add_note and setattr.
    vars(error).update(_reliability_attempts=attempts, __notes__=[*notes, str(attempts)])
