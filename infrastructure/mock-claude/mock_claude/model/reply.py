"""What the model decided, before it takes the shape of a message: the seam between mind and wire.

The rule-based model (``planner``), and the scripted ones, return a :class:`Reply`; ``turn`` holds
it to the request's limits and ``wire`` turns it into a Messages API body or an event stream.
Neither knows the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ToolCall:
    """One ``tool_use`` block to be: the tool's name and its JSON arguments."""

    name: str
    input: Mapping[str, object]


@dataclass(frozen=True)
class Shape:
    """How an answer differs from every message that the API documents.

    ``message`` replaces fields of the finished message: a ``tool_use`` block without ``id`` gets
    one, an object ``usage`` replaces counts, in log and bill, too. ``body`` replaces all of it.
    """

    message: Mapping[str, object]
    body: str | None = None
    content_type: str = "application/json"


@dataclass(frozen=True)
class Reply:
    """One turn of the model: thinking, text, more text blocks, tool calls, in this order.

    ``stop_reason`` None means ``tool_use`` with calls, ``end_turn`` without; ``stop_details`` goes
    with it, e.g. ``{"type": "refusal", "category": "cyber", "explanation": None}``. ``thinking``
    is shown only if the request asks for thinking.
    """

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    more_text: tuple[str, ...] = ()
    thinking: str = ""
    stop_reason: str | None = None
    stop_details: Mapping[str, object] | None = None
    shape: Shape | None = None
    """What goes over the wire instead of the message that all this makes."""
