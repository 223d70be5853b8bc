"""What goes wrong in the middle of an answer that streams, after its 200.

This prevents the failures that no status announces from going untried: an SDK neither retries nor
classifies them as it does a 529. The rule: a fault changes what is sent from one event on, and
leaves all before it as it was. ``steps`` says what to do in place of one event; ``pace`` does it.

An answer shorter than ``after_events`` meets its fault before its last event, ``message_stop``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mock_claude.api import wire
from mock_claude.errors import ApiError
from mock_claude.faults.faults import Rule


@dataclass(frozen=True)
class Send:
    """These bytes, which are one event."""

    data: bytes


@dataclass(frozen=True)
class Wait:
    """So many seconds; None: for ever."""

    seconds: float | None


@dataclass(frozen=True)
class Cut:
    """Close the connection, although the answer has not ended."""


@dataclass(frozen=True)
class End:
    """End the answer in order: nothing more follows."""


Step = Send | Wait | Cut | End

_MESSAGES = {"overloaded_error": "Overloaded", "api_error": "Internal server error"}


def steps(rule: Rule, number: int, event: bytes, request_id: str) -> Iterator[Step]:
    """What is done in place of the event, the ``number``-th (from 0) of the answer."""
    is_last = event_name(event) == b"message_stop"
    is_here = number == rule.after_events or (is_last and number < rule.after_events)
    match rule.fault:
        case "stream-error" if is_here:
            yield Send(_error(rule, request_id))
            yield End()
        case "stream-cut" if is_here:
            yield Cut()
        case "stream-stall" if is_here:
            yield Wait(rule.stall_s)
            yield Send(event)
        case "stream-malformed" if is_here:
            yield Send(_broken(event))
        case "stream-no-stop" if is_last:
            yield End()
        case "slow-first-token" if number == 1:
            yield Wait(rule.delay_s)
            yield Send(event)
        case _:
            yield Send(event)


def event_name(event: bytes) -> bytes:
    """The name of a server-sent event."""
    return event[len(b"event: ") : event.find(b"\n")]


def _error(rule: Rule, request_id: str) -> bytes:
    kind = rule.error_type or "overloaded_error"
    failure = ApiError(
        529, _MESSAGES.get(kind, f"Simulated fault: {kind}"), error_type=kind,
        error_code=rule.error_code,
    )  # fmt: skip
    return b"event: error\ndata: " + wire.encode(wire.error(failure, request_id)) + b"\n\n"


def _broken(event: bytes) -> bytes:
    """The event with the second half of its JSON missing: what a proxy that truncates leaves."""
    head, _, data = event.partition(b"data: ")
    half = data[: len(data) // 2].decode(errors="ignore").rstrip()
    return head + b"data: " + half.encode() + b"\n\n"
