"""What the one-hour cache, fast speed and a new model cost, and why a cache misses."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic

from mock_claude import Simulator
from mock_claude.accounts.accounts import Usage, cost_usd
from mock_claude.api import catalog
from mock_claude.background import in_background

OPUS = "claude-opus-5-5"
MILLION = 1_000_000


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with in_background(Simulator()) as running:
        yield running


@pytest.fixture
def claude(sim: Simulator) -> Iterator[Anthropic]:
    with Anthropic(
        base_url=sim.url, api_key="k", max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


def text(words: str, ttl: str | None = None) -> dict[str, Any]:
    mark = {} if ttl is None else {"cache_control": {"type": "ephemeral", "ttl": ttl}}
    return {"type": "text", "text": f"{words} " * 1_000, **mark}


def ask(claude: Anthropic, **changes: Any) -> Any:
    request: dict[str, Any] = {
        "model": OPUS,
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Say: hello"}],
        **changes,
    }
    return claude.messages.create(**request)


def bill(model: str, **counts: Any) -> Decimal:
    offered = catalog.lookup(model)
    assert offered is not None
    return cost_usd(offered.price, Usage(**{"input_tokens": 0, "output_tokens": 0, **counts}))


def test_fable_5_has_the_prices_of_its_row(claude: Anthropic) -> None:
    model = "claude-fable-5"
    assert ask(claude, model=model).model == model
    assert bill(model, input_tokens=MILLION) == 10
    assert bill(model, output_tokens=MILLION) == 50
    assert bill(model, cache_read_input_tokens=MILLION) == 1
    assert bill(model, cache_creation_input_tokens=MILLION) == Decimal("12.50")
    hour = {"cache_creation_input_tokens": MILLION, "cache_creation_1h_input_tokens": MILLION}
    assert bill(model, **hour) == 20


def test_mixed_lives_are_told_apart_and_billed_apart(claude: Anthropic, sim: Simulator) -> None:
    usage = ask(claude, system=[text("ab", "1h"), text("bcde", "5m")]).usage
    assert usage.cache_creation.ephemeral_1h_input_tokens == 750
    assert usage.cache_creation.ephemeral_5m_input_tokens == 1_250
    assert usage.cache_creation_input_tokens == 2_000
    fresh = usage.input_tokens * 4 + usage.output_tokens * 20
    assert sim.log[-1].cost_usd * MILLION == 750 * 8 + 1_250 * 5 + fresh
    assert sim.log[-1].cache_creation_1h_input_tokens == 750


def test_a_stream_tells_them_apart_in_its_start(claude: Anthropic) -> None:
    system: list[Any] = [text("ab", "1h")]
    with claude.messages.stream(
        model=OPUS, max_tokens=50, system=system,
        messages=[{"role": "user", "content": "Say: hello"}],
    ) as stream:  # fmt: skip
        start = next(event for event in stream if event.type == "message_start")
    creation = start.message.usage.cache_creation
    assert creation is not None
    assert (creation.ephemeral_1h_input_tokens, creation.ephemeral_5m_input_tokens) == (750, 0)


def test_an_automatic_mark_may_ask_for_an_hour(claude: Anthropic) -> None:
    usage = ask(claude, system=[text("ab")], cache_control={"type": "ephemeral", "ttl": "1h"}).usage
    assert usage.cache_creation.ephemeral_1h_input_tokens == usage.cache_creation_input_tokens > 0


def test_an_automatic_hour_must_not_come_after_five_minutes(claude: Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="must not come after a ttl='5m'"):
        ask(claude, system=[text("ab", "5m")], cache_control={"type": "ephemeral", "ttl": "1h"})


@pytest.mark.parametrize("model", sorted(catalog.FAST))
def test_fast_costs_twice(claude: Anthropic, sim: Simulator, model: str) -> None:
    assert ask(claude, model=model, speed="fast").usage.speed == "fast"
    assert ask(claude, model=model).usage.speed == "standard"
    fast, standard = sim.log
    assert fast.cost_usd == 2 * standard.cost_usd > 0


@pytest.mark.parametrize("model", ["claude-fable-5-1", "claude-haiku-4-5", "claude-opus-4-7"])
def test_fast_is_refused_by_other_models(claude: Anthropic, model: str) -> None:
    with pytest.raises(anthropic.BadRequestError, match="speed"):
        ask(claude, model=model, speed="fast")
    with pytest.raises(anthropic.BadRequestError, match="speed"):
        claude.beta.messages.count_tokens(
            model=model, speed="fast", messages=[{"role": "user", "content": "hi"}]
        )


FIRST: dict[str, Any] = {
    "system": [text("rules", "5m")],
    "tools": [{"name": "look", "input_schema": {"type": "object"}}],
    "messages": [{"role": "user", "content": "Say: hello"}],
}
LONGER = [
    *FIRST["messages"],
    {"role": "assistant", "content": "hello"},
    {"role": "user", "content": "Say: again"},
]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"messages": LONGER}, None),
        ({"model": "claude-opus-5"}, "model_changed"),
        ({"speed": "fast"}, "model_changed"),
        ({"tools": []}, "tools_changed"),
        ({"system": [text("other", "5m")]}, "system_changed"),
        ({"tools": [], "system": "other"}, "tools_changed"),
        ({"messages": [{"role": "user", "content": "Say: no"}]}, "messages_changed"),
        ({"tool_choice": {"type": "none"}}, "unavailable"),
    ],
)
def test_a_miss_has_its_reason(
    claude: Anthropic, change: dict[str, Any], reason: str | None
) -> None:
    first = ask(claude, **FIRST, diagnostics={"previous_message_id": None})
    assert first.diagnostics is None
    asked = {**FIRST, **change, "diagnostics": {"previous_message_id": first.id}}
    found = ask(claude, **asked).diagnostics
    if reason is None:
        assert found is None
        return
    assert found.cache_miss_reason.type == reason
    if reason != "unavailable":
        written = first.usage.cache_creation_input_tokens
        still_read = written if reason == "messages_changed" else 0
        assert found.cache_miss_reason.cache_missed_input_tokens == written - still_read


def test_an_unknown_message_or_another_workspace_s_is_not_found(
    claude: Anthropic, sim: Simulator
) -> None:
    first = ask(claude, **FIRST, diagnostics={"previous_message_id": None})
    other = claude.with_options(api_key="other")
    for asker, message in ((claude, "msg_nobody"), (other, first.id)):
        found = ask(asker, **FIRST, diagnostics={"previous_message_id": message}).diagnostics
        assert found.cache_miss_reason.type == "previous_message_not_found"


def test_the_reason_stands_in_a_stream_s_start(claude: Anthropic) -> None:
    with claude.messages.stream(
        model=OPUS, max_tokens=50, diagnostics={"previous_message_id": "msg_nobody"},
        messages=[{"role": "user", "content": "Say: hello"}],
    ) as stream:  # fmt: skip
        start = next(event for event in stream if event.type == "message_start")
    assert start.message.diagnostics is not None
    assert start.message.diagnostics.cache_miss_reason is not None
