"""The server: uvicorn's HTTP protocol on a socket of our own, without uvicorn's process handling.

This prevents a simulator that outlives its test. uvicorn.Server takes over signals, polls ten
times a second and waits for open requests when it stops; a hang would keep it for ever. The rule
here: start binds and returns, stop cuts every connection, and nothing is printed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from mock_claude import app, http_answers, paths, planner, wire
from mock_claude.edge import Edge
from mock_claude.errors import ApiError
from mock_claude.fault_script import FaultScript
from mock_claude.ledger import LOG_LIMIT, Exchange, Ledger
from mock_claude.world import World

LOGGER = logging.getLogger("mock_claude.http")
LOGGER.setLevel(logging.ERROR)  # silent but for a traceback of a bug of ours

_KEEP_ALIVE_S = 3600  # uvicorn's 5 s equals httpx's: idle connections would die in mid-request
_STOP_S = 2.0


class Simulator:
    """A running simulator, as an async context manager.

    ``port`` 0 takes any free port. ``model`` decides what to say to a valid request. ``clock``
    (seconds) drives windows and the log's times. Log, ``fired`` and ``in_flight`` may be read
    from any thread. Entering raises OSError if the port is taken.
    """

    def __init__(
        self,
        seed: int = 7,
        faults: FaultScript | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        model: app.Model = planner.reply_to,
        clock: Callable[[], float] = time.monotonic,
        log_limit: int = LOG_LIMIT,
    ) -> None:
        self.seed = seed
        self.faults = faults or FaultScript()
        self.host = host
        self.port = port
        self.world = World(seed)
        self._model = model
        self._ledger = Ledger(log_limit, clock)
        self._state = ServerState()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        if self._server is not None:
            raise RuntimeError("a Simulator runs once; make a new one")
        edge = Edge(
            app.build(self.world, self._ledger, self._model), self._ledger, self.faults, self.seed
        )
        config = Config(
            edge,
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
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Protocol(config, self._state, {}), self.host, self.port, backlog=2048
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is None:
            return
        self._server.close()
        try:
            async with asyncio.timeout(_STOP_S):
                while self._state.connections or self._state.tasks:
                    for connection in list(self._state.connections):
                        connection.transport.abort()
                    await asyncio.sleep(0)
        except TimeoutError:
            for task in list(self._state.tasks):
                task.cancel()

    @property
    def url(self) -> str:
        """What ``ANTHROPIC_BASE_URL`` must be to use this simulator."""
        if self._server is None:
            raise RuntimeError("the simulator is not running; use it with 'async with'")
        return f"http://{_reachable(self.host)}:{self.port}"

    @property
    def search_url(self) -> str:
        """The web search service (MediaWiki)."""
        return self.url + paths.SEARCH

    @property
    def geocoding_url(self) -> str:
        """The geocoding service (Open-Meteo)."""
        return self.url + paths.GEOCODING

    @property
    def forecast_url(self) -> str:
        """The weather forecast service (Open-Meteo)."""
        return self.url + paths.FORECAST

    @property
    def log(self) -> Sequence[Exchange]:
        """Finished exchanges, in the order they finished."""
        return self._ledger.log

    @property
    def dropped(self) -> int:
        """How many exchanges the log forgot to stay within its limit."""
        return self._ledger.log.dropped

    @property
    def fired(self) -> Counter[str]:
        """How often each fault rule fired; faults asked for by header count as ``header``."""
        return self._ledger.fired

    @property
    def in_flight(self) -> int:
        """Requests that have arrived and are not in the log yet."""
        return self._ledger.in_flight

    def model_requests(self) -> list[Exchange]:
        """The exchanges of POST /v1/messages."""
        return [each for each in self.log if each.path == paths.MESSAGES and each.method == "POST"]


def _reachable(host: str) -> str:
    """A host that a client on this machine can connect to, for one that the server binds to."""
    try:
        address = ip_address(host)
    except ValueError:
        return host or "127.0.0.1"
    if address.version == 6:
        return "[::1]" if address.is_unspecified else f"[{host}]"
    return "127.0.0.1" if address.is_unspecified else host


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
        self.logger = LOGGER
        self.access_log = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {"transport": transport}  # uvicorn copies it to scope["state"]

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
