"""When a task is ended because its model goes in circles, and what the user gets then."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from typing import Any, get_args

import anthropic
import pytest
from anthropic.types import Message, MessageParam, ToolParam, ToolUseBlock
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from mock_claude import Simulator
from reliability import Event
from reliability.events import LoopLimit, LoopStopped
from reliability.loop_guard import (
    MAX_FACT_CHARS,
    LoopGuard,
    LoopSettings,
    canonical_call,
    closing,
    cut,
    explain,
)

FREE = LoopSettings(turns=1_000, tool_calls=1_000, identical_calls=1_000, cycles=1_000)
_ids = itertools.count()


def use(name: str, arguments: Any = None, call_id: str = "") -> ToolUseBlock:
    return ToolUseBlock.model_construct(
        id=call_id or f"toolu_{next(_ids)}", name=name, input=arguments or {}, type="tool_use"
    )


def stopped_at(
    names: Sequence[str], settings: LoopSettings, events: list[Event] | None = None
) -> tuple[int, LoopLimit] | None:
    """The number of the call at which a model that makes one call a turn is stopped, and why."""
    guard = LoopGuard(settings)
    for number, name in enumerate(names, start=1):
        if limit := guard.admit([use(name)]):
            return number, limit
    return None


# --- The limits ----------------------------------------------------------------------------------


def test_a_model_that_repeats_one_call_is_stopped_within_eight_model_calls(
    events: list[Event],
) -> None:
    assert stopped_at("A" * 8, LoopSettings()) == (4, "identical_calls")
    assert events == [LoopStopped("identical_calls", turns=4, tool_calls=3)]


def test_a_model_that_makes_two_calls_in_turn_is_stopped_within_eight_model_calls(
    events: list[Event],
) -> None:
    assert stopped_at("ABABABAB", LoopSettings()) == (5, "cycle")
    assert events == [LoopStopped("cycle", turns=5, tool_calls=4)]


def test_no_tool_runs_for_which_no_model_call_is_left_to_read_it(events: list[Event]) -> None:
    settings = LoopSettings(turns=3)
    assert stopped_at("AB", settings) is None
    assert stopped_at("ABC", settings) == (3, "turns")
    assert stopped_at("A", LoopSettings(turns=1)) == (1, "turns")
    assert events == [LoopStopped("turns", 3, 2), LoopStopped("turns", 1, 0)]


def test_the_default_limit_is_twenty_model_calls() -> None:
    assert stopped_at([f"call {n}" for n in range(19)], LoopSettings()) is None
    assert stopped_at([f"call {n}" for n in range(30)], LoopSettings()) == (20, "turns")


def test_no_more_than_tool_calls_run_and_each_of_a_parallel_batch_counts(
    events: list[Event],
) -> None:
    guard = LoopGuard(LoopSettings(tool_calls=5))
    assert guard.admit([use("a"), use("b"), use("c")]) is None
    assert guard.admit([use("d"), use("e"), use("f")]) == "tool_calls"
    assert guard.admit([use("d"), use("e")]) is None, "the refused batch did not run"
    assert guard.admit([use("g")]) == "tool_calls"
    assert guard.turns == 4
    assert events == [LoopStopped("tool_calls", 2, 3), LoopStopped("tool_calls", 4, 5)]


def test_forty_different_calls_of_one_turn_are_the_most_by_default() -> None:
    cities = [use("get_weather", {"city": f"city {n}"}) for n in range(41)]
    assert LoopGuard(LoopSettings()).admit(cities[:40]) is None
    assert LoopGuard(LoopSettings()).admit(cities) == "tool_calls"


def test_one_call_may_be_made_so_often_and_not_again(events: list[Event]) -> None:
    settings = LoopSettings(identical_calls=2)
    assert stopped_at("ABCA", settings) is None
    assert stopped_at("ABCADEFA", settings) == (8, "identical_calls"), "not only in a row"
    assert events == [LoopStopped("identical_calls", 8, 7)]
    assert stopped_at("AA", LoopSettings(identical_calls=1)) == (2, "identical_calls")


def test_identical_calls_of_one_batch_count_each_and_none_of_them_runs() -> None:
    guard = LoopGuard(LoopSettings())
    assert guard.admit([use("A"), *(use("B") for _ in range(4))]) == "identical_calls"
    assert guard.admit([use("B") for _ in range(3)]) is None
    assert guard.admit([use("C"), use("B")]) == "identical_calls"
    assert guard.admit([use("C")]) is None


def test_a_round_of_parallel_calls_is_not_begun_a_third_time() -> None:
    guard = LoopGuard(LoopSettings())
    assert guard.admit([use("A"), use("B")]) is None
    assert guard.admit([use("A"), use("B")]) is None
    assert guard.admit([use("A"), use("B")]) == "cycle"


@pytest.mark.parametrize(
    ("names", "stop"),
    [
        ("ABCABCA", 7),
        ("ABCDABCDA", 9),
        ("XYZABABA", 8),  # what came before does not matter
        ("AABAABA", 7),  # a round may hold a call twice
        ("ABABBAB", None),
        ("ABCDEABCDEA", None),  # longer than cycle_length
        ("ABACABAC", None),
    ],
)
def test_a_round_of_up_to_cycle_length_calls_is_not_begun_a_third_time(
    names: str, stop: int | None
) -> None:
    settings = LoopSettings(identical_calls=1_000)
    expected = None if stop is None else (stop, "cycle")
    assert stopped_at(names, settings) == expected


def test_cycles_and_cycle_length_are_settings() -> None:
    free = {"identical_calls": 1_000, "turns": 1_000}
    assert stopped_at("ABA", LoopSettings(cycles=1, **free)) == (3, "cycle")
    assert stopped_at("ABABAB", LoopSettings(cycles=3, **free)) is None
    assert stopped_at("ABABABA", LoopSettings(cycles=3, **free)) == (7, "cycle")
    assert stopped_at("ABCABCABC", LoopSettings(cycle_length=2, **free)) is None
    assert stopped_at("ABABA", LoopSettings(cycle_length=2, **free)) == (5, "cycle")
    assert stopped_at("ABCDEABCDEA", LoopSettings(cycle_length=5, **free)) == (11, "cycle")


def test_one_call_again_and_again_is_no_cycle() -> None:
    assert stopped_at("A" * 19, LoopSettings(identical_calls=1_000)) is None


def test_honest_work_passes() -> None:
    guard = LoopGuard(LoopSettings())
    assert guard.admit([use("read_notes")]) is None
    for n in range(10):
        assert guard.admit([use("get_weather", {"city": f"city {n}"})]) is None
    assert guard.admit([use("read_notes")]) is None
    assert guard.admit([use("save_note", {"text": "x"}), use("read_notes")]) is None


def test_a_task_knows_nothing_of_another() -> None:
    one, other = LoopGuard(LoopSettings(turns=3)), LoopGuard(LoopSettings(turns=3))
    assert one.admit([use("A")]) is None
    assert one.admit([use("B")]) is None
    assert other.admit([use("C")]) is None
    assert (one.turns, other.turns) == (2, 1)
    assert one.admit([use("D")]) == "turns"


def test_an_admitted_turn_emits_nothing(events: list[Event]) -> None:
    LoopGuard(LoopSettings()).admit([use("A")])
    assert events == []


# --- The same call -------------------------------------------------------------------------------


def test_calls_are_compared_by_name_and_arguments_and_not_by_how_they_are_written() -> None:
    same = canonical_call("f", {"a": 1, "b": {"x": [1], "y": "ü"}})
    assert canonical_call("f", {"b": {"y": "ü", "x": [1]}, "a": 1}) == same
    for other in (
        canonical_call("g", {"a": 1, "b": {"x": [1], "y": "ü"}}),
        canonical_call("f", {"a": 1, "b": {"x": [2], "y": "ü"}}),
        canonical_call("f", {"a": "1", "b": {"x": [1], "y": "ü"}}),
        canonical_call("f", {}),
    ):
        assert other != same


def test_arguments_that_are_no_json_are_compared_too() -> None:
    loop: dict[str, Any] = {"n": 1}
    loop["itself"] = loop
    mixed = {1: "a", "b": 2}
    texts = [canonical_call("f", each) for each in (loop, mixed, {"z": {1}, "a": 2j}, None)]
    assert len(set(texts)) == 4
    assert canonical_call("f", {"a": 2j, "z": {1}}) == texts[2], "sorted all the same"
    assert canonical_call("f", {1: "a", "b": 2}) == texts[1]
    guard = LoopGuard(LoopSettings())
    limits = [guard.admit([use("f", loop)]) for _ in range(4)]
    assert limits == [None, None, None, "identical_calls"]


# --- Any sequence --------------------------------------------------------------------------------

small = st.builds(
    LoopSettings,
    turns=st.just(1_000),
    tool_calls=st.integers(1, 60),
    identical_calls=st.integers(1, 6),
    cycles=st.integers(1, 4),
    cycle_length=st.integers(2, 6),
)


@given(small, st.lists(st.text(max_size=3), unique=True), st.data())
def test_different_calls_within_the_limits_never_stop_a_task(
    settings: LoopSettings, names: list[str], data: st.DataObject
) -> None:
    guard = LoopGuard(settings)
    left = names[: settings.tool_calls]
    while left:
        batch = data.draw(st.integers(1, len(left)))
        assert guard.admit([use(name) for name in left[:batch]]) is None
        left = left[batch:]


@given(small, st.text("ABCDE", max_size=9), st.text("ABCDE", min_size=1, max_size=7))
def test_a_model_that_goes_round_for_ever_is_stopped_within_the_documented_bound(
    settings: LoopSettings, before: str, block: str
) -> None:
    n = len(block)
    bounds = [settings.tool_calls + 1, len(before) + n * settings.identical_calls + 1]
    if 1 < n <= settings.cycle_length and len(set(block)) > 1:
        bounds.append(len(before) + n * settings.cycles + 1)
    stop = stopped_at(before + block * 70, settings)
    assert stop is not None
    assert stop[0] <= min(bounds)


@given(small, st.integers(1, 8))
def test_a_round_of_different_calls_is_stopped_at_the_bound_and_not_before(
    settings: LoopSettings, n: int
) -> None:
    bounds: dict[LoopLimit, int] = {
        "tool_calls": settings.tool_calls + 1,
        "identical_calls": n * settings.identical_calls + 1,
    }
    if 2 <= n <= settings.cycle_length:
        bounds["cycle"] = n * settings.cycles + 1
    stop = stopped_at("ABCDEFGH"[:n] * 70, settings)
    assert stop is not None
    assert stop[0] == min(bounds.values()) == bounds[stop[1]]


# --- What the user is told -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "told", "told_of_one"),
    [
        (
            "turns",
            "Stopped: the task reached its limit of 7 model calls.",
            "Stopped: the task reached its limit of 1 model call.",
        ),
        (
            "tool_calls",
            "Stopped: the task asked for more than 8 tool calls.",
            "Stopped: the task asked for more than 1 tool call.",
        ),
        (
            "identical_calls",
            "Stopped: the same call was asked for more than 3 times.",
            "Stopped: the same call was asked for more than 1 time.",
        ),
        (
            "cycle",
            "Stopped: the same round of calls was begun more than 5 times.",
            "Stopped: the same round of calls was begun more than 1 time.",
        ),
    ],
)
def test_each_limit_is_explained_in_a_sentence(
    limit: LoopLimit, told: str, told_of_one: str
) -> None:
    assert explain(limit, LoopSettings(turns=7, tool_calls=8, cycles=5)) == told
    assert explain(limit, LoopSettings(1, 1, 1, 1)) == told_of_one


def answer(*calls: ToolUseBlock, text: str = "") -> Message:
    words = [{"type": "text", "text": text}] if text else []
    blocks = [*words, *(call.model_dump(exclude_none=True) for call in calls)]
    return Message.model_validate(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-5-5",
            "content": blocks,
            "stop_reason": "tool_use",
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
    )


def turn(*results: tuple[str, Any, bool | None]) -> list[MessageParam]:
    """A turn of parallel calls and their results: name, content (None: left out), is_error."""
    calls: list[Any] = []
    blocks: list[Any] = []
    for name, content, is_error in results:
        call = use(name)
        calls.append({"type": "tool_use", "id": call.id, "name": name, "input": {}})
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": call.id}
        block |= {} if content is None else {"content": content}
        block |= {} if is_error is None else {"is_error": is_error}
        blocks.append(block)
    return [{"role": "assistant", "content": calls}, {"role": "user", "content": blocks}]


TASK: list[MessageParam] = [{"role": "user", "content": "What is 23*19, and who built Atlantis?"}]
WHY = "Stopped: the same call was asked for more than 3 times."


def told_after(messages: list[MessageParam]) -> str:
    return closing(messages, answer(use("x")), "identical_calls", LoopSettings())[0]


def test_a_stopped_task_says_which_limit_and_each_fact_once_in_order() -> None:
    messages = [
        *TASK,
        *turn(("calculate", "437", False), ("search_web", "Atlantis: an island.\n", False)),
        *turn(("search_web", "503", True), ("calculate", "437", False)),
        *turn(("search_web", "Atlantis: an island.", None), ("get_weather", "18.3 °C", None)),
    ]
    assert told_after(messages) == (
        f"{WHY}\n\nWhat the tools gave until then:\n"
        "- calculate: 437\n- search_web: Atlantis: an island.\n- get_weather: 18.3 °C"
    )


def test_a_stopped_task_without_facts_says_so() -> None:
    nothing = f"{WHY}\n\nNo tool gave a result."
    assert told_after(TASK) == nothing
    empty = [("a", "503", True), ("b", " \n", False), ("c", [], False), ("d", None, False)]
    assert told_after([*TASK, *turn(*empty)]) == nothing


def test_results_may_be_blocks_and_only_their_texts_count() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/i.png"}}
    blocks = [{"type": "text", "text": "one"}, image, {"type": "text", "text": "two"}]
    told = told_after([*TASK, *turn(("look", blocks, False), ("see", [image], False))])
    assert told.endswith("until then:\n- look: one\ntwo")


def test_a_history_of_the_sdks_own_blocks_is_read_too() -> None:
    call = use("calculate")
    messages: list[MessageParam] = [
        *TASK,
        {"role": "assistant", "content": answer(call, text="Let me see.").content},
        *turn(("calculate", "437", False))[1:],
    ]
    results: Any = messages[-1]["content"]
    results[0]["tool_use_id"] = call.id
    assert told_after(messages).endswith("- calculate: 437")


def test_a_result_without_its_call_still_counts() -> None:
    assert told_after(turn(("calculate", "437", False))[1:]).endswith("- a tool: 437")


def test_a_long_fact_is_cut_and_shows_it() -> None:
    whole, long = "x" * MAX_FACT_CHARS, "y" * (MAX_FACT_CHARS + 1)
    told = told_after([*TASK, *turn(("a", whole, False), ("b", long, False))])
    assert f"- a: {whole}\n- b: {long[: MAX_FACT_CHARS - 1]}…" in told
    assert told.endswith("…")
    assert MAX_FACT_CHARS == 1_000
    assert (cut("abcd", 4), cut("abcde", 4)) == ("abcd", "abc…")


def test_every_call_that_was_not_run_is_answered_and_then_the_user() -> None:
    first, second = use("a"), use("b")
    text, ending = closing(TASK, answer(first, second, text="Hm."), "cycle", LoopSettings())
    refusal = "not run: the same round of calls was begun more than 2 times"
    assert ending == [
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": call.id,
                    "content": refusal,
                    "is_error": True,
                }
                for call in (first, second)
            ],
        },
        {"role": "assistant", "content": [{"type": "text", "text": text}]},
    ]


def test_a_message_without_calls_needs_no_answers() -> None:
    text, ending = closing(TASK, answer(text="Done."), "turns", LoopSettings())
    assert ending == [{"role": "assistant", "content": [{"type": "text", "text": text}]}]


@pytest.mark.parametrize("limit", get_args(LoopLimit))
async def test_the_api_takes_the_history_of_a_stopped_task_and_the_next_task(
    simulator: Simulator, limit: LoopLimit
) -> None:
    tools: list[ToolParam] = [
        {
            "name": name,
            "description": name,
            "input_schema": {"type": "object", "properties": {key: {"type": "string"}}},
        }
        for name, key in (("calculate", "expression"), ("search_web", "query"))
    ]
    async with anthropic.AsyncAnthropic(
        api_key="test",
        base_url=simulator.url,
        max_retries=0,
        http_client=anthropic.DefaultAsyncHttpxClient(trust_env=False),
    ) as client:

        async def ask(messages: list[MessageParam]) -> Message:
            return await client.messages.create(
                model="claude-sonnet-5-5", max_tokens=500, tools=tools, messages=messages
            )

        messages: list[MessageParam] = [
            {"role": "user", "content": "What is 23*19? Search the web for Atlantis."}
        ]
        message = await ask(messages)
        messages.append(message.to_param())
        calls = [block for block in message.content if block.type == "tool_use"]
        assert calls
        later: MessageParam = {"role": "user", "content": "What is 2+3?"}
        with pytest.raises(anthropic.BadRequestError):
            await ask([*messages, later])
        text, ending = closing(messages, message, limit, LoopSettings())
        reply = await ask([*messages, *ending, later])
        assert reply.stop_reason == "tool_use"
        assert [b.input for b in reply.content if b.type == "tool_use"] == [{"expression": "2+3"}]
    assert [request.status for request in simulator.model_requests()] == [200, 400, 200]
    assert text.startswith(explain(limit, LoopSettings()))


# --- Settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["turns", "tool_calls", "identical_calls", "cycles"])
@pytest.mark.parametrize("value", [0, -1, True, 1.5, 3.0, math.nan, math.inf, "3", None])
def test_settings_refuse_what_is_no_positive_whole_number_by_name(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{field} must be a whole number >= 1, not "):
        LoopSettings(**{field: value})


@pytest.mark.parametrize("value", [1, 0, True, 2.0, "4"])
def test_a_cycle_has_at_least_two_calls(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^cycle_length must be a whole number >= 2, not "):
        LoopSettings(cycle_length=value)


def test_settings_have_defaults_and_can_be_filled_from_text() -> None:
    assert LoopSettings() == LoopSettings(20, 40, 3, 2, 4)
    assert LoopSettings(1, 1, 1, 1, 2).cycle_length == 2
    read = TypeAdapter(LoopSettings).validate_python
    assert read({"turns": "7"}) == LoopSettings(turns=7)


# --- The counts, written down --------------------------------------------------------------------


@given(st.lists(st.sampled_from("ABC"), max_size=12), st.integers(0, 12))
def test_a_guard_that_was_written_down_decides_as_if_it_had_never_stopped(
    names: list[str], stop: int
) -> None:
    whole, settings = LoopGuard(LoopSettings()), LoopSettings()
    halves = LoopGuard(settings)
    for number, name in enumerate(names):
        if number == stop:
            halves = LoopGuard.from_json(settings, json.loads(json.dumps(halves.to_json())))
        assert whole.admit([use(name)]) == halves.admit([use(name)])
    assert whole.to_json() == halves.to_json()


@pytest.mark.parametrize(
    ("counts", "names"),
    [
        ({}, "turns"),
        ({"turns": -1, "admitted": []}, "turns"),
        ({"turns": True, "admitted": []}, "turns"),
        ({"turns": 1}, "admitted"),
        ({"turns": 1, "admitted": "A"}, "admitted"),
        ({"turns": 1, "admitted": [1]}, "admitted"),
    ],
)
def test_counts_that_no_guard_wrote_are_refused_by_name(counts: Any, names: str) -> None:
    with pytest.raises(ValueError, match=f"^{names} must be"):
        LoopGuard.from_json(LoopSettings(), counts)
