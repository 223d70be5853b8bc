"""What ties a request to its trace: ``traceparent``, ``tracestate`` and ``x-request-id``.

This prevents a malformed header from joining requests that have nothing to do with each other.
The rule is the W3C's (https://www.w3.org/TR/trace-context/): a ``traceparent`` that is wrong in
any way, or sent twice, is ignored, and the ``tracestate`` with it; a ``tracestate`` that is wrong
is ignored alone. A version above 00 is read as far as 00 goes.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

_PARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})(?P<span>[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
_MEMBER = re.compile(
    r"(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,200}")
_MOST_MEMBERS = 32
_LONGEST_STATE = 2_000  # characters; the standard asks for 512 at least
_NAMES = (b"traceparent", b"tracestate", b"x-request-id")


@dataclass(frozen=True, slots=True)
class Trace:
    """The place in a trace that a request came from; ids in hex."""

    trace_id: str
    span_id: str
    is_sampled: bool


@dataclass(frozen=True, slots=True)
class Correlation:
    """What a request's headers say, as far as it is well-formed."""

    traceparent: str | None = None
    tracestate: str | None = None
    x_request_id: str | None = None


NONE = Correlation()


def read(headers: Iterable[tuple[bytes, bytes]]) -> Correlation:
    """The correlation that raw headers (names in lower case) tell."""
    found: dict[bytes, list[str]] = {}
    for name, value in headers:
        if name in _NAMES:
            found.setdefault(name, []).append(value.decode("latin-1").strip(" \t"))
    if not found:
        return NONE
    parents, ids = found.get(b"traceparent", []), found.get(b"x-request-id", [])
    parent = parents[0] if len(parents) == 1 and trace_of(parents[0]) is not None else None
    state = ",".join(found.get(b"tracestate", []))
    is_right = parent is not None and _is_state(state)
    request_id = ids[0] if len(ids) == 1 and _REQUEST_ID.fullmatch(ids[0]) else None
    return Correlation(parent, state if is_right else None, request_id)


def trace_of(traceparent: str) -> Trace | None:
    """What a ``traceparent`` says; None if it is malformed."""
    match = _PARENT.fullmatch(traceparent) if len(traceparent) <= _LONGEST_STATE else None
    if match is None or (match["version"] == "00" and match["more"] is not None):
        return None
    return Trace(match["trace"], match["span"], bool(int(match["flags"], 16) & 1))


def is_trace_id(text: str) -> bool:
    """Whether a text is the id of a trace: 32 lower-case hex digits, not all of them 0."""
    return re.fullmatch(r"(?!0{32})[0-9a-f]{32}", text) is not None


def new_trace() -> str:
    """A fresh trace id."""
    return secrets.token_hex(16)


def new_span() -> str:
    """A fresh span id."""
    return secrets.token_hex(8)


def _is_state(state: str) -> bool:
    """Whether a ``tracestate`` is well-formed: at most 32 members, no key twice."""
    members = [each for each in (part.strip(" \t") for part in state.split(",")) if each]
    keys = [each.partition("=")[0] for each in members]
    return (
        0 < len(members) <= _MOST_MEMBERS
        and len(state) <= _LONGEST_STATE
        and len(set(keys)) == len(keys)
        and all(_MEMBER.fullmatch(each) for each in members)
    )
