"""In a process of its own: takes in a trial's spans and alerts, and scrapes its processes.

This prevents telemetry that slows what it measures, or that is lost with the process that sent it.
The app is plain: POST /v1/traces, POST /alerts. Everything is bounded, and what is left out is
counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import TypeVar

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.server import ServerState

from book.stage.receivers import delivered, exposed, otlp
from book.stage.receivers.bounds import Bounds, Refused, to_monotonic, unpacked, whole
from book.story.telemetry import Alert, Sample, Span, Telemetry
from mock_claude.listening import listen

T = TypeVar("T")
TRACES, ALERTS = "/v1/traces", "/alerts"
EVERY_S = 1.0
SCRAPE_S = 1.0


def collect(pipe: Connection, port: int, bounds: Bounds) -> None:
    """Send the URL, or None where the port is taken; then answer until "report" is asked for.

    ``{source: url}`` are the targets from then on, "scrape" scrapes them once more.
    """
    asyncio.run(Collector(bounds).serve(pipe, port))


class Collector:
    """What has been taken in so far."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.spans: list[Span] = []
        self.alerts: list[Alert] = []
        self.samples: list[Sample] = []
        self.dropped: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.targets: Mapping[str, str] = {}

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route(TRACES, self._traces, methods=["POST"]),
                Route(ALERTS, self._alerts, methods=["POST"]),
            ],
            exception_handlers={Refused: self._refusal},
        )

    async def serve(self, pipe: Connection, port: int) -> None:
        state = ServerState()
        try:
            server = await listen(self.app(), state, "127.0.0.1", port)
        except OSError:
            pipe.send(None)
            return
        pipe.send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        limits = httpx.Limits(max_keepalive_connections=None)
        async with httpx.AsyncClient(timeout=SCRAPE_S, limits=limits, trust_env=False) as client:
            scraping = asyncio.create_task(self._scrape_on(client))
            with contextlib.suppress(EOFError, ConnectionError):
                while (asked := await asyncio.to_thread(pipe.recv)) != "report":
                    if asked == "scrape":
                        await self.scrape(client)
                    else:
                        self.targets = asked
                    pipe.send("ok")
                pipe.send(self.report())
            scraping.cancel()
        server.close()
        for connection in list(state.connections):
            connection.shutdown()

    def report(self) -> Telemetry:
        return Telemetry(
            samples=tuple(self.samples),
            spans=tuple(self.spans),
            alerts=tuple(self.alerts),
            dropped=dict(self.dropped),
            refused=dict(self.refused),
        )

    async def scrape(self, client: httpx.AsyncClient) -> None:
        """Scrape all targets at once; one that does not answer is down, and holds up nobody."""
        await asyncio.gather(*(self._scrape(client, *each) for each in self.targets.items()))

    async def _scrape_on(self, client: httpx.AsyncClient) -> None:
        while True:
            due = time.monotonic() + EVERY_S
            await self.scrape(client)
            await asyncio.sleep(max(due - time.monotonic(), 0))

    async def _scrape(self, client: httpx.AsyncClient, source: str, url: str) -> None:
        at_s = time.monotonic()
        found: list[Sample] = []
        up = 0.0
        try:
            async with (
                asyncio.timeout(SCRAPE_S),  # the client's own bounds each read only
                client.stream("GET", url, headers={"accept": exposed.ACCEPT}) as response,
            ):
                if not response.is_success:
                    raise Refused(400, f"/metrics of {source} answers {response.status_code}")
                body = await whole(response.aiter_bytes(), self.bounds.body_bytes)
                media = response.headers.get("content-type", "")
            found = await asyncio.to_thread(
                exposed.samples_in, body.decode("utf-8"), media, source, at_s, to_monotonic()
            )
            up = 1.0
        except (Refused, UnicodeDecodeError) as error:
            self.refused[str(error)] += 1
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            pass  # down: `up` says so
        self._keep(self.samples, [Sample(source, at_s, "up", {}, up)], "samples")
        self._keep(self.samples, found, "samples")

    async def _traces(self, request: Request) -> Response:
        body = await self._body(request)
        media = request.headers.get("content-type", "")
        spans = otlp.spans_in(body, media, self.bounds, to_monotonic())
        content, kind = otlp.answer(media, self._keep(self.spans, spans, "spans"))
        return Response(content, media_type=kind)

    async def _alerts(self, request: Request) -> Response:
        body = await self._body(request)
        alerts = delivered.alerts_in(body, self.bounds, time.monotonic())
        self._keep(self.alerts, alerts, "alerts")
        return JSONResponse({})

    async def _body(self, request: Request) -> bytes:
        most = self.bounds.body_bytes
        encoding = request.headers.get("content-encoding", "").strip().lower()
        return unpacked(await whole(request.stream(), most), encoding, most)

    def _keep(self, kept: list[T], more: list[T], what: str) -> int:
        """Keep as many as the bound allows; how many it does not."""
        most: int = getattr(self.bounds, what)
        room = max(most - len(kept), 0)
        kept += more[:room]
        over = max(len(more) - room, 0)
        if over:
            self.dropped[what] += over
        return over

    async def _refusal(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        self.refused[str(error)] += 1
        return JSONResponse({"code": 3, "message": str(error)}, error.status)
