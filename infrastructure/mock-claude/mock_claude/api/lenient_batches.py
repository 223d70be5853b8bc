"""The routes of batches in the lenient profile: every id is a batch, and nothing is worked on.

This prevents the SDK's own tests of batches from failing for their placeholder ids. They check
shapes only; what an agent relies on is tested against the strict routes (``batches_api``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mock_claude import paths
from mock_claude.accounts.ledger import Entry
from mock_claude.accounts.moments import Moments
from mock_claude.accounts.tenants import NOBODY
from mock_claude.api import wire
from mock_claude.api.http_answers import json_answer
from mock_claude.api.validation import as_object
from mock_claude.batches.batch import Batch
from mock_claude.batches.creation import Line
from mock_claude.errors import ApiError
from mock_claude.faults.intake import Body
from mock_claude.faults.tenant_tables import BatchTimes

_PLACEHOLDER = "message_batch_id"
_RESULT = b'{"custom_id":"my-custom-id-1","result":{"type":"canceled"}}\n'


def routes(moments: Moments, clock: Callable[[], float]) -> list[Route]:
    """The routes; times are those of ``clock``."""

    def batch(request: Request, lines: int = 1) -> Batch:
        name = request.path_params.get("batch_id", _PLACEHOLDER)
        row = [Line(str(number), b"") for number in range(lines)]
        return Batch(name, NOBODY, "", row, clock(), BatchTimes())

    def answer(request: Request, body: object) -> Response:
        entry: Entry = request.state.entry
        return json_answer(body, headers=wire.headers(entry.request_id))

    def shown(request: Request, one: Batch) -> dict[str, object]:
        return one.to_json(moments, f"{str(request.base_url).rstrip('/')}{_BATCHES}")

    async def create(request: Request) -> Response:
        body: Body = request.state.body
        if body.refusal is not None and body.refusal.status == 413:
            raise body.refusal
        if body.json is None and body.lines is None:
            raise body.refusal or ApiError(400, "The request body must be a JSON object.")
        asked = as_object(body.json).get("requests") if body.lines is None else body.lines
        return answer(request, shown(request, batch(request, len(_listed(asked)) or 1)))

    async def listed(request: Request) -> Response:
        one = shown(request, batch(request))
        page = {"data": [one], "has_more": False, "first_id": one["id"], "last_id": one["id"]}
        return answer(request, page)

    async def retrieve(request: Request) -> Response:
        one = batch(request)
        one = replace(one, created_at=one.created_at - one.times.duration_s)
        one.end()
        return answer(request, shown(request, one))

    async def cancel(request: Request) -> Response:
        one = batch(request)
        one.cancel(clock())
        return answer(request, shown(request, one))

    async def delete(request: Request) -> Response:
        name = request.path_params["batch_id"]
        return answer(request, {"id": name, "type": "message_batch_deleted"})

    async def results(request: Request) -> Response:
        return Response(_RESULT, headers={"content-type": "application/x-jsonl"})

    one = _BATCHES + "/{batch_id}"
    return [
        Route(_BATCHES, create, methods=["POST"]),
        Route(_BATCHES, listed),
        Route(one, retrieve),
        Route(one, delete, methods=["DELETE"]),
        Route(one + "/cancel", cancel, methods=["POST"]),
        Route(one + "/results", results),
    ]


_BATCHES = paths.LENIENT + paths.BATCHES


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []
