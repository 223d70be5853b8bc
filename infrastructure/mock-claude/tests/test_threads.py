"""Threads, as the SDK's tool runner and its thread helper use them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import anthropic
import httpx
import pytest
from anthropic import Anthropic, beta_tool

from mock_claude import Simulator

OPUS = "claude-opus-5-5"
BETA = "message-threads-2026-08-12"
CREATE = {"type": "create"}
TOOL = {
    "name": "record_person",
    "description": "Record a person's name and age",
    "input_schema": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
    },
}


def record_person(name: str, age: int) -> str:
    """Record a person's name and age."""
    return f"{name} is {age}"


@pytest.fixture
def claude(simulator: Simulator) -> Iterator[Anthropic]:
    with Anthropic(
        base_url=simulator.url, api_key="k", max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


def user(words: str) -> dict[str, Any]:
    return {"role": "user", "content": words}


def post(simulator: Simulator, key: str = "k", beta: str | None = BETA, **body: Any) -> Any:
    headers = {"anthropic-version": "2026-10-21", "x-api-key": key}
    whole = {"model": OPUS, "max_tokens": 300, "messages": [user("Ann is 41 years old.")], **body}
    more = {} if beta is None else {"anthropic-beta": beta}
    return httpx.post(
        f"{simulator.url}/v1/messages", json=whole, headers={**headers, **more}, timeout=30
    )


def on(previous: str) -> dict[str, str]:
    return {"type": "continue", "previous_message_id": previous}


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["details"]["error_code"]


@pytest.mark.parametrize("threaded", [True, False])
@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_runner_comes_to_its_answer(claude: Anthropic, stream: bool, threaded: bool) -> None:
    runner: Any = claude.beta.messages.tool_runner(
        model=OPUS,
        max_tokens=300,
        tools=[beta_tool(record_person)],
        messages=[{"role": "user", "content": "Ann is 41 years old."}],
        stream=stream,
        **({} if threaded else {"thread": False}),
    )
    last = runner.until_done()
    assert last.stop_reason == "end_turn"
    assert "Ann is 41" in last.content[0].text


def test_a_continued_thread_is_billed_as_the_whole_conversation(simulator: Simulator) -> None:
    first = post(simulator, thread=CREATE, tools=[TOOL], system="Be short.").json()
    call = first["content"][-1]
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": "done"}
    said = {"role": "user", "content": [result]}
    second = post(simulator, thread=on(first["id"]), messages=[said]).json()
    whole = [user("Ann is 41 years old."), {"role": "assistant", "content": first["content"]}, said]
    alone = post(simulator, beta=None, tools=[TOOL], system="Be short.", messages=whole).json()
    assert second["usage"] == alone["usage"]
    assert [each["text"] for each in second["content"]] == [
        each["text"] for each in alone["content"]
    ]
    costs = [each.cost_usd for each in simulator.model_requests()]
    assert costs[1] == costs[2] > Decimal(0)


def test_the_thread_helper_sends_only_what_is_new(claude: Anthropic) -> None:
    thread = claude.beta.messages.thread(model=OPUS, max_tokens=100)
    sizes = [
        thread.send({"role": "user", "content": f"Say: {word}"}).usage.input_tokens
        for word in ("one", "two", "three")
    ]
    assert sizes == sorted(set(sizes))


def test_each_answer_is_continued_once(simulator: Simulator) -> None:
    first = post(simulator, thread=CREATE).json()["id"]
    refused = post(simulator, thread=on(first), messages=[])
    assert refused.status_code == 400
    second = post(simulator, thread=on(first))
    assert second.status_code == 200
    assert code(post(simulator, thread=on(first))) == (400, "thread_already_continued")
    assert post(simulator, thread=on(second.json()["id"])).status_code == 200


def test_a_thread_belongs_to_its_workspace_and_to_who_asks_for_one(simulator: Simulator) -> None:
    held = post(simulator, thread=CREATE).json()["id"]
    loose = post(simulator).json()["id"]
    assert code(post(simulator, key="other", thread=on(held))) == (404, "thread_not_found")
    assert code(post(simulator, thread=on(loose))) == (404, "thread_not_found")
    assert post(simulator, thread=on(held)).status_code == 200


@pytest.mark.parametrize("name", ["tools", "system"])
def test_what_is_the_thread_s_cannot_be_sent_again(simulator: Simulator, name: str) -> None:
    own: dict[str, Any] = {"tools": [TOOL], "system": "Be short."}
    held = post(simulator, thread=CREATE, **own).json()["id"]
    answer = post(simulator, thread=on(held), **{name: own[name]})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(f"{name}: is the thread's")


@pytest.mark.parametrize(
    "thread",
    [
        {"type": "fork"},
        {"type": "continue"},
        {"type": "create", "more": 1},
        "create",
        on("x") | {"a": 1},
    ],
)
def test_a_malformed_thread_is_refused(simulator: Simulator, thread: object) -> None:
    answer = post(simulator, thread=thread)
    assert answer.status_code == 400
    assert "thread" in answer.json()["error"]["message"]


@pytest.mark.parametrize("thread", [CREATE, on("msg_x")])
def test_a_thread_needs_its_beta(simulator: Simulator, thread: object) -> None:
    answer = post(simulator, beta=None, thread=thread)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "thread: Extra inputs are not permitted"


def test_a_conversation_too_long_to_be_held_is_sent_whole_by_the_sdk(
    claude: Anthropic, simulator: Simulator
) -> None:
    thread = claude.beta.messages.thread(model=OPUS, max_tokens=100)
    long = "long " * 250_000
    for words in (long, "Say: two"):
        assert thread.send({"role": "user", "content": words}).type == "message"
    assert [each.status for each in simulator.model_requests()] == [200, 404, 200]
    held = post(simulator, thread=CREATE).json()["id"]
    answer = post(simulator, thread=on(held), messages=[user(long)])
    assert code(answer) == (404, "thread_not_found")


def test_cache_marks_of_earlier_turns_are_gone(simulator: Simulator) -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    held = ""
    for turn in range(6):
        block = {"type": "text", "text": f"Say: {turn} " + "word " * 1_000, **mark}
        thread = on(held) if held else CREATE
        told = {"role": "user", "content": [block]}
        answer = post(simulator, thread=thread, messages=[told])
        assert answer.status_code == 200
        held = answer.json()["id"]
        assert (answer.json()["usage"]["cache_read_input_tokens"] > 0) == (turn > 0)


def test_a_batch_takes_no_thread(claude: Anthropic, simulator: Simulator) -> None:
    params: Any = {"model": OPUS, "max_tokens": 50, "messages": [user("Hi")], "thread": CREATE}
    simulator_url = f"{simulator.url}/_mock/batches"
    httpx.put(simulator_url, json={"batch": {"duration_s": 0}})
    batch = claude.beta.messages.batches.create(
        requests=[{"custom_id": "a", "params": params}], betas=[BETA]
    )
    while claude.beta.messages.batches.retrieve(batch.id).processing_status != "ended":
        pass
    (line,) = claude.beta.messages.batches.results(batch.id)
    assert line.result.type == "errored"
    assert "thread" in line.result.error.error.message


def test_a_lost_thread_has_the_sdk_s_own_class(claude: Anthropic) -> None:
    extra: Any = {"thread": on("msg_gone"), "betas": [BETA]}
    with pytest.raises(anthropic.NotFoundError) as refused:
        claude.beta.messages.create(model=OPUS, max_tokens=9, messages=[user("Hi")], **extra)
    assert type(refused.value).__name__ == "ThreadNotFoundError"
