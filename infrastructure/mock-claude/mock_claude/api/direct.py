"""The paths that are asked most, answered without the search through all routes.

This prevents a server whose routing costs a tenth of each request. The rule: a request whose
method and path are in the table goes straight to its endpoint; every other takes the routes. What
an endpoint raises is answered as Starlette's middleware would.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mock_claude.errors import ApiError

Endpoint = Callable[[Request], Awaitable[Response]]
Refuse = Callable[[Request, Exception], Awaitable[Response]]


class Direct:
    """An ASGI application in front of ``routes``.

    ``refuse`` makes the answer to an ApiError, ``blame`` that to any other exception, which is
    raised again, so that the server logs it.
    """

    def __init__(
        self,
        routes: ASGIApp,
        table: Mapping[tuple[str, str], Endpoint],
        refuse: Refuse,
        blame: Refuse,
    ) -> None:
        self._routes = routes
        self._table = table
        self._refuse = refuse
        self._blame = blame

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._table.get((scope["method"], scope["path"]))
        if endpoint is None:
            await self._routes(scope, receive, send)
            return
        request = Request(scope, receive, send)
        try:
            response = await endpoint(request)
        except ApiError as failure:
            response = await self._refuse(request, failure)
            failure.__traceback__ = None  # it may be kept, and raised again
        except Exception as bug:
            response = await self._blame(request, bug)
            await response(scope, receive, send)
            raise
        await response(scope, receive, send)
