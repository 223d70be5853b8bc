"""Tell a broken answer from a bug of ours: what comes after the request is the other side's fault.

Prevents the outage that looks like a mistake: a gateway sends its error page with status 200, half
a JSON text, or an object of another shape, and what our code makes of it is a TypeError or KeyError
that nobody retries, counts or has a fallback for. The rule: arguments are judged before the call,
and errors of that kind carry `callers_mistake = True`; whatever trips over a reply is a BadReply.

    reply = await client.messages.with_raw_response.create(...)  # raises before there is a reply
    message = await message_of(reply)

    with reading_reply():
        place = (await fetch(url))["results"][0]
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar, cast

from anthropic import AsyncAPIResponse
from anthropic.types import Message

from reliability.errors import BadReply, kind_of_type, was_judged_before

T = TypeVar("T")

# What code raises that meets another shape than it was written for; not what it raises by itself.
_TRIPPED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_SURROGATES = re.compile("[\ud800-\udfff]")


@contextmanager
def reading_reply() -> Iterator[None]:
    """Raise BadReply from what the block raises when it trips over a reply of another shape.

    The request has been sent: nothing else in the block may raise such errors. Those that say that
    the request was judged before it was sent pass, and so does every error of another type.
    """
    try:
        yield
    except _TRIPPED as error:
        if was_judged_before(error):
            raise
        raise BadReply(type(error).__name__) from error


async def message_of(reply: AsyncAPIResponse[Message]) -> Message:
    """Return the message in a reply to `messages.create`, with all that an agent reads of it.

    The SDK builds a Message without looking, from any object, and returns other bodies as they are.
    Half a surrogate pair in a text becomes U+FFFD: no later request, answer or log could encode it.
    Raises BadReply: no JSON, no message, an error with status 200, or a part that is missing.
    """
    with reading_reply():
        message: object = await reply.parse()
        body = reply.http_response.json() if getattr(message, "type", "") == "error" else {}
        if body:
            raise BadReply("an error with status 200", kind_of_type(body["error"]["type"]))
    if not isinstance(message, Message):
        raise BadReply("no message")
    if missing := _missing(message):
        raise BadReply(f"no {missing}")
    if b"\\u" in reply.http_response.content:
        whole = Message.construct(None, **encodable(message.to_dict()))
        whole._request_id, message = message._request_id, whole
    return message


def encodable(value: T) -> T:
    """Return `value`, with U+FFFD for each half of a surrogate pair in the texts that it holds."""
    changed: object = value
    if isinstance(value, str):
        changed = _SURROGATES.sub("\ufffd", value)
    elif isinstance(value, Mapping):
        changed = {encodable(key): encodable(each) for key, each in value.items()}
    elif isinstance(value, list | tuple):
        changed = type(value)(encodable(each) for each in value)
    return cast(T, changed)


def _missing(message: Message) -> str | None:
    """Name what a message lacks of what an agent reads. The SDK leaves None, or another type."""
    usage: object = message.usage
    tokens = [getattr(usage, f"{each}_tokens", None) for each in ("input", "output")]
    content: object = message.content
    for name, found in (
        ("content", isinstance(content, list) and all(_is_block(each) for each in content)),
        ("stop_reason", isinstance(message.stop_reason, str)),
        ("model", isinstance(message.model, str)),
        ("usage", all(type(each) is int and each >= 0 for each in tokens)),
    ):
        if not found:
            return name
    return None


def _is_block(block: object) -> bool:
    match getattr(block, "type", None):
        case "text":
            return isinstance(getattr(block, "text", None), str)
        case "tool_use":
            named = all(isinstance(getattr(block, each, None), str) for each in ("id", "name"))
            return named and isinstance(getattr(block, "input", None), dict)
        case kind:
            return isinstance(kind, str)  # a newer API has other blocks, which go back as they came
