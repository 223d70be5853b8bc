"""Serve an app with uvicorn so that it leaves as `draining` says.

Prevents two failures: uvicorn alone closes its socket at the moment of SIGTERM and then dies by the
signal (exit code 143), and it closes a kept connection on which a client is just sending. The
rules: the signals are ours, uvicorn stops when told, the exit code says whether it went in order,
and an idle connection is closed by the client or its load balancer, which knows when it sends.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections.abc import Callable, Generator, Sequence
from typing import Any

import h11
import uvicorn
from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from reliability.bounded import Work
from reliability.draining import Drain, install_signals
from reliability.intake import App, Message, Receive, Send

__all__ = ["App", "Message", "Receive", "Send", "answering", "counted", "serve"]

# nginx and the balancers of the large clouds keep an idle connection for 60 s.
KEEP_ALIVE_S = 75


class PatientProtocol(H11Protocol):
    """uvicorn's protocol, which closes a connection that shows no whole head for `head_s` seconds.

    uvicorn itself bounds only the silence between two requests. `malformed` is the answer to what
    is no HTTP, which no app sees; without it uvicorn answers in plain text.
    """

    head_s = 10.0
    malformed: Callable[[], Response] | None = None
    waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.stop_waiting()

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):  # an answer has begun
            self.transport.close()
            return
        if self.malformed is None:
            super().send_400_response(msg)
            return
        answer = self.malformed()
        headers = [*answer.raw_headers, (b"connection", b"close")]
        head = h11.Response(status_code=answer.status_code, headers=headers)
        for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def wait_for_head(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self.stop_waiting()
        elif self.waiting is None:
            self.waiting = self.loop.call_later(self.head_s, self.transport.close)

    def stop_waiting(self) -> None:
        if self.waiting is not None:
            self.waiting.cancel()
            self.waiting = None


def answering(malformed: Callable[[], Response]) -> type[PatientProtocol]:
    """The protocol with a service's own answer to what is no HTTP: `serve(..., http=...)`."""
    return type("Answering", (PatientProtocol,), {"malformed": staticmethod(malformed)})


class QuietServer(uvicorn.Server):
    """uvicorn without signal handlers of its own, that says when its sockets are closed."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[str], None] | None) -> None:
        super().__init__(config)
        self._closed, self._listening = asyncio.Event(), listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._listening is not None:
            host, port = self.config.host, self.servers[0].sockets[0].getsockname()[1]
            self._listening(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._closed.set()  # wakes nobody before the first await below, which follows the closing
        await super().shutdown(sockets)

    async def stop_accepting(self) -> None:
        """Return once no connection is accepted any longer; those that are open go on."""
        self.should_exit = True
        await self._closed.wait()


async def serve(
    app: App,
    host: str,
    port: int,
    drain: Drain,
    closers: Sequence[Work] = (),
    listening: Callable[[str], None] | None = None,
    **options: Any,
) -> int:
    """Serve until a signal has drained; return the exit code: 0, or 1 when a second one forced.

    Write `sys.exit(asyncio.run(serve(...)))`. It counts each request itself, so the app need not.
    The app's lifespan ends before the `closers` run, in a share of `close_s` like each of them;
    uvicorn needs 0.1 s of it. `listening` gets the address once connections are accepted, and
    `options` go to uvicorn.Config. Raises SystemExit(3), uvicorn's code,
    when the service cannot start.
    """
    limits, ended = drain.settings, asyncio.Event()
    options.setdefault("http", PatientProtocol)
    options.setdefault("timeout_keep_alive", KEEP_ALIVE_S)
    # Only a backstop: streams never end on their own, and the drain cancels them before this.
    backstop_s = math.ceil(limits.drain_s + limits.close_s)
    config = uvicorn.Config(
        counted(app, drain), host, port, timeout_graceful_shutdown=backstop_s, **options
    )
    server = QuietServer(config, listening)

    async def server_ended() -> None:
        try:
            await ended.wait()
        except asyncio.CancelledError:  # its share of `close_s` is over
            limit.reschedule(0)
            raise

    async def leave() -> None:
        await drain.wait_for_signal()
        await drain.finish(server.stop_accepting, [server_ended, *closers])

    leaving = asyncio.create_task(leave())
    undo = install_signals(asyncio.get_running_loop(), drain)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None) as limit:
                await server.serve()
        ended.set()
        if not drain.draining:  # uvicorn stopped by itself, as limit_max_requests makes it
            drain.begin()
        await leaving
    finally:
        leaving.cancel()
        undo()
    return 1 if drain.forced.is_set() else 0


def counted(app: App, drain: Drain) -> App:
    """Return `app` with each request counted; while draining, each response ends its connection.

    Else a client with a pool sends on a connection at the moment it is closed (uvicorn#2757).
    """

    async def call(scope: Message, receive: Receive, send: Send) -> None:
        async def send_last(message: Message) -> None:
            if drain.draining and message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        has_header = scope["type"] == "http" and scope["http_version"] < "2"
        with drain.request():
            await app(scope, receive, send_last if has_header else send)

    return call
