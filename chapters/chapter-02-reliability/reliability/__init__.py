"""Policies that keep an agent's calls alive, one module each; read them top to bottom.

from reliability import ExponentialBackoff, retry
"""

from reliability.errors import (
    Failure,
    FailureKind,
    ReliabilityError,
    StopTask,
    classify,
    parse_retry_after,
)
from reliability.events import (
    Attempts,
    Event,
    RetriesStopped,
    RetryScheduled,
    attempts_of,
    emit,
    subscribe,
)
from reliability.protect import Policy, dependency_of, protect
from reliability.retries import ExponentialBackoff, RetrySettings, retry
from reliability.retry_budget import RetryBudget

__all__ = [
    "Attempts",
    "Event",
    "ExponentialBackoff",
    "Failure",
    "FailureKind",
    "Policy",
    "ReliabilityError",
    "RetriesStopped",
    "RetryBudget",
    "RetryScheduled",
    "RetrySettings",
    "StopTask",
    "attempts_of",
    "classify",
    "dependency_of",
    "emit",
    "parse_retry_after",
    "protect",
    "retry",
    "subscribe",
]
