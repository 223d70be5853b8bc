"""Serves a step that has no service of its own, as simply as a first service is written.

Steps before chapter 2's last one are a program that answers one task. To put them under the load
and the signals of a service they need a server; this one adds no policy: every task is taken at
once, a failure is a 500, readiness is always 200, and SIGTERM is left to uvicorn.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


def app() -> Starlette:
    """The service around the agent of the step whose folder is first on the path."""
    from agent import Agent  # type: ignore[import-not-found]  # the step's own
    from config import Settings  # type: ignore[import-not-found]

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with Agent(Settings.from_env()) as agent:
            yield {"agent": agent}

    async def do(request: Request) -> JSONResponse:
        asked = await request.json()
        try:
            answer = await request.state.agent.run(asked["task"], asked.get("session"))
        except Exception as error:  # noqa: BLE001 - a plain service knows one kind of failure
            return JSONResponse({"type": type(error).__name__}, 500)
        return JSONResponse(asdict(answer))

    async def well(request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    health = [Route(f"/health/{each}", well) for each in ("live", "ready", "startup")]
    return Starlette(routes=[Route("/v1/tasks", do, methods=["POST"]), *health], lifespan=lifespan)


def main(port: int) -> None:
    """Serve on this port of the loopback interface until a signal ends the process."""
    uvicorn.run(app(), host="127.0.0.1", port=port, log_level="warning")
