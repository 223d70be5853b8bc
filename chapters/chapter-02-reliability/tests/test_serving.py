"""What the server adds around an app; the real server and its signals are in another file."""

from __future__ import annotations

import asyncio
import logging
import re
import signal
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

from reliability.draining import Drain, DrainSettings
from reliability.serving import App, Message, PatientProtocol, answering, counted, serve

# uvicorn itself takes 0.1 s to close.
QUICK = DrainSettings(pause_s=0, drain_s=0.2, close_s=0.8, grace_s=1)


# --- Around the app ------------------------------------------------------------------------------


async def run(
    app: App, drain: Drain, scope: Message, *, begin_in: bool = False
) -> tuple[list[Message], list[int]]:
    sent: list[Message] = []
    counts: list[int] = []

    async def inner(scope: Message, receive: Any, send: Any) -> None:
        counts.append(drain.under_way)
        if begin_in:
            drain.begin()
        await app(scope, receive, send)

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    await counted(inner, drain)(scope, receive, send)
    return sent, counts


START: Message = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}
BODY: Message = {"type": "http.response.body", "body": b"ok"}


async def answer(scope: Message, receive: Any, send: Any) -> None:
    await send(START)
    await send(BODY)


HTTP: Message = {"type": "http", "http_version": "1.1"}


async def test_each_request_is_counted_by_the_server_itself() -> None:
    drain = Drain()
    assert await run(answer, drain, HTTP) == ([START, BODY], [1])
    assert await run(answer, drain, {"type": "websocket", "http_version": "1.1"}) == (
        [START, BODY],
        [1],
    )
    assert drain.under_way == 0


async def test_the_lifespan_is_no_request() -> None:
    drain = Drain()
    drain.begin()
    assert await run(answer, drain, {"type": "lifespan"}) == ([START, BODY], [0])


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_an_answer_while_draining_ends_its_connection(version: str) -> None:
    scope: Message = {"type": "http", "http_version": version}
    sent, _ = await run(answer, Drain(), scope, begin_in=True)
    assert sent == [{**START, "headers": [(b"a", b"b"), (b"connection", b"close")]}, BODY]
    assert START["headers"] == [(b"a", b"b")]


async def test_an_answer_without_headers_ends_its_connection_too() -> None:
    async def bare(scope: Message, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204})

    sent, _ = await run(bare, Drain(), HTTP, begin_in=True)
    assert sent[0]["headers"] == [(b"connection", b"close")]


@pytest.mark.parametrize(
    "scope", [{"type": "http", "http_version": "2"}, {"type": "websocket", "http_version": "1.1"}]
)
async def test_a_protocol_without_that_header_does_not_get_it(scope: Message) -> None:
    assert await run(answer, Drain(), scope, begin_in=True) == ([START, BODY], [1])


# --- Around uvicorn ------------------------------------------------------------------------------


class Service:
    """An app with a lifespan that starts, and ends as it is told."""

    def __init__(self) -> None:
        self.started, self.trace = asyncio.Event(), list[str]()
        self.starts, self.hangs = True, False

    async def app(self, scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await answer(scope, receive, send)
            return
        assert (await receive())["type"] == "lifespan.startup"
        if not self.starts:
            await send({"type": "lifespan.startup.failed", "message": "no"})
            return
        await send({"type": "lifespan.startup.complete"})
        self.started.set()
        assert (await receive())["type"] == "lifespan.shutdown"
        if self.hangs:
            await asyncio.Event().wait()
        self.trace.append("lifespan ended")
        await send({"type": "lifespan.shutdown.complete"})

    async def close(self) -> None:
        self.trace.append("client closed")

    async def serve(self, drain: Drain, **options: Any) -> int:
        async with asyncio.timeout(5):
            return await serve(
                self.app, "127.0.0.1", 0, drain, [self.close], log_config=None, **options
            )


async def test_the_address_is_told_once_connections_are_accepted_there() -> None:
    service, drain = Service(), Drain(QUICK)
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(service.serve(drain, listening=told.set_result))
    address = re.fullmatch(r"http://127\.0\.0\.1:(\d+)", await told)
    assert address
    _, writer = await asyncio.open_connection("127.0.0.1", int(address[1]))
    writer.close()
    drain.begin()
    assert await serving == 0


@pytest.mark.parametrize(("times", "code"), [(1, 0), (2, 1)])
async def test_the_exit_code_says_whether_the_drain_was_forced(
    times: int, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    service, drain = Service(), Drain(QUICK)
    serving = asyncio.create_task(service.serve(drain))
    await service.started.wait()
    for _ in range(times):
        drain.begin()
    assert await serving == code
    assert service.trace == ["lifespan ended", "client closed"]
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == []


async def test_a_lifespan_that_hangs_holds_neither_the_closers_nor_the_exit(
    caplog: pytest.LogCaptureFixture,
) -> None:
    service, drain = Service(), Drain(QUICK)
    service.hangs = True
    serving = asyncio.create_task(service.serve(drain))
    await service.started.wait()
    drain.begin()
    assert await serving == 0
    assert service.trace == ["client closed"]
    assert "server_ended failed (TimeoutError)" in caplog.text


async def test_a_server_that_stops_by_itself_closes_the_clients_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    service, drain = Service(), Drain(QUICK)
    serving = asyncio.create_task(service.serve(drain, limit_max_requests=1))
    await service.started.wait()
    for _ in range(100):  # uvicorn binds its port after the lifespan has started
        await asyncio.sleep(0)
    address = re.search(r"running on http://127.0.0.1:(\d+)", caplog.text)
    assert address
    port = int(address[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    assert await serving == 0
    assert service.trace == ["lifespan ended", "client closed"]
    writer.close()
    await writer.wait_closed()


def test_a_service_that_cannot_start_ends_with_uvicorns_code_and_gives_the_signals_back() -> None:
    service = Service()
    service.starts = False
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with pytest.raises(SystemExit) as caught:
            asyncio.run(service.serve(Drain(QUICK)))
        assert caught.value.code == 3
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


# --- The server's own limit ----------------------------------------------------------------------


async def port_of(service: Service, caplog: pytest.LogCaptureFixture) -> int:
    await service.started.wait()
    async with asyncio.timeout(5):
        # uvicorn binds its port after the lifespan has started, and only its log tells.
        while not (  # noqa: ASYNC110
            found := re.search(r"running on http://127.0.0.1:(\d+)", caplog.text)
        ):
            await asyncio.sleep(0)
    return int(found[1])


async def test_a_server_that_stops_by_itself_does_not_wait_for_a_stream_that_never_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    service, streaming, trace = Service(), asyncio.Event(), list[str]()

    async def app(scope: Message, receive: Any, send: Any) -> None:
        if scope.get("path") != "/stream":
            await service.app(scope, receive, send)
            return
        streaming.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            trace.append("stream cancelled")
            raise

    drain = Drain(DrainSettings(pause_s=0, drain_s=0, close_s=0))
    serving = asyncio.create_task(serve_bounded(app, drain, limit_max_requests=1))
    port = await port_of(service, caplog)
    _, stream = await asyncio.open_connection("127.0.0.1", port)
    stream.write(b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n")
    await streaming.wait()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    assert await serving == 0
    assert trace == ["stream cancelled"]
    for each in (stream, writer):
        each.close()
        await each.wait_closed()


async def serve_bounded(app: App, drain: Drain, **options: Any) -> int:
    async with asyncio.timeout(5):
        return await serve(app, "127.0.0.1", 0, drain, log_config=None, **options)


async def config_of(
    settings: DrainSettings, caplog: pytest.LogCaptureFixture, **options: Any
) -> Config:
    """What uvicorn's protocol is made with."""
    caplog.set_level(logging.INFO)
    configs, connected = list[Config](), asyncio.Event()

    class Recording(H11Protocol):
        def __init__(self, config: Config, *args: Any, **options: Any) -> None:
            super().__init__(config, *args, **options)
            configs.append(config)
            connected.set()

    service, drain = Service(), Drain(settings)
    serving = asyncio.create_task(service.serve(drain, http=Recording, **options))
    _, writer = await asyncio.open_connection("127.0.0.1", await port_of(service, caplog))
    await connected.wait()
    writer.close()
    await writer.wait_closed()
    drain.begin()
    assert await serving == 0
    return configs[0]


async def test_the_servers_own_limit_covers_the_drain_and_the_closing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = DrainSettings(pause_s=0, drain_s=20.25, close_s=3.5)
    assert (await config_of(settings, caplog)).timeout_graceful_shutdown == 24


@pytest.mark.parametrize(("options", "idle_s"), [({}, 75), ({"timeout_keep_alive": 9}, 9)])
async def test_an_idle_connection_outlasts_the_sixty_seconds_that_balancers_keep_one(
    options: dict[str, int], idle_s: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await config_of(QUICK, caplog, **options)).timeout_keep_alive == idle_s


# --- Clients that are slow to ask ----------------------------------------------------------------


class InAHurry(PatientProtocol):
    head_s = 0.05


@pytest.mark.parametrize("answered", [0, 1])
@pytest.mark.parametrize("head", [b"", b"GET / HTTP/1.1\r\nhost"])
async def test_a_connection_without_a_whole_head_is_closed_in_time(
    answered: int, head: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    service, drain = Service(), Drain(QUICK)
    options = {"http": InAHurry, "timeout_keep_alive": 1}
    serving = asyncio.create_task(service.serve(drain, **options))
    reader, writer = await asyncio.open_connection("127.0.0.1", await port_of(service, caplog))
    async with asyncio.timeout(4):
        for _ in range(answered):
            writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            await reader.readuntil(b"0\r\n\r\n")
        writer.write(head)
        assert await reader.read() == b""
    writer.close()
    drain.begin()
    assert await serving == 0


async def test_a_request_under_way_has_time_and_so_has_the_next_on_its_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    service, drain = Service(), Drain(QUICK)

    async def app(scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await asyncio.sleep(3 * InAHurry.head_s)
        await service.app(scope, receive, send)

    serving = asyncio.create_task(serve_bounded(app, drain, http=InAHurry))
    reader, writer = await asyncio.open_connection("127.0.0.1", await port_of(service, caplog))
    for _ in range(2):
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        await reader.readuntil(b"0\r\n\r\n")
    writer.close()
    drain.begin()
    assert await serving == 0


# --- What is no HTTP -----------------------------------------------------------------------------


def refusal() -> Response:
    return JSONResponse({"type": "refused"}, 400, {"x-request-id": "r-1"})


POST = b"POST / HTTP/1.1\r\nhost: a\r\n"
NOT_HTTP = {
    "no request": b"nonsense\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a header without end": b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 100_000,
    "two lengths": POST + b"content-length: 3\r\ncontent-length: 4\r\n\r\n",
    "no length": POST + b"content-length: many\r\n\r\n",
    "after a good request": b"GET / HTTP/1.1\r\nhost: a\r\n\r\nnonsense\r\n\r\n",
}


@pytest.mark.parametrize("sent", NOT_HTTP.values(), ids=NOT_HTTP)
async def test_what_is_no_http_gets_the_services_own_answer_and_no_connection(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    service, drain = Service(), Drain(QUICK)
    serving = asyncio.create_task(service.serve(drain, http=answering(refusal)))
    reader, writer = await asyncio.open_connection("127.0.0.1", await port_of(service, caplog))
    writer.write(sent)
    async with asyncio.timeout(4):
        answers = (await reader.read()).split(b"HTTP/1.1 ")
    head, _, body = answers[-1].partition(b"\r\n\r\n")
    assert head.startswith(b"400 ")
    assert {b"x-request-id: r-1", b"connection: close"} <= set(head.lower().split(b"\r\n"))
    assert body == b'{"type":"refused"}'
    writer.close()
    drain.begin()
    assert await serving == 0


async def test_without_one_it_is_uvicorns(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    service, drain = Service(), Drain(QUICK)
    serving = asyncio.create_task(service.serve(drain))
    reader, writer = await asyncio.open_connection("127.0.0.1", await port_of(service, caplog))
    writer.write(b"nonsense\r\n\r\n")
    assert (await reader.read()).endswith(b"Invalid HTTP request received.")
    writer.close()
    drain.begin()
    assert await serving == 0


async def test_a_body_that_breaks_off_into_nonsense_under_an_answer_ends_only_its_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    service, drain, messages = Service(), Drain(QUICK), list[str]()

    async def app(scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await service.app(scope, receive, send)
            return
        await send(START)
        await send({**BODY, "more_body": True})
        messages.append((await receive())["type"])

    serving = asyncio.create_task(serve_bounded(app, drain, http=answering(refusal)))
    reader, writer = await asyncio.open_connection("127.0.0.1", await port_of(service, caplog))
    writer.write(POST + b"transfer-encoding: chunked\r\n\r\n")
    assert await reader.readuntil(b"ok") != b""
    writer.write(b"nonsense\r\n")
    async with asyncio.timeout(4):
        assert b"refused" not in await reader.read()
    writer.close()
    drain.begin()
    assert await serving == 0
    assert messages == ["http.disconnect"]
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == []
