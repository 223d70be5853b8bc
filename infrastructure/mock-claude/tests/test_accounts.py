"""Tokens, limits and bills."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_claude.accounts.accounts import Usage, cost_usd, cut_text, prompt_tokens, text_tokens
from mock_claude.api import catalog
from mock_claude.api.turn import limited
from mock_claude.model.reply import Reply, ToolCall

ASK = {"messages": [{"role": "user", "content": "12345678"}]}


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("é" * 4, 2), ("日本", 2)]
)
def test_four_bytes_are_a_token(text: str, tokens: int) -> None:
    assert text_tokens(text) == tokens


@given(st.text(), st.integers(0, 50))
def test_a_cut_text_is_a_beginning_that_fits(text: str, tokens: int) -> None:
    cut = cut_text(text, tokens)
    assert text.startswith(cut)
    assert text_tokens(cut) <= tokens
    if cut != text:
        assert text_tokens(text[: len(cut) + 1]) > tokens


def test_a_string_and_its_text_block_count_the_same() -> None:
    blocks = [{"role": "user", "content": [{"type": "text", "text": "12345678"}]}]
    assert prompt_tokens(ASK) == prompt_tokens({"messages": blocks}) == 2 + 4


def test_system_and_tools_count_and_ids_do_not() -> None:
    tool = {"name": "w", "description": "d" * 40, "input_schema": {"type": "object"}}
    assert prompt_tokens({**ASK, "system": "s" * 40}) == prompt_tokens(ASK) + 10
    assert prompt_tokens({**ASK, "tools": [tool]}) > prompt_tokens(ASK) + 10
    calls = [
        {"role": "assistant", "content": [{"type": "tool_use", "id": i, "name": "w", "input": {}}]}
        for i in ("toolu_1", "toolu_" + "1" * 400)
    ]
    assert prompt_tokens({"messages": calls[:1]}) == prompt_tokens({"messages": calls[1:]})


def test_an_image_counts_the_same_whatever_its_size() -> None:
    def with_image(data: str) -> dict[str, object]:
        image = {"type": "image", "source": {"type": "base64", "data": data}}
        return {"messages": [{"role": "user", "content": [image]}]}

    assert prompt_tokens(with_image("a")) == prompt_tokens(with_image("a" * 10_000)) == 1_504


@pytest.mark.parametrize(
    ("model", "usage", "usd"),
    [
        ("claude-opus-5-5", Usage(1_000_000, 1_000_000), "24"),
        ("claude-sonnet-5-5", Usage(1_000, 100), "0.003"),
        ("claude-haiku-5-5", Usage(100_000, 1_000), "0.0105"),
        ("claude-haiku-5-5", Usage(100_001, 1_000), "0.0525005"),
        ("claude-fable-5-2", Usage(0, 0), "0"),
    ],
)
def test_a_request_costs_what_the_price_table_says(model: str, usage: Usage, usd: str) -> None:
    assert cost_usd(catalog.PRICES[model], usage) == Decimal(usd)


def test_retired_and_unknown_models_are_not_offered() -> None:
    assert catalog.lookup("claude-mythos-preview") is None
    assert catalog.lookup("gpt-4") is None
    soon = catalog.lookup("claude-sonnet-4-5")
    assert soon is not None
    assert soon.lifecycle == "deprecated"


CALLS = (ToolCall("calculate", {"expression": "1+1"}), ToolCall("weather", {"city": "Lisbon"}))


@given(st.text(max_size=80), st.integers(0, 60), st.lists(st.text("ab ", min_size=1), max_size=3))
def test_no_reply_exceeds_its_limits(text: str, max_tokens: int, stops: list[str]) -> None:
    said = limited(Reply(text, CALLS), max_tokens, stops)
    assert said.output_tokens <= max_tokens
    assert text.startswith(said.text)
    assert not any(stop in said.text for stop in stops)
    assert said.stop_reason == "tool_use" or said.calls != CALLS


def test_without_limits_the_reply_is_whole() -> None:
    said = limited(Reply("Look.", CALLS), 1_000)
    assert (said.text, said.calls, said.stop_reason) == ("Look.", CALLS, "tool_use")
    assert limited(Reply("Done."), 1_000).stop_reason == "end_turn"
    assert limited(Reply(""), 1_000).output_tokens == 1


def test_max_tokens_cuts_text_then_leaves_out_calls() -> None:
    cut = limited(Reply("abcdefgh", CALLS), 1)
    assert (cut.text, cut.calls, cut.stop_reason) == ("abcd", (), "max_tokens")
    tight = limited(Reply("abcd", CALLS), 12)
    assert (tight.text, tight.calls, tight.stop_reason) == ("abcd", CALLS[:1], "max_tokens")
    assert (cut.output_tokens, tight.output_tokens) == (1, 12)


def test_max_tokens_zero_says_nothing() -> None:
    said = limited(Reply("abc", CALLS), 0)
    assert (said.text, said.calls, said.output_tokens) == ("", (), 0)


def test_the_first_stop_sequence_in_the_text_ends_it() -> None:
    said = limited(Reply("one two three", CALLS), 100, ["three", "two"])
    assert (said.text, said.stop_sequence, said.stop_reason) == ("one ", "two", "stop_sequence")
    assert said.calls == ()
    late = limited(Reply("a" * 40 + "two"), 5, ["two"])
    assert (late.stop_reason, late.stop_sequence) == ("max_tokens", None)
