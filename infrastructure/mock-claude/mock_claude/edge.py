"""The edge in front of the API: it logs every request, adds latency and commits the faults.

This prevents faults that only a mock could produce. They happen where they do in production,
between client and API: a hang never answers, a reset kills the TCP connection, a delay and a
trickle slow down an answer that the API had given. The API behind the edge knows of none of it.

The order for one request: read its body, find its key and attempt, let its own headers or else
the script choose a fault, then hang up, refuse, or pass it on. A fault thus comes before the key
and the body are checked. Waiting always watches the client: one that leaves ends its request.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic_core import from_json
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mock_claude import fault_headers, http_answers, keys, paths
from mock_claude.errors import ApiError
from mock_claude.fault_script import FaultScript
from mock_claude.faults import Request, Rule, choose
from mock_claude.ledger import Entry, Ledger

BODY_LIMIT = 32 * 1024 * 1024  # bytes; [DOC 2026-04-26] a longer body is refused with 413
_READ_LIMIT = 8 * BODY_LIMIT  # ... and one beyond this is not even read to its end


@dataclass(frozen=True)
class Body:
    """The body of a request: its JSON if it is a model request and can be read, else why not."""

    json: object = None
    refusal: ApiError | None = None


class Edge:
    """An ASGI application around the API's. Paths under ``/_mock`` pass untouched."""

    def __init__(self, api: ASGIApp, ledger: Ledger, script: FaultScript, seed: int) -> None:
        self._api = api
        self._ledger = ledger
        self._script = script
        self._seed = seed
        self._attempts = keys.Attempts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if paths.is_control(scope["path"]):
            await self._api(scope, receive, send)
            return
        entry = self._ledger.open(scope["method"], scope["path"])
        try:
            await self._serve(scope, receive, send, entry)
        finally:
            self._ledger.close(entry)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, entry: Entry) -> None:
        data = await _read(receive)
        if data is None:
            return
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        body = _describe(scope, headers, data, entry)
        entry.attempt = self._attempts.next(entry.key)
        scope["state"].update(entry=entry, body=body)
        answer, wait_s = self._api, self._latency_s(scope["path"])
        try:
            rule = self._choose(scope["path"], headers, entry)
        except ApiError as refusal:
            rule, answer = None, http_answers.refusal(refusal, entry.request_id)
        match rule and rule.fault:
            case "hang":
                await until_left(receive)
                return
            case "reset":
                reset(scope["state"]["transport"])
                await until_left(receive)
                return
            case "status" if rule is not None:
                answer = _status_answer(scope["path"], rule, entry.request_id)
            case "delay" if rule is not None:
                wait_s += rule.delay_s
        await answer(scope, receive, _Pace(receive, send, entry, self._ledger, wait_s, rule))

    def _choose(self, path: str, headers: Mapping[str, str], entry: Entry) -> Rule | None:
        """The rule that decides; ApiError if the request's own headers ask for nonsense."""
        asked = fault_headers.rule_from(headers)
        rules = self._script.rules if asked is None else (asked, *self._script.rules)
        request = Request(path, entry.model, entry.key, entry.attempt, entry.at_s)
        rule = choose(rules, self._seed, request)
        if rule is not None:
            self._ledger.fire(entry, rule.name)
        return rule

    def _latency_s(self, path: str) -> float:
        latency = self._script.latency
        if path == paths.MESSAGES:
            return latency.messages_s
        if path == paths.SEARCH:
            return latency.search_s
        return latency.weather_s if path in paths.SERVICES else 0.0


class _Pace:
    """An ASGI ``send`` that waits before the answer, trickles its body and closes its entry."""

    def __init__(
        self,
        receive: Receive,
        send: Send,
        entry: Entry,
        ledger: Ledger,
        wait_s: float,
        rule: Rule | None,
    ) -> None:
        self._receive = receive
        self._send = send
        self._entry = entry
        self._ledger = ledger
        self._wait_s = wait_s
        self._trickle = rule if rule is not None and rule.fault == "trickle" else None
        self._left = False

    async def __call__(self, message: Message) -> None:
        if self._left:
            return
        if message["type"] == "http.response.start":
            if self._wait_s > 0 and not await stays(self._receive, self._wait_s):
                self._left = True
                return
            self._entry.status = message["status"]
            await self._send(message)
            return
        is_end = not message.get("more_body", False)
        pieces = list(self._pieces(message.get("body", b"")))
        for number, piece in enumerate(pieces):
            is_last = is_end and number == len(pieces) - 1
            if is_last:
                self._ledger.close(self._entry)
            await self._send({"type": message["type"], "body": piece, "more_body": not is_last})
            if self._trickle is not None and not is_last:
                self._left = not await stays(self._receive, self._trickle.interval_s)
            if self._left:
                return

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        if self._trickle is None or not data:
            yield data
            return
        for at in range(0, len(data), self._trickle.chunk_bytes):
            yield data[at : at + self._trickle.chunk_bytes]


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


async def _read(receive: Receive) -> bytes | None:
    """The whole body, or its first 32 MB and a bit; None if the client left before its end."""
    parts, kept, seen = list[bytes](), 0, 0
    while seen <= _READ_LIMIT:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        seen += len(part)
        if kept <= BODY_LIMIT:
            parts.append(part)
            kept += len(part)
        if not message.get("more_body", False):
            break
    return b"".join(parts)


def _describe(scope: Scope, headers: Mapping[str, str], data: bytes, entry: Entry) -> Body:
    """Fill in what the entry can know of a request, and read its JSON."""
    retry = headers.get("x-stainless-retry-count", "")
    entry.sdk_retry = int(retry) if re.fullmatch("[0-9]{1,9}", retry) else None
    path, query = scope["path"], scope["query_string"].decode("latin-1")
    if len(data) > BODY_LIMIT:
        entry.key = keys.query_key(path, query)
        return Body(refusal=ApiError(413, "Request exceeds the maximum size"))
    entry.key = keys.query_key(path, query, data)
    if path != paths.MESSAGES or scope["method"] != "POST":
        return Body()
    try:
        body = from_json(data, allow_inf_nan=False)
    except ValueError as cause:
        return Body(refusal=ApiError(400, f"The request body is not valid JSON: {cause}"))
    entry.key = keys.message_key(body) or entry.key
    if isinstance(body, dict):
        model = body.get("model")
        entry.model = model if isinstance(model, str) else None
        entry.stream = body.get("stream") is True
    return Body(json=body)


_MESSAGES = {
    429: "This request would exceed your organization's rate limit. Please try again later.",
    500: "Internal server error",
    529: "Overloaded",
}


def _status_answer(path: str, rule: Rule, request_id: str) -> Response:
    headers = dict(rule.headers)
    if rule.retry_after_s is not None:
        seconds = rule.retry_after_s
        text = str(int(seconds)) if seconds.is_integer() else str(seconds)
        headers.setdefault("retry-after", text)
    failure = ApiError(
        rule.status,
        _MESSAGES.get(rule.status, f"Simulated fault: status {rule.status}"),
        error_type=rule.error_type,
        error_code=rule.error_code,
        headers=headers,
    )
    if path in paths.SERVICES:
        return http_answers.service_fault(path, failure)
    return http_answers.refusal(failure, request_id)
