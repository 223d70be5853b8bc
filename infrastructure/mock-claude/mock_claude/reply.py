"""What the model decided, before it takes the shape of a message: the seam between mind and wire.

The rule-based model (``planner``), and later the scripted ones, return a :class:`Reply`; ``wire``
turns it into a Messages API body or an event stream. Neither knows the other.
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
class Reply:
    """One turn of the model: text, then tool calls. With calls the stop reason is ``tool_use``."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
