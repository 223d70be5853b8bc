"""Policies that keep an agent's calls alive, one module each; read them top to bottom.

from reliability import ExponentialBackoff, retry
"""

from reliability.after_cancel import cleanup, in_thread
from reliability.bulkhead import Bulkhead, BulkheadFullError, BulkheadSettings, bulkhead
from reliability.circuit_breaker import (
    BreakerSettings,
    CircuitBreaker,
    CircuitOpenError,
    circuit_breaker,
)
from reliability.deadlines import DeadlineExceeded, TimeoutSettings, deadline, remaining_s
from reliability.degradation import (
    DegradationSettings,
    Notes,
    Tokens,
    collect_notes,
    fallback_model,
    tokens_by_model,
)
from reliability.draining import Drain, DrainSettings, install_signals
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
from reliability.health import (
    DependencyCheck,
    HealthSettings,
    Liveness,
    Readiness,
    ReadinessReport,
    Startup,
)
from reliability.last_known_good import last_known_good
from reliability.loop_guard import LoopGuard, LoopSettings, closing, explain
from reliability.protect import Policy, dependency_of, protect
from reliability.retries import ExponentialBackoff, RetrySettings, retry
from reliability.retry_budget import RetryBudget
from reliability.timeouts import OperationTimeout, request_deadline, timeout

__all__ = [
    "Attempts",
    "BreakerSettings",
    "Bulkhead",
    "BulkheadEntered",
    "BulkheadFullError",
    "BulkheadRefused",
    "BulkheadSettings",
    "CircuitBreaker",
    "CircuitChanged",
    "CircuitOpenError",
    "CircuitRefused",
    "DeadlineExceeded",
    "DegradationSettings",
    "DependencyChanged",
    "DependencyCheck",
    "Drain",
    "DrainSettings",
    "Event",
    "ExponentialBackoff",
    "Failure",
    "FailureKind",
    "FallbackUsed",
    "HealthSettings",
    "Liveness",
    "LoopGuard",
    "LoopSettings",
    "LoopStalled",
    "LoopStopped",
    "Notes",
    "OperationTimeout",
    "Policy",
    "Readiness",
    "ReadinessReport",
    "ReliabilityError",
    "ResultMissing",
    "RetriesStopped",
    "RetryBudget",
    "RetryScheduled",
    "RetrySettings",
    "StaleServed",
    "Startup",
    "StopTask",
    "TimedOut",
    "TimeoutSettings",
    "Tokens",
    "attempts_of",
    "bulkhead",
    "circuit_breaker",
    "classify",
    "cleanup",
    "closing",
    "collect_notes",
    "deadline",
    "dependency_of",
    "emit",
    "explain",
    "fallback_model",
    "in_thread",
    "install_signals",
    "is_callers_mistake",
    "last_known_good",
    "parse_retry_after",
    "protect",
    "remaining_s",
    "request_deadline",
    "retry",
    "status_of",
    "subscribe",
    "timeout",
    "tokens_by_model",
]
