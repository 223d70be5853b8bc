"""A fault that one request asks for itself, by header, without a script.

This prevents a test from needing a script and a server of its own to see one error. The rule:
whoever sends an ``x-mock-`` header gets exactly that fault, or a 400 that says what is allowed.

    x-mock-fault: 529 | hang | reset | delay | trickle     (any status from 400 to 599)
    x-mock-fault: stream-error | stream-cut | stream-stall | stream-malformed | stream-no-stop
                  | slow-first-token                       (only with "stream": true)
    x-mock-retry-after: 2            seconds, with a status
    x-mock-delay: 1.5                seconds, with delay and slow-first-token (default 1), and
                                     with stream-stall (default: for ever)
    x-mock-after-events: 3           with stream-error, -cut, -stall, -malformed (default 4)
    x-mock-error-type: api_error     with stream-error (default overloaded_error)
    x-mock-error-code: ramp_limit_exceeded   ``details.error_code``, with a status or stream-error
    x-mock-attempts: 2               only the first two attempts of what the request asks
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from mock_claude.errors import ApiError
from mock_claude.faults.faults import STREAM_FAULTS, FaultKind, Rule
from mock_claude.faults.rule_tables import FAULT_KEYS, RESERVED_NAME

PREFIX = "x-mock-"
FAULT, RETRY_AFTER, DELAY, AFTER_EVENTS, ERROR_TYPE, ERROR_CODE, ATTEMPTS = (
    PREFIX + name
    for name in (
        "fault",
        "retry-after",
        "delay",
        "after-events",
        "error-type",
        "error-code",
        "attempts",
    )
)
_KNOWN = (FAULT, RETRY_AFTER, DELAY, AFTER_EVENTS, ERROR_TYPE, ERROR_CODE, ATTEMPTS)
_KINDS = tuple(kind for kind in FAULT_KEYS if kind != "status")
_DELAYED = ("delay", "slow-first-token", "stream-stall")
_DELAY_S = 1.0  # where the request names none
_COUNTED = tuple(kind for kind, keys in FAULT_KEYS.items() if "after_events" in keys)
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_COUNT = re.compile(r"[1-9][0-9]{0,8}")
_STATUS = re.compile(r"[45][0-9][0-9]")
_TYPE = re.compile(r"[a-z_]{1,64}")
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def rule_from(headers: Mapping[str, str], *, stream: bool = True) -> Rule | None:
    """The rule these headers (names in lower case) ask for; ApiError 400 if they are wrong.

    ``stream``: whether the request asks for a stream.
    """
    asked = {name: value.strip() for name, value in headers.items() if name.startswith(PREFIX)}
    if not asked:
        return None
    for name in asked:
        if name not in _KNOWN:
            raise ApiError(400, f"{name}: unknown header; allowed: {', '.join(_KNOWN)}")
    fault = asked.get(FAULT, "")
    is_status = _STATUS.fullmatch(fault) is not None
    if not is_status and fault not in _KINDS:
        allowed = f"a status from 400 to 599, {', '.join(_KINDS)}"
        raise ApiError(400, f"{FAULT}: {fault!r} is not allowed; allowed: {allowed}")
    if fault in STREAM_FAULTS and not stream:
        raise ApiError(400, f'{FAULT}: {fault} needs a request with "stream": true')
    _only_with(asked, RETRY_AFTER, is_status, "a status")
    _only_with(asked, DELAY, fault in _DELAYED, ", ".join(_DELAYED))
    _only_with(asked, AFTER_EVENTS, fault in _COUNTED, ", ".join(_COUNTED))
    _only_with(asked, ERROR_TYPE, fault == "stream-error", "stream-error")
    coded = is_status or fault == "stream-error"
    _only_with(asked, ERROR_CODE, coded, "a status or stream-error")
    _check(asked, ERROR_CODE, _CODE, "up to 64 letters, digits and _ . -")
    retry_after, delay = _number(asked, RETRY_AFTER), _number(asked, DELAY)
    attempts, events = _count(asked, ATTEMPTS), _count(asked, AFTER_EVENTS)
    error_type = asked.get(ERROR_TYPE)
    if error_type is not None and not _TYPE.fullmatch(error_type):
        raise ApiError(400, f"{ERROR_TYPE}: {error_type!r} is not made of small letters and _")
    return Rule(
        name=RESERVED_NAME,
        fault=cast(FaultKind, "status" if is_status else fault),
        path="*",
        attempts=attempts,
        status=int(fault) if is_status else Rule.status,
        retry_after_s=retry_after,
        error_type=error_type,
        error_code=asked.get(ERROR_CODE),
        delay_s=(_DELAY_S if fault in _DELAYED else 0.0) if delay is None else delay,
        after_events=Rule.after_events if events is None else events,
        stall_s=delay,
    )


def _only_with(asked: Mapping[str, str], name: str, is_right: bool, what: str) -> None:
    if name in asked and not is_right:
        raise ApiError(400, f"{name}: allowed only with {what} in {FAULT}")


def _number(asked: Mapping[str, str], name: str) -> float | None:
    _check(asked, name, _SECONDS, "seconds as a number, 0 or more")
    return float(asked[name]) if name in asked else None


def _count(asked: Mapping[str, str], name: str) -> int | None:
    _check(asked, name, _COUNT, "a whole number from 1")
    return int(asked[name]) if name in asked else None


def _check(asked: Mapping[str, str], name: str, form: re.Pattern[str], allowed: str) -> None:
    if name in asked and not form.fullmatch(asked[name]):
        raise ApiError(400, f"{name}: {asked[name]!r} is not allowed; allowed: {allowed}")
