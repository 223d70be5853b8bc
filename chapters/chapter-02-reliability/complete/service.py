"""The agent as a service: tasks over HTTP, health for whoever runs it, and an orderly end.

Run: python service.py, then
curl localhost:8000/v1/tasks -H 'content-type: application/json' -d '{"task": "What is 23*19?"}'
"""

# First of all, because the imports below take seconds, and a signal may come in them. As process 1
# of a container Python would not even notice it: the kernel drops what has no handler there.
import signal
import sys

if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))  # nothing is under way yet

import asyncio
import json
import logging
import math
import os
import re
import uuid
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from anthropic import APIConnectionError, APIError, APITimeoutError, OverloadedError, RateLimitError
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reliability import (
    BadReply,
    BodyTooLarge,
    BodyTooLate,
    BulkheadFullError,
    CircuitOpenError,
    DeadlineExceeded,
    DependencyCheck,
    Drain,
    FailureKind,
    Intake,
    Liveness,
    OperationTimeout,
    Readiness,
    ReliabilityError,
    ServiceLeaving,
    SessionEnded,
    Startup,
    classify,
    encodable,
    members,
    stop_task_of,
)
from reliability.health import LivenessReport, ReadinessReport
from reliability.serving import answering, serve

from agent import NO_KEY, Agent, Answer, UnfinishedAnswer
from config import Settings, SettingsError

logger = logging.getLogger(__name__)

REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
# The first class that fits decides: status, type, and the message where the error has none to show.
ERRORS: tuple[tuple[type[Exception], int, str, str], ...] = (
    (RequestValidationError, 400, "invalid_request", "the request is not valid"),
    (UnicodeEncodeError, 400, "invalid_request", "the task holds half a surrogate pair"),
    (BodyTooLarge, 413, "too_large", ""),
    (BodyTooLate, 408, "request_timeout", ""),
    (BulkheadFullError, 503, "overloaded", ""),
    (CircuitOpenError, 503, "unavailable", ""),
    (SessionEnded, 410, "session_ended", ""),
    (DeadlineExceeded, 504, "deadline_exceeded", ""),
    (OperationTimeout, 504, "timeout", ""),
    (BadReply, 502, "upstream_error", "the model's answer cannot be read"),
    (ReliabilityError, 503, "unavailable", ""),
    (RateLimitError, 429, "rate_limited", "the model's rate limit is reached"),
    (OverloadedError, 503, "unavailable", "the model is overloaded"),
    (APITimeoutError, 504, "timeout", "the model did not answer in time"),
    (APIConnectionError, 502, "upstream_error", "the model cannot be reached"),
    (APIError, 502, "upstream_error", "the model refused the request or failed"),
    (json.JSONDecodeError, 502, "upstream_error", "the model's answer cannot be read"),
    (UnicodeDecodeError, 502, "upstream_error", "the model's answer cannot be read"),
    (UnfinishedAnswer, 502, "unfinished_answer", ""),
    (Exception, 500, "internal_error", "the service failed; its log says why"),
)
# Sent again, these may succeed, though a repeat at once by `retry` would not.
REPEATED_LATER = (CircuitOpenError, ServiceLeaving)


class TaskRequest(BaseModel):
    """What to do, and in which session."""

    model_config = ConfigDict(extra="forbid")

    # One character at least that Python, too, takes for no space.
    task: Annotated[str, Field(min_length=1, max_length=20_000, pattern=r"[^\s\x1c-\x1f\x85]")]
    session: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")] | None = None


@dataclass(frozen=True)
class Answered(Answer):
    """What a task came to, and under which id."""

    request_id: str = ""


class Failed(BaseModel):
    """The one form of all errors."""

    type: str
    message: str
    retryable: bool  # the same request may succeed later
    retry_after_s: float | None
    request_id: str


FAILURES: dict[int | str, dict[str, Any]] = {
    400: {"description": "The request is not valid"},
    408: {"description": "The body did not come in time"},
    410: {"description": "The session has ended: begin a new one"},
    413: {"description": "The body is too large"},
    429: {"description": "The model's rate limit"},
    500: {"description": "A failure that nobody foresaw"},
    502: {
        "description": "The model failed, refused or cannot be reached, or its answer is cut off"
    },
    503: {
        "description": "No room here, a circuit is open, the model is overloaded, money is spent"
    },
    504: {"description": "The deadline, or a call's own limit"},
    "default": {"description": "Any other refusal"},
}
for each in FAILURES.values():
    each["model"] = Failed


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


def describe(error: Exception) -> tuple[int, str, str]:
    """Return status, type and message; they repeat nothing of a task, an answer or a body."""
    status, kind, message = next(row[1:] for row in ERRORS if isinstance(error, row[0]))
    if isinstance(error, RequestValidationError):
        known = {"body", "query", "path", "header", *TaskRequest.model_fields}
        places = {  # the names in a body are the client's words
            ".".join(str(part) for part in each["loc"] if part in known): each["msg"]
            for each in error.errors()
        }
        message = "; ".join(f"{place}: {reason}" for place, reason in places.items())
        if isinstance(error.body, bytes):  # not parsed, because it does not say that it is JSON
            message = "the body must be JSON, and say so: content-type: application/json"
    elif isinstance(error, HTTPException):
        status, kind, message = error.status_code, "invalid_request", str(error.detail)
    elif isinstance(error, UnfinishedAnswer) and ": refusal (" in str(error):
        message = "the model declined to do this task"
    elif classify(error).kind is FailureKind.SPEND_LIMIT:
        status, kind, message = 503, "spend_limit", "the spend limit at the model is reached"
    return status, kind, message or str(error)


def error_response(request: Request, error: Exception) -> JSONResponse:
    """The one form of all errors. What nobody foresaw is logged under the request's id."""
    error = stop_task_of(error) or next(m for m in members(error) if isinstance(m, Exception))
    status, kind, message = describe(error)
    if kind == "internal_error":
        logger.error("request %s failed", request.state.request_id, exc_info=error)
    failure = classify(error)
    retryable = failure.retryable or isinstance(error, REPEATED_LATER)
    wait_s = failure.retry_after_s if retryable else None
    body = {
        "type": kind,
        "message": message,
        "retryable": retryable,
        "retry_after_s": wait_s,
        "request_id": request.state.request_id,
    }
    headers = dict(getattr(error, "headers", None) or {})  # the Allow of a 405
    if wait_s is not None:
        headers["retry-after"] = str(max(1, math.ceil(wait_s)))
    return JSONResponse(body, status, headers)


def answer_to(scope: MutableMapping[str, Any], error: Exception) -> ASGIApp:
    return error_response(Request(scope), error)


def not_http() -> JSONResponse:
    """The answer to bytes that are no HTTP request: no app sees them, and no client named them."""
    request = Request({"type": "http", "state": {"request_id": uuid.uuid4().hex}})
    response = error_response(request, HTTPException(400, "this is no valid HTTP request"))
    response.headers["x-request-id"] = request.state.request_id
    return response


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
    app.add_middleware(
        Intake,
        drain=drain,
        max_bytes=settings.listen.max_body_bytes,
        request_s=settings.timeouts.request_s,
        answer=answer_to,
    )
    app.add_middleware(WithRequestId)

    @app.exception_handler(RequestValidationError)
    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: Exception) -> JSONResponse:
        return error_response(request, error)

    @app.post("/v1/tasks", response_model=Answered, responses=FAILURES)
    async def tasks(request: Request, asked: TaskRequest) -> JSONResponse:
        """Do one task. A refusal comes before anything is spent."""
        try:
            answer = await agent.run(asked.task, session=asked.session)
        except Exception as error:  # noqa: BLE001 - here, not in the intake: a refusal is cheap
            return error_response(request, error)
        # An answer is paid for: a character that cannot be sent must not lose it.
        body = encodable(asdict(answer)) | {"request_id": request.state.request_id}
        return JSONResponse(body)

    @app.get("/health/live", response_model=LivenessReport, responses={503: {}})
    async def live() -> JSONResponse:
        """Restart me if this is no 200: asks nothing but the event loop."""
        report = liveness.report()
        return JSONResponse(asdict(report), 200 if report.alive else 503)

    @app.get("/health/ready", response_model=ReadinessReport, responses={503: {}})
    async def ready() -> JSONResponse:
        """Send me requests while this is 200."""
        report = await readiness.report()
        return JSONResponse(asdict(report), 200 if report.ready else 503)

    @app.get("/health/startup", responses={503: {}})
    async def started() -> JSONResponse:
        """Ask the other two from the first 200 on."""
        return JSONResponse({"started": startup.started}, 200 if startup.started else 503)

    return app


def say_where(url: str) -> None:
    """Whoever started it knows from when on, and where, it can be asked."""
    print(f"listening on {url}", file=sys.stderr, flush=True)


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
    address = settings.listen.host, settings.listen.port
    options: dict[str, Any] = {"log_level": "warning", "access_log": False}
    options |= {"http": answering(not_http), "listening": say_where}
    sys.exit(asyncio.run(serve(app, *address, drain, **options)))


if __name__ == "__main__":
    main()
