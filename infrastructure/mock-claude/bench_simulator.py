"""How fast the simulator is, as ratios to the least a server can do, all in one run.

    python bench_simulator.py [--requests 100000] [--no-other]

One server at a time, in a process and on a core of its own; the load comes from this process over
loopback, through eight keep-alive connections. No delays; validation, prompt cache and log are on.

- plain: requests per second of the simulator with its ordinary model, beside a Starlette endpoint
  that reads and parses the same body, on the same server (at least 0.3);
- stream: events per second of answers of 50 deltas, beside a bare endpoint that sends as many
  events of the same bytes (at least 0.5);
- memory: what the process grows by over so many requests (at most 1.5 kB each, up to the log's
  limit);
- another mock from the package index, mockllm, which speaks /v1/messages (without validation,
  accounts, tools or faults), in an environment of its own under ``.cache``.

Rounds alternate, and a ratio is the median over the rounds. Exit status 1 if a bound is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from mock_claude import Simulator
from mock_claude.accounts.exchanges import LOG_LIMIT
from mock_claude.api import fitting, wire
from mock_claude.listening import listen
from mock_claude.model.reply import Reply

CONNECTIONS = 8
ROUNDS = 5
PLAIN_REQUESTS, STREAMS = 1_500, 120  # per round and server
DELTAS = 50
LEAST_PLAIN, LEAST_STREAM = 0.3, 0.5
MOST_BYTES_PER_REQUEST = 1_500
OTHER = "mockllm==0.0.8"
OTHER_HOME = Path(__file__).parents[2] / ".cache" / "bench-mockllm"

TASK = "What is the weather in Lisbon?"
LONG = "x" * (DELTAS * wire.PIECE)
TOOLS = [
    {
        "name": name,
        "description": f"Does {name.replace('_', ' ')} and returns the result as text.",
        "input_schema": {
            "type": "object",
            "properties": {argument: {"type": "string"}},
            "required": [argument],
        },
    }
    for name, argument in (
        ("search_web", "query"),
        ("get_weather", "city"),
        ("calculate", "expression"),
        ("save_note", "text"),
    )
]


def body(task: str = TASK, **fields: object) -> dict[str, object]:
    """A request as an agent sends it."""
    return {
        "model": "claude-opus-5-5",
        "max_tokens": 1_000,
        "system": "You are a helpful assistant. Use your tools. " * 20,
        "tools": TOOLS,
        "messages": [{"role": "user", "content": task}],
        **fields,
    }


def on_the_wire(content: Mapping[str, object]) -> bytes:
    """The bytes of the request."""
    data = json.dumps(content).encode()
    head = (
        "POST /v1/messages HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer any\r\n"
        "anthropic-version: 2026-10-21\r\ncontent-type: application/json\r\n"
        f"content-length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


# --- servers, each in a process of its own ---


def talk(request: Mapping[str, object]) -> Reply:
    """The ordinary model for a plain request, a text of 50 deltas for a stream."""
    return Reply(LONG) if request.get("stream") is True else fitting.reply_to(request)


def bare() -> ASGIApp:
    """Reads and parses the body, and answers what it always answers."""
    answer = {"id": "msg_1", "type": "message", "content": [{"type": "text", "text": "It is."}]}
    delta = {"type": "text_delta", "text": LONG[: wire.PIECE]}
    event = b"event: content_block_delta\ndata: " + wire.encode(
        {"type": "content_block_delta", "index": 0, "delta": delta}
    ) + b"\n\n"  # fmt: skip

    async def events() -> AsyncIterator[bytes]:
        for _ in range(DELTAS + 6):
            yield event

    async def endpoint(request: Request) -> Response:
        asked = await request.json()
        if asked.get("stream"):
            return StreamingResponse(events(), media_type="text/event-stream")
        return JSONResponse(answer)

    return Starlette(routes=[Route("/v1/messages", endpoint, methods=["POST"])])


def serve(pipe: Connection, kind: str, core: int | None) -> None:
    """In a child: serve until told otherwise; each message is answered with the memory in use."""
    if core is not None:
        os.sched_setaffinity(0, {core})

    async def until_told(port: int) -> None:
        pipe.send(port)
        while await asyncio.to_thread(pipe.recv):
            pipe.send(memory())

    async def serving() -> None:
        if kind == "simulator":
            async with Simulator(model=talk) as simulator:
                await until_told(simulator.port)
            return
        server = await listen(bare(), ServerState(), "127.0.0.1", 0)
        await until_told(server.sockets[0].getsockname()[1])

    asyncio.run(serving())
    os._exit(0)  # what is still open is of no interest


def memory() -> int:
    """Bytes of this process in memory; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Server:
    """A running server: its port, and a way to ask what memory it uses."""

    port: int
    memory: Callable[[], int]


@contextmanager
def running(kind: str, core: int | None) -> Iterator[Server]:
    """One of our servers, on ``core``."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, kind, core), daemon=True)
    process.start()

    def ask() -> int:
        ours.send(True)
        answer = ours.recv()
        assert isinstance(answer, int)
        return answer

    try:
        port = ours.recv()
        assert isinstance(port, int)
        yield Server(port, ask)
    finally:
        ours.send(False)
        process.join(5)
        process.kill()


@contextmanager
def other(core: int | None) -> Iterator[Server | str]:
    """The other mock, or why there is none."""
    python = OTHER_HOME / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    try:
        if not python.exists():
            install = [str(python), "-m", "pip", "install", "--quiet", OTHER]
            subprocess.run([sys.executable, "-m", "venv", str(OTHER_HOME)], check=True)  # noqa: S603
            subprocess.run(install, check=True, timeout=300, capture_output=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as failure:
        yield f"{OTHER} could not be installed: {failure}"
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        said = {"responses": {TASK: "It is.", "Tell me": "x" * DELTAS}}
        (Path(folder) / "responses.yml").write_text(json.dumps(said), encoding="utf-8")
        command = [str(python), "-m", "uvicorn", "mockllm.server:app", "--port", str(port)]
        process = subprocess.Popen(  # noqa: S603
            [*command, "--log-level", "critical", "--no-access-log"],
            cwd=folder,  # where it looks for responses.yml
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            if core is not None:
                os.sched_setaffinity(process.pid, {core})
            yield Server(port, int) if answers(port) else f"{OTHER} did not start"
        finally:
            process.kill()
            process.wait()


def answers(port: int) -> bool:
    """Whether something listens there within 20 s."""
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False


# --- load ---


async def load(port: int, requests: Sequence[bytes]) -> tuple[float, int]:
    """Send them all; seconds, and the events received. Fails on any answer that is no 200."""
    waiting = iter(requests)
    events = 0

    async def client() -> None:
        nonlocal events
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
        for request in waiting:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if not head.startswith(b"http/1.1 200"):
                raise RuntimeError(head.decode(errors="replace"))
            if b"chunked" in head:
                events += (await reader.readuntil(b"\r\n0\r\n\r\n")).count(b"\n\n\r\n")
            else:
                length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length))
        writer.close()

    start = time.perf_counter()
    async with asyncio.timeout(600), asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(client())
    return time.perf_counter() - start, events


def rates(server: Server, plain: bytes, stream: bytes) -> tuple[float, float]:
    """Plain requests per second, and events per second."""
    seconds, _ = asyncio.run(load(server.port, [plain] * PLAIN_REQUESTS))
    streaming_s, events = asyncio.run(load(server.port, [stream] * STREAMS))
    return PLAIN_REQUESTS / seconds, events / streaming_s


def many(count: int) -> Iterator[bytes]:
    """Requests that differ: every one another task, every tenth a prompt of its own to cache."""
    mark = {"type": "ephemeral"}
    for number in range(count):
        fields: dict[str, object] = {"max_tokens": 100}
        if number % 10 == 0:
            text = f"{number} " + "context " * 300
            fields["system"] = [{"type": "text", "text": text, "cache_control": mark}]
        yield on_the_wire(body(f"What is {number} * 3?", **fields))


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="The simulator's speed and memory, as ratios.")
    parser.add_argument("--requests", type=int, default=100_000, help="of the memory test")
    parser.add_argument("--no-other", action="store_true", help="leave out the other mock")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    core = cores[-1] if len(cores) > 1 else None
    if core is not None:
        os.sched_setaffinity(0, set(cores) - {core})
    plain, stream = on_the_wire(body()), on_the_wire(body(stream=True))
    found: dict[str, list[tuple[float, float]]] = {"simulator": [], "bare": []}
    with running("simulator", core) as ours, running("bare", core) as least:
        for _ in range(ROUNDS):
            found["simulator"].append(rates(ours, plain, stream))
            found["bare"].append(rates(least, plain, stream))
    if not options.no_other:
        measure_other(found, core)
    bytes_each, log = grown(options.requests, core)
    return report(found, bytes_each, options.requests, log)


def measure_other(found: dict[str, list[tuple[float, float]]], core: int | None) -> None:
    """Add the other mock's rates; its own kind of request, without tools."""
    asked: dict[str, object] = {"model": "claude-3-opus-20240229", "max_tokens": 100}
    plain = {**asked, "messages": [{"role": "user", "content": TASK}]}
    stream = {**asked, "stream": True, "messages": [{"role": "user", "content": "Tell me"}]}
    with other(core) as server:
        if isinstance(server, str):
            sys.stdout.write(server + "\n")
            return
        found["mockllm"] = [
            rates(server, on_the_wire(plain), on_the_wire(stream)) for _ in range(ROUNDS)
        ]


def grown(count: int, core: int | None) -> tuple[float, int]:
    """Bytes that the simulator grew by per request, and how many its log holds."""
    with running("simulator", core) as server:
        asyncio.run(load(server.port, list(many(500))))
        before = server.memory()
        for start in range(0, count, 5_000):
            asyncio.run(load(server.port, list(many(min(5_000, count - start)))))
        return (server.memory() - before) / max(count, 1), min(count + 500, LOG_LIMIT)


def report(
    found: Mapping[str, Sequence[tuple[float, float]]], bytes_each: float, count: int, log: int
) -> int:
    """Print the table; 1 if a bound is missed."""
    sys.stdout.write(f"{'':12}{'requests/s':>12}{'ratio':>8}{'events/s':>12}{'ratio':>8}\n")
    ratios = {}
    for name, rounds in found.items():
        row = [statistics.median(column) for column in zip(*rounds, strict=True)]
        pairs = zip(rounds, found["bare"], strict=True)
        ratio = [
            statistics.median(column)
            for column in zip(*((a / c, b / d) for (a, b), (c, d) in pairs), strict=True)
        ]
        ratios[name] = ratio
        sys.stdout.write(f"{name:12}{row[0]:12,.0f}{ratio[0]:8.2f}{row[1]:12,.0f}{ratio[1]:8.2f}\n")
    megabytes = bytes_each * count / 1e6
    sys.stdout.write(
        f"memory: {megabytes:.0f} MB after {count:,} requests, {bytes_each:,.0f} bytes each; "
        f"the log holds {log:,} of at most {LOG_LIMIT:,}\n"
    )
    is_met = (
        ratios["simulator"][0] >= LEAST_PLAIN
        and ratios["simulator"][1] >= LEAST_STREAM
        and bytes_each <= MOST_BYTES_PER_REQUEST
    )
    bounds = f"{LEAST_PLAIN} plain, {LEAST_STREAM} stream, {MOST_BYTES_PER_REQUEST:,} bytes"
    sys.stdout.write(f"bounds ({bounds}): {'met' if is_met else 'MISSED'}\n")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
