"""Take in a request within bounds, and answer in one form whatever ends it.

Prevents three failures: a client that sends 300 MB, or announces a body and sends none, and holds
memory, a connection and the drain of a deployment; the request cut off by that drain that gets a
traceback; and the 500 of a framework, in a form of its own, without a request id. The rules:

- A body has `max_bytes` and comes whole before the app runs. A longer one is refused at once.
- The request's time counts from its first byte: a client that is slow to ask leaves less for work.
- What the app does not answer itself is answered here, by the service's own `answer`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from reliability.deadlines import DeadlineExceeded, counted_from, deadline
from reliability.draining import Drain, ServiceLeaving
from reliability.errors import FailureKind, ReliabilityError

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

# A refusal may be read only by who has sent all: what still comes is thrown away for so long.
LINGER_S = 2.0


@dataclass(frozen=True)
class ListenSettings:
    """Where a service listens, and what it takes in. Raises ValueError.

    Not `AGENT_SERVICE_HOST` and `AGENT_SERVICE_PORT`: in a pod beside a Service called `agent`,
    Kubernetes sets those to the address of the Service.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    max_body_bytes: int = 1_048_576  # room for a task of 20,000 characters, however it is escaped

    def __post_init__(self) -> None:
        if type(self.port) is not int or not 1 <= self.port <= 65535:
            raise ValueError(f"port must be a whole number from 1 to 65535, not {self.port!r}")
        if type(self.max_body_bytes) is not int or self.max_body_bytes < 1:
            raise ValueError(f"max_body_bytes must be a whole number >= 1: {self.max_body_bytes!r}")


class BodyTooLarge(ReliabilityError):
    """The body has more than `max_bytes`; nothing of it was kept."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(max_bytes)
        self.max_bytes = max_bytes

    def __str__(self) -> str:
        return f"the body is larger than {self.max_bytes} bytes"


class BodyTooLate(ReliabilityError):
    """The body did not come within `limit_s` seconds."""

    kind = FailureKind.TIMEOUT
    retryable = True

    def __init__(self, limit_s: float) -> None:
        super().__init__(limit_s)
        self.limit_s = limit_s

    def __str__(self) -> str:
        return f"the body did not come within {self.limit_s:g} s"


class Intake:
    """ASGI middleware around an app that `serve` serves. `answer` makes the response to an error.

    It answers BodyTooLarge, BodyTooLate, ServiceLeaving (the drain cut the request off), and every
    Exception that leaves the app before its response has begun.
    """

    def __init__(
        self,
        app: App,
        *,
        drain: Drain,
        max_bytes: int,
        request_s: float,
        answer: Callable[[Message, Exception], App],
    ) -> None:
        self.app, self.drain, self.answer = app, drain, answer
        self.max_bytes, self.request_s = max_bytes, request_s

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def send_noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        error: Exception
        try:
            await self._serve(scope, receive, send_noted)
            return
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if begun or task is None or not self.drain.has_cut(task):
                raise
            task.uncancel()  # the answer is all that is left to do
            error = ServiceLeaving()
        except Exception as raised:
            if begun:
                raise
            error = raised
        response = self.answer(scope, error)
        if isinstance(error, BodyTooLarge):
            await _refuse(response, scope, receive, send)
        else:
            await response(scope, receive, send)

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        began = asyncio.get_running_loop().time()
        try:
            async with deadline(self.request_s):
                body = await self._body(scope, receive)
        except DeadlineExceeded as late:
            raise BodyTooLate(self.request_s) from late
        if body is None:  # the client has left
            return
        given = False

        async def receive_whole() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        with counted_from(began, self.request_s):
            await self.app(scope, receive_whole, send)

    async def _body(self, scope: Message, receive: Receive) -> bytes | None:
        for name, value in scope["headers"]:
            announced = name.lower() == b"content-length" and value.isdigit()
            if announced and int(value) > self.max_bytes:
                raise BodyTooLarge(self.max_bytes)
        body = bytearray()
        with self.drain.arriving():
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                body += message.get("body", b"")
                if len(body) > self.max_bytes:
                    raise BodyTooLarge(self.max_bytes)
                if not message.get("more_body", False):
                    return bytes(body)


async def _refuse(response: App, scope: Message, receive: Receive, send: Send) -> None:
    """Answer at once, and close only when the client has sent what it was about to.

    A socket that is closed with bytes unread resets the connection, and the answer is lost.
    """

    async def send_open(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        else:
            message = {**message, "more_body": True}
        await send(message)

    await response(scope, receive, send_open)
    try:
        async with asyncio.timeout(LINGER_S):
            while (await receive()).get("more_body", False):
                pass
    except TimeoutError:
        pass
    await send({"type": "http.response.body", "body": b"", "more_body": False})
