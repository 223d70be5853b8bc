"""Two runs with one seed say the same, and meet the same faults."""

from __future__ import annotations

import asyncio
import random
import re
from typing import Any

import httpx

from mock_claude import FaultScript, Simulator

HEADERS = {"x-api-key": "test", "anthropic-version": "2026-10-21"}
SCRIPT = """
[latency]
first_token_s = 0.001
per_token_s = 0.00001
jitter = 0.5

[[rule]]
name = "overloaded"
probability = 0.2
fault = "status"
status = 529
retry_after_s = 0.01

[[rule]]
name = "reset"
probability = 0.1
fault = "reset"

[[rule]]
name = "broken"
probability = 0.3
fault = "stream-error"

[[rule]]
name = "cut"
probability = 0.3
fault = "stream-cut"
after_events = 5

[[rule]]
name = "search"
path = "/w/*"
probability = 0.3
fault = "status"
status = 503

[[script]]
name = "poor"
story = "quality"
model = "claude-haiku-*"
right = 0.5
"""
IDS = re.compile(rb"(msg|toolu|req)_01[0-9a-f]{22}")
TOOLS = [
    {"name": name, "input_schema": {"type": "object", "properties": {value: {"type": "string"}}}}
    for name, value in (("get_weather", "city"), ("calculate", "expression"))
]


def requests() -> list[tuple[str, str, Any]]:
    """Method, path and body: plain and streamed, with tools, thinking, cache marks, mistakes."""
    asked: list[tuple[str, str, Any]] = []
    for number in range(40):
        body: dict[str, Any] = {
            "model": "claude-haiku-5-5" if number % 3 else "claude-opus-5-5",
            "max_tokens": 300,
            "system": "Be brief. " * 300,
            "stream": number % 2 == 0,
            "messages": [{"role": "user", "content": f"Weather in Lisbon? And {number} * 3?"}],
        }
        if number % 4 == 0:
            body["tools"] = TOOLS
        if number % 5 == 0:
            body["thinking"] = {"type": "adaptive"}
        if number % 7 == 0:
            body["cache_control"] = {"type": "ephemeral"}
        if number % 11 == 10:
            body["max_tokens"] = "many"
        asked.append(("POST", "/v1/messages", body))
    asked += [
        ("GET", f"/w/api.php?action=query&list=search&srsearch=city{n}", None) for n in range(9)
    ]
    asked += [("GET", "/v1/models", None), ("GET", "/nowhere", None)]
    return asked + asked[:20]  # some are asked again


async def said(http: httpx.AsyncClient, method: str, path: str, body: object) -> bytes:
    """All that came back, without ids and times, and what a bucket holds at that time."""
    parts = list[bytes]()
    try:
        async with http.stream(method, path, json=body) as answer:
            parts.append(str(answer.status_code).encode())
            parts += [
                name + b": " + value
                for name, value in answer.headers.raw
                if name != b"date" and not name.endswith((b"-reset", b"-remaining"))
            ]
            async for chunk in answer.aiter_raw():
                parts.append(chunk)
    except httpx.TransportError as failure:
        parts.append(type(failure).__name__.encode())
    return IDS.sub(rb"\1_id", b"\n".join(parts[:1]) + b"\n" + b"".join(parts[1:]))


async def test_one_client_at_a_time_gets_the_same_bytes_twice() -> None:
    async def run(seed: int) -> tuple[list[bytes], list[object]]:
        async with (
            Simulator(seed=seed, faults=FaultScript.parse(SCRIPT)) as sim,
            httpx.AsyncClient(base_url=sim.url, headers=HEADERS) as http,
        ):
            answers = [await said(http, *each) for each in requests()]
            async with asyncio.timeout(20):
                while sim.in_flight:  # noqa: ASYNC110 (the server shares no event)
                    await asyncio.sleep(0)
            varies = {"at_s", "duration_s", "request_id"}
            log = [
                {name: value for name, value in each.to_json().items() if name not in varies}
                for each in sim.log
            ]
            assert set(sim.fired) == {"overloaded", "reset", "broken", "cut", "search"}
            return answers, [log, sim.fired, sim.played]

    first = await run(3)
    assert first == await run(3)
    assert first != await run(4)


async def test_twelve_clients_meet_the_same_faults_in_any_order() -> None:
    async def run(order: int) -> set[tuple[str, int, str | None]]:
        shuffled = random.Random(order)
        asked = shuffled.sample(requests(), len(requests()))
        async with Simulator(seed=3, faults=FaultScript.parse(SCRIPT)) as sim:

            async def client(number: int) -> None:
                async with httpx.AsyncClient(base_url=sim.url, headers=HEADERS) as http:
                    for each in asked[number::12]:
                        await said(http, *each)

            await asyncio.gather(*map(client, range(12)))
            async with asyncio.timeout(20):
                while sim.in_flight:  # noqa: ASYNC110
                    await asyncio.sleep(0)
            return {(each.key, each.attempt, each.fault) for each in sim.log}

    first = await run(1)
    assert first == await run(2)
    assert {fault for _, _, fault in first} > {None, "overloaded", "reset", "search"}
