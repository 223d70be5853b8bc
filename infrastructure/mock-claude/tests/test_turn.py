"""What of a reply fits: thinking, several texts, calls. Plain limits are in test_accounts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mock_claude.accounts.tokens import call_tokens, text_tokens
from mock_claude.api.thinking import Mode
from mock_claude.api.turn import limited
from mock_claude.model.reply import Reply, ToolCall

CALLS = (ToolCall("weather", {"city": "Lisbon"}),)
SHOWN = Mode(shown=True, budget=None)
WHOLE = Reply("first text", CALLS, ("second text",), thinking="a thought of twenty-four")


def test_thinking_counts_and_comes_first() -> None:
    said = limited(WHOLE, 1_000, think=SHOWN)
    assert (said.thinking, said.thinking_tokens) == ("a thought of twenty-four", 6)
    call = call_tokens("weather", {"city": "Lisbon"})
    assert said.output_tokens == 6 + text_tokens("first text") * 2 + call
    assert (said.text, said.more_text, said.calls) == ("first text", ("second text",), CALLS)
    assert said.stop_reason == "tool_use"


def test_nobody_thinks_unasked() -> None:
    said = limited(WHOLE, 1_000)
    assert (said.thinking, said.thinking_tokens) == (None, 0)


def test_max_tokens_may_cut_the_thinking_and_nothing_follows() -> None:
    said = limited(WHOLE, 3, think=SHOWN)
    assert (said.thinking, said.text, said.calls) == ("a thought of", "", ())
    assert (said.stop_reason, said.output_tokens, said.thinking_tokens) == ("max_tokens", 3, 3)


def test_the_budget_limits_the_thinking_alone() -> None:
    said = limited(WHOLE, 1_000, think=Mode(shown=True, budget=2))
    assert (said.thinking, said.text) == ("a though", "first text")
    assert said.stop_reason == "tool_use"


def test_a_stop_sequence_in_the_second_text_keeps_the_first() -> None:
    said = limited(WHOLE, 1_000, ["ond"])
    assert (said.text, said.more_text, said.calls) == ("first text", ("sec",), ())
    assert (said.stop_reason, said.stop_sequence) == ("stop_sequence", "ond")


def test_a_reply_s_own_stop_reason_holds_unless_it_is_cut() -> None:
    details = {"type": "refusal", "category": None, "explanation": None}
    refused = Reply("I cannot help.", stop_reason="refusal", stop_details=details)
    whole, cut = limited(refused, 100), limited(refused, 1)
    assert (whole.stop_reason, whole.stop_details) == ("refusal", details)
    assert (cut.stop_reason, cut.stop_details) == ("max_tokens", None)


@given(st.text(max_size=60), st.text(max_size=60), st.integers(0, 60), st.integers(1, 20))
def test_no_turn_exceeds_its_limits(text: str, thought: str, most: int, budget: int) -> None:
    reply = Reply(text, CALLS, (text,), thinking=thought)
    said = limited(reply, most, think=Mode(shown=True, budget=budget))
    assert said.thinking_tokens <= said.output_tokens <= max(most, 0)
    assert said.thinking_tokens <= budget
    spent = said.thinking_tokens + text_tokens(said.text) + sum(map(text_tokens, said.more_text))
    spent += sum(call_tokens(call.name, call.input) for call in said.calls)
    assert spent <= said.output_tokens
