"""uvicorn's HTTP protocol on a socket of our own, without uvicorn's process handling.

This prevents a server that takes over its process. uvicorn.Server handles signals, polls ten times
a second and prints; here only its protocol is used, its connections stay open as long as a client
wants, and bytes that are no HTTP are refused in the API's form.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import h11
from starlette.types import ASGIApp
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from mock_claude.api import http_answers, wire
from mock_claude.errors import ApiError

LOGGER = logging.getLogger("mock_claude.http")
LOGGER.setLevel(logging.ERROR)  # silent but for a traceback of a bug of ours

_LONGEST_HEAD = 64 * 1024  # bytes, as uvicorn's
_KEEP_ALIVE_S = 3600  # uvicorn's 5 s equals httpx's: idle connections would die in mid-request


async def listen(app: ASGIApp, state: ServerState, host: str, port: int) -> asyncio.Server:
    """Serve an ASGI application; OSError if the port is taken. ``state`` knows what is open."""
    config = Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        workers=1,  # else uvicorn reads WEB_CONCURRENCY
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    config.load()
    return await asyncio.get_running_loop().create_server(
        lambda: _Protocol(config, state, {}), host, port, backlog=2048
    )


class Connection(h11.Connection):
    """h11's, with lines of our own in the head of an answer, which may leave with its body.

    The lines need none of h11's checks, which cost a tenth of a request for the dozen of rate
    limits. Head and body in one write save a system call and wake the client once. Only a head
    that was prepared, and what follows it, goes through here: the events of a stream are many.
    """

    _more_head = b""
    _holds_head = False
    _held = b""

    def prepare(self, more_head: bytes, *, holds_head: bool) -> None:
        """Add these lines, each with its end, to the head that is sent next.

        ``holds_head``: it waits for the first bytes after it, which must follow at once.
        """
        self._more_head, self._holds_head = more_head, holds_head
        self.send = self._send_head  # type: ignore[assignment]

    def _send_head(self, event: h11.Event) -> bytes | None:
        data: bytes | None = super().send(event)
        if data is None or not isinstance(event, h11.Response):
            return data
        del self.send  # h11's own again
        if self._more_head:
            data = data[:-2] + self._more_head + data[-2:]  # before the empty line
        if not self._holds_head:
            return data
        self._held = data
        self.send = self._send_held  # type: ignore[assignment]
        return b""

    def _send_held(self, event: h11.Event) -> bytes | None:
        del self.send
        data: bytes | None = super().send(event)
        held, self._held = self._held, b""
        return None if data is None else held + data


class _Protocol(H11Protocol):
    """uvicorn's protocol; hands its transport to the app and stays silent."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn = Connection(h11.SERVER, config.h11_max_incomplete_event_size or _LONGEST_HEAD)
        self.logger = LOGGER
        self.access_log = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {
            "transport": transport,
            "connection": self.conn,
        }  # uvicorn copies it to scope["state"]

    def send_400_response(self, msg: str) -> None:
        """Bytes that are no HTTP: refused in the API's form, if no answer has begun."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        answer = http_answers.refusal(ApiError(400, msg), wire.new_id("req"))
        head = [*answer.raw_headers, (b"connection", b"close")]
        for event in (
            h11.Response(status_code=400, headers=head, reason=b"Bad Request"),
            h11.Data(data=bytes(answer.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
