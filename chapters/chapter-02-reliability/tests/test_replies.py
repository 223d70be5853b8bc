"""What a reply must hold, through the real SDK over real HTTP, and who is blamed if it does not."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import pytest

from reliability import (
    BadReply,
    CircuitOpenError,
    FailureKind,
    StopTask,
    circuit_breaker,
    classify,
    encodable,
    message_of,
    reading_reply,
)

GOOD: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-test",
    "content": [{"type": "text", "text": "437"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 1},
}
JSON = "application/json"


@asynccontextmanager
async def answering(body: bytes, kind: str = JSON) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """A client of a server that answers 200 with `body`, whatever it is asked."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n"
        head += f"request-id: req_1\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with (
        server,
        anthropic.AsyncAnthropic(
            api_key="test", base_url=f"http://127.0.0.1:{port}", max_retries=0
        ) as client,
    ):
        yield client


async def ask(client: anthropic.AsyncAnthropic) -> anthropic.types.Message:
    reply = await client.messages.with_raw_response.create(
        model="claude-test", max_tokens=5, messages=[{"role": "user", "content": "23*19?"}]
    )
    return await message_of(reply)


async def test_a_whole_message_comes_as_the_sdk_gives_it() -> None:
    async with answering(json.dumps(GOOD).encode()) as client:
        message = await ask(client)
    assert isinstance(message, anthropic.types.Message)
    assert (message.content[0].type, message.stop_reason) == ("text", "end_turn")
    assert message._request_id == "req_1"


def without(*names: str, **changes: object) -> dict[str, object]:
    return {name: value for name, value in (GOOD | changes).items() if name not in names}


TOOL = {"type": "tool_use", "id": "toolu_1", "name": "search", "input": {}}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "no content"),
        ([], "no message"),
        (None, "no message"),
        ("437", "no message"),
        (without("content"), "no content"),
        (without(content="437"), "no content"),
        (without(content=[{}]), "no content"),
        (without(content=["437"]), "no content"),
        (without(content=[{"type": "text"}]), "no content"),
        (without(content=[TOOL | {"input": "{}"}]), "no content"),
        (without(content=[TOOL | {"name": None}]), "no content"),
        (without("stop_reason"), "no stop_reason"),
        (without("model"), "no model"),
        (without("usage"), "no usage"),
        (without(usage={}), "no usage"),
        (without(usage={"input_tokens": "3", "output_tokens": 1}), "no usage"),
    ],
    ids=str,
)
async def test_a_reply_that_lacks_what_an_agent_reads_is_no_answer(
    body: object, reason: str
) -> None:
    async with answering(json.dumps(body).encode()) as client:
        with pytest.raises(BadReply) as caught:
            await ask(client)
    assert caught.value.reason == reason
    failure = classify(caught.value)
    assert (failure.kind, failure.retryable) == (FailureKind.TRANSIENT, True)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'[{"id":1,', JSON),
        (b"", JSON),
        (b"<html>busy</html>", "text/html"),
        (b"<html>busy</html>", JSON),
        (b"\xff\xfe{", JSON),
        (b"[" * 100_000, JSON),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_a_body_that_is_no_json_is_no_answer(body: bytes, kind: str) -> None:
    async with answering(body, kind) as client:
        with pytest.raises(BadReply):
            await ask(client)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"type": "overloaded_error", "message": "no"}, FailureKind.OVERLOAD),
        ({"type": "rate_limit_error", "message": "no"}, FailureKind.RATE_LIMIT),
        ({"type": "new_error"}, FailureKind.TRANSIENT),
        ({}, FailureKind.TRANSIENT),
        (None, FailureKind.TRANSIENT),
    ],
    ids=str,
)
async def test_an_error_with_status_200_is_the_error_that_it_is(
    error: object, kind: FailureKind
) -> None:
    async with answering(json.dumps({"type": "error", "error": error}).encode()) as client:
        with pytest.raises(BadReply) as caught:
            await ask(client)
    assert classify(caught.value).kind is kind


async def test_blocks_that_a_newer_api_sends_pass() -> None:
    body = without(content=[{"type": "hologram", "beam": 1}, *GOOD["content"]])
    async with answering(json.dumps(body).encode()) as client:
        assert [block.type for block in (await ask(client)).content] == ["hologram", "text"]


async def test_half_a_surrogate_pair_becomes_a_character_that_can_be_sent_again() -> None:
    call = TOOL | {"input": {"\ud83d": ["\udc00 and \U0001f600"]}}
    body = without(content=[{"type": "text", "text": "ah \ud83d"}, call])
    async with answering(json.dumps(body).encode()) as client:
        message = await ask(client)
    assert message.to_dict()["content"] == [
        {"type": "text", "text": "ah \ufffd"},
        TOOL | {"input": {"\ufffd": ["\ufffd and \U0001f600"]}},
    ]
    assert message._request_id == "req_1"
    assert isinstance(message.usage, anthropic.types.Usage)


def test_what_can_be_encoded_stays_as_it_is() -> None:
    value = {"a": ["\U0001f600", 1, None, ("x", True)], "b": "\ufffd"}
    assert encodable(value) == value


@pytest.mark.parametrize(
    "trip",
    [
        lambda reply: reply["results"],
        lambda reply: reply["error"]["code"],
        lambda reply: reply["list"][0],
        lambda reply: reply.results,
        lambda reply: int(reply["text"]),
        lambda reply: 1 / reply["zero"],
        lambda reply: json.loads("<html>"),
    ],
)
def test_what_trips_over_a_reply_is_the_other_sides_failure(trip: Any) -> None:
    with pytest.raises(BadReply) as caught, reading_reply():
        trip({"error": True, "list": [], "text": "x", "zero": 0})
    assert classify(caught.value).retryable
    assert "results" not in str(caught.value), "words of a body are in no message"


class Refused(ValueError):
    callers_mistake = True


@pytest.mark.parametrize(
    "error", [Refused("no"), StopTask("enough"), ConnectionResetError(), BadReply("maxlag")]
)
def test_what_says_itself_who_is_to_blame_passes(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, reading_reply():
        raise error
    assert caught.value is error


def test_half_a_surrogate_pair_in_a_request_stays_the_callers_mistake() -> None:
    with pytest.raises(UnicodeEncodeError), reading_reply():
        "\ud83d".encode()


async def test_broken_replies_open_a_circuit() -> None:
    @circuit_breaker(failure_threshold=3)
    async def search() -> object:
        with reading_reply():
            return json.loads("null")["query"]

    for _ in range(10):
        with pytest.raises(BadReply):
            await search()
    with pytest.raises(CircuitOpenError):
        await search()


def test_a_bad_reply_says_what_it_was_told_and_survives_pickling_and_copying() -> None:
    error = BadReply("maxlag", FailureKind.OVERLOAD, 5.0)
    for other in (error, pickle.loads(pickle.dumps(error)), copy.copy(error)):
        failure = classify(other)
        assert (failure.kind, failure.retryable, failure.retry_after_s) == (
            FailureKind.OVERLOAD,
            True,
            5.0,
        )
        assert str(other) == "the reply is no answer: maxlag"
