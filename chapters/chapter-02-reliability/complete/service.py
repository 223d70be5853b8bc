"""The agent as a service: tasks over HTTP, health for whoever runs it, and an orderly end.

Run: python service.py, then
curl localhost:8000/v1/tasks -H 'content-type: application/json' -d '{"task": "What is 23*19?"}'
"""

import asyncio
import logging
import math
import os
import re
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated

from anthropic import APIConnectionError, APIError, APITimeoutError, OverloadedError, RateLimitError
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reliability import (
    BulkheadFullError,
    CircuitOpenError,
    DeadlineExceeded,
    DependencyCheck,
    Drain,
    Liveness,
    OperationTimeout,
    Readiness,
    ReliabilityError,
    Startup,
    classify,
)
from reliability.serving import serve

from agent import NO_KEY, Agent, UnfinishedAnswer
from config import Settings, SettingsError

logger = logging.getLogger(__name__)

REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
# The first class that fits decides: status, type, and the message where the error has none to show.
ERRORS: tuple[tuple[type[Exception], int, str, str], ...] = (
    (RequestValidationError, 400, "invalid_request", "the request is not valid"),
    (BulkheadFullError, 503, "overloaded", ""),
    (CircuitOpenError, 503, "unavailable", ""),
    (DeadlineExceeded, 504, "deadline_exceeded", ""),
    (OperationTimeout, 504, "timeout", ""),
    (ReliabilityError, 503, "unavailable", ""),
    (RateLimitError, 429, "rate_limited", "the model's rate limit is reached"),
    (OverloadedError, 503, "unavailable", "the model is overloaded"),
    (APITimeoutError, 504, "timeout", "the model did not answer in time"),
    (APIConnectionError, 502, "upstream_error", "the model cannot be reached"),
    (APIError, 502, "upstream_error", "the model refused the request or failed"),
    (UnfinishedAnswer, 502, "unfinished_answer", ""),
    (Exception, 500, "internal_error", "the service failed; its log says why"),
)


class TaskRequest(BaseModel):
    """What to do, and in which session."""

    model_config = ConfigDict(extra="forbid")

    task: Annotated[str, Field(min_length=1, max_length=20_000, pattern=r"\S")]
    session: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")] | None = None


class WithRequestId:
    """Gives each request an id, the client's own if it is one, and tells it in the response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = Headers(scope=scope).get("x-request-id", "")
        request_id = asked if REQUEST_ID.fullmatch(asked) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        await self.app(scope, receive, send_with_id)


def error_response(request: Request, error: Exception) -> JSONResponse:
    """The one form of all errors; it repeats nothing of a task, an answer or a body."""
    status, kind, message = next(row[1:] for row in ERRORS if isinstance(error, row[0]))
    if isinstance(error, RequestValidationError):
        places = {".".join(map(str, each["loc"])): each["msg"] for each in error.errors()}
        message = "; ".join(f"{place}: {reason}" for place, reason in places.items())
    if isinstance(error, HTTPException):
        status, kind, message = error.status_code, "invalid_request", str(error.detail)
    failure = classify(error)
    wait_s = failure.retry_after_s
    body = {
        "type": kind,
        "message": message or str(error),
        "retryable": failure.retryable or isinstance(error, CircuitOpenError),
        "retry_after_s": wait_s,
        "request_id": request.state.request_id,
    }
    headers = {} if wait_s is None else {"retry-after": str(max(1, math.ceil(wait_s)))}
    return JSONResponse(body, status, headers)


def build(settings: Settings, drain: Drain) -> FastAPI:
    """The application; its lifespan owns the agent."""
    startup = Startup()
    agent = Agent(settings)
    liveness = Liveness(settings.health)

    async def model_answers() -> None:
        await agent.client.models.retrieve(settings.model)

    async def notes_can_be_written() -> None:
        if not os.access(settings.notes_file.parent, os.W_OK):
            raise PermissionError("the folder of the notes file cannot be written")

    checks = {
        # Shared by all replicas: optional, or its outage takes all of them out at once.
        "claude": DependencyCheck(model_answers),
        "notes": DependencyCheck(notes_can_be_written, required=True),
    }
    readiness = Readiness(
        checks,
        settings.health,
        draining=lambda: drain.draining,
        started=lambda: startup.started,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with agent, liveness:
            warming = asyncio.create_task(startup.run(model_answers, limit_s=5))
            yield
            warming.cancel()

    app = FastAPI(title="Agent", lifespan=lifespan)
    app.add_middleware(WithRequestId)

    @app.exception_handler(RequestValidationError)
    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: Exception) -> JSONResponse:
        return error_response(request, error)

    @app.post("/v1/tasks")
    async def tasks(request: Request, asked: TaskRequest) -> JSONResponse:
        """Do one task. A refusal comes before anything is spent."""
        try:
            answer = await agent.run(asked.task, session=asked.session)
        except Exception as error:
            if not isinstance(error, ReliabilityError | APIError | UnfinishedAnswer):
                logger.exception("request %s failed", request.state.request_id)
            return error_response(request, error)
        return JSONResponse(asdict(answer) | {"request_id": request.state.request_id})

    @app.get("/health/live")
    async def live() -> JSONResponse:
        """Restart me if this is no 200: asks nothing but the event loop."""
        report = liveness.report()
        return JSONResponse(asdict(report), 200 if report.alive else 503)

    @app.get("/health/ready")
    async def ready() -> JSONResponse:
        """Send me requests while this is 200."""
        report = await readiness.report()
        return JSONResponse(asdict(report), 200 if report.ready else 503)

    @app.get("/health/startup")
    async def started() -> JSONResponse:
        """Ask the other two from the first 200 on."""
        return JSONResponse({"started": startup.started}, 200 if startup.started else 503)

    return app


def main() -> None:
    """Serve until a signal; exit with 0 after an orderly end, with 1 if a second signal forced."""
    try:
        settings = Settings.from_env()
        if not settings.anthropic_api_key.get_secret_value():
            raise SettingsError(NO_KEY)
    except SettingsError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    drain = Drain(settings.drain)
    app = build(settings, drain)
    address = settings.service_host, settings.service_port
    sys.exit(asyncio.run(serve(app, *address, drain, log_level="warning", access_log=False)))


if __name__ == "__main__":
    main()
