"""Streams that go wrong after their 200, as a bare client and the SDK meet them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import httpx
import pytest
from anthropic import AsyncAnthropic

from mock_claude import FaultScript, Simulator
from mock_claude.faults.faults import STREAM_FAULTS
from mock_claude.model.reply import Reply

HEADERS = {"x-api-key": "test", "anthropic-version": "2026-10-21"}
BODY: dict[str, Any] = {
    "model": "claude-opus-5",
    "max_tokens": 200,
    "messages": [{"role": "user", "content": "Hello"}],
}


def talk(request: Mapping[str, object]) -> Reply:
    return Reply("An answer that is long enough to be sent in several pieces: " + "so it is. " * 9)


@asynccontextmanager
async def running(faults: str = "") -> AsyncIterator[tuple[Simulator, httpx.AsyncClient]]:
    async with (
        Simulator(faults=FaultScript.parse(faults), model=talk) as sim,
        httpx.AsyncClient(base_url=sim.url, headers=HEADERS, timeout=5) as http,
    ):
        yield sim, http


def rule(fault: str, **keys: object) -> str:
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join(["[[rule]]", 'name = "r"', f'fault = "{fault}"', *lines]) + "\n"


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (the server shares no event)
            await asyncio.sleep(0)


class Received(list[tuple[str, str]]):
    """Name and data of each event that arrived whole, and what ended the stream, if not its end."""

    failure: Exception | None = None


async def events(
    http: httpx.AsyncClient, timeout_s: float = 5, headers: Mapping[str, str] | None = None
) -> Received:
    received, text = Received(), ""
    ask = {**BODY, "stream": True}
    try:
        async with http.stream(
            "POST", "/v1/messages", json=ask, headers=headers, timeout=timeout_s
        ) as answer:
            async for chunk in answer.aiter_text():
                text += chunk
    except httpx.TransportError as failure:
        received.failure = failure
    for frame in text.split("\n\n")[:-1]:
        name, data = frame.split("\n")
        received.append((name.removeprefix("event: "), data.removeprefix("data: ")))
    return received


def names(frames: list[tuple[str, str]]) -> list[str]:
    return [name for name, _ in frames]


@pytest.mark.parametrize("after", [1, 4, 7])
async def test_an_error_event_ends_the_stream_after_so_many_events(after: int) -> None:
    async with running() as (_, http):
        whole = await events(http)
    async with running(rule("stream-error", after_events=after)) as (sim, http):
        broken = await events(http)
        assert names(broken) == [*names(whole)[:after], "error"]
        body = json.loads(broken[-1][1])
        assert body["error"] == {"type": "overloaded_error", "message": "Overloaded"}
        (exchange,) = sim.log
        assert body["request_id"] == exchange.request_id
        assert (exchange.status, exchange.fault) == (200, "r")
        assert exchange.cost_usd > 0


async def test_the_sdk_neither_retries_nor_classifies_an_error_in_mid_stream() -> None:
    faults = rule("stream-error", error_type="api_error", error_code="compaction_unavailable")
    async with (
        running(faults) as (sim, _),
        AsyncAnthropic(base_url=sim.url, api_key="test") as claude,
    ):
        texts = list[str]()

        async def read() -> None:
            async with claude.messages.stream(**BODY) as stream:
                async for text in stream.text_stream:
                    texts.append(text)

        with pytest.raises(anthropic.APIStatusError) as failure:
            await read()
        assert len(texts) == 1
        assert not isinstance(failure.value, anthropic.InternalServerError)
        assert (failure.value.status_code, failure.value.type) == (200, "api_error")
        assert failure.value.error_code == "compaction_unavailable"
        assert len(sim.log) == 1


async def test_a_cut_stream_ends_without_its_end() -> None:
    async with running(rule("stream-cut", after_events=5)) as (sim, http):
        got = await events(http)
        assert len(got) == 5
        assert isinstance(got.failure, httpx.RemoteProtocolError)
        assert (len(sim.log), sim.log[0].status) == (1, 200)
        await until(lambda: sim.in_flight == 0)


async def test_the_sdk_sees_a_cut_stream_as_a_broken_connection() -> None:
    async with (
        running(rule("stream-cut")) as (sim, _),
        AsyncAnthropic(base_url=sim.url, api_key="test", max_retries=0) as claude,
        claude.messages.stream(**BODY) as stream,
    ):
        with pytest.raises(Exception, match="incomplete chunked read"):
            await stream.get_final_message()


async def test_a_stall_goes_on_after_its_seconds() -> None:
    async with running(rule("stream-stall", stall_s=0.1, after_events=3)) as (_, http):
        start = time.perf_counter()
        assert names(await events(http))[-1] == "message_stop"
        assert time.perf_counter() - start >= 0.1


async def test_a_stall_without_an_end_lasts_until_the_client_leaves() -> None:
    async with running(rule("stream-stall", after_events=3)) as (sim, http):
        ask = {**BODY, "stream": True}
        async with http.stream("POST", "/v1/messages", json=ask) as answer:
            chunks = answer.aiter_raw()
            got = b""
            while got.count(b"\n\n") < 3:
                got += await anext(chunks)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(chunks), 0.1)
        assert got.count(b"\n\n") == 3
        await until(lambda: sim.in_flight == 0)
        assert sim.log[0].status == 200


async def test_a_malformed_event_is_not_json_and_the_rest_is() -> None:
    async with running(rule("stream-malformed", after_events=4)) as (_, http):
        frames = await events(http)
        assert names(frames)[-1] == "message_stop"
        broken = [number for number, (_, data) in enumerate(frames) if not is_json(data)]
        assert broken == [4]


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


async def test_a_stream_without_message_stop_ends_in_order() -> None:
    async with running() as (_, http):
        whole = await events(http)
    async with running(rule("stream-no-stop")) as (sim, http):
        assert names(await events(http)) == names(whole)[:-1]
        assert sim.in_flight == 0


async def test_a_slow_first_token_comes_after_a_prompt_start() -> None:
    faults = rule("slow-first-token", delay_s=0.15)
    async with running(faults) as (_, http):
        start, times = time.perf_counter(), []
        async with http.stream("POST", "/v1/messages", json={**BODY, "stream": True}) as answer:
            async for _ in answer.aiter_raw():
                times.append(time.perf_counter() - start)
        assert times[0] < 0.1
        assert times[1] >= 0.15


@pytest.mark.parametrize(
    ("fault", "last"),
    [
        ("stream-error", "error"),
        ("stream-cut", None),
        ("stream-malformed", "message_stop"),
        ("stream-stall", None),
    ],
)
async def test_a_fault_beyond_the_end_strikes_before_the_last_event(
    fault: str, last: str | None
) -> None:
    async with running() as (_, http):
        whole = names(await events(http))
    async with running(rule(fault, after_events=1_000)) as (_, http):
        got = await events(http, timeout_s=1)
        assert names(got) == whole[:-1] + [last] * (last is not None)
        assert is_json(got[-1][1]) == (fault != "stream-malformed")


@pytest.mark.parametrize("fault", sorted(STREAM_FAULTS))
async def test_a_plain_request_passes_by_a_rule_for_streams(fault: str) -> None:
    keys = {"delay_s": 1} if fault == "slow-first-token" else {}
    async with running(rule(fault, **keys)) as (sim, http):
        answer = await http.post("/v1/messages", json=BODY)
        assert answer.status_code == 200
        assert (sim.log[0].fault, sim.fired) == (None, {})


@pytest.mark.parametrize("fault", sorted(STREAM_FAULTS))
async def test_a_plain_request_that_asks_for_it_by_header_is_told(fault: str) -> None:
    async with running() as (_, http):
        answer = await http.post("/v1/messages", json=BODY, headers={"x-mock-fault": fault})
        assert answer.status_code == 400
        expected = f'x-mock-fault: {fault} needs a request with "stream": true'
        assert answer.json()["error"]["message"] == expected


async def test_headers_ask_for_faults_of_streams() -> None:
    async with running() as (sim, http):
        asked = {"x-mock-fault": "stream-error", "x-mock-after-events": "2"}
        frames = await events(http, headers={**asked, "x-mock-error-type": "api_error"})
        assert len(frames) == 3
        assert json.loads(frames[-1][1])["error"]["type"] == "api_error"
        assert sim.fired == {"header": 1}
        frames = await events(
            http, headers={"x-mock-fault": "stream-stall", "x-mock-delay": "0.05"}
        )
        assert frames[-1][0] == "message_stop"
        assert sim.log[-1].duration_s >= 0.05


async def test_a_refused_stream_is_refused_as_ever() -> None:
    async with running(rule("stream-cut")) as (_, http):
        answer = await http.post("/v1/messages", json={**BODY, "stream": True, "max_tokens": "x"})
        assert (answer.status_code, answer.json()["type"]) == (400, "error")


async def test_whoever_holds_the_last_event_finds_the_exchange_in_the_log() -> None:
    for faults in (rule("stream-error"), "[latency]\nper_token_s = 0.00001\n"):
        async with running(faults) as (sim, http):
            for number in range(1, 30):
                async with http.stream(
                    "POST", "/v1/messages", json={**BODY, "stream": True}
                ) as answer:
                    async for line in answer.aiter_lines():
                        if line in ("event: message_stop", "event: error"):
                            assert len(sim.log) == number
