"""The routes of the API and of the web services, and the form of every refusal.

This prevents an error body that no client can read. The rule: whatever refuses raises ApiError,
and one handler gives it the API's form; an unknown path or method gets the same form.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from mock_claude import paths
from mock_claude.accounts.accounts import Accounts
from mock_claude.accounts.ledger import Entry
from mock_claude.api import betas, guard, lenient, messages_api, models_api, wire
from mock_claude.api.direct import Direct
from mock_claude.api.http_answers import json_answer, refusal
from mock_claude.api.messages_api import Model
from mock_claude.errors import ApiError
from mock_claude.world import services
from mock_claude.world.serving import serve
from mock_claude.world.telemetry import Telemetry
from mock_claude.world.world import World

__all__ = ["Model", "build"]


def build(
    world: World,
    model: Model,
    accounts: Accounts,
    more: Sequence[Route] = (),
    telemetry: Telemetry | None = None,
) -> ASGIApp:
    """The API and the web services, without the edge (see ``edge``) in front of them.

    ``more``: the routes of batches.
    """
    told = telemetry or Telemetry()

    async def messages(request: Request) -> Response:
        return messages_api.create(request, model, accounts)

    async def count_tokens(request: Request) -> Response:
        return messages_api.count_tokens(request, accounts)

    async def lenient_messages(request: Request) -> Response:
        return lenient.create(request, model, accounts)

    async def lenient_count(request: Request) -> Response:
        return lenient.count_tokens(request, accounts)

    async def search(request: Request) -> Response:
        return await serve(request, "web-search", services.searching, world, told)

    async def geocode(request: Request) -> Response:
        return await serve(request, "geocoding", services.geocoding, world, told)

    async def forecast(request: Request) -> Response:
        return await serve(request, "weather", services.forecasting, world, told)

    app = Starlette(
        routes=[
            Route(paths.MESSAGES, messages, methods=["POST"]),
            Route(paths.COUNT_TOKENS, count_tokens, methods=["POST"]),
            Route(paths.MODELS, _models),
            Route(paths.MODELS + "/{model_id:path}", _model),
            Route(paths.LENIENT + paths.MESSAGES, lenient_messages, methods=["POST"]),
            Route(paths.LENIENT + paths.COUNT_TOKENS, lenient_count, methods=["POST"]),
            Route(paths.LENIENT + paths.MODELS, _lenient_models),
            Route(paths.LENIENT + paths.MODELS + "/{model_id:path}", _lenient_model),
            *more,
            Route(paths.SEARCH, search),
            Route(paths.GEOCODING, geocode),
            Route(paths.FORECAST, forecast),
        ],
        exception_handlers={
            ApiError: _refuse,
            HTTPException: _refuse_route,
            Exception: _refuse_our_own_fault,
        },
    )
    app.router.redirect_slashes = False
    table = {
        ("POST", paths.MESSAGES): messages,
        ("GET", paths.SEARCH): search,
        ("GET", paths.GEOCODING): geocode,
        ("GET", paths.FORECAST): forecast,
    }
    return Direct(app, table, _refuse, _refuse_our_own_fault)


async def _models(request: Request) -> Response:
    _check_headers(request)
    return _plain(request, models_api.page(request.query_params))


async def _model(request: Request) -> Response:
    _check_headers(request)
    return _plain(request, models_api.info(request.path_params["model_id"]))


async def _lenient_models(request: Request) -> Response:
    return _plain(request, models_api.page(request.query_params, lenient=True))


async def _lenient_model(request: Request) -> Response:
    return _plain(request, lenient.info(request.path_params["model_id"]))


def _check_headers(request: Request) -> None:
    guard.key(request.headers)
    guard.version(request.headers)
    betas.asked(request.headers)


def _plain(request: Request, body: object) -> Response:
    return json_answer(body, headers=wire.headers(*_sender(request)))


def _sender(request: Request) -> tuple[str, str]:
    """The request's id, and the workspace of its key."""
    entry: Entry | None = request.scope["state"].get("entry")
    if entry is None:
        return wire.new_id("req"), ""
    return entry.request_id, entry.account.workspace


async def _refuse(request: Request, failure: Exception) -> Response:
    if not isinstance(failure, ApiError):
        raise failure
    return refusal(failure, *_sender(request))


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
