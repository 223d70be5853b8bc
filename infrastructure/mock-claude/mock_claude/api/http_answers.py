"""HTTP answers: a message, an event stream, and a refusal in the form of whoever refuses.

This prevents an error body that a client cannot read. The rule: every refusal has the API's own
form, whatever the path and method; only a fault on a web service has that service's form.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mock_claude import paths
from mock_claude.api import wire
from mock_claude.errors import ApiError


def json_answer(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON body; ``headers`` may replace the content type."""
    plain = {"content-type": "application/json", **(headers or {})}
    return Response(wire.encode(value), status, headers=plain)


def refusal(failure: ApiError, request_id: str, workspace: str = wire.WORKSPACE_ID) -> Response:
    """The refusal as the API sends it."""
    headers = {**wire.headers(request_id, workspace), **failure.headers}
    return json_answer(wire.error(failure, request_id), failure.status, headers)


def service_fault(path: str, failure: ApiError) -> Response:
    """A status fault on a web service: MediaWiki's error object, or Open-Meteo's."""
    if path == paths.SEARCH:
        code = failure.error_code or ("ratelimited" if failure.status == 429 else "unavailable")
        body: dict[str, object] = {"error": {"code": code, "info": failure.message}}
        headers = {"mediawiki-api-error": code, **failure.headers}
        return json_answer(body, failure.status, headers)
    body = {"error": True, "reason": failure.message}
    return json_answer(body, failure.status, failure.headers)


class EventStream(Response):
    """Server-sent events, each sent by itself; the last one also ends the answer.

    Nothing more is sent once the client has left: asyncio would complain on standard error.
    """

    def __init__(self, events: Iterable[bytes], headers: Mapping[str, str]) -> None:
        self.events = events
        self.status_code = 200
        self.background = None
        sse = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
        self.init_headers({**sse, **headers})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **head})
        transport = scope.get("state", {}).get("transport")
        waiting = b""
        for event in self.events:
            if transport is not None and transport.is_closing():
                await asyncio.sleep(0)  # lets the server notice that the connection is lost
                return
            if waiting:
                await send({"type": "http.response.body", "body": waiting, "more_body": True})
            waiting = event
        await send({"type": "http.response.body", "body": waiting})
