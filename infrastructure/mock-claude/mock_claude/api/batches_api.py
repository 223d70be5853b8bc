"""The routes under /v1/messages/batches: create, list, retrieve, cancel, delete, results.

This prevents a client of batches from being tried against shapes that only we know. Shapes:
``types/messages/`` of anthropic 2.11.0. Statuses and texts were recorded of the API on 2026-09-02;
ours are those about cursors and about canceling what has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mock_claude import paths
from mock_claude.accounts.ledger import Entry
from mock_claude.api import betas, guard, wire
from mock_claude.api.http_answers import json_answer
from mock_claude.api.pages import page
from mock_claude.batches.batch import Batch
from mock_claude.batches.creation import lines
from mock_claude.batches.worker import Batches
from mock_claude.errors import ApiError
from mock_claude.faults.intake import Body

if TYPE_CHECKING:
    from mock_claude.stage import Stage


def routes(stage: Stage, batches: Batches) -> list[Route]:
    """The routes, for the batches of one era of the stage."""
    moments = stage.accounts.moments

    def shown(request: Request, batch: Batch) -> dict[str, object]:
        address = f"{request.url.scheme}://{_host(request)}{paths.BATCHES}"
        return batch.to_json(moments, address)

    def found(request: Request) -> Batch:
        _open(request)
        return batches.get(request.path_params["batch_id"], _workspace(request))

    async def create(request: Request) -> Response:
        version = _open(request)
        body: Body = request.state.body
        if body.refusal is not None:
            raise body.refusal
        asked = lines(body.json) if body.lines is None else body.lines
        account = _entry(request).account
        stage.accounts.tenants.check_spend(account)
        batch = batches.create(account, version, asked, stage.script.batch, _entry(request).betas)
        return _answer(request, shown(request, batch))

    async def listed(request: Request) -> Response:
        _open(request)
        query = request.query_params
        every = batches.of(_workspace(request))
        ids = [each.id for each in every]
        start, end, has_more = page(ids, query, "batch")
        data = [shown(request, each) for each in every[start:end]]
        body = {
            "data": data,
            "has_more": has_more,
            "first_id": data[0]["id"] if data else None,
            "last_id": data[-1]["id"] if data else None,
        }
        return _answer(request, body)

    async def retrieve(request: Request) -> Response:
        return _answer(request, shown(request, found(request)))

    async def cancel(request: Request) -> Response:
        batch = found(request)
        if batch.ended_at is not None:
            raise ApiError(400, f"Message Batch {batch.id} has ended and cannot be canceled.")
        batches.cancel(batch)
        return _answer(request, shown(request, batch))

    async def delete(request: Request) -> Response:
        batch = found(request)
        if batch.ended_at is None:
            raise ApiError(
                400,
                "In progress batches cannot be deleted. Consider canceling the batch instead.",
            )
        batches.delete(batch)
        return _answer(request, {"id": batch.id, "type": "message_batch_deleted"})

    async def results(request: Request) -> Response:
        batch = found(request)
        if batch.ended_at is None or batch.archived_at is not None:
            raise ApiError(404, f"Message Batch {batch.id} has no available results.")
        headers = {**_headers(request), "content-type": "application/x-jsonl"}
        return Response(b"".join(batch.results), headers=headers)

    one = paths.BATCHES + "/{batch_id}"
    return [
        Route(paths.BATCHES, create, methods=["POST"]),
        Route(paths.BATCHES, listed),
        Route(one, retrieve),
        Route(one, delete, methods=["DELETE"]),
        Route(one + "/cancel", cancel, methods=["POST"]),
        Route(one + "/results", results),
    ]


def _open(request: Request) -> str:
    """The version; ApiError without a key, or for a body that is too long."""
    body: Body = request.state.body
    if body.refusal is not None and body.refusal.status == 413:
        raise body.refusal
    guard.check_key(_entry(request).account.key)
    version = guard.version(request.headers)
    _entry(request).betas = betas.asked(request.headers)
    return version


def _entry(request: Request) -> Entry:
    entry: Entry = request.state.entry
    return entry


def _workspace(request: Request) -> str:
    return _entry(request).account.workspace


def _host(request: Request) -> str:
    """The host and port that the client addressed."""
    return request.headers.get("host") or request.url.netloc


def _headers(request: Request) -> dict[str, str]:
    return wire.headers(_entry(request).request_id, _workspace(request))


def _answer(request: Request, body: object) -> Response:
    return json_answer(body, headers=_headers(request))
