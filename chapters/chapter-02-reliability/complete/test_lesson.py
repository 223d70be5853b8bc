"""The lesson: a service refuses early, tells how it is, and leaves without losing a request."""

import asyncio
import importlib
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from mock_claude import Simulator
from mock_claude.offline import offline_environment
from mock_claude.pytest_plugin import PointAgentAt, StartSimulator
from reliability import Event, subscribe

from agent import Agent
from config import Settings

SERVICE = Path(__file__).with_name("service.py")
QUICKLY = {"AGENT_RETRY__MAX_ATTEMPTS": "1", "AGENT_DRAIN__PAUSE_S": "1"}
# Only where a call must not be answered in time: a busy machine takes seconds for any.
IMPATIENT = {"AGENT_TIMEOUTS__CONNECT_S": "0.1", "AGENT_TIMEOUTS__MODEL_CALL_S": "1"}
PATIENCE_S = 120  # of a test, for what takes a second or two: it only keeps it from hanging
PRODUCT = {"task": "What is 23*19?"}
JSON = {"content-type": "application/json"}


@asynccontextmanager
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A client of the step's service, in this process."""
    assert SERVICE.is_file(), "this step has no service"
    service = importlib.import_module("service")
    from reliability import Drain

    app = service.build(Settings.from_env(), Drain())
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service") as http,
    ):
        yield http


async def test_a_task_is_answered_under_the_clients_request_id(
    simulator: Simulator, point_agent_at: PointAgentAt
) -> None:
    point_agent_at(simulator, Settings.variables(), **QUICKLY)
    async with client() as http:
        answered = await http.post("/v1/tasks", json=PRODUCT, headers={"x-request-id": "req-0042"})
    assert answered.status_code == 200
    assert "437" in answered.json()["text"]
    assert answered.headers["x-request-id"] == answered.json()["request_id"] == "req-0042"


FORM = {"type", "message", "retryable", "retry_after_s", "request_id"}
FAULT = '[[rule]]\nname = "r"\nfault = "{}"\n'


@pytest.mark.parametrize(
    ("fault", "status", "kind", "retryable"),
    [
        (FAULT.format("status") + "status = 429\nretry_after_s = 7", 429, "rate_limited", True),
        (FAULT.format("status") + "status = 529", 503, "unavailable", True),
        (FAULT.format("status") + "status = 500", 502, "upstream_error", True),
        (FAULT.format("status") + "status = 401", 502, "upstream_error", False),
        (FAULT.format("reset"), 502, "upstream_error", True),
        (FAULT.format("hang"), 504, "timeout", True),
    ],
)
async def test_each_failure_has_one_form_and_its_own_status(
    start_simulator: StartSimulator,
    point_agent_at: PointAgentAt,
    fault: str,
    status: int,
    kind: str,
    retryable: bool,
) -> None:
    limits = IMPATIENT if status == 504 else {}
    point_agent_at(start_simulator(faults=fault), Settings.variables(), **QUICKLY, **limits)
    async with client() as http:
        failed = await http.post("/v1/tasks", json=PRODUCT)
    body = failed.json()
    assert (failed.status_code, body["type"], body["retryable"]) == (status, kind, retryable)
    assert set(body) == FORM
    assert failed.headers.get("retry-after") == ("7" if status == 429 else None)
    told = [value for key, value in body.items() if key != "request_id"]  # it may hold any digits
    assert "437" not in str(told)
    assert "23*19" not in str(told)


@pytest.mark.parametrize(
    "body",
    [{}, {"task": ""}, {"task": " "}, {"task": 3}, {"task": "x", "user": "y"}, []],
)
async def test_a_request_that_is_not_valid_gets_400_and_costs_nothing(
    simulator: Simulator, point_agent_at: PointAgentAt, body: object
) -> None:
    point_agent_at(simulator, Settings.variables(), **QUICKLY)
    async with client() as http:
        refused = await http.post("/v1/tasks", json=body)
        unsaid = await http.post("/v1/tasks", content=b'{"task": "x"}')
        missing = await http.get("/v2/tasks")
    assert (refused.status_code, refused.json()["type"]) == (400, "invalid_request")
    assert "body" in refused.json()["message"]
    assert (unsaid.status_code, "application/json" in unsaid.text) == (400, True)
    assert (missing.status_code, missing.json()["request_id"]) == (
        404,
        missing.headers["x-request-id"],
    )
    assert simulator.model_requests() == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"task": "\\ud83d"}',
        b'{"task": "\\u001c"}',
        b"[" * 100_000,
        b"\xff",
        b'{"task": NaN}',
        b"task=x",
        b"",
    ],
    ids=lambda body: str(body)[:20],
)
async def test_no_body_however_odd_costs_anything_or_fails_inside(
    simulator: Simulator, point_agent_at: PointAgentAt, body: bytes
) -> None:
    point_agent_at(simulator, Settings.variables(), **QUICKLY)
    async with client() as http:
        refused = await http.post("/v1/tasks", content=body, headers=JSON)
    assert (refused.status_code, refused.json()["type"]) == (400, "invalid_request")
    assert simulator.model_requests() == []


async def test_a_refusal_repeats_no_word_of_the_body(
    simulator: Simulator, point_agent_at: PointAgentAt
) -> None:
    point_agent_at(simulator, Settings.variables(), **QUICKLY)
    names = {f"my pin is 4711 {number}": "hunter2" for number in range(1_000)}
    async with client() as http:
        refused = await http.post("/v1/tasks", json={"task": "x", "session": "a b", **names})
    assert refused.status_code == 400
    assert not {"4711", "hunter2", "a b"} & set(refused.text.split('"'))
    assert "4711" not in refused.text
    assert "body.session" in refused.json()["message"]
    assert len(refused.text) < 500


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/v1/tasks", "POST"), ("POST", "/health/live", "GET"), ("PUT", "/v1/tasks", "POST")],
)
async def test_a_method_that_is_not_allowed_is_told_which_one_is(
    simulator: Simulator, point_agent_at: PointAgentAt, method: str, path: str, allowed: str
) -> None:
    point_agent_at(simulator, Settings.variables(), **QUICKLY)
    async with client() as http:
        refused = await http.request(method, path)
    assert (refused.status_code, refused.headers["allow"]) == (405, allowed)
    assert set(refused.json()) == FORM


async def test_a_spent_limit_is_named_and_nobody_is_told_to_come_back_soon(
    start_simulator: StartSimulator, point_agent_at: PointAgentAt
) -> None:
    spent = 'status = 429\nretry_after_s = 7\nerror_code = "enforced_spend_limit_reached"'
    faults = FAULT.format("status") + spent
    point_agent_at(start_simulator(faults=faults), Settings.variables(), **QUICKLY)
    async with client() as http:
        failed = await http.post("/v1/tasks", json=PRODUCT)
    body = failed.json()
    assert (failed.status_code, body["type"], body["retryable"]) == (503, "spend_limit", False)
    assert "spend limit" in body["message"]
    assert "retry-after" not in failed.headers


async def test_what_the_model_says_last_decides_how_a_task_ends(
    point_agent_at: PointAgentAt, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal is told as one; half a surrogate pair does not lose an answer that is paid for."""
    point_agent_at(simulator, Settings.variables(), **QUICKLY)
    refusal = {"content": [], "stop_reason": "refusal"}
    half = {"content": [{"type": "text", "text": "ah \ud83d"}], "stop_reason": "end_turn"}
    async with model_saying(refusal, half) as url:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
        async with client() as http:
            refused = await http.post("/v1/tasks", json=PRODUCT)
            answered = await http.post("/v1/tasks", json=PRODUCT)
    body = refused.json()
    assert (refused.status_code, body["type"]) == (502, "unfinished_answer")
    assert (body["retryable"], "declined" in body["message"]) == (False, True)
    assert (answered.status_code, answered.json()["text"]) == (200, "ah \ufffd")
    assert answered.json()["request_id"] == answered.headers["x-request-id"]


@asynccontextmanager
async def model_saying(*messages: dict[str, Any]) -> AsyncIterator[str]:
    """A model API that gives these answers in turn, to requests for messages."""
    left = list(messages)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        whole: dict[str, Any] = {"id": "m", "type": "message", "role": "assistant", "model": "m"}
        whole |= {"usage": {"input_tokens": 1, "output_tokens": 1}}
        body = json.dumps(whole | (left.pop(0) if head.startswith(b"POST") else {})).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n")
        writer.write(b"content-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_session_that_has_ended_is_gone(
    start_simulator: StartSimulator, point_agent_at: PointAgentAt
) -> None:
    simulator = start_simulator(faults="[latency]\nmessages_s = 0.3")
    ends = {"AGENT_TIMEOUTS__SESSION_S": "1.3", "AGENT_TIMEOUTS__REQUEST_S": "1.2"}
    ends |= IMPATIENT | {"AGENT_TIMEOUTS__TOOL_CALL_S": "1"}
    point_agent_at(simulator, Settings.variables(), **QUICKLY, **ends)
    task = {"task": "Say hello.", "session": "s"}
    async with client() as http, asyncio.timeout(PATIENCE_S):
        answers = [await http.post("/v1/tasks", json=task)]
        while answers[-1].status_code == 200:
            answers.append(await http.post("/v1/tasks", json=task))
        anew = await http.post("/v1/tasks", json=task | {"session": "t"})
    body = answers[-1].json()
    assert (answers[-1].status_code, body["type"]) == (410, "session_ended")
    assert (body["retryable"], "begin a new session" in body["message"]) == (False, True)
    assert (len(answers) > 1, anew.status_code) == (True, 200)


async def test_the_description_names_every_status_and_promises_no_other(
    simulator: Simulator, point_agent_at: PointAgentAt
) -> None:
    point_agent_at(simulator, Settings.variables(), **QUICKLY)
    async with client() as http:
        described = (await http.get("/openapi.json")).json()["paths"]["/v1/tasks"]["post"]
    promised = set(described["responses"])
    statuses = (200, 400, 408, 410, 413, 429, 500, 502, 503, 504, "default")
    assert promised == {str(status) for status in statuses}
    readme = Path(__file__).with_name("README.md")
    if readme.is_file():  # not where the lesson is tried on another step
        told = readme.read_text(encoding="utf-8")
        assert [each for each in promised - {"200", "default"} if f"| {each} |" not in told] == []


ECMA_SPACES = r"\t-\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"  # its \s


async def test_what_only_python_takes_for_a_space_is_no_task_in_the_description_either(
    simulator: Simulator, point_agent_at: PointAgentAt
) -> None:
    point_agent_at(simulator, Settings.variables(), **QUICKLY)
    async with client() as http:
        described = (await http.get("/openapi.json")).json()["components"]["schemas"]
    pattern = described["TaskRequest"]["properties"]["task"]["pattern"]
    read = re.compile(pattern.replace(r"\s", ECMA_SPACES))
    assert [c for c in map(chr, range(0x3001)) if c.isspace() and read.search(c)] == []


async def test_what_does_not_fit_is_refused_with_retry_after_before_any_model_call(
    start_simulator: StartSimulator, point_agent_at: PointAgentAt
) -> None:
    simulator = start_simulator(faults="[latency]\nmessages_s = 0.1")
    point_agent_at(
        simulator,
        Settings.variables(),
        AGENT_BULKHEAD__LIMIT="2",
        AGENT_BULKHEAD__QUEUE="1",
        AGENT_BULKHEAD__WAIT_S="5",
    )
    async with client() as http:
        tasks = ({"task": f'Say "word-{user}".'} for user in range(20))
        answers = await asyncio.gather(*(http.post("/v1/tasks", json=task) for task in tasks))
    refused = [answer for answer in answers if answer.status_code == 503]
    assert [answer.status_code for answer in answers].count(200) == 3
    assert len(refused) == 17
    assert {answer.json()["type"] for answer in refused} == {"overloaded"}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert len(simulator.model_requests()) == 3


async def test_it_is_ready_once_warm_and_an_outage_of_the_model_only_degrades_it(
    start_simulator: StartSimulator, point_agent_at: PointAgentAt
) -> None:
    simulator = start_simulator(faults='[[rule]]\nname = "r"\npath = "*"\nfault = "reset"')
    point_agent_at(simulator, Settings.variables(), **QUICKLY)
    async with client() as http, asyncio.timeout(PATIENCE_S):
        while (await http.get("/health/startup")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0)
        ready, live = await http.get("/health/ready"), await http.get("/health/live")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert ready.json()["dependencies"] == {"claude": "failing", "notes": "ok"}
    assert (live.status_code, live.json()["alive"]) == (200, True)


POSIX = pytest.mark.skipif(
    os.name != "posix", reason="SIGTERM is a POSIX matter; on Windows use WSL"
)
# What Kubernetes sets in every pod, when there is a Service called agent and one agent-api.
KUBERNETES = {
    "AGENT_SERVICE_HOST": "10.96.0.7",
    "AGENT_SERVICE_PORT": "80",
    "AGENT_SERVICE_PORT_HTTP": "80",
    "AGENT_PORT": "tcp://10.96.0.7:80",
    "AGENT_PORT_80_TCP": "tcp://10.96.0.7:80",
    "AGENT_PORT_80_TCP_ADDR": "10.96.0.7",
    "AGENT_API_SERVICE_HOST": "10.96.0.8",
    "AGENT_API_PORT": "udp://10.96.0.8:53",
    "AGENT_API_PORT_53_UDP_PROTO": "udp",
}


@asynccontextmanager
async def process(
    simulator: Simulator,
    tmp_path: Path,
    more: dict[str, str] | None = None,
    flags: tuple[str, ...] = (),
    wrapper: tuple[str, ...] = (),
) -> AsyncIterator[tuple[asyncio.subprocess.Process, httpx.AsyncClient]]:
    """The service in a process of its own, and a client of it."""
    assert SERVICE.is_file(), "this step has no service"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | offline_environment(simulator.url) | QUICKLY
    environment |= {"AGENT_LISTEN__PORT": str(port)}
    environment |= {"AGENT_NOTES_FILE": str(tmp_path / "notes.jsonl"), **(more or {})}
    command = (*wrapper, sys.executable, *flags, str(SERVICE))
    service = await asyncio.create_subprocess_exec(
        *command, env=environment, stderr=asyncio.subprocess.PIPE if flags else None
    )
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S
        ) as http:
            yield service, http
    finally:
        if service.returncode is None:
            service.kill()
            await service.wait()


@POSIX
async def test_on_sigterm_it_is_not_ready_first_still_answers_and_then_exits_with_0(
    start_simulator: StartSimulator, tmp_path: Path
) -> None:
    simulator = start_simulator(faults="[latency]\nmessages_s = 0.3")
    # Time enough for a poll and a request on a busy machine.
    async with process(simulator, tmp_path, {"AGENT_DRAIN__PAUSE_S": "3"}) as (service, http):
        await until(http, 200)
        before = len(simulator.model_requests())
        under_way = asyncio.create_task(http.post("/v1/tasks", json=PRODUCT))
        async with asyncio.timeout(PATIENCE_S):  # to its first model call
            while len(simulator.model_requests()) == before:  # noqa: ASYNC110 - of a thread
                await asyncio.sleep(0)
        service.send_signal(signal.SIGTERM)
        await until(http, 503)
        late = await http.post("/v1/tasks", json={"task": "What is 23*20?"})
        assert ("437" in (await under_way).text, "460" in late.text) == (True, True)
        async with asyncio.timeout(PATIENCE_S):
            assert await service.wait() == 0


@POSIX
@pytest.mark.parametrize("as_process_1", [False, True])
async def test_a_sigterm_while_it_imports_ends_it_with_0(
    simulator: Simulator, tmp_path: Path, as_process_1: bool
) -> None:
    wrapper = ("unshare", "--user", "--map-root-user", "--pid", "--fork") if as_process_1 else ()
    if wrapper and await run((*wrapper, "true")) != 0:
        pytest.skip("no process namespace may be made here")
    flags = ("-X", "importtime")
    async with process(simulator, tmp_path, flags=flags, wrapper=wrapper) as (service, _):
        assert service.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            while b"asyncio" not in await service.stderr.readline():  # long before the SDK
                pass
            target = service.pid
            if wrapper:
                target = int(read(f"/proc/{target}/task/{target}/children").split()[0])
            os.kill(target, signal.SIGTERM)
            rest = await service.stderr.read()
            assert await service.wait() == 0
        assert b"Traceback" not in rest


def read(file: str) -> str:
    return Path(file).read_text(encoding="utf-8")


async def run(command: tuple[str, ...]) -> int | None:
    """The exit code of a command; None where there is no such one."""
    quiet = asyncio.subprocess.DEVNULL
    try:
        begun = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
    except FileNotFoundError:
        return None
    return await begun.wait()


@POSIX
async def test_it_listens_where_it_was_told_though_kubernetes_has_a_service_of_its_name(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with process(simulator, tmp_path, KUBERNETES) as (service, http):
        await until(http, 200)
        assert "437" in (await http.post("/v1/tasks", json=PRODUCT)).text
        service.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            assert await service.wait() == 0


@POSIX
async def test_bodies_are_bounded_and_those_that_never_come_do_not_hold_the_drain(
    simulator: Simulator, tmp_path: Path
) -> None:
    async def huge() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 1_000_000

    quickly = {"AGENT_DRAIN__PAUSE_S": "0.5", "AGENT_DRAIN__DRAIN_S": str(2 * PATIENCE_S)}
    quickly["AGENT_DRAIN__GRACE_S"] = str(3 * PATIENCE_S)
    async with process(simulator, tmp_path, quickly) as (service, http), AsyncExitStack() as held:
        await until(http, 200)
        for body in (b"x" * 100_000_000, huge()):
            refused = await http.post("/v1/tasks", content=body, headers=JSON)
            assert (refused.status_code, refused.json()["type"]) == (413, "too_large")
        if sys.platform == "linux":
            peak = read(f"/proc/{service.pid}/status").split("VmHWM:")[1].split()[0]
            assert int(peak) < 200_000, "kB, of which most is the SDK"
        host, port = "127.0.0.1", http.base_url.port
        answers = []
        for _ in range(50):
            reader, writer = await asyncio.open_connection(host, port)
            held.callback(writer.close)
            writer.write(b"POST /v1/tasks HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n")
            answers.append(reader)
        service.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            assert await service.wait() == 0
            got = [await reader.read() for reader in answers]
        assert all(each.startswith(b"HTTP/1.1 503") and b'"unavailable"' in each for each in got)


@POSIX
async def test_a_task_that_the_drain_cuts_off_is_told_to_come_again(
    start_simulator: StartSimulator, tmp_path: Path
) -> None:
    simulator = start_simulator(faults='[[rule]]\nname = "r"\nfault = "hang"')
    quickly = {"AGENT_DRAIN__PAUSE_S": "0", "AGENT_DRAIN__DRAIN_S": "0.2"}
    quickly["AGENT_TIMEOUTS__MODEL_CALL_S"] = "60"
    async with process(simulator, tmp_path, quickly) as (service, http):
        await until(http, 200)
        under_way = asyncio.create_task(http.post("/v1/tasks", json=PRODUCT))
        async with asyncio.timeout(PATIENCE_S):
            while not simulator.in_flight:  # noqa: ASYNC110 - of a thread
                await asyncio.sleep(0.01)
        service.send_signal(signal.SIGTERM)
        answer = await under_way
        async with asyncio.timeout(PATIENCE_S):
            assert await service.wait() == 0
    assert (answer.status_code, answer.json()["type"]) == (503, "unavailable")
    assert (answer.json()["retryable"], answer.headers["retry-after"]) == (True, "1")
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


@POSIX
async def test_what_is_no_http_gets_the_one_form_too(simulator: Simulator, tmp_path: Path) -> None:
    async with process(simulator, tmp_path) as (_, http):
        await until(http, 200)
        for sent in (b"nonsense\r\n\r\n", b"POST /v1/tasks HTTP/1.1\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", http.base_url.port)
            writer.write(sent)
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            writer.close()
            told = json.loads(body)
            assert (head.split()[1], told["type"], set(told)) == (b"400", "invalid_request", FORM)
            assert f"x-request-id: {told['request_id']}".encode() in head.lower()


@POSIX
async def test_a_client_that_leaves_does_not_end_its_task_and_its_session_knows_the_answer(
    start_simulator: StartSimulator, tmp_path: Path
) -> None:
    simulator = start_simulator(faults="[latency]\nmessages_s = 0.3")
    body = json.dumps(PRODUCT | {"session": "s"}).encode()
    one_at_a_time = {"AGENT_BULKHEAD__LIMIT": "1", "AGENT_BULKHEAD__QUEUE": "2"}
    async with (
        process(simulator, tmp_path, one_at_a_time) as (_, http),
        asyncio.timeout(PATIENCE_S),
    ):
        await until(http, 200)
        before = len(simulator.model_requests())
        _, writer = await asyncio.open_connection("127.0.0.1", http.base_url.port)
        writer.write(b"POST /v1/tasks HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n")
        writer.write(b"content-length: %d\r\n\r\n" % len(body) + body)
        while len(simulator.model_requests()) == before:  # noqa: ASYNC110 - of a thread
            await asyncio.sleep(0.01)
        writer.close()  # between its two model calls
        asked = ({"task": "Say hello.", "session": session} for session in "st")
        known, fresh = [(await http.post("/v1/tasks", json=each)).json() for each in asked]
    assert len(simulator.model_requests()) == before + 4
    assert known["all_input_tokens"] > fresh["all_input_tokens"] > 0


async def until(http: httpx.AsyncClient, status: int) -> None:
    """Poll readiness, as a load balancer does, to this answer."""
    async with asyncio.timeout(PATIENCE_S):
        while await status_of(http, "/health/ready") != status:  # noqa: ASYNC110 - of a process
            await asyncio.sleep(0.01)


async def status_of(http: httpx.AsyncClient, path: str) -> int | None:
    try:
        return (await http.get(path)).status_code
    except httpx.TransportError:
        return None


async def test_health_is_answered_while_tasks_are_refused(
    start_simulator: StartSimulator, point_agent_at: PointAgentAt
) -> None:
    simulator = start_simulator(faults="[latency]\nmessages_s = 0.5")
    full = {"AGENT_BULKHEAD__LIMIT": "1", "AGENT_BULKHEAD__QUEUE": "0"}
    point_agent_at(simulator, Settings.variables(), **full)
    async with client() as http, asyncio.timeout(PATIENCE_S):
        while (await http.get("/health/startup")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0)
        under_way = asyncio.create_task(http.post("/v1/tasks", json=PRODUCT))
        while not simulator.model_requests():  # noqa: ASYNC110 - of a thread
            await asyncio.sleep(0)
        refused = await http.post("/v1/tasks", json={"task": "What is 23*20?"})
        probes = [await http.get(f"/health/{name}") for name in ("live", "ready", "startup")]
        assert refused.status_code == 503
        assert [probe.status_code for probe in probes] == [200, 200, 200]
        assert not under_way.done(), "the only slot was taken all the time"
        assert "437" in (await under_way).text


async def test_the_layers_around_a_tool_stand_in_their_order(
    start_simulator: StartSimulator, point_agent_at: PointAgentAt
) -> None:
    simulator = start_simulator(faults='[[rule]]\nname = "r"\npath = "/w/api.php"\nfault = "hang"')
    three = {"AGENT_BREAKER__FAILURE_THRESHOLD": "3", "AGENT_BREAKER__MINIMUM_CALLS": "3"}
    limits = {"AGENT_TIMEOUTS__CONNECT_S": "0.1", "AGENT_TIMEOUTS__TOOL_CALL_S": "0.2"}
    attempts = {"AGENT_RETRY__MAX_ATTEMPTS": "3", "AGENT_RETRY__BASE_S": "0.01"}
    point_agent_at(simulator, Settings.variables(), **three, **limits, **attempts)
    heard: list[Event] = []
    undo = subscribe(heard.append)
    try:
        async with Agent(Settings.from_env()) as agent:
            await agent.run('Search for "the Aldwyn viaduct".')
            await agent.run('Search for "the Corvid library".')
    finally:
        undo()
    search = [each for each in heard if getattr(each, "dependency", "") == "search_web"]
    attempt = ["BulkheadEntered", "TimedOut"]
    first = [*attempt, "RetryScheduled", *attempt, "RetryScheduled", *attempt, "CircuitChanged"]
    assert [type(each).__name__ for each in search] == [
        *(*first, "RetriesStopped", "ResultMissing"),
        *("CircuitRefused", "RetriesStopped", "ResultMissing"),  # no slot was taken for it
    ]


async def test_sessions_are_forgotten_when_there_are_too_many_and_never_one_in_use(
    start_simulator: StartSimulator, point_agent_at: PointAgentAt
) -> None:
    simulator = start_simulator(faults="[latency]\nmessages_s = 0.3")
    point_agent_at(simulator, Settings.variables())
    async with Agent(Settings.from_env()) as agent:
        assert hasattr(agent, "run")
        await agent.run("Say hello.", session="first")
        under_way = asyncio.create_task(agent.run("Say hello.", session="first"))
        while len(simulator.model_requests()) < 2:  # noqa: ASYNC110 - of a thread
            await asyncio.sleep(0)
        for number in range(12_000):
            agent.sessions[f"session-{number}"] = []
        assert len(agent.sessions) == 10_000
        await under_way
        assert len(agent.sessions["first"]) == 4, "both tasks are history"
