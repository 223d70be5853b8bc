"""Sixteen ways in which a provider fails, on the wire, and what `complete` makes of each.

The agent is the real one with the real SDK, its defaults and a fallback model; only its times are
shorter, each in the same proportion to the others.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import anthropic
import pytest

from reliability import Event, FallbackUsed, RetriesStopped, RetryScheduled

COMPLETE = Path(__file__).parents[1] / "complete"
MAIN, SPARE = "claude-sonnet-5-5", "claude-haiku-4-5"
SHORTER = {
    "AGENT_RETRY__BASE_S": "0.02",  # of 0.5
    "AGENT_RETRY__CAP_S": "0.32",
    "AGENT_TIMEOUTS__CONNECT_S": "0.9",
    "AGENT_TIMEOUTS__MODEL_CALL_S": "1.2",  # of 30
    "AGENT_TIMEOUTS__TOOL_CALL_S": "1",
    "AGENT_TIMEOUTS__REQUEST_S": "4.8",  # of 120
    "AGENT_BREAKER__OPEN_S": "0.4",
}
Writer: TypeAlias = asyncio.StreamWriter
Fault: TypeAlias = Callable[[Writer], Coroutine[Any, Any, None]]


def head(status: int, body: bytes, *headers: str, kind: str = "application/json") -> bytes:
    lines = [f"HTTP/1.1 {status} x", f"content-type: {kind}", "connection: close", *headers]
    if not any(line.startswith("transfer-encoding") for line in headers):
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode()


def message(model: str, **changes: object) -> bytes:
    body = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": f"437, says {model}"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 1},
    }
    return json.dumps(body | changes).encode()


def raw(data: bytes) -> Fault:
    async def fault(writer: Writer) -> None:
        writer.write(data)

    return fault


def status(code: int, error_type: str = "api_error", *headers: str) -> Fault:
    body = json.dumps({"type": "error", "error": {"type": error_type, "message": "no"}}).encode()
    return raw(head(code, body, *headers) + body)


def ok(body: bytes, kind: str = "application/json") -> Fault:
    return raw(head(200, body, kind=kind) + body)


async def reset(writer: Writer) -> None:
    writer.transport.abort()


async def silence(writer: Writer) -> None:
    await asyncio.Event().wait()


async def late(writer: Writer) -> None:
    await asyncio.sleep(0.3)
    await ok(message(MAIN))(writer)


async def stalled(writer: Writer) -> None:
    body = message(MAIN)
    writer.write(head(200, body) + body[:40])
    await writer.drain()
    await silence(writer)


WHOLE = message(MAIN)
CUT = raw(head(200, WHOLE) + WHOLE[:40])
NO_END = raw(head(200, b"", "transfer-encoding: chunked") + b"%x\r\n%b\r\n" % (len(WHOLE), WHOLE))


class Provider:
    """Meets the requests for each model with its faults in turn, the last one for good."""

    def __init__(self, **faults: list[Fault | None]) -> None:
        self.faults = {MAIN: faults.get("main", [None]), SPARE: faults.get("spare", [None])}
        self.asked: Counter[str] = Counter()

    async def meet(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().splitlines()
            [length] = [int(line[15:]) for line in lines if line.startswith("content-length:")]
            model = json.loads(await reader.readexactly(length))["model"]
            faults = self.faults[model]
            fault = faults[min(self.asked[model], len(faults) - 1)]
            self.asked[model] += 1
            await (fault or ok(message(model)))(writer)
            if not writer.transport.is_closing():
                await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def agent_of(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, **settings: str
) -> AsyncIterator[Any]:
    """The agent of `complete`, whose model is served by `provider`."""
    monkeypatch.syspath_prepend(str(COMPLETE))
    for name in ("agent", "config", "tools"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    server = await asyncio.start_server(provider.meet, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for name, value in {
        "ANTHROPIC_API_KEY": "sk-ant-test",
        "ANTHROPIC_BASE_URL": url,
        "AGENT_MODEL": MAIN,
        "AGENT_DEGRADATION__FALLBACK_MODEL": SPARE,
        **SHORTER,
        **settings,
    }.items():
        monkeypatch.setenv(name, value)
    agent = import_module("agent").Agent(import_module("config").Settings.from_env())
    try:
        async with agent:
            yield agent
    finally:
        server.close()


async def asks(provider: Provider, monkeypatch: pytest.MonkeyPatch, **settings: str) -> Any:
    async with agent_of(provider, monkeypatch, **settings) as agent:
        return await agent.run("What is 23*19?")


def named(model: str) -> str:
    return f"437, says {model}"


# --- Failures that pass: the model itself answers ------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        status(429, "rate_limit_error", "retry-after-ms: 50"),
        status(500),
        reset,
        CUT,
        NO_END,
        ok(WHOLE[:40]),
    ],
    ids=["429 with a wait", "500", "reset", "body cut", "no end", "malformed once"],
)
async def test_what_fails_once_is_asked_again_and_answered_by_the_model_itself(
    monkeypatch: pytest.MonkeyPatch, events: list[Event], fault: Fault
) -> None:
    provider = Provider(main=[fault, None])
    answer = await asks(provider, monkeypatch)
    assert (answer.text, answer.degraded) == (named(MAIN), False)
    assert provider.asked == {MAIN: 2}
    [retried] = [each for each in events if isinstance(each, RetryScheduled)]
    assert retried.wait_s >= (0.05 if retried.failure.retry_after_s else 0)


async def test_a_first_token_that_is_late_but_in_time_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider = Provider(main=[late])
    assert (await asks(provider, monkeypatch)).text == named(MAIN)
    assert provider.asked == {MAIN: 1}


# --- Failures that stay: the fallback answers -----------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [status(429, "rate_limit_error"), status(529, "overloaded_error"), ok(WHOLE[:40])],
    ids=["429 for good", "529 for good", "malformed"],
)
async def test_what_fails_for_good_is_answered_by_the_fallback_which_is_said(
    monkeypatch: pytest.MonkeyPatch, events: list[Event], fault: Fault
) -> None:
    provider = Provider(main=[fault])
    answer = await asks(provider, monkeypatch)
    assert answer.text.startswith(named(SPARE))
    assert answer.degraded
    assert provider.asked == {MAIN: 5, SPARE: 1}
    assert len([each for each in events if isinstance(each, FallbackUsed)]) == 1


async def test_a_rate_limit_for_good_is_not_hammered(
    monkeypatch: pytest.MonkeyPatch, events: list[Event]
) -> None:
    await asks(Provider(main=[status(429, "rate_limit_error")]), monkeypatch)
    waits = [each.wait_s for each in events if isinstance(each, RetryScheduled)]
    assert all(wait >= 0.02 * 2**number for number, wait in enumerate(waits[:4]))
    assert len(waits) == 4


@pytest.mark.parametrize("fault", [silence, stalled], ids=["no response", "body stalled"])
async def test_what_hangs_is_cut_off_once_and_the_fallback_answers_within_the_request(
    monkeypatch: pytest.MonkeyPatch, events: list[Event], fault: Fault
) -> None:
    provider = Provider(main=[fault])
    answer = await asks(provider, monkeypatch)
    assert answer.text.startswith(named(SPARE))
    assert provider.asked == {MAIN: 1, SPARE: 1}
    assert [each.why for each in events if isinstance(each, RetriesStopped)] == ["fallback"]


@pytest.mark.parametrize(
    "fault",
    [ok(b"{}"), ok(b"null"), ok(b"<html>busy</html>", "text/html"), ok(message(MAIN, usage=None))],
    ids=["{}", "null", "html", "no usage"],
)
async def test_an_answer_of_another_shape_is_the_providers_failure_too(
    monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    provider = Provider(main=[fault])
    assert (await asks(provider, monkeypatch)).text.startswith(named(SPARE))
    assert provider.asked == {MAIN: 5, SPARE: 1}


# --- Failures that are told -----------------------------------------------------------------------


async def test_a_context_that_is_too_long_is_told_at_once_and_never_hidden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider = Provider(main=[status(400, "invalid_request_error")])
    with pytest.raises(anthropic.BadRequestError):
        await asks(provider, monkeypatch)
    assert provider.asked == {MAIN: 1}


async def test_a_refusal_by_policy_is_told_and_not_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider = Provider(main=[ok(message(MAIN, content=[], stop_reason="refusal"))])
    with pytest.raises(Exception, match=r"refusal|declined"):
        await asks(provider, monkeypatch)
    assert provider.asked == {MAIN: 1}


async def test_a_fallback_that_refuses_what_the_model_takes_is_told_with_the_first_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refuses_a_prefill = status(400, "invalid_request_error")
    provider = Provider(main=[status(529, "overloaded_error")], spare=[refuses_a_prefill])
    with pytest.raises(anthropic.BadRequestError) as caught:
        await asks(provider, monkeypatch)
    assert isinstance(caught.value.__cause__, anthropic.OverloadedError)
    assert provider.asked == {MAIN: 5, SPARE: 1}


async def test_when_both_models_are_down_the_calls_of_each_are_counted_and_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider = Provider(main=[status(503)], spare=[status(503)])
    async with agent_of(provider, monkeypatch) as agent:
        for _ in range(9):
            with pytest.raises(Exception) as caught:  # noqa: PT011 - of two kinds, in turn
                await agent.run("What is 23*19?")
    assert type(caught.value).__name__ == "CircuitOpenError"
    assert provider.asked == {MAIN: 10, SPARE: 10}, "then both circuits are open"


async def test_while_the_model_flaps_every_task_is_answered_and_it_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    down = status(529, "overloaded_error")
    provider = Provider(main=[*[down] * 10, None])
    async with agent_of(provider, monkeypatch) as agent:
        answers = [(await agent.run("What is 23*19?")).text for _ in range(4)]
        async with asyncio.timeout(10):
            while answers[-1] != named(MAIN):
                await asyncio.sleep(0.05)
                answers.append((await agent.run("What is 23*19?")).text)
        answers += [(await agent.run("What is 23*19?")).text for _ in range(4)]
    assert all(answer.startswith("437") for answer in answers)
    assert answers[-4:] == [named(MAIN)] * 4
    assert provider.asked[MAIN] == 10 + 1 + 4, "one probe found it back"
