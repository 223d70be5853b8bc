"""The lesson: a service refuses early, tells how it is, and leaves without losing a request."""

import asyncio
import importlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from mock_claude import Simulator
from mock_claude.offline import offline_environment
from mock_claude.pytest_plugin import PointAgentAt, StartSimulator
from reliability import Event, subscribe

from agent import Agent
from config import Settings

SERVICE = Path(__file__).with_name("service.py")
QUICKLY = {
    "AGENT_RETRY__MAX_ATTEMPTS": "1",
    "AGENT_TIMEOUTS__CONNECT_S": "0.1",
    "AGENT_TIMEOUTS__MODEL_CALL_S": "1",
    "AGENT_DRAIN__PAUSE_S": "1",
}
PRODUCT = {"task": "What is 23*19?"}


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
    point_agent_at(start_simulator(faults=fault), Settings.variables(), **QUICKLY)
    async with client() as http:
        failed = await http.post("/v1/tasks", json=PRODUCT)
    body = failed.json()
    assert (failed.status_code, body["type"], body["retryable"]) == (status, kind, retryable)
    assert set(body) == {"type", "message", "retryable", "retry_after_s", "request_id"}
    assert failed.headers.get("retry-after") == ("7" if status == 429 else None)
    assert "437" not in failed.text
    assert "23*19" not in failed.text


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
        missing = await http.get("/v2/tasks")
    assert (refused.status_code, refused.json()["type"]) == (400, "invalid_request")
    assert "body" in refused.json()["message"]
    assert (missing.status_code, missing.json()["request_id"]) == (
        404,
        missing.headers["x-request-id"],
    )
    assert simulator.model_requests() == []


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
    async with client() as http, asyncio.timeout(10):
        while (await http.get("/health/startup")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        ready, live = await http.get("/health/ready"), await http.get("/health/live")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert ready.json()["dependencies"] == {"claude": "failing", "notes": "ok"}
    assert (live.status_code, live.json()["alive"]) == (200, True)


@pytest.mark.skipif(os.name != "posix", reason="SIGTERM is a POSIX matter; on Windows use WSL")
async def test_on_sigterm_it_is_not_ready_first_still_answers_and_then_exits_with_0(
    start_simulator: StartSimulator, tmp_path: Path
) -> None:
    assert SERVICE.is_file(), "this step has no service"
    simulator = start_simulator(faults="[latency]\nmessages_s = 0.3")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | offline_environment(simulator.url) | QUICKLY
    environment |= {"AGENT_LISTEN__PORT": str(port), "AGENT_TIMEOUTS__MODEL_CALL_S": "5"}
    environment["AGENT_NOTES_FILE"] = str(tmp_path / "notes.jsonl")
    service = await asyncio.create_subprocess_exec(sys.executable, str(SERVICE), env=environment)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as http:
            await until(http, 200)
            before = len(simulator.model_requests())
            under_way = asyncio.create_task(http.post("/v1/tasks", json=PRODUCT))
            async with asyncio.timeout(10):  # to its first model call
                while len(simulator.model_requests()) == before:  # noqa: ASYNC110 - of a thread
                    await asyncio.sleep(0.01)
            service.send_signal(signal.SIGTERM)
            await until(http, 503)
            late = await http.post("/v1/tasks", json={"task": "What is 23*20?"})
            assert ("437" in (await under_way).text, "460" in late.text) == (True, True)
        async with asyncio.timeout(10):
            assert await service.wait() == 0
    finally:
        if service.returncode is None:
            service.kill()
            await service.wait()


async def until(http: httpx.AsyncClient, status: int) -> None:
    """Poll readiness, as a load balancer does, to this answer."""
    async with asyncio.timeout(30):
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
    async with client() as http, asyncio.timeout(10):
        while (await http.get("/health/startup")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        under_way = asyncio.create_task(http.post("/v1/tasks", json=PRODUCT))
        while not simulator.model_requests():  # noqa: ASYNC110 - of a thread
            await asyncio.sleep(0.01)
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
