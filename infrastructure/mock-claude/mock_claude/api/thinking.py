"""Thinking blocks: when there is one, what it says, and its signature.

This prevents an agent from dropping thinking blocks unnoticed, because the simulator sent none.
The rule: a request with ``thinking`` of type ``adaptive`` or ``enabled`` gets one block in front
of everything else. (The API's newer models also think when ``thinking`` is left out; here only
who asks is answered so.) With display ``omitted``, the default of the newer models, its text is
empty, and the signature stands for it. The signature depends on the text alone, so that two runs
are alike; it tells whether a block that comes back is one of ours, with its text as it was.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from mock_claude.api.traits import Traits
from mock_claude.model.reply import Reply

_DIGEST = 16  # bytes
_KEY = b"mock-claude"  # no secret: it only tells our signatures from other texts


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
    shown = traits.shows_thinking if display is None else display != "omitted"
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
    told = hashlib.blake2b(text.encode(), digest_size=_DIGEST).digest()
    return base64.b64encode(told + _seal(told)).decode()


def is_ours(text: str, signed: str) -> bool:
    """Whether ``signature`` made this for this text; none may be there, as it may be omitted."""
    try:
        raw = base64.b64decode(signed, validate=True)
    except ValueError:
        return False
    told, seal = raw[:_DIGEST], raw[_DIGEST:]
    if not hmac.compare_digest(seal, _seal(told)):
        return False
    return not text or told == hashlib.blake2b(text.encode(), digest_size=_DIGEST).digest()


def _seal(told: bytes) -> bytes:
    return hashlib.blake2b(told, digest_size=32, key=_KEY).digest()
