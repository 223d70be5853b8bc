"""The routes, and the order in which POST /v1/messages checks and answers.

This prevents a 500 where the API would have refused. The rule: size, key, version, JSON, fields,
model, rules across messages; then the model replies, and the reply is limited, counted and
billed. Whatever refuses raises ApiError, and one handler gives it the API's form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mock_claude import (
    accounts,
    catalog,
    paths,
    request_rules,
    services,
    turn,
    validation,
    wire,
)
from mock_claude.edge import Body
from mock_claude.errors import ApiError
from mock_claude.http_answers import EventStream, json_answer, refusal
from mock_claude.ledger import Entry, Ledger
from mock_claude.reply import Reply
from mock_claude.world import World

_INVALID_KEY = "sk-ant-invalid"


Model = Callable[[Mapping[str, object]], Reply]


def build(world: World, ledger: Ledger, model: Model) -> Starlette:
    """The API and the web services, without the edge (see ``edge``) in front of them."""

    async def messages(request: Request) -> Response:
        return _answer(request, model)

    async def search(request: Request) -> Response:
        status, body = services.search(world, dict(request.query_params))
        return json_answer(body, status)

    async def geocode(request: Request) -> Response:
        status, body = services.geocode(world, dict(request.query_params))
        return json_answer(body, status)

    async def forecast(request: Request) -> Response:
        status, body = services.forecast(world, dict(request.query_params))
        return json_answer(body, status)

    async def log(request: Request) -> Response:
        return json_answer(
            {
                "exchanges": [exchange.to_json() for exchange in ledger.log.snapshot()],
                "fired": ledger.fired,
                "dropped": ledger.log.dropped,
                "in_flight": ledger.in_flight,
            }
        )

    app = Starlette(
        routes=[
            Route(paths.MESSAGES, messages, methods=["POST"]),
            Route(paths.SEARCH, search),
            Route(paths.GEOCODING, geocode),
            Route(paths.FORECAST, forecast),
            Route(paths.CONTROL + "/health", _health),
            Route(paths.CONTROL + "/log", log),
        ],
        exception_handlers={
            ApiError: _refuse,
            HTTPException: _refuse_route,
            Exception: _refuse_our_own_fault,
        },
    )
    app.router.redirect_slashes = False
    return app


async def _health(request: Request) -> Response:
    return json_answer({"status": "ok"})


def _answer(request: Request, reply_to: Model) -> Response:
    entry: Entry = request.state.entry
    body: Body = request.state.body
    if body.refusal is not None and body.refusal.status == 413:
        raise body.refusal
    _check_key(request.headers)
    version = _version(request.headers)
    if body.refusal is not None:
        raise body.refusal
    raw = validation.as_object(body.json)
    asked = validation.check_body(raw, version)
    model = catalog.lookup(asked.model)
    if model is None:
        raise ApiError(404, f"model: {asked.model}")
    request_rules.check(asked, model)
    said = turn.limited(reply_to(raw), asked.max_tokens, asked.stop_sequences)
    entry.usage = accounts.Usage(accounts.prompt_tokens(raw), said.output_tokens)
    entry.cost_usd = accounts.cost_usd(model.price, entry.usage)
    message = wire.message(said, entry.usage, raw)
    headers = wire.headers(entry.request_id)
    if asked.stream:
        return EventStream(wire.events(message), headers)
    return json_answer(message, headers=headers)


def _check_key(headers: Headers) -> None:
    """Current SDKs send a bearer token, curl and older ones x-api-key; either will do."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    key = bearer or headers.get("x-api-key", "").strip()
    if not key:
        raise ApiError(401, "x-api-key header is required")
    if key.startswith(_INVALID_KEY):
        raise ApiError(401, "invalid x-api-key")


def _version(headers: Headers) -> str:
    version = headers.get("anthropic-version")
    if version is None:
        raise ApiError(400, "anthropic-version: header is required")
    if version not in validation.VERSIONS:
        raise ApiError(400, f'anthropic-version: "{version}" is not a valid version')
    return version


def _request_id(request: Request) -> str:
    entry: Entry | None = request.scope["state"].get("entry")
    return wire.new_id("req") if entry is None else entry.request_id


async def _refuse(request: Request, failure: Exception) -> Response:
    if not isinstance(failure, ApiError):
        raise failure
    return refusal(failure, _request_id(request))


async def _refuse_route(request: Request, failure: Exception) -> Response:
    """No such path (404) or method (405)."""
    if not isinstance(failure, HTTPException):
        raise failure
    message = "Not found" if failure.status_code == 404 else failure.detail
    return await _refuse(
        request, ApiError(failure.status_code, message, headers=failure.headers or {})
    )


async def _refuse_our_own_fault(request: Request, failure: Exception) -> Response:
    """A bug of the simulator: the answer keeps its form, the server logs the traceback."""
    return await _refuse(request, ApiError(500, f"mock-claude has a bug: {failure!r}"))
