"""The prompt cache, against a brute-force model that only compares whole prompts."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from anthropic import AsyncAnthropic
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_claude import FaultScript, Simulator
from mock_claude.accounts.accounts import Accounts, Usage, cost_usd, prompt_tokens
from mock_claude.accounts.prompt_cache import PromptCache
from mock_claude.api import catalog
from mock_claude.faults.latency import Latency

OPUS = "claude-opus-5-5"  # minimum 512
SONNET = "claude-sonnet-5"  # minimum 1,024
MINIMUM = {OPUS: 512, SONNET: 1024}


class Item(NamedTuple):
    """One block: where it stands, what it says, how long it is, whether it is marked."""

    kind: str  # tool, system, user, assistant, call, result
    word: str
    tokens: int = 300
    marked: bool = False
    ttl: str = "5m"


ROLES = {"user": "user", "result": "user", "assistant": "assistant", "call": "assistant"}


def raw(items: Sequence[Item], **fields: object) -> dict[str, object]:
    """The request these items make; neighbours of one role are one message."""
    request: dict[str, Any] = {"tools": [], "system": [], "messages": [], **fields}
    for item in items:
        control = {"type": "ephemeral"} | ({"ttl": "1h"} if item.ttl == "1h" else {})
        mark = {"cache_control": control} if item.marked else {}
        text = item.word * (4 * item.tokens)
        if item.kind == "tool":
            schema = {"type": "object"}
            request["tools"].append(
                {"name": item.word, "description": text, "input_schema": schema, **mark}
            )
        elif item.kind == "system":
            request["system"].append({"type": "text", "text": text, **mark})
        else:
            block: dict[str, object] = {"type": "text", "text": text, **mark}
            if item.kind == "call":
                block = {"type": "tool_use", "id": "t", "name": "f", "input": {"x": text}, **mark}
            if item.kind == "result":
                block = {"type": "tool_result", "tool_use_id": "t", "content": text, **mark}
            role = ROLES[item.kind]
            if not request["messages"] or request["messages"][-1]["role"] != role:
                request["messages"].append({"role": role, "content": []})
            request["messages"][-1]["content"].append(block)
    return request


@dataclass
class Known:
    """One prefix somebody wrote."""

    owner: tuple[str, str]
    items: list[tuple[str, str, int]]
    used_at: float
    life_s: float = 300
    readable: bool = False


class BruteForce:
    """The documented rules, word by word, over a list of everything ever written."""

    def __init__(self) -> None:
        self.known: list[Known] = []

    def ask(
        self, items: Sequence[Item], model: str, key: str, now: float
    ) -> tuple[int, int, int, list[Known]]:
        plain = [(each.kind, each.word, each.tokens) for each in items]
        sizes = [prompt_tokens(raw(items[:n])) for n in range(1, len(items) + 1)]
        cacheable = [
            n for n, each in enumerate(items) if each.marked and sizes[n] >= MINIMUM[model]
        ]
        if not cacheable:
            return 0, 0, 0, []

        def found(n: int) -> list[Known]:
            return [
                each
                for each in self.known
                if each.readable
                and each.owner == (model, key)
                and each.items == plain[: n + 1]
                and now - each.used_at < each.life_s
            ]

        candidates = set[int]()
        for mark in cacheable:
            positions = [
                list(run)
                for _, run in itertools.groupby(
                    range(mark, -1, -1),
                    lambda n: (
                        items[n].kind
                        + ("" if items[n].kind in ("call", "result") else f" alone {n}")
                    ),
                )
            ]
            candidates.update(itertools.chain(*positions[:20]))
        hits = [n for n in candidates if found(n)]
        read = sizes[max(hits)] if hits else 0
        for n in {*cacheable, *(hits and [max(hits)])}:
            for each in found(n):
                each.used_at = now
        owner = (model, key)
        lives = {"5m": 300, "1h": 3600}
        written = [
            Known(owner, plain[: n + 1], now, lives[items[n].ttl])
            for n in cacheable
            if not found(n)
        ]
        self.known += written
        # The documented B: the last breakpoint of an hour behind what is read, else that itself.
        behind = [sizes[n] for n in cacheable if items[n].ttl == "1h" and sizes[n] > read]
        return sizes[cacheable[-1]] - read, read, max(behind, default=read) - read, written


WORDS = st.sampled_from("ab")
SIZES = st.sampled_from([1, 100, 300, 600])


@st.composite
def conversations(draw: st.DrawFn) -> list[Item]:
    """Some are longer than a look-back, with runs of calls and results or without."""
    turns = draw(st.sampled_from([["assistant", "user"], ["call", "call", "result", "user"]]))
    least = draw(st.sampled_from([0, 0, 24]))
    kinds = (
        ["tool"] * draw(st.integers(0, 2))
        + ["system"] * draw(st.integers(0, 2))
        + ["user"]
        + draw(st.lists(st.sampled_from(turns), min_size=least, max_size=least + 12))
    )
    size, words = draw(SIZES), draw(WORDS if least == 0 else st.just("a"))
    return [Item(kind, words, size) for kind in kinds]


@st.composite
def requests(draw: st.DrawFn, talks: list[list[Item]]) -> list[Item]:
    """A beginning of a conversation with some marks; one in ten says something else in it."""
    items = list(draw(st.sampled_from(talks)))
    items = items[: len(items) - draw(st.integers(0, len(items) - 1))]
    marks = {len(items) - 1}
    if draw(st.booleans()):
        marks = draw(st.sets(st.integers(0, len(items) - 1), max_size=4))
    if draw(st.integers(0, 9)) == 0:
        place = draw(st.integers(0, len(items) - 1))
        items[place] = items[place]._replace(word="c")
    hours = draw(st.integers(0, len(items)))  # an hour stands before five minutes
    return [
        item._replace(marked=n in marks, ttl="1h" if n < hours else "5m")
        for n, item in enumerate(items)
    ]


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_the_cache_agrees_with_comparing_whole_prompts(data: st.DataObject) -> None:
    now = 1_000.0
    accounts, brute = Accounts(clock=lambda: now), BruteForce()
    talks = data.draw(st.lists(conversations(), min_size=1, max_size=2))
    waiting: list[tuple[Usage, list[Known]]] = []
    for _ in range(data.draw(st.integers(2, 10))):
        now += data.draw(
            st.sampled_from([0.0, 0.0, 1.0, 150.0, 299.0, 300.0, 301.0, 3599.0, 3600.0])
        )
        items = data.draw(requests(talks))
        model, key = data.draw(st.sampled_from([OPUS, OPUS, SONNET])), data.draw(WORDS)
        offered = catalog.lookup(model)
        assert offered is not None
        usage = accounts.usage(raw(items), offered, key, 5)
        created, read, hour, written = brute.ask(items, model, key, now)
        counted = (usage.cache_creation_input_tokens, usage.cache_read_input_tokens)
        assert counted == (created, read)
        assert usage.cache_creation_1h_input_tokens == hour
        assert usage.total_input_tokens == accounts.preview(raw(items))
        assert usage.input_tokens >= 0
        waiting.append((usage, written))
        if data.draw(st.integers(0, 3)):  # else its response is still to begin
            for begun, theirs in waiting:
                accounts.began(begun)
                for each in theirs:
                    each.readable = True
            waiting.clear()


TURNS = st.sampled_from([["assistant", "user"], ["call", "call", "call", "result", "user"]])


@given(TURNS.flatmap(lambda kinds: st.lists(st.sampled_from(kinds), min_size=18, max_size=45)))
@settings(max_examples=100, deadline=None)
def test_the_look_back_agrees_with_comparing_whole_prompts(kinds: list[str]) -> None:
    now = 0.0
    accounts, brute = Accounts(clock=lambda: now), BruteForce()
    offered = catalog.lookup(OPUS)
    assert offered is not None
    items = [Item("system", "s", 600), *(Item(kind, "a", 1) for kind in kinds)]
    for end in (1, len(items)):  # the longest look back that may be, or a piece too far
        prompt = [*items[: end - 1], items[end - 1]._replace(marked=True)]
        usage = accounts.usage(raw(prompt), offered, "k", 1)
        created, read, _, written = brute.ask(prompt, OPUS, "k", now)
        assert (usage.cache_creation_input_tokens, usage.cache_read_input_tokens) == (created, read)
        accounts.began(usage)
        for each in written:
            each.readable = True


def marked(*items: Item) -> list[Item]:
    return [*items[:-1], items[-1]._replace(marked=True)]


class Desk:
    """Accounts with a clock, and requests whose response begins at once."""

    def __init__(self) -> None:
        self.now = 0.0
        self.accounts = Accounts(clock=lambda: self.now)

    def ask(self, request: dict[str, object], model: str = OPUS, key: str = "k") -> tuple[int, int]:
        offered = catalog.lookup(model)
        assert offered is not None
        usage = self.accounts.usage(request, offered, key, 1)
        self.accounts.began(usage)
        return usage.cache_creation_input_tokens, usage.cache_read_input_tokens


LONG = Item("system", "s", 600)
ASK = Item("user", "q", 10)


def test_the_second_request_reads_what_the_first_wrote() -> None:
    desk = Desk()
    request = raw([*marked(LONG), ASK])
    assert [desk.ask(request), desk.ask(request)] == [(600, 0), (0, 600)]


def test_without_a_mark_nothing_is_cached() -> None:
    desk = Desk()
    assert [desk.ask(raw([LONG, ASK]))] * 2 == [(0, 0)] * 2


@pytest.mark.parametrize(
    ("model", "minimum"),
    [("claude-opus-5-5", 512), ("claude-sonnet-5", 1024), ("claude-opus-4-7", 2048),
     ("claude-haiku-4-5", 4096)],
)  # fmt: skip
def test_below_the_model_s_minimum_nothing_is_cached(model: str, minimum: int) -> None:
    desk = Desk()
    short, enough = (
        raw([*marked(Item("system", "s", size)), ASK]) for size in (minimum - 1, minimum)
    )
    assert [desk.ask(short, model), desk.ask(short, model)] == [(0, 0), (0, 0)]
    assert [desk.ask(enough, model), desk.ask(enough, model)] == [(minimum, 0), (0, minimum)]


def test_every_read_gives_five_more_minutes_from_its_request_s_start() -> None:
    desk = Desk()
    request = raw([*marked(LONG), ASK])
    read = []
    for desk.now in (0, 299.9, 599.8, 899.8, 1199.7):
        read.append(desk.ask(request)[1])
    assert read == [0, 600, 600, 0, 600]


def test_an_entry_of_an_hour_lives_an_hour_from_each_use() -> None:
    desk = Desk()
    request = raw([*marked(LONG._replace(ttl="1h")), ASK])
    read = []
    for desk.now in (0, 3599.9, 7199.8, 10799.8):
        read.append(desk.ask(request)[1])
    assert read == [0, 600, 600, 0]


def test_what_only_reads_keeps_the_life_that_an_entry_was_written_with() -> None:
    desk = Desk()
    short, long = (raw([*marked(LONG._replace(ttl=ttl)), ASK]) for ttl in ("5m", "1h"))
    desk.ask(short)
    assert desk.ask(long) == (0, 600)
    desk.now = 300
    assert desk.ask(long) == (600, 0)
    desk.now = 3800
    assert desk.ask(short) == (0, 600)
    desk.now = 7300
    assert desk.ask(short) == (0, 600)


def test_up_to_the_last_mark_of_an_hour_all_that_is_written_lives_an_hour() -> None:
    desk = Desk()
    offered = catalog.lookup(OPUS)
    assert offered is not None
    tool, last = Item("tool", "t", 600), Item("user", "q", 600)
    items = [*marked(tool), *marked(LONG._replace(ttl="1h")), *marked(last)]
    usage = desk.accounts.usage(raw(items), offered, "k", 1)
    assert usage.cache_creation_1h_input_tokens == prompt_tokens(raw(items[:2]))
    assert usage.cache_creation_input_tokens == prompt_tokens(raw(items))


def test_parallel_requests_miss_until_the_first_response_begins() -> None:
    desk = Desk()
    offered = catalog.lookup(OPUS)
    assert offered is not None
    request = raw([*marked(LONG), ASK])
    first, second = (desk.accounts.usage(request, offered, "k", 1) for _ in range(2))
    assert first.cache_read_input_tokens == second.cache_read_input_tokens == 0
    desk.accounts.began(first)
    assert desk.ask(request) == (0, 600)


def test_keys_and_models_do_not_share() -> None:
    desk = Desk()
    request = raw([*marked(LONG), ASK])
    desk.ask(request)
    assert desk.ask(request, key="other")[1] == 0
    assert desk.ask(request, model="claude-opus-5")[1] == 0
    assert desk.ask(request)[1] == 600


def test_a_changed_tool_loses_all_and_a_changed_question_only_itself() -> None:
    desk = Desk()
    tool, reply = Item("tool", "t", 600), Item("assistant", "a", 600)
    desk.ask(raw([*marked(tool), *marked(LONG), ASK, *marked(reply)]))
    other = raw([*marked(tool), *marked(LONG), ASK._replace(word="z"), *marked(reply)])
    kept = prompt_tokens(raw([tool, LONG]))
    assert desk.ask(other) == (prompt_tokens(other) - kept, kept)
    assert desk.ask(raw([*marked(tool._replace(word="u")), *marked(LONG), ASK]))[1] == 0


@pytest.mark.parametrize(
    ("change", "keeps"),
    [
        ({"tool_choice": {"type": "none"}}, "system"),
        ({"thinking": {"type": "adaptive"}}, "system"),
        ({"output_config": {"effort": "low"}}, "system"),
        ({"speed": "fast"}, "tools"),
        ({"metadata": {"user_id": "u"}}, "all"),
        ({"max_tokens": 3}, "all"),
    ],
)
def test_a_changed_setting_loses_its_section_and_what_follows(
    change: dict[str, object], keeps: str
) -> None:
    desk = Desk()
    items = [*marked(Item("tool", "t", 600)), *marked(LONG), *marked(Item("user", "q", 600))]
    desk.ask(raw(items))
    kept = {"tools": 1, "system": 2, "all": 3}[keeps]
    assert desk.ask(raw(items, **change))[1] == prompt_tokens(raw(items[:kept]))


def test_an_image_anywhere_loses_the_messages() -> None:
    desk = Desk()
    request = raw([*marked(LONG), *marked(Item("user", "q", 600))])
    desk.ask(request)
    with_image: Any = raw([*marked(LONG), *marked(Item("user", "q", 600))])
    image = {"type": "image", "source": {"type": "url", "url": "u"}}
    with_image["messages"][0]["content"].append(image)
    assert desk.ask(with_image)[1] == 600


def test_a_top_level_mark_is_a_breakpoint_on_the_last_block() -> None:
    desk = Desk()
    control = {"type": "ephemeral"}
    first = raw([LONG, ASK], cache_control=control)
    longer = raw([LONG, ASK, Item("assistant", "a", 10)], cache_control=control)
    assert desk.ask(first) == (614, 0)
    assert desk.ask(longer) == (14, 614)


def test_a_top_level_mark_passes_over_thinking() -> None:
    desk = Desk()
    request: Any = raw([LONG, ASK, Item("assistant", "a", 10)], cache_control={"type": "ephemeral"})
    request["messages"][1]["content"].append({"type": "thinking", "thinking": "", "signature": ""})
    assert desk.ask(request) == (628, 0)


def test_a_string_and_its_text_block_are_one_prompt() -> None:
    desk = Desk()
    blocks = raw([*marked(LONG), *marked(ASK)])
    text: Any = raw([*marked(LONG), ASK], cache_control={"type": "ephemeral"})
    text["messages"][0]["content"] = "q" * 40
    desk.ask(blocks)
    assert desk.ask(text) == (0, 614)


def test_a_mark_inside_a_tool_result_marks_the_result() -> None:
    desk = Desk()
    request: Any = raw([ASK, Item("call", "c", 600), Item("result", "r", 10)])
    inner = {"type": "text", "text": "done", "cache_control": {"type": "ephemeral"}}
    request["messages"][2]["content"][0]["content"] = [inner]
    created = desk.ask(request)[0]
    assert created == prompt_tokens(request)
    del inner["cache_control"]  # the mark moves on; the prompt stays the same
    request["messages"].append({"role": "assistant", "content": [{**inner, "cache_control": {}}]})
    request["cache_control"] = {"type": "ephemeral"}
    assert desk.ask(request)[1] == created


def cold(blocks: int, kind: str = "user") -> list[Item]:
    return [Item(kind, "x", 1) for _ in range(blocks)]


@pytest.mark.parametrize(("blocks", "read"), [(19, 600), (20, 0)])
def test_a_read_looks_back_twenty_positions_the_breakpoint_included(blocks: int, read: int) -> None:
    desk = Desk()
    desk.ask(raw(marked(LONG)))
    assert desk.ask(raw([LONG, *marked(*cold(blocks))]))[1] == read


@pytest.mark.parametrize(("blocks", "read"), [(17, 600), (18, 0)])
def test_a_run_of_results_is_one_position(blocks: int, read: int) -> None:
    desk = Desk()
    desk.ask(raw(marked(LONG)))
    runs = [*cold(30, "call"), *cold(30, "result")]
    assert desk.ask(raw([LONG, *runs, *marked(*cold(blocks))]))[1] == read


def test_a_second_breakpoint_looks_back_from_where_it_stands() -> None:
    desk = Desk()
    desk.ask(raw(marked(LONG)))
    assert desk.ask(raw([LONG, *marked(*cold(10)), *marked(*cold(30))]))[1] == 600


def test_memory_is_bounded_and_what_expired_is_forgotten() -> None:
    cache = PromptCache(limit=10)
    desk = Desk()
    desk.accounts._cache = cache
    for n in range(50):
        desk.ask(raw([*marked(LONG), ASK]), key=str(n))
    assert len(cache) == 10
    assert desk.ask(raw([*marked(LONG), ASK]), key="49")[1] == 600
    desk.now = 1_000
    desk.ask(raw([*marked(LONG), ASK]))
    assert len(cache) == 1


def test_cached_tokens_are_billed_at_their_own_prices() -> None:
    price = catalog.PRICES[OPUS]
    usage = Usage(1_000, 100, 2_000, 10_000)
    assert (
        cost_usd(price, usage) * 1_000_000
        == 1_000 * 4 + 2_000 * 5 + 10_000 * price.cache_read + 2_000
    )


def test_the_whole_prompt_decides_whether_it_is_a_long_one() -> None:
    price = catalog.PRICES["claude-haiku-5-5"]
    assert price.long is not None
    cost = cost_usd(price, Usage(1, 0, 0, 100_000)) * 1_000_000
    assert cost == price.long.input + 100_000 * price.long.cache_read


async def test_the_sdk_sees_the_cache_and_parallel_requests_miss_it() -> None:
    script = FaultScript(latency=Latency(first_token_s=0.1))
    ask: Any = {**raw([*marked(LONG), ASK]), "model": OPUS, "max_tokens": 20}
    async with (
        Simulator(faults=script) as sim,
        AsyncAnthropic(base_url=sim.url, api_key="k") as claude,
    ):
        first, second = await asyncio.gather(*(claude.messages.create(**ask) for _ in range(2)))
        third = await claude.messages.create(**ask)
        async with claude.messages.stream(**ask) as stream:
            fourth = await stream.get_final_message()
        answers = (first, second, third, fourth)
        counts = [
            (each.usage.cache_creation_input_tokens, each.usage.cache_read_input_tokens)
            for each in answers
        ]
        assert counts == [(600, 0), (600, 0), (0, 600), (0, 600)]
        assert first.usage.cache_creation is not None
        assert first.usage.cache_creation.ephemeral_5m_input_tokens == 600
        assert [
            (each.cache_creation_input_tokens, each.cache_read_input_tokens) for each in sim.log
        ] == counts
        assert sim.log[3].cost_usd < sim.log[0].cost_usd
