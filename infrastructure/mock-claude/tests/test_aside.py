"""Long bodies are read by a process of their own: the same answers, and nobody waits for them."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from mock_claude import Simulator, paths
from mock_claude.aside import looking
from mock_claude.background import in_background

HEADERS = {"x-api-key": "k", "anthropic-version": "2026-10-21", "content-type": "application/json"}
PADDING = " " * (looking.LONG + 1)
VARIES = re.compile(r'((?:req|msg|msgbatch|toolu)_01)[0-9a-f]+|("[a-z]+_at":)"[^"]+"')


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with in_background(Simulator()) as running:
        yield running


def body(**changes: Any) -> dict[str, Any]:
    message = {"role": "user", "content": "Say: hello there"}
    return {"model": "claude-opus-5-5", "max_tokens": 100, "messages": [message], **changes}


def post(sim: Simulator, path: str, text: str, headers: dict[str, str]) -> tuple[int, str]:
    answer = httpx.post(sim.url + path, content=text.encode(), headers=headers, timeout=60)
    return answer.status_code, VARIES.sub(r"\1\2", answer.text)


BATCH = [{"custom_id": "a", "params": body()}, {"custom_id": "b", "params": {}}]
LONG_IMAGE = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo" + "A" * 1_100_001}


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        (paths.MESSAGES, body()),
        (paths.MESSAGES, body(stream=True)),
        (paths.MESSAGES, body(model="claude-nobody")),
        (paths.MESSAGES, body(max_token=1)),
        (paths.MESSAGES, body(messages=[])),
        (paths.MESSAGES, body(temperature=0.5)),
        (paths.MESSAGES, body(messages=[{"role": "user", "content": "é \u4e2d"}])),
        (paths.MESSAGES, [1]),
        (paths.COUNT_TOKENS, {k: v for k, v in body().items() if k != "max_tokens"}),
        (paths.COUNT_TOKENS, body()),
        (paths.LENIENT + paths.MESSAGES, {"model": "x", "odd": 1}),
        (paths.LENIENT + paths.COUNT_TOKENS, {"messages": body()["messages"]}),
        (paths.BATCHES, {"requests": BATCH}),
        (paths.BATCHES, {"requests": []}),
        (paths.BATCHES, {"requests": [BATCH[0]] * 2}),
    ],
)
def test_a_long_body_is_answered_as_a_short_one(sim: Simulator, path: str, sent: Any) -> None:
    text = json.dumps(sent, ensure_ascii=False)
    short, long = (post(sim, path, each, HEADERS) for each in (text, PADDING + text))
    assert long == short
    one, two = [each for each in sim.log if each.path == path and each.batch_id is None][-2:]
    assert (one.model, one.stream, one.status) == (two.model, two.stream, two.status)
    if path == paths.MESSAGES and isinstance(sent, dict):
        assert one.key == two.key


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"x-api-key": "k"}, 400),
        ({"x-api-key": "k", "anthropic-version": "1999-01-01"}, 400),
        (HEADERS, 400),
        (HEADERS | {"x-mock-fault": "529"}, 529),
    ],
)
def test_headers_are_checked_before_a_long_body(
    sim: Simulator, headers: dict[str, str], status: int
) -> None:
    for text in ('{"broken', json.dumps(body(max_token=1))):
        short, long = (post(sim, paths.MESSAGES, each, headers) for each in (text, text + PADDING))
        assert (short[0], long[0]) == (status, status)
        if text != '{"broken' or headers != HEADERS:  # where it breaks is said with its column
            assert long == short


def test_long_content_is_counted_and_its_image_cached(sim: Simulator) -> None:
    mark = {"type": "ephemeral"}
    image = {"type": "image", "source": LONG_IMAGE, "cache_control": mark}
    ask = {"type": "text", "text": "What is this?"}
    sent = json.dumps(body(messages=[{"role": "user", "content": [image, ask]}]))
    usages = [json.loads(post(sim, paths.MESSAGES, sent, HEADERS)[1])["usage"] for _ in range(2)]
    assert usages[0]["cache_creation_input_tokens"] == 1_504
    assert usages[1]["cache_read_input_tokens"] == 1_504


def test_a_prompt_that_is_too_long_is_refused(sim: Simulator) -> None:
    sent = json.dumps(body(messages=[{"role": "user", "content": "word " * 1_000_000}]))
    status, text = post(sim, paths.MESSAGES, sent, HEADERS)
    assert status == 400
    assert "prompt is too long: 1250004 tokens > 1000000 maximum" in text


def test_a_long_request_of_a_batch_errs_alone(sim: Simulator) -> None:
    image = {"type": "image", "source": LONG_IMAGE}
    good = body(messages=[{"role": "user", "content": [image, {"type": "text", "text": "Hi"}]}])
    requests = [
        {"custom_id": "good", "params": good},
        {"custom_id": "bad", "params": {**good, "max_token": 1}},
    ]
    made = httpx.post(
        sim.url + paths.BATCHES, json={"requests": requests}, headers=HEADERS, timeout=60
    ).json()
    path = f"{sim.url}{paths.BATCHES}/{made['id']}"
    with httpx.Client(headers=HEADERS) as http:
        while (shown := http.get(path).json())["processing_status"] != "ended":
            pass
        results = [json.loads(line) for line in http.get(shown["results_url"]).text.splitlines()]
    assert [each["result"]["type"] for each in results] == ["succeeded", "errored"]
    assert results[1]["result"]["error"]["error"]["message"].startswith("max_token: Extra inputs")


async def test_a_short_request_passes_a_long_one_by() -> None:
    async with (
        Simulator() as sim,
        httpx.AsyncClient(base_url=sim.url, headers=HEADERS, timeout=60) as http,
    ):
        many = json.dumps(body(messages=[{"role": "user", "content": "x"}] * 40_000, odd=1))
        long = asyncio.create_task(http.post(paths.MESSAGES, content=many))
        while not sim.in_flight:  # noqa: ASYNC110 (the server shares no event)
            await asyncio.sleep(0)
        short = await http.post(paths.MESSAGES, json=body())
        assert short.status_code == 200
        assert not long.done()
        assert (await long).status_code == 400
        assert [each.status for each in sim.log] == [200, 400]


def process_of(sim: Simulator) -> subprocess.Popen[bytes] | None:
    return sim._stage.aside._process


async def test_the_process_is_replaced_when_it_dies_and_ends_with_the_server() -> None:
    async with (
        Simulator() as sim,
        httpx.AsyncClient(base_url=sim.url, headers=HEADERS, timeout=60) as http,
    ):
        sent = json.dumps(body()) + PADDING
        assert process_of(sim) is None
        assert (await http.post(paths.MESSAGES, content=sent)).status_code == 200
        first = process_of(sim)
        assert first is not None
        first.kill()
        first.wait()
        assert (await http.post(paths.MESSAGES, content=sent)).status_code == 200
        second = process_of(sim)
        assert second is not None
        assert second is not first
    assert second.poll() is not None


async def test_a_body_in_hand_does_not_keep_the_server() -> None:
    async with httpx.AsyncClient(headers=HEADERS, timeout=60) as http:
        async with Simulator() as sim:
            many = json.dumps(body(messages=[{"role": "user", "content": "x"}] * 40_000, odd=1))
            long = asyncio.create_task(http.post(sim.url + paths.MESSAGES, content=many))
            while process_of(sim) is None:  # noqa: ASYNC110 (it shares no event)
                await asyncio.sleep(0)
        with pytest.raises(httpx.TransportError):
            await long
