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
    limits. Head and body in one write save a system call and wake the client once.
    """

    more_head = b""
    """Lines for the next answer's head, each with its end."""
    holds_head = False
    """Whether the next answer's head waits for the first bytes after it, which follow at once."""
    _held: list[bytes] | None = None

    def send_with_data_passthrough(self, event: h11.Event) -> list[bytes] | None:
        """As h11's; what it returns for a head ends with the empty line as a piece of its own."""
        pieces = super().send_with_data_passthrough(event)
        if isinstance(event, h11.Response):
            if self.more_head and pieces:
                pieces.insert(-1, self.more_head)
            self.more_head = b""
            if self.holds_head:
                self.holds_head, self._held = False, pieces
                return []
        elif self._held is not None and pieces is not None:
            pieces[:0], self._held = self._held, None
        return pieces


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
