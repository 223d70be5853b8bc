"""A web service at work: its stages one after the other, delayed or failed where a rule says so.

This prevents another team's service that can only fail as a whole. The rule: a service goes
through parse, index, rank and render; a fault rule with a ``stage`` hits it right before that
stage's work is done, with a delay or with an error in the service's own form.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mock_claude.accounts.ledger import Entry
from mock_claude.api.http_answers import json_answer
from mock_claude.world.services import Answer
from mock_claude.world.telemetry import Stage, Telemetry, Visit
from mock_claude.world.world import World

STATE = "stage_fault"
"""Where the edge leaves, in a request's state, what shall happen to one of its stages."""

CLIENT_LEFT = 499
"""The status in log and spans of a request whose client left, as nginx writes it."""

Steps = Callable[[World, Mapping[str, str]], Generator[str, None, Answer]]


@dataclass(frozen=True)
class StageFault:
    """What a rule does to one stage: wait ``delay_s``, then answer ``failure`` if there is one."""

    stage: str
    delay_s: float
    failure: Response | None
    reason: str
    wait: Callable[[float], Awaitable[bool]]
    """Waits so many seconds; False at once if the client leaves meanwhile."""
    fired: Callable[[], None]


class _Nothing(Response):
    """What a client gets that has left."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        return


async def serve(
    request: Request, service: str, steps: Steps, world: World, telemetry: Telemetry
) -> Response:
    """The answer of a web service. Its log and spans are written when it is known."""
    state = request.scope["state"]
    entry: Entry = state["entry"]
    fault: StageFault | None = state.get(STATE)
    path, now_ns = request.scope["path"], telemetry.now_ns
    request_id = entry.correlation.x_request_id or entry.request_id
    visit = Visit(service, request.method, path, request_id, entry.correlation, now_ns())
    answer = await _answered(visit, fault, steps(world, dict(request.query_params)), now_ns)
    telemetry.closed(visit, answer.status_code)
    return answer


async def _answered(
    visit: Visit,
    fault: StageFault | None,
    steps: Generator[str, None, Answer],
    now_ns: Callable[[], int],
) -> Response:
    while True:
        try:
            name = next(steps)
        except StopIteration as end:
            status, body = end.value
            _end_stage(visit, now_ns())
            if status >= 400 or "error" in body:
                _blame(visit, _reason(body))
            return json_answer(body, status, {"x-request-id": visit.request_id})
        _end_stage(visit, now_ns())
        visit.stages.append(Stage(name, now_ns()))
        if fault is not None and fault.stage == name:
            failure = await _hit(visit, fault)
            if failure is not None:
                failure.headers["x-request-id"] = visit.request_id
                _end_stage(visit, now_ns())
                return failure


async def _hit(visit: Visit, fault: StageFault) -> Response | None:
    """Do what the fault says; the answer if that is an error."""
    fault.fired()
    visit.stage, visit.reason = fault.stage, fault.reason
    if fault.delay_s > 0 and not await fault.wait(fault.delay_s):
        visit.reason = visit.stages[-1].reason = "the client left"
        return _Nothing(status_code=CLIENT_LEFT)
    if fault.failure is not None:
        visit.stages[-1].reason = fault.reason
    return fault.failure


def _end_stage(visit: Visit, now_ns: int) -> None:
    if visit.stages and not visit.stages[-1].ended_ns:
        visit.stages[-1].ended_ns = now_ns


def _blame(visit: Visit, reason: str) -> None:
    """The service itself refused: its last stage found what is wrong."""
    visit.stages[-1].reason = reason
    visit.stage, visit.reason = visit.stages[-1].name, reason


def _reason(body: Mapping[str, object]) -> str:
    error = body.get("error")
    told = error.get("info") if isinstance(error, Mapping) else body.get("reason")
    return str(told)
