"""Decide what a failure means before anything reacts to it.

Prevents two failures: paying five times for a request that can never succeed, and giving up on one
that would have passed a second later. The rule: the exception's type, the HTTP status and the API's
own error codes decide, never the words of a message. What is not known to pass is permanent. What
is wrong with a request is the caller's mistake; what comes after it is the other side's failure.
A group means what its members mean: it passes if all of them do.

The exceptions of this package, with the module that raises each:

    Exception
    └── ReliabilityError            a policy refused the call or gave it up
        ├── CircuitOpenError        circuit_breaker: nothing was sent
        ├── OperationTimeout        timeouts: one operation took too long
        ├── BulkheadFullError       bulkhead: no slot and no place to wait, nothing was sent
        ├── BodyTooLarge, BodyTooLate   intake: a request that did not come whole
        ├── BadReply                replies: the other side answered, and it is no answer
        └── StopTask                ends the whole task: never retried, never shown to the model
            ├── ServiceLeaving      draining: the process ends before the task does
            └── DeadlineExceeded    deadlines: the request has no time left
                └── SessionEnded    deadlines: nor has any other of its session
"""

from __future__ import annotations

import email.utils
import errno
import json
import math
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from enum import StrEnum
from socket import gaierror
from typing import get_args

import anthropic
import httpx
import httpx2  # the SDK's own transport, installed with it: httpx errors never come from the SDK
from anthropic.types import ErrorType


class FailureKind(StrEnum):
    """What went wrong, in the few words that metrics and fallbacks can branch on."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    TIMEOUT = "timeout"
    RATE_LIMIT = "rate_limit"
    OVERLOAD = "overload"
    SPEND_LIMIT = "spend_limit"


@dataclass(frozen=True)
class Failure:
    """The verdict on one failed attempt.

    `retry_after_s` is the wait in seconds the other side asked for. `reason` has bounded wording
    ("429 rate_limit_error", "ConnectError"): fit for logs, free of bodies, URLs and prompts.
    """

    kind: FailureKind
    retryable: bool
    retry_after_s: float | None
    reason: str


class ReliabilityError(Exception):
    """Base of every error of this package. `classify` answers with these three attributes."""

    kind: FailureKind = FailureKind.PERMANENT
    retryable: bool = False
    retry_after_s: float | None = None


class BadReply(ReliabilityError):
    """The other side answered, perhaps with status 200, and not with what it was asked for.

    Its failure, not the caller's mistake: it is retried and counted. `reason` is a word or two of
    bounded wording, for logs ("no content", "maxlag"), `retry_after_s` what a reply asks for.
    """

    kind = FailureKind.TRANSIENT
    retryable = True

    def __init__(
        self,
        reason: str,
        kind: FailureKind = FailureKind.TRANSIENT,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(reason, kind, retry_after_s)  # its own arguments, or it cannot be pickled
        self.reason, self.kind, self.retry_after_s = reason, kind, retry_after_s

    def __str__(self) -> str:
        return f"the reply is no answer: {self.reason}"


class StopTask(ReliabilityError):
    """Base of errors that must end the task. `retryable` has no effect below this class."""


# Money, not load: the account stays refused until a person or the next month changes it.
_SPEND_LIMIT_CODES = {
    "enforced_spend_limit_reached",
    "contract_spend_limit_reached",
    "linked_organization_spend_limit_reached",
}
# 501 is retried like every 5xx, as the SDK does: a server that means it says x-should-retry: false.
_KIND_OF_STATUS = {
    408: FailureKind.TIMEOUT,
    409: FailureKind.TRANSIENT,  # the SDK reads 409 as a lock that timed out
    429: FailureKind.RATE_LIMIT,
    504: FailureKind.TIMEOUT,
    529: FailureKind.OVERLOAD,
}
# The only evidence when a stream breaks after its 200, and a finer one for a 5xx.
_KIND_OF_TYPE = {
    "api_error": FailureKind.TRANSIENT,
    "conflict_error": FailureKind.TRANSIENT,
    "overloaded_error": FailureKind.OVERLOAD,
    "rate_limit_error": FailureKind.RATE_LIMIT,
    "timeout_error": FailureKind.TIMEOUT,
}
_OUR_MISTAKES = (
    *(httpx.UnsupportedProtocol, httpx.LocalProtocolError),
    *(httpx2.UnsupportedProtocol, httpx2.LocalProtocolError),
)
_NETWORK_ERRNOS = {
    *(errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE, errno.ETIMEDOUT),
    *(errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETRESET, errno.ENETUNREACH),
}


# A text that is no JSON, no text in its encoding, no data in its compression, no `Message`.
_UNREADABLE = (
    *(json.JSONDecodeError, UnicodeDecodeError, anthropic.APIResponseValidationError),
    *(httpx.DecodingError, httpx2.DecodingError),
)


def classify(error: BaseException, *, now: Callable[[], float] = time.time) -> Failure:
    """Say what `error` means. Never raises; `now` is the wall clock, in seconds since 1970.

    An ExceptionGroup may be retried if each of its members may, after the longest wait that one of
    them asks for; its kind is that of the first member that decides.
    """
    name = type(error).__name__
    match error:
        case BaseExceptionGroup():
            found = [classify(member, now=now) for member in members(error)]
            retryable = all(each.retryable for each in found)
            decides = next(each for each in found if each.retryable == retryable)
            waits = [each.retry_after_s for each in found if each.retry_after_s is not None]
            reason = f"{name}: {decides.reason}"
            return Failure(decides.kind, retryable, max(waits, default=None), reason)
        case ReliabilityError():
            retryable = error.retryable and not isinstance(error, StopTask)
            return Failure(error.kind, retryable, _usable(error.retry_after_s), name)
        case anthropic.APIStatusError():
            headers = error.response.headers
            return _of_status(error.status_code, headers, now, error.type, error.error_code)
        case httpx.HTTPStatusError() | httpx2.HTTPStatusError():
            return _of_status(error.response.status_code, error.response.headers, now)
        case TimeoutError() | anthropic.APITimeoutError():
            return Failure(FailureKind.TIMEOUT, True, None, name)
        case httpx.TimeoutException() | httpx2.TimeoutException():
            return Failure(FailureKind.TIMEOUT, True, None, name)
        case anthropic.APIConnectionError() if error.__cause__ is not None:
            # The SDK gives this name to whatever sending raised, a closed client included.
            return classify(error.__cause__, now=now)
        case anthropic.APIConnectionError() | anthropic.RetryableError():
            passes = True
        case httpx.TransportError() | httpx2.TransportError():
            passes = not isinstance(error, _OUR_MISTAKES) and not _is_refused_certificate(error)
        case _ if isinstance(error, _UNREADABLE):
            passes = True
        case OSError():
            passes = _is_network_error(error)
        case _:
            passes = False
    kind = FailureKind.TRANSIENT if passes else FailureKind.PERMANENT
    return Failure(kind, passes, None, name)


def members(error: BaseException) -> list[BaseException]:
    """Return the errors in a group and in the groups in it; of any other error, itself."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [found for member in error.exceptions for found in members(member)]


def stop_task_of(error: BaseException) -> StopTask | None:
    """Return the StopTask that `error` is, or that a group holds; None: the task may go on.

    Where errors are shown to the model instead of raised, what this finds is raised:
    `if stop := stop_task_of(error): raise stop from error`.
    """
    return next((found for found in members(error) if isinstance(found, StopTask)), None)


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status that `error` carries, or None; of the SDK, httpx and httpx2."""
    match error:
        case anthropic.APIStatusError():
            return error.status_code
        case httpx.HTTPStatusError() | httpx2.HTTPStatusError():
            return error.response.status_code
    return None


def is_callers_mistake(error: BaseException) -> bool:
    """Say whether the other side works and refused this request: 4xx, except 408 and 429.

    Such an error says nothing about the health of a dependency: a breaker must not count it, and
    a fallback would only hide it. So is one that `was_judged_before` the call, and a group of such.
    """
    return all(
        was_judged_before(found)
        or ((status := status_of(found)) and 400 <= status < 500 and status not in (408, 429))
        for found in members(error)
    )


def was_judged_before(error: BaseException) -> bool:
    """Say whether the request itself is at fault, so that it was never sent.

    Errors say so by an attribute, `callers_mistake = True`: those of a tool that judges its
    arguments before it acts. A text that cannot be encoded, such as half a surrogate pair, is one.
    """
    if isinstance(error, UnicodeEncodeError):
        return True
    return getattr(error, "callers_mistake", False) is True


def _of_status(
    status: int,
    headers: Mapping[str, str],
    now: Callable[[], float],
    error_type: object = None,
    error_code: str | None = None,
) -> Failure:
    wait_s = parse_retry_after(headers, now=now)
    if error_code in _SPEND_LIMIT_CODES:
        return Failure(FailureKind.SPEND_LIMIT, False, wait_s, f"{status} {error_code}")
    # The type comes from a body that any proxy may have written: only known words pass.
    known_type = str(error_type) if error_type in get_args(ErrorType) else ""
    kind = _KIND_OF_STATUS.get(status, FailureKind.PERMANENT)
    if status >= 500 and kind is FailureKind.PERMANENT:
        kind = _KIND_OF_TYPE.get(known_type, FailureKind.TRANSIENT)
    elif status < 300:
        kind = _KIND_OF_TYPE.get(known_type, FailureKind.PERMANENT)
    retryable = kind is not FailureKind.PERMANENT
    if (told := headers.get("x-should-retry")) in ("true", "false"):
        retryable = told == "true"
        kind = FailureKind.TRANSIENT if retryable and kind is FailureKind.PERMANENT else kind
    return Failure(kind, retryable, wait_s, f"{status} {known_type}".rstrip())


def kind_of_type(error_type: object) -> FailureKind:
    """Return what an error type of the API means where no status says more."""
    return _KIND_OF_TYPE.get(str(error_type), FailureKind.TRANSIENT)


def parse_retry_after(
    headers: Mapping[str, str], *, now: Callable[[], float] = time.time
) -> float | None:
    """Return the wait in seconds that a response asks for, or None if it names no usable one.

    Reads `retry-after-ms`, then `retry-after` as a number or an HTTP date (RFC 9110, 10.2.3), in
    the SDK's order. Negative, infinite and unreadable values and past dates count as none.
    """
    for header, per_second in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            wait_s = _usable(float(headers.get(header, "")) / per_second)
        except ValueError:
            continue
        if wait_s is not None:
            return wait_s
    try:
        moment = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    if moment.tzinfo is None:  # one of the three date forms names no zone: all mean UTC
        moment = moment.replace(tzinfo=UTC)
    return _usable(moment.timestamp() - now())


def _usable(wait_s: float | None) -> float | None:
    return wait_s if wait_s is not None and math.isfinite(wait_s) and wait_s >= 0 else None


def _is_network_error(error: OSError) -> bool:
    if isinstance(error, ssl.SSLCertVerificationError):
        return False
    if isinstance(error, ConnectionError | gaierror | ssl.SSLError):
        return True
    # asyncio and anyio raise a bare OSError without errno when every address refused.
    return error.errno in _NETWORK_ERRNOS or (type(error) is OSError and error.errno is None)


def _is_refused_certificate(error: BaseException) -> bool:
    """Whether the socket error below is a certificate: the next attempt meets the same one."""
    below: BaseException | None = error
    while below is not None and not isinstance(below, OSError):
        below = below.__cause__ or below.__context__
    return isinstance(below, ssl.SSLCertVerificationError)
