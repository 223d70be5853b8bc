"""The simulator as a program uses it: start, stop, where it is, what it saw.

This prevents a simulator that outlives its test. A server that waits for open requests when it
stops would be kept for ever by a hang. The rule here: start binds and returns, stop cuts every
connection, and nothing is printed.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from types import TracebackType
from typing import Self

from uvicorn.server import ServerState

from mock_claude import control, paths
from mock_claude.accounts.exchanges import LOG_LIMIT, Exchange
from mock_claude.api import app, fitting
from mock_claude.faults.edge import Edge
from mock_claude.faults.fault_script import FaultScript
from mock_claude.listening import listen
from mock_claude.stage import OnTask, Stage
from mock_claude.world.telemetry import Telemetry
from mock_claude.world.world import World

_STOP_S = 2.0


class Simulator:
    """A running simulator, as an async context manager.

    ``port`` 0 takes any free port. ``model`` decides what to say to a valid request. ``clock``
    (seconds) drives windows, the prompt cache and the log's times. ``on_task`` gets the task of
    each model request and its client's address before anything is decided. ``telemetry`` is where
    the web services log and export to; leaving closes it. Log, ``fired`` and
    ``in_flight`` may be read from any thread. Entering raises OSError if the port is taken.
    """

    def __init__(
        self,
        seed: int = 7,
        faults: FaultScript | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        model: app.Model = fitting.reply_to,
        clock: Callable[[], float] = time.monotonic,
        log_limit: int = LOG_LIMIT,
        on_task: OnTask | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.host = host
        self.port = port
        script = faults or FaultScript()
        self._stage = Stage(seed, script, model, clock, log_limit, on_task, telemetry)
        self._state = ServerState()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        if self._server is not None:
            raise RuntimeError("a Simulator runs once; make a new one")
        edge = Edge(self._stage, control.build(self._stage), control.is_control)
        self._server = await listen(edge, self._state, self.host, self.port)
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
        self._stage.close()
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
        if self._stage.telemetry.exporter is not None:
            await asyncio.to_thread(self._stage.telemetry.close)

    @property
    def seed(self) -> int:
        """What faults, draws and the world are drawn from; control's reset may change it."""
        return self._stage.seed

    @property
    def faults(self) -> FaultScript:
        """The script as it is now; control may replace it."""
        return self._stage.script

    @property
    def world(self) -> World:
        """The facts that the web services tell."""
        return self._stage.world

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
        return self._stage.ledger.log

    @property
    def dropped(self) -> int:
        """How many exchanges the log forgot to stay within its limit."""
        return self._stage.ledger.log.dropped

    @property
    def fired(self) -> Counter[str]:
        """How often each fault rule fired; faults asked for by header count as ``header``."""
        return self._stage.ledger.fired

    @property
    def played(self) -> Counter[str]:
        """How often each script decided the model's turn."""
        return Counter(self._stage.played)

    @property
    def first_at(self) -> float | None:
        """When the first request arrived, on ``clock``: where ``at_s`` of the log is 0."""
        return self._stage.ledger.first_at

    @property
    def in_flight(self) -> int:
        """Requests that have arrived and are not in the log yet."""
        return self._stage.ledger.in_flight

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
