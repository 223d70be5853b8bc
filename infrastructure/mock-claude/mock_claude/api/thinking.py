"""Thinking blocks: when there is one, what it says, and its signature.

This prevents an agent from dropping thinking blocks unnoticed, because the simulator sent none.
The rule: a request with ``thinking`` of type ``adaptive`` or ``enabled`` gets one block in front
of everything else. (The API's newer models also think when ``thinking`` is left out; here only
who asks is answered so.) With display ``omitted``, the default of the newer models, its text is
empty, and the signature stands for it. The signature depends on the text alone, so that two runs
are alike.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from mock_claude.api.traits import Traits
from mock_claude.model.reply import Reply


@dataclass(frozen=True)
class Mode:
    """That a request asks for thinking: whether to show it, and how many tokens at most."""

    shown: bool
    budget: int | None


def mode(request: Mapping[str, object], traits: Traits) -> Mode | None:
    """The thinking that a valid request asks for; None if it asks for none."""
    asked = request.get("thinking")
    if not isinstance(asked, Mapping) or asked.get("type") not in ("adaptive", "enabled"):
        return None
    display, budget = asked.get("display"), asked.get("budget_tokens")
    shown = traits.shows_thinking if display is None else display == "summarized"
    return Mode(shown, budget if isinstance(budget, int) else None)


def thought(reply: Reply) -> str:
    """What the model thought: its own words, or the plain sense of what it does next."""
    if reply.thinking:
        return reply.thinking
    if not reply.calls:
        return "I have what I need to answer."
    names = ", ".join(dict.fromkeys(call.name for call in reply.calls))
    return f"I need a result from {names} before I can answer."


def signature(text: str) -> str:
    """An opaque value in the API's form, base64, the same for the same text."""
    return base64.b64encode(hashlib.blake2b(text.encode(), digest_size=48).digest()).decode()
