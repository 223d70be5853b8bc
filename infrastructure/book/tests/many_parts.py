"""A step of two kinds of processes, made for tests: an API and workers that share two servers."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from throw_away import incident, step

from book.chain.chain import Book, Step
from book.stage.simulating import TrialError
from book.stage.trial import Trial
from book.story.incident import Role, Run, Strike, Task, Workload
from book.story.parts import Act

BOTH = ("redis", "postgres")
ROLES = (Role("api", 2), Role("worker", 3))
MEMBERS = {"api-1", "api-2", "worker-1", "worker-2", "worker-3"}

CONFIG = """
import os


class Settings:
    @classmethod
    def variables(cls):
        own = {"ANTHROPIC_BASE_URL", "AGENT_LISTEN__PORT", "AGENT_METRICS__PORT", "AGENT_KEY_FILE"}
        return own

    @classmethod
    def from_env(cls):
        return os.environ["ANTHROPIC_BASE_URL"]
"""
COMMON = """
import json
import os
import sys
import threading
from pathlib import Path

import httpx
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SHOWN = ("OTEL_", "REDIS_", "DATABASE_", "AGENT_", "ANTHROPIC_")
NAME = os.environ.get("OTEL_SERVICE_NAME", "?")
URL = os.environ["ANTHROPIC_BASE_URL"]
HEADERS = {"x-api-key": "test", "anthropic-version": "2023-06-01"}
done = 0


def say(word, **fields):
    print(json.dumps({"event": word, "from": NAME, **fields}), flush=True)


def span(name):
    endpoint = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if endpoint:
        request = ExportTraceServiceRequest()
        of = request.resource_spans.add()
        pair = of.resource.attributes.add()
        pair.key, pair.value.string_value = "service.name", NAME
        each = of.scope_spans.add().spans.add()
        each.name, each.trace_id, each.span_id = name, os.urandom(16), os.urandom(8)
        headers = {"content-type": "application/x-protobuf"}
        httpx.post(endpoint + "/v1/traces", content=request.SerializeToString(), headers=headers)


def ask(task):
    message = [{"role": "user", "content": task}]
    body = {"model": "claude-opus-5", "max_tokens": 100, "messages": message}
    return httpx.post(URL + "/v1/messages", json=body, headers=HEADERS, timeout=30)


class Figures(BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"# TYPE tasks_done counter\\ntasks_done_total %d\\n" % done
        self.send_response(200)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *told):
        pass


def begin():
    port = int(os.environ["AGENT_METRICS__PORT"])
    server = ThreadingHTTPServer(("127.0.0.1", port), Figures)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("not JSON from", NAME, file=sys.stderr, flush=True)
    say("begins", **{k: v for k, v in os.environ.items() if k.startswith(SHOWN)})
    span("begins")
"""
AGENT = """
class Agent:
    pass
"""
# Tasks go through a list in Redis to a worker, and the answer comes back the same way.
SERVICE = """
import asyncio
import json
import os

import redis.asyncio
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

import common

store = redis.asyncio.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)


async def ready(request):
    return JSONResponse({})


async def do(request):
    asked = await request.json()
    number = await store.incr("number")
    told = {"number": number, "user": request.headers.get("authorization"), **asked}
    await store.lpush("tasks", json.dumps(told))
    for _ in range(400):
        text = await store.get(f"answer {number}")
        if text is not None:
            common.done += 1
            return JSONResponse({"text": text, "from": common.NAME})
        await asyncio.sleep(0.02)
    return JSONResponse({"type": "no answer"}, 504)


def main():
    common.begin()
    port = int(os.environ["AGENT_LISTEN__PORT"])
    routes = [Route("/health/ready", ready), Route("/v1/tasks", do, methods=["POST"])]
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="warning")
"""
WORKER = """
import json
import os

import redis

import common


def main():
    common.begin()
    store = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
    while True:
        found = store.brpop("tasks", timeout=1)
        if found is None:
            continue
        task = json.loads(found[1])
        answer = common.ask(task["task"])
        store.set(f"answer {task['number']}", f"{task['task']}: {answer.status_code}")
        common.done += 1
        common.say("done", task=task["task"], user=task["user"])
"""


def step_of_parts(book: Book, folder: Path, **files: str) -> Step:
    """A step with a service and a worker; ``files`` replace or add some."""
    parts = {"config": CONFIG, "agent": AGENT, "common": COMMON}
    return step(book, folder, **(parts | {"service": SERVICE, "worker": WORKER} | files))


def tasks(marks: str, count: int, seconds: float) -> Workload:
    """Tasks that come one after the other within so many seconds."""
    each = [
        Task(f"{marks} {n}", (f"{marks} {n}: 200",), at_s=0.01 + n * seconds / count)
        for n in range(count)
    ]
    return Workload(tuple(each), at_once=50, limit_s=10.0)


def began(seen: Run | TrialError, source: str) -> dict[str, str]:
    """What a process said when it began: the variables that it found."""
    assert isinstance(seen, Run), seen
    lines = [line.fields for line in seen.logs if line.source == source and line.fields]
    return {name: str(value) for name, value in lines[0].items()}


@contextlib.contextmanager
def environment(**variables: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def struck_by(act: Act, book: Book, folder: Path) -> Trial:
    """A trial in which the second request of a marked task brings a signal to its worker."""
    each = [Task(f"{'marked' if n in (3, 5) else 'plain'} {n}", (), at_s=0.1 * n) for n in range(8)]
    told = replace(
        incident(Workload(tuple(each), 50, 3.0), "[latency]\nmessages_s = 0.05\n"),
        services=("redis",),
        roles=ROLES,
        strikes=(Strike("in the middle", act, to="worker", request=2, task="MARKED*"),),
    )
    return Trial(step_of_parts(book, folder), told, 7)


def assert_struck_by(code: int, seen: Run) -> None:
    (met,) = seen.done_to_it
    assert met.to in ("worker-1", "worker-2", "worker-3")
    assert seen.exit_codes[met.to] == code
    lost = [outcome.task.text for outcome in seen.outcomes if outcome.text is None]
    assert lost == ["marked 5"]
    said = [line for line in seen.logs if line.source == met.to and line.fields]
    assert all(line.fields is None or line.fields.get("task") != "marked 5" for line in said)
    assert seen.fired == {"in the middle": 1}
    assert seen.peak_mb.keys() == MEMBERS
