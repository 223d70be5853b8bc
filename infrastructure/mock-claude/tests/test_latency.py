"""The latency model: arithmetic without a clock, and once on the wire."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_claude import FaultScript, FaultScriptError, Simulator
from mock_claude.faults.latency import INSTANT, Latency, ModelLatency, Speed, speed
from mock_claude.model.reply import Reply

TABLE = """
[latency]
messages_s = 0.1
first_token_s = 0.4
per_token_s = 0.02
per_in_flight_s = 0.05
jitter = 0.25

[[latency.model]]
model = "claude-haiku-*"
first_token_s = 0.1

[[latency.model]]
model = "claude-*-5"
per_token_s = 0
"""


def asked(
    latency: Latency, model: str = "claude-opus-5-5", key: str = "k", others: int = 0
) -> Speed:
    return speed(latency, 7, model, key, 1, others)


def test_it_is_off_by_default() -> None:
    assert asked(Latency(), others=9) is INSTANT
    assert asked(Latency(messages_s=3.0)) is INSTANT


def test_a_table_says_it_per_model() -> None:
    latency = FaultScript.parse(TABLE).latency
    assert (latency.messages_s, latency.jitter) == (0.1, 0.25)
    assert latency.models == (
        ModelLatency("claude-haiku-*", first_token_s=0.1),
        ModelLatency("claude-*-5", per_token_s=0.0),
    )
    steady = FaultScript.parse(TABLE.replace("jitter = 0.25", "")).latency
    assert asked(steady) == Speed(0.4, 0.0)  # the second glob matches too
    assert asked(steady, "claude-opus-4-8") == Speed(0.4, 0.02)
    assert asked(steady, "claude-haiku-4-5") == Speed(0.1, 0.02)


def test_every_other_request_in_flight_delays_the_first_token() -> None:
    latency = Latency(first_token_s=0.4, per_token_s=0.01, per_in_flight_s=0.05)
    assert asked(latency, others=4) == Speed(pytest.approx(0.6), 0.01)  # type: ignore[arg-type]


@given(st.text(max_size=5), st.floats(0, 1), st.integers(0, 5))
def test_jitter_stays_in_its_bounds_and_repeats(key: str, jitter: float, others: int) -> None:
    latency = Latency(first_token_s=1.0, per_token_s=1.0, jitter=jitter)
    found = asked(latency, key=key, others=others)
    assert 1 - jitter <= found.first_token_s <= 1 + jitter
    assert 1 - jitter <= found.per_token_s <= 1 + jitter
    assert found == asked(latency, key=key, others=others)


def test_jitter_differs_from_request_to_request_and_evens_out() -> None:
    latency = Latency(first_token_s=1.0, per_token_s=1.0, jitter=0.5)
    found = [asked(latency, key=str(n)) for n in range(1_000)]
    assert len({each.first_token_s for each in found}) == 1_000
    assert len({each.first_token_s - each.per_token_s for each in found}) == 1_000
    assert sum(each.first_token_s for each in found) / 1_000 == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[latency]\njitter = 1.5", "s.toml:2: latency.jitter: 1.5 is not between 0 and 1"),
        ("[latency]\nmodel = 'x'", "s.toml:2: latency.model: write each model as a table under"),
        ("[[latency.model]]\nper_token_s = 1", "s.toml:1: latency.model.model: is missing"),
        ("[[latency.model]]\nmodel='x'\njitter = 1", "s.toml:3: latency.model.jitter: unknown key"),
    ],
)
def test_a_wrong_table_is_refused(text: str, message: str) -> None:
    with pytest.raises(FaultScriptError) as failure:
        FaultScript.parse(text, "s.toml")
    assert str(failure.value).startswith(message)


def forty_tokens(request: Mapping[str, object]) -> Reply:
    return Reply("abcd" * 40)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_takes_the_time_of_its_tokens(stream: bool) -> None:
    script = FaultScript(latency=Latency(first_token_s=0.1, per_token_s=0.005))
    body = {
        "model": "claude-opus-5",
        "max_tokens": 100,
        "stream": stream,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    headers = {"x-api-key": "k", "anthropic-version": "2026-10-21"}
    async with (
        Simulator(faults=script, model=forty_tokens) as sim,
        httpx.AsyncClient(base_url=sim.url, headers=headers) as http,
    ):
        start = time.perf_counter()
        times = []
        async with http.stream("POST", "/v1/messages", json=body) as answer:
            async for _ in answer.aiter_raw():
                times.append(time.perf_counter() - start)
        assert times[-1] >= 0.3
        assert times[0] >= (0.1 if stream else 0.3)
        refused = await http.post("/v1/messages", json={**body, "max_tokens": "x"})
        assert refused.status_code == 400
        assert sim.log[-1].duration_s < 0.1
        counted = sim.log[0]
        assert counted.duration_s >= 0.3
        if stream:
            gaps = [late - early for early, late in pairwise(times)]
            assert times[0] < 0.3
            assert sum(gap >= 0.02 for gap in gaps) >= 5
