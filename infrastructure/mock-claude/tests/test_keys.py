"""What makes two requests the same request."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mock_claude.faults.keys import Attempts, message_key, query_key

TASK: dict[str, Any] = {
    "model": "claude-opus-5-5",
    "messages": [
        {"role": "user", "content": "Weather in Lisbon?"},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "toolu_1", "name": "w", "input": {"id": "a"}}],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "21 C"}],
        },
    ],
}


def _changed(change: str) -> dict[str, Any]:
    body = copy.deepcopy(TASK)
    messages = body["messages"]
    if change == "ids":
        messages[1]["content"][0]["id"] = messages[2]["content"][0]["tool_use_id"] = "toolu_2"
    elif change == "ids of a follow-up":
        body = _changed("follow-up")
        body["messages"][1]["content"][0]["id"] = "toolu_2"
        body["messages"][2]["content"][0]["tool_use_id"] = "toolu_2"
    elif change == "model":
        body["model"] = "claude-haiku-5-5"
    elif change == "running result":
        messages[2]["content"][0].update(content="timeout", is_error=True)
    elif change == "blocks":
        messages[0]["content"] = [
            {"type": "text", "text": "Weather in Lisbon?", "cache_control": {"type": "ephemeral"}}
        ]
    elif change == "task":
        messages[0]["content"] = "Weather in Porto?"
    elif change == "turn":
        messages += messages[1:]
    elif change == "follow-up":
        messages += [
            {"role": "assistant", "content": "21 C"},
            {"role": "user", "content": "Weather in Lisbon?"},
        ]
    return body


def test_ids_model_running_results_and_cache_marks_leave_the_key_alone() -> None:
    for change in ("ids", "model", "running result", "blocks"):
        assert message_key(_changed(change)) == message_key(TASK), change
    follow_up = message_key(_changed("follow-up"))
    assert message_key(_changed("ids of a follow-up")) == follow_up


def test_another_task_another_turn_and_a_follow_up_have_other_keys() -> None:
    keys = {message_key(_changed(change)) for change in ("", "task", "turn", "follow-up")}
    assert len(keys) == 4


def test_a_result_of_an_earlier_task_is_part_of_the_later_one() -> None:
    body = _changed("follow-up")
    other = copy.deepcopy(body)
    other["messages"][2]["content"][0]["content"] = "19 C"
    assert message_key(body) != message_key(other)


def test_arguments_of_a_tool_keep_their_ids() -> None:
    body, other = _changed("follow-up"), _changed("follow-up")
    other["messages"][1]["content"][0]["input"]["id"] = "b"
    assert message_key(body) != message_key(other)


def test_a_query_has_one_key_in_any_order() -> None:
    assert query_key("/w", "a=1&b=2") == query_key("/w", "b=2&a=1")
    assert len({query_key("/w", "a=1"), query_key("/w", "a=2"), query_key("/v", "a=1")}) == 3


@given(st.recursive(st.none() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3)))
def test_messages_of_any_form_have_a_key_or_none(messages: object) -> None:
    assert isinstance(message_key({"messages": messages}), str | None)


def test_attempts_count_per_key_and_forget_the_least_recent() -> None:
    attempts = Attempts(limit=2)
    assert [attempts.next(key) for key in "aabacb"] == [1, 2, 1, 3, 1, 1]
