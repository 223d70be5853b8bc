"""How an answer leaves: late, at the model's speed, in small pieces, or broken in the middle.

This prevents a wait that outlives its client. The rule: every wait watches the client, and ends
with it; the log knows of an answer before its last byte leaves.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
from collections.abc import Callable

from starlette.types import Message, Receive, Send

from mock_claude.accounts.ledger import Entry
from mock_claude.accounts.tokens import text_tokens
from mock_claude.faults import stream_faults
from mock_claude.faults.faults import STREAM_FAULTS, Rule
from mock_claude.faults.latency import Speed


class Pace:
    """An ASGI ``send`` for one answer. ``begun`` and ``done`` are called once, before the bytes.

    ``on_head`` is called when its head is about to leave; its second argument says whether the
    first bytes of the body follow at once.
    """

    def __init__(
        self,
        receive: Receive,
        send: Send,
        transport: asyncio.Transport,
        entry: Entry,
        rule: Rule | None,
        wait_s: float,
        speed: Speed,
        begun: Callable[[Entry], None],
        done: Callable[[Entry], None],
        on_head: Callable[[Entry, bool], None],
    ) -> None:
        self._receive = receive
        self._send = send
        self._transport = transport
        self._entry = entry
        self._rule = rule
        self._wait_s = wait_s
        self._speed = speed
        self._begun = begun
        self._done = done
        self._on_head = on_head
        self._over = False
        self._is_plain = True  # the bytes leave as they come
        self._events = 0  # of a stream, so far

    async def __call__(self, message: Message) -> None:
        if self._over:
            return
        if message["type"] == "http.response.start":
            await self._start(message)
        elif self._is_plain:
            await self._pass_on(message)
        elif self._rule is not None and self._rule.fault == "trickle":
            await self._trickle(message, self._rule)
        else:
            await self._stream(message)

    async def _start(self, message: Message) -> None:
        status, is_stream = message["status"], _is_stream(message)
        wait_s, per_token_s = self._wait_s, 0.0
        if status == 200:
            wait_s += self._speed.first_token_s
            per_token_s = self._speed.per_token_s
            if not is_stream:
                wait_s += per_token_s * self._entry.usage.output_tokens
        if wait_s > 0:
            await self._wait(wait_s)
            if self._over:
                return
        fault = None if self._rule is None else self._rule.fault
        is_broken = is_stream and (fault in STREAM_FAULTS or per_token_s > 0)
        self._is_plain = fault != "trickle" and not is_broken
        self._entry.status = status
        self._begun(self._entry)
        self._on_head(self._entry, self._is_plain)
        await self._send(message)

    async def _pass_on(self, message: Message) -> None:
        if not message.get("more_body", False):
            self._done(self._entry)
        await self._send(message)

    async def _trickle(self, message: Message, rule: Rule) -> None:
        data, is_end = message.get("body", b""), not message.get("more_body", False)
        for at in range(0, len(data) or 1, rule.chunk_bytes):
            is_last = is_end and at + rule.chunk_bytes >= len(data)
            if is_last:
                self._done(self._entry)
            await self._emit(data[at : at + rule.chunk_bytes], more=not is_last)
            if not is_last:
                await self._wait(rule.interval_s)
            if self._over:
                return

    async def _stream(self, message: Message) -> None:
        events, is_end = _split(message.get("body", b"")), not message.get("more_body", False)
        for number, event in enumerate(events, start=1):
            await self._pause_for_tokens(event)
            steps = self._steps(event)
            is_last = (is_end and number == len(events)) or stream_faults.End() in steps
            for step in steps:
                if self._over:
                    return
                await self._do(step, is_last=is_last)
            self._events += 1
        if is_end and not self._over:
            await self._end()

    def _steps(self, event: bytes) -> list[stream_faults.Step]:
        if self._rule is None:
            return [stream_faults.Send(event)]
        return list(stream_faults.steps(self._rule, self._events, event, self._entry.request_id))

    async def _do(self, step: stream_faults.Step, *, is_last: bool) -> None:
        match step:
            case stream_faults.Send(data):
                if is_last:
                    self._done(self._entry)
                await self._emit(data)
            case stream_faults.Wait(None):
                await until_left(self._receive)
                self._over = True
            case stream_faults.Wait(float(seconds)):
                await self._wait(seconds)
            case stream_faults.Cut():
                self._over = True
                self._done(self._entry)
                self._transport.close()
                await until_left(self._receive)
            case stream_faults.End():
                await self._end()

    async def _end(self) -> None:
        self._done(self._entry)
        await self._emit(b"", more=False)
        self._over = True

    async def _pause_for_tokens(self, event: bytes) -> None:
        if self._speed.per_token_s and stream_faults.event_name(event) == b"content_block_delta":
            await self._wait(self._speed.per_token_s * _delta_tokens(event))

    async def _emit(self, data: bytes, *, more: bool = True) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def _wait(self, seconds: float) -> None:
        self._over = self._over or not await stays(self._receive, seconds)


def _is_stream(start: Message) -> bool:
    return any(
        name == b"content-type" and value.startswith(b"text/event-stream")
        for name, value in start["headers"]
    )


def _split(data: bytes) -> list[bytes]:
    """The events in these bytes, each with the empty line that ends it."""
    return [part + b"\n\n" for part in data.split(b"\n\n") if part]


def _delta_tokens(event: bytes) -> int:
    delta = json.loads(event.partition(b"data: ")[2])["delta"]
    texts = (delta.get(name) for name in ("text", "partial_json", "thinking"))
    return sum(text_tokens(text) for text in texts if isinstance(text, str))


async def until_left(receive: Receive) -> None:
    """Return when the client has gone, or the server has cut it off."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def stays(receive: Receive, seconds: float) -> bool:
    """Wait; False at once if the client leaves meanwhile."""
    try:
        async with asyncio.timeout(seconds):
            await until_left(receive)
    except TimeoutError:
        return True
    return False


def reset(transport: asyncio.Transport) -> None:
    """Kill the connection so that the client sees a reset (RST), not an orderly end (FIN)."""
    raw = transport.get_extra_info("socket")
    linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()
