"""Policies that keep an agent's calls alive, one module each; read them top to bottom.

from reliability import ExponentialBackoff, retry
"""

from reliability.errors import (
    Failure,
    FailureKind,
    ReliabilityError,
    StopTask,
    classify,
    is_callers_mistake,
    parse_retry_after,
    status_of,
)
from reliability.events import (
    Attempts,
    BulkheadEntered,
    BulkheadRefused,
    CircuitChanged,
    CircuitRefused,
    DependencyChanged,
    Event,
    FallbackUsed,
    LoopStalled,
    LoopStopped,
    ResultMissing,
    RetriesStopped,
    RetryScheduled,
    StaleServed,
    TimedOut,
    attempts_of,
    emit,
    subscribe,
)
from reliability.protect import Policy, dependency_of, protect
from reliability.retries import ExponentialBackoff, RetrySettings, retry
from reliability.retry_budget import RetryBudget

__all__ = [
    "Attempts",
    "BulkheadEntered",
    "BulkheadRefused",
    "CircuitChanged",
    "CircuitRefused",
    "DependencyChanged",
    "Event",
    "ExponentialBackoff",
    "Failure",
    "FailureKind",
    "FallbackUsed",
    "LoopStalled",
    "LoopStopped",
    "Policy",
    "ReliabilityError",
    "ResultMissing",
    "RetriesStopped",
    "RetryBudget",
    "RetryScheduled",
    "RetrySettings",
    "StaleServed",
    "StopTask",
    "TimedOut",
    "attempts_of",
    "classify",
    "dependency_of",
    "emit",
    "is_callers_mistake",
    "parse_retry_after",
    "protect",
    "retry",
    "status_of",
    "subscribe",
]
