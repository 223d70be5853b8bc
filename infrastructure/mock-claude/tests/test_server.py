"""Faults as a real client meets them, and the life of the server."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import anthropic
import httpx
import pytest
from anthropic import AsyncAnthropic

from mock_claude import FaultScript, Simulator
from mock_claude.model.reply import Reply

HEADERS = {"x-api-key": "test", "anthropic-version": "2026-10-21"}


def body(task: str = "Hello", **changes: object) -> dict[str, object]:
    ask = [{"role": "user", "content": task}]
    return {"model": "claude-opus-5", "max_tokens": 50, "messages": ask, **changes}


def talk(request: Mapping[str, object]) -> Reply:
    return Reply("A rather long answer, so that a stream of it has several pieces to send.")


@asynccontextmanager
async def running(faults: str = "", **options: Any) -> AsyncIterator[tuple[Simulator, Client]]:
    async with (
        Simulator(faults=FaultScript.parse(faults), model=talk, **options) as simulator,
        httpx.AsyncClient(base_url=simulator.url, headers=HEADERS, timeout=5) as http,
    ):
        yield simulator, Client(http)


class Client:
    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def ask(self, task: str = "Hello", timeout_s: float = 5, **changes: object) -> Any:
        return await self.http.post("/v1/messages", json=body(task, **changes), timeout=timeout_s)


async def until(condition: Callable[[], object]) -> None:
    """Wait for what the server does on its own, e.g. notice that a client left."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (the server shares no event)
            await asyncio.sleep(0)


async def idle(simulator: Simulator) -> None:
    await until(lambda: simulator.in_flight == 0)


def rule(fault: str, **keys: object) -> str:
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join(["[[rule]]", f'name = "{fault}"', f'fault = "{fault}"', *lines]) + "\n"


async def leave(simulator: Simulator, client: Client, fault: str) -> None:
    """Ask, and leave once the fault has met the request: no clock decides what comes first."""
    asking = asyncio.create_task(client.ask(timeout_s=30))
    await until(lambda: simulator.fired[fault])
    assert not asking.done()
    asking.cancel()
    await idle(simulator)


async def test_a_hang_never_answers_and_ends_when_the_client_leaves() -> None:
    async with running(rule("hang")) as (sim, client):
        await leave(sim, client, "hang")
        (exchange,) = sim.log
        assert (exchange.status, exchange.fault, exchange.cost_usd) == (0, "hang", Decimal(0))
        assert sim.fired == {"hang": 1}


async def test_a_hang_is_in_flight_meanwhile() -> None:
    async with running(rule("hang")) as (sim, client):
        asking = asyncio.create_task(client.ask())
        await until(lambda: sim.fired["hang"])
        assert (sim.in_flight, len(sim.log)) == (1, 0)
        asking.cancel()
        await idle(sim)
        assert len(sim.log) == 1


async def test_a_reset_is_a_reset_on_the_wire() -> None:
    async with running(rule("reset")) as (sim, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", sim.port)
        content = json.dumps(body()).encode()
        head = f"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: {len(content)}\r\n\r\n"
        writer.write(head.encode() + content)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        await idle(sim)
        assert (sim.log[0].status, sim.log[0].fault) == (0, "reset")


async def test_the_sdk_sees_a_reset_as_a_connection_error() -> None:
    async with (
        running(rule("reset")) as (sim, _),
        AsyncAnthropic(base_url=sim.url, api_key="test", max_retries=0) as claude,
    ):
        with pytest.raises(anthropic.APIConnectionError) as failure:
            await claude.messages.create(**body())  # type: ignore[call-overload]
        assert not isinstance(failure.value, anthropic.APITimeoutError)


async def test_a_delay_answers_late_and_is_billed() -> None:
    async with running(rule("delay", delay_s=0.1)) as (sim, client):
        start = time.perf_counter()
        assert (await client.ask()).status_code == 200
        assert time.perf_counter() - start >= 0.1
        (exchange,) = sim.log
        assert (exchange.status, exchange.fault) == (200, "delay")
        assert exchange.cost_usd > 0
        assert exchange.duration_s >= 0.1


async def test_a_client_that_leaves_during_a_delay_has_been_billed() -> None:
    async with running(rule("delay", delay_s=30)) as (sim, client):
        await leave(sim, client, "delay")
        (exchange,) = sim.log
        assert exchange.status == 0
        assert exchange.cost_usd > 0


async def test_a_trickle_sends_the_answer_in_small_chunks() -> None:
    async with running(rule("trickle", chunk_bytes=100, interval_s=0.002)) as (sim, client):
        chunks = []
        async with client.http.stream("POST", "/v1/messages", json=body()) as answer:
            async for chunk in answer.aiter_raw():
                chunks.append(chunk)
        assert len(chunks) > 3
        assert max(map(len, chunks)) <= 100
        assert json.loads(b"".join(chunks))["stop_reason"] == "end_turn"
        assert sim.log[0].cost_usd > 0


async def test_a_trickled_stream_reads_the_same() -> None:
    async with running(rule("trickle", chunk_bytes=50, interval_s=0)) as (_, client):
        trickled = (await client.ask(stream=True)).text
    async with running() as (_, client):
        whole = (await client.ask(stream=True)).text

    def events(text: str) -> list[str]:
        return [line.split('"id"')[0] for line in text.splitlines() if "message_start" not in line]

    assert events(trickled) == events(whole)


async def test_a_client_that_leaves_in_mid_stream_leaves_nothing_behind() -> None:
    async with running(rule("trickle", chunk_bytes=20, interval_s=0.01)) as (sim, client):
        ask = body(stream=True)
        async with client.http.stream("POST", "/v1/messages", json=ask) as answer:
            async for _ in answer.aiter_raw():
                break
        assert sim.in_flight == 1
        await idle(sim)
        (exchange,) = sim.log
        assert (exchange.status, exchange.stream) == (200, True)


async def test_a_client_that_leaves_before_its_body_ends_leaves_nothing_behind() -> None:
    async with running() as (sim, _):
        _, writer = await asyncio.open_connection("127.0.0.1", sim.port)
        writer.write(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        await writer.drain()
        await until(lambda: sim.in_flight)
        writer.close()
        await idle(sim)
        assert sim.log[0].status == 0


async def test_a_status_rule_answers_with_its_headers_code_and_wait() -> None:
    faults = rule("status", status=429, retry_after_s=1.5, error_code="ramp_limit_exceeded")
    faults += 'headers = { "x-should-retry" = "false" }\n'
    async with (
        running(faults) as (sim, _),
        AsyncAnthropic(base_url=sim.url, api_key="test") as claude,
    ):
        with pytest.raises(anthropic.RateLimitError) as failure:
            await claude.messages.create(**body())  # type: ignore[call-overload]
        assert failure.value.error_code == "ramp_limit_exceeded"
        assert failure.value.response.headers["retry-after"] == "1.5"
        assert len(sim.log) == 1  # x-should-retry stopped the SDK's own retries


@pytest.mark.parametrize(("seconds", "header"), [(3600, "3600"), (0.25, "0.25"), (0, "0")])
async def test_retry_after_is_sent_as_it_was_written(seconds: float, header: str) -> None:
    async with running(rule("status", status=529, retry_after_s=seconds)) as (_, client):
        assert (await client.ask()).headers["retry-after"] == header


async def test_windows_follow_the_injected_clock_from_the_first_request() -> None:
    now = [1_000.0]
    faults = rule("status", status=503, after_s=2, until_s=5)
    async with running(faults, clock=lambda: now[0]) as (sim, client):
        statuses = []
        for second in (0.0, 1.9, 2.0, 4.9, 5.0):
            now[0] = 1_050.0 + second
            statuses.append((await client.ask()).status_code)
        assert statuses == [200, 200, 503, 503, 200]
        assert [round(each.at_s, 1) for each in sim.log] == [0.0, 1.9, 2.0, 4.9, 5.0]


async def test_latency_is_added_to_its_kind_and_to_errors_too() -> None:
    faults = "[latency]\nmessages_s = 0.15\n" + rule("status", status=500, model="claude-haiku*")
    async with running(faults) as (sim, client):
        assert (await client.ask()).status_code == 200
        assert (await client.ask(model="claude-haiku-5-5")).status_code == 500
        await client.http.get("/w/api.php")
        plain, error, search = sim.log
        assert plain.duration_s >= 0.15
        assert error.duration_s >= 0.15
        assert search.duration_s < 0.15


async def test_the_same_requests_meet_the_same_faults_in_any_order() -> None:
    faults = rule("status", status=529, probability=0.4) + rule("reset", probability=0.2)
    asked = [f"task {n}" for n in range(30)] * 2

    async def faults_met(order: int) -> set[tuple[str, int, str | None]]:
        tasks = random.Random(order).sample(asked, len(asked))
        async with running(faults, seed=3) as (sim, client):
            await asyncio.gather(*map(client.ask, tasks), return_exceptions=True)
            await idle(sim)
            return {(each.key, each.attempt, each.fault) for each in sim.log}

    first = await faults_met(1)
    assert first == await faults_met(2)
    assert len(first) == 60
    assert {fault for _, _, fault in first} == {None, "status", "reset"}


async def test_stopping_does_not_wait_for_hangs_and_trickles() -> None:
    async with asyncio.timeout(3):
        async with running(rule("hang", path="/v1/*") + rule("trickle", path="*")) as (sim, client):
            asking = [asyncio.create_task(client.ask())]
            asking += [asyncio.create_task(client.http.get("/nowhere"))]
            await until(lambda: sim.in_flight == 2)
            start = time.perf_counter()
            await sim.__aexit__(None, None, None)
            assert time.perf_counter() - start < 0.5
            assert sim.in_flight == 0
            answers = await asyncio.gather(*asking, return_exceptions=True)
        assert all(isinstance(each, httpx.TransportError) for each in answers)


async def test_bytes_that_are_no_http_are_refused_in_the_api_s_form() -> None:
    async with running() as (sim, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", sim.port)
        writer.write(b"\x16\x03\x01 nonsense\r\n\r\n")
        head, content = (await reader.read()).split(b"\r\n\r\n")
        writer.close()
        assert head.startswith(b"HTTP/1.1 400")
        assert json.loads(content)["error"]["type"] == "invalid_request_error"


async def test_a_taken_port_is_an_os_error() -> None:
    async with running() as (sim, _):
        with pytest.raises(OSError, match="in use"):
            async with Simulator(port=sim.port):
                pass


async def test_a_freed_port_can_be_taken_at_once() -> None:
    async with running() as (sim, client):
        await client.ask()
    async with running(port=sim.port) as (_, client):
        assert (await client.ask()).status_code == 200


async def test_urls_can_be_reached_whatever_the_server_binds_to() -> None:
    async with Simulator(host="0.0.0.0") as sim:
        assert sim.url == f"http://127.0.0.1:{sim.port}"
        assert sim.search_url == f"{sim.url}/w/api.php"
        assert sim.geocoding_url == f"{sim.url}/v1/search"
        assert sim.forecast_url == f"{sim.url}/v1/forecast"
    if socket.has_ipv6:
        async with Simulator(host="::1") as sim, httpx.AsyncClient() as http:
            assert (await http.get(f"{sim.url}/_mock/health")).status_code == 200


async def test_a_simulator_that_does_not_run_has_no_url_and_runs_once() -> None:
    sim = Simulator()
    with pytest.raises(RuntimeError, match="not running"):
        _ = sim.url
    async with sim:
        pass
    with pytest.raises(RuntimeError, match="runs once"):
        async with sim:
            pass


async def test_nothing_is_printed_or_logged(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with running(rule("reset", attempts=1)) as (sim, client):
        with pytest.raises(httpx.TransportError):
            await client.ask()
        await client.ask()
        await client.http.get("/nowhere")
        reader, writer = await asyncio.open_connection("127.0.0.1", sim.port)
        writer.write(b"nonsense\r\n\r\n")
        await reader.read()
        writer.close()
    assert capfd.readouterr() == ("", "")
    assert not [each for each in caplog.records if each.name.startswith(("mock", "uvicorn"))]


async def test_many_clients_at_once_are_all_answered_and_logged() -> None:
    async with running() as (sim, client):
        answers = await asyncio.gather(*(client.ask(f"task {n}") for n in range(100)))
        assert {each.status_code for each in answers} == {200}
        assert sorted(each.number for each in sim.log) == list(range(1, 101))
        assert len({each.key for each in sim.log}) == 100


async def test_a_status_can_come_late_and_is_not_billed() -> None:
    async with running(rule("status", status=503, delay_s=0.1)) as (sim, client):
        start = time.perf_counter()
        assert (await client.ask()).status_code == 503
        assert time.perf_counter() - start >= 0.1
        (exchange,) = sim.log
        assert exchange.cost_usd == 0
        assert sim.first_at is not None


async def test_a_rule_meets_the_tasks_that_it_names_and_no_service() -> None:
    rule = '[[rule]]\nname = "r"\nfault = "status"\nstatus = 529\npath = "*"\ntask = "*second*"\n'
    async with running(rule) as (simulator, client):
        asked = [(await client.ask(task)).status_code for task in ("the first", "The SECOND")]
        found = await client.http.get("/v1/search?name=second")
        assert asked == [200, 529]
        assert found.status_code != 529
        assert simulator.fired == {"r": 1}


async def test_who_listens_hears_each_task_and_its_clients_address_before_its_fault() -> None:
    heard: list[tuple[str, tuple[str, int] | None]] = []
    rule = '[[rule]]\nname = "r"\nfault = "status"\nstatus = 529\n'
    async with running(rule, on_task=lambda *told: heard.append(told)) as (_, client):
        await client.ask("the first")
        await client.http.post("/v1/messages", content=b"no JSON")
    (task, address), *more = heard
    assert task == "the first"
    assert address is not None
    assert address[0] == "127.0.0.1"
    assert more == []


def broken(request: Mapping[str, object]) -> Reply:
    raise KeyError("no such thing")


async def test_a_bug_in_the_model_has_the_apis_form_and_the_server_logs_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with (
        Simulator(model=broken) as simulator,
        httpx.AsyncClient(base_url=simulator.url, headers=HEADERS, timeout=5) as http,
    ):
        for stream in (False, True):
            answer = await http.post("/v1/messages", json=body(stream=stream))
            assert answer.status_code == 500
            assert answer.json()["error"]["type"] == "api_error"
            assert "no such thing" in answer.json()["error"]["message"]
        await until(lambda: caplog.text.count("KeyError: 'no such thing'") >= 2)
    assert [each.status for each in simulator.log] == [500, 500]
