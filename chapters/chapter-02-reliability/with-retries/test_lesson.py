"""The lesson: what passes is waited out, once, in one layer, and never for an hour."""

import asyncio
from collections.abc import Callable

import pytest

from mock_claude import Simulator
from mock_claude.pytest_plugin import PointAgentAt

from agent import Agent
from config import Settings

REFUSED_FOUR_TIMES = """
[[rule]]
name = "overloaded"
attempts = 4
fault = "status"
status = 529
"""
COME_BACK_IN_AN_HOUR = """
[[rule]]
name = "an hour"
attempts = 1
fault = "status"
status = 429
retry_after_s = 3600
"""
SEARCH_STUMBLES = """
[[rule]]
name = "search"
path = "/w/api.php"
attempts = 2
fault = "status"
status = 503
"""
QUICKLY = {"AGENT_RETRY__BASE_S": "0.01", "AGENT_RETRY__RETRY_AFTER_CAP_S": "0.1"}


@pytest.fixture
def ask(point_agent_at: PointAgentAt) -> Callable[[Simulator, str], "asyncio.Future[str]"]:
    """Give one task to a fresh agent; its answer, or the name of what went wrong."""

    async def answer(simulator: Simulator, task: str) -> str:
        point_agent_at(simulator, Settings.variables(), **QUICKLY)
        async with Agent(Settings.from_env()) as agent:
            try:
                async with asyncio.timeout(3):
                    return (await agent.run(task)).text
            except Exception as error:  # noqa: BLE001 - on the step before, any failure will do
                return type(error).__name__

    return lambda simulator, task: asyncio.ensure_future(answer(simulator, task))


Ask = Callable[[Simulator, str], "asyncio.Future[str]"]
Start = Callable[..., Simulator]


async def test_a_call_that_is_refused_four_times_succeeds(ask: Ask, start_simulator: Start) -> None:
    simulator = start_simulator(faults=REFUSED_FOUR_TIMES)
    assert "437" in await ask(simulator, "What is 23*19?")
    assert [request.status for request in simulator.model_requests()] == [*[529] * 4, 200] * 2


async def test_exactly_one_layer_retries(ask: Ask, start_simulator: Start) -> None:
    simulator = start_simulator(faults=REFUSED_FOUR_TIMES)
    await ask(simulator, "What is 23*19?")
    assert simulator.fired["overloaded"] > 0
    assert {request.sdk_retry for request in simulator.model_requests()} == {0}


async def test_an_hour_of_retry_after_is_capped(ask: Ask, start_simulator: Start) -> None:
    simulator = start_simulator(faults=COME_BACK_IN_AN_HOUR)
    assert "437" in await ask(simulator, "What is 23*19?")
    assert simulator.fired["an hour"] == 2


async def test_a_search_that_stumbles_is_repeated(ask: Ask, start_simulator: Start) -> None:
    simulator = start_simulator(faults=SEARCH_STUMBLES)
    answer = await ask(simulator, 'Search for "the Aldwyn viaduct".')
    assert all(fact in answer for fact in simulator.world.search("the Aldwyn viaduct")[0].facts)
