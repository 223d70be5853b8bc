"""Control over HTTP: what the server does from now on, and what it has seen, under ``/_mock``.

This prevents a test in another process, or another language, from needing this package. The rule:
control is no part of what is simulated: it takes no faults, stands in no log and counts as no
request. What it refuses has the API's error form, with the key and the reason.

    GET  /_mock/health
    GET  /_mock/log?since=N       exchanges after the first N; ``next`` is the N to pass next time
    GET  /_mock/log?traceparent=T only those that came with it, or in the trace of this id
    GET, PUT /_mock/faults        {"rule": [...]}      the tables of a fault script,
    GET, PUT /_mock/scripts       {"script": [...]}    as JSON or TOML
    GET, PUT /_mock/latency       {"latency": {...}}
    GET, PUT /_mock/limits        {"limit": [...], "account": [...]}
    GET, PUT /_mock/batches       {"batch": {...}}
    POST /_mock/reset             forget all but the script; {"seed": N} changes the seed
    GET  /_mock/metrics, /metrics

A PUT replaces its own part by what the body says of it (nothing said: nothing left), and any
other part that the body names: a whole script file may go to ``/_mock/faults``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from pydantic_core import from_json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mock_claude import paths
from mock_claude.accounts import metrics
from mock_claude.api import wire
from mock_claude.api.http_answers import json_answer, refusal
from mock_claude.correlation import is_trace_id, trace_of
from mock_claude.errors import ApiError, FaultScriptError
from mock_claude.faults import intake
from mock_claude.faults.fault_script import FaultScript, parse_toml
from mock_claude.stage import Stage

METRICS = "/metrics"
"""Where Prometheus looks by default; the same as ``/_mock/metrics``."""
BODY_LIMIT = 1024 * 1024  # bytes
_TABLES = {
    "faults": ("rule",),
    "scripts": ("script",),
    "latency": ("latency",),
    "limits": ("limit", "account"),
    "batches": ("batch",),
}
_FIELDS = {
    "rule": "rules",
    "script": "scripts",
    "latency": "latency",
    "limit": "limits",
    "account": "accounts",
    "batch": "batch",
}
_LARGEST_SEED = 2**63

Handler = Callable[[Request], Awaitable[Response]]


def is_control(path: str) -> bool:
    """Whether a path is about the simulator itself: never logged, never faulted."""
    return path == METRICS or paths.is_control(path)


def build(stage: Stage) -> Starlette:
    """The application behind the paths of control."""

    async def health(request: Request) -> Response:
        return json_answer({"status": "ok"})

    async def log(request: Request) -> Response:
        exchanges, finished = stage.ledger.log.since(_since(request))
        trace = _trace(request)
        if trace is not None:
            exchanges = [each for each in exchanges if each.is_of(trace)]
        return json_answer(
            {
                "exchanges": [exchange.to_json() for exchange in exchanges],
                "next": finished,
                "fired": stage.ledger.fired,
                "played": stage.played,
                "dropped": stage.ledger.log.dropped,
                "in_flight": stage.ledger.in_flight,
            }
        )

    def part(name: str) -> Handler:
        async def handle(request: Request) -> Response:
            if request.method == "PUT":
                stage.script = _changed(stage.script, _TABLES[name], await _body(request))
            tables = stage.script.to_json()
            return json_answer({table: tables[table] for table in _TABLES[name]})

        return handle

    async def reset(request: Request) -> Response:
        data = await _body(request)
        stage.reset(_seed(_tables(data), stage.seed) if data.strip() else stage.seed)
        return json_answer({"seed": stage.seed})

    async def exposed(request: Request) -> Response:
        ledger = stage.ledger
        text = ledger.metrics.text(ledger.in_flight, ledger.log.dropped)
        return Response(text, headers={"content-type": metrics.CONTENT_TYPE})

    routes = [
        Route(paths.CONTROL + "/health", health),
        Route(paths.CONTROL + "/log", log),
        Route(paths.CONTROL + "/reset", reset, methods=["POST"]),
        Route(paths.CONTROL + "/metrics", exposed),
        Route(METRICS, exposed),
    ]
    routes += [
        Route(f"{paths.CONTROL}/{name}", part(name), methods=["GET", "PUT"]) for name in _TABLES
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={
            ApiError: _refuse,
            FaultScriptError: _refuse,
            HTTPException: _refuse,
            Exception: _refuse,
        },
    )
    app.router.redirect_slashes = False
    return app


def _since(request: Request) -> int:
    text = request.query_params.get("since", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ApiError(400, f"since: {text[:100]!r} is not a whole number, 0 or more")
    return int(text)


def _trace(request: Request) -> str | None:
    text = request.query_params.get("traceparent")
    if text is None or is_trace_id(text) or trace_of(text) is not None:
        return text
    raise ApiError(400, f"traceparent: {text[:100]!r} is no traceparent and no trace id")


async def _body(request: Request) -> str:
    data = await intake.read(request.receive) or b""
    if len(data) > BODY_LIMIT:
        raise ApiError(413, f"body: longer than {BODY_LIMIT} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ApiError(400, "body: not UTF-8") from None


def _is_json(text: str) -> bool:
    """No TOML begins with a bracket of JSON, except a header of a table."""
    return text.lstrip()[:1] == "{"


def _tables(text: str) -> Mapping[str, object]:
    if not _is_json(text):
        return parse_toml(text.replace("\r\n", "\n"), "body")
    try:
        values = from_json(text, allow_inf_nan=False)
    except ValueError as cause:
        raise ApiError(400, f"body: not valid JSON: {cause}") from None
    assert isinstance(values, dict)
    return values


def _changed(script: FaultScript, part: Sequence[str], text: str) -> FaultScript:
    tables = _tables(text)
    if _is_json(text):
        asked = FaultScript.from_json(tables, "body")
    else:
        asked = FaultScript.parse(text.replace("\r\n", "\n"), "body")
    named = {_FIELDS[name] for name in (*part, *tables)}
    return replace(script, **{name: getattr(asked, name) for name in named})


def _seed(values: Mapping[str, object], default: int) -> int:
    for key in values:
        if key != "seed":
            raise ApiError(400, f"body: {key}: unknown key; allowed: seed")
    seed = values.get("seed", default)
    if isinstance(seed, bool) or not isinstance(seed, int) or abs(seed) >= _LARGEST_SEED:
        raise ApiError(400, "body: seed: a whole number of at most 63 bits is needed")
    return seed


async def _refuse(request: Request, failure: Exception) -> Response:
    match failure:
        case ApiError():
            answer = failure
        case FaultScriptError():
            answer = ApiError(400, str(failure))
        case HTTPException():
            message = "Not found" if failure.status_code == 404 else failure.detail
            answer = ApiError(failure.status_code, message, headers=failure.headers or {})
        case _:
            answer = ApiError(500, f"mock-claude has a bug: {failure!r}")
    return refusal(answer, wire.new_id("req"))
