"""A fault that one request asks for itself, by header, without a script.

This prevents a test from needing a script and a server of its own to see one error. The rule:
whoever sends an ``x-mock-`` header gets exactly that fault, or a 400 that says what is allowed.

    x-mock-fault: 529 | hang | reset | delay | trickle     (any status from 400 to 599)
    x-mock-retry-after: 2     seconds, with a status
    x-mock-delay: 1.5         seconds, with delay (default 1)
    x-mock-attempts: 2        only the first two attempts of what the request asks
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, cast

from mock_claude.errors import ApiError
from mock_claude.fault_script import RESERVED_NAME
from mock_claude.faults import Rule

PREFIX = "x-mock-"
FAULT, RETRY_AFTER, DELAY, ATTEMPTS = (
    PREFIX + name for name in ("fault", "retry-after", "delay", "attempts")
)
_KNOWN = (FAULT, RETRY_AFTER, DELAY, ATTEMPTS)
_KINDS = ("hang", "reset", "delay", "trickle")
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_COUNT = re.compile(r"[1-9][0-9]{0,8}")
_STATUS = re.compile(r"[45][0-9][0-9]")


def rule_from(headers: Mapping[str, str]) -> Rule | None:
    """The rule these headers (names in lower case) ask for; ApiError 400 if they are wrong."""
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
    if RETRY_AFTER in asked and not is_status:
        raise ApiError(400, f"{RETRY_AFTER}: allowed only with a status in {FAULT}")
    if DELAY in asked and fault != "delay":
        raise ApiError(400, f"{DELAY}: allowed only with {FAULT}: delay")
    retry_after, delay = _number(asked, RETRY_AFTER), _number(asked, DELAY)
    attempts = _number(asked, ATTEMPTS, _COUNT, "a whole number from 1")
    kind = "status" if is_status else fault
    return Rule(
        name=RESERVED_NAME,
        fault=cast(Literal["status", "delay", "hang", "reset", "trickle"], kind),
        path="*",
        attempts=None if attempts is None else int(attempts),
        status=int(fault) if is_status else Rule.status,
        retry_after_s=retry_after,
        delay_s=Rule.delay_s if delay is None else delay,
    )


def _number(
    asked: Mapping[str, str],
    name: str,
    form: re.Pattern[str] = _SECONDS,
    allowed: str = "seconds as a number, 0 or more",
) -> float | None:
    if name not in asked:
        return None
    if not form.fullmatch(asked[name]):
        raise ApiError(400, f"{name}: {asked[name]!r} is not allowed; allowed: {allowed}")
    return float(asked[name])
