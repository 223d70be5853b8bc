"""The bill of a run is the simulator's, to the last digit, where prompts are cached."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from throw_away import incident, step

from book.chain.chain import Book
from book.stage import trial as trials
from book.stage.processes import Processes
from book.stage.trial import Trial
from book.story.incident import Run, Task, Workload
from mock_claude import Exchange
from mock_claude.accounts.accounts import Usage, cost_usd
from mock_claude.api.catalog import PRICES

MODEL = "claude-opus-5-5"
CONFIG = """
import os


class Settings:
    @classmethod
    def variables(cls):
        return {"ANTHROPIC_BASE_URL", "AGENT_NOTES_FILE"}

    @classmethod
    def from_env(cls):
        return os.environ["ANTHROPIC_BASE_URL"]
"""
# A task is HOW: what the model is asked. The whole prompt is marked: asked again, all is read.
AGENT = """
import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path

import httpx
from anthropic import AsyncAnthropic

FOLDER = Path(os.environ["AGENT_NOTES_FILE"]).parent
RULES = "Answer in one word, and mind the rules of the house. " * 200


@dataclass
class Answer:
    text: str


class Agent:
    def __init__(self, url):
        self.url, self.client = url, AsyncAnthropic(base_url=url, api_key="test", max_retries=2)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc_info):
        await self.client.close()

    async def run(self, task, session=None):
        how, _, text = task.partition(": ")
        mark = {"type": "ephemeral"}
        asked = {"model": "MODEL", "max_tokens": 64, "system": RULES, "cache_control": mark}
        asked["messages"] = [{"role": "user", "content": text}]
        match how:
            case "plain":
                self.keep(await self.client.messages.create(**asked))
            case "stream":
                async with self.client.messages.stream(**asked) as stream:
                    self.keep(await stream.get_final_message(), stream.request_id)
            case "leave":
                async with self.client.messages.stream(**asked) as stream:
                    async for _ in stream:
                        break
            case "give up":
                try:
                    await asyncio.wait_for(self.client.messages.create(**asked), 0.2)
                except TimeoutError:
                    pass
            case "figures":
                await self.figures()
        return Answer("done")

    def keep(self, message, request_id=None):
        told = {"id": request_id or message._request_id, **message.usage.to_dict()}
        with (FOLDER / "usage.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\\n")

    async def figures(self):
        async with httpx.AsyncClient() as client:
            while "requests_in_flight 0" not in (
                said := (await client.get(self.url + "/metrics")).text
            ):
                await asyncio.sleep(0.02)
        (FOLDER / "metrics.txt").write_text(said, encoding="utf-8")
""".replace("MODEL", MODEL)
FAULTS = """
[latency]
messages_s = 0.01
first_token_s = 0.01
per_token_s = 0.001

[[rule]]
name = "busy at first"
task = "*BUSY*"
attempts = 1
fault = "status"
status = 529

[[rule]]
name = "slow"
task = "*slow*"
fault = "delay"
delay_s = 0.8

[[rule]]
name = "broken off"
task = "*broken*"
fault = "stream-cut"
after_events = 3
"""
TASKS = (
    *("plain: Say one.", "plain: Say one.", "stream: Say one.", "leave: Say one."),
    *("plain: Say busy.", "plain: Say busy.", "stream: Say two.", "stream: Say two."),
    *("plain: Say slow.", "give up: Say slow.", "plain: Say broken.", "stream: Say broken."),
    "figures: ",
)
CACHED = 7  # requests that are read whole


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    told = incident(
        Workload(tuple(Task(text, ("done",), session="one") for text in TASKS), 1, 20.0), FAULTS
    )
    made = step(Book.find(), tmp_path_factory.mktemp("step"), config=CONFIG, agent=AGENT)
    with Processes(trials.IMPORTS, tmp_path_factory.mktemp("scratch")) as processes:
        yield trials.run(Trial(made, told, 7), processes, lambda ok: None)


def price_of(exchange: Exchange) -> Decimal:
    fresh, output = exchange.input_tokens, exchange.output_tokens
    written, read = exchange.cache_creation_input_tokens, exchange.cache_read_input_tokens
    usage = Usage(fresh, output, written, read)
    return cost_usd(PRICES[MODEL], usage)


def told(run: Run) -> dict[str, dict[str, Any]]:
    """What the SDK was told that each answered request used, by its id."""
    lines = run.files["usage.jsonl"].decode().splitlines()
    return {each.pop("id"): each for each in map(json.loads, lines)}


def test_a_bill_is_the_simulators_to_the_last_digit(run: Run) -> None:
    said = run.files["metrics.txt"].decode()
    (total,) = re.findall(rf'mock_claude_cost_usd_total{{model="{MODEL}"}} (\S+)', said)
    assert run.cost_usd == Decimal(total) > 0
    assert run.cost_usd == sum(map(price_of, run.model_requests), Decimal(0))


def test_a_request_that_is_read_whole_counts_and_costs_what_reading_costs(run: Run) -> None:
    whole = [each for each in run.model_requests if each.input_tokens == 0]
    read = [each for each in whole if each.cache_read_input_tokens]
    assert len(read) == CACHED
    rate = PRICES[MODEL]
    for each in read:
        assert each.cache_read_input_tokens > 500
        price = each.cache_read_input_tokens * rate.cache_read + each.output_tokens * rate.output
        assert each.cost_usd == price / 1_000_000 > 0
    counted = sum(each.cache_read_input_tokens for each in read)
    assert run.tokens > counted > CACHED * 500


def test_what_is_billed_is_what_each_answer_said_that_it_used(run: Run) -> None:
    used = told(run)
    answered = [each for each in run.model_requests if each.request_id in used]
    assert len(answered) == len(used) == 9
    assert {each.stream for each in answered} == {False, True}
    for each in answered:
        assert (
            used[each.request_id].items()
            >= {
                "input_tokens": each.input_tokens,
                "output_tokens": each.output_tokens,
                "cache_creation_input_tokens": each.cache_creation_input_tokens,
                "cache_read_input_tokens": each.cache_read_input_tokens,
            }.items()
        )


def test_who_left_or_was_cut_off_is_billed_and_who_was_refused_is_not(run: Run) -> None:
    used = told(run)
    others = [each for each in run.model_requests if each.request_id not in used]
    left, refused, gave_up, cut = sorted(others, key=lambda each: each.number)
    assert (refused.status, refused.cost_usd, refused.fault) == (529, Decimal(0), "busy at first")
    assert (left.stream, left.input_tokens) == (True, 0)
    assert (gave_up.fault, gave_up.status, gave_up.input_tokens) == ("slow", 0, 0)
    assert (cut.fault, cut.stream, cut.input_tokens) == ("broken off", True, 0)
    assert [each.cost_usd for each in (left, gave_up, cut)] == list(
        map(price_of, (left, gave_up, cut))
    )
    assert run.sdk_retries == 1
    assert run.fired.keys() == {"busy at first", "slow", "broken off"}
