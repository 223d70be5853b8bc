"""The lesson: a tool that is down is left alone, the others work, and a probe finds it back."""

import asyncio

import httpx

from mock_claude import Simulator
from mock_claude.pytest_plugin import PointAgentAt, StartSimulator

from agent import Agent
from config import Settings

SEARCH = "/w/api.php"
SEARCH_IS_DOWN = """
[[rule]]
name = "search"
path = "/w/api.php"
fault = "status"
status = 503
"""
QUICKLY = {
    "AGENT_RETRY__MAX_ATTEMPTS": "2",
    "AGENT_RETRY__BASE_S": "0.01",
    "AGENT_BREAKER__OPEN_S": "0.5",
    "AGENT_BREAKER__OPEN_JITTER": "0",
}
FAILED_CALLS = 10  # what the breaker needs to see, by default


def searches(simulator: Simulator) -> int:
    return sum(request.path == SEARCH for request in simulator.log)


def repair(simulator: Simulator) -> None:
    httpx.put(f"{simulator.url}/_mock/faults", json={"rule": []}).raise_for_status()


async def ask_until_it_is_down(agent: Agent) -> None:
    """Ten tasks of two attempts each: twice what the breaker needs."""
    for user in range(FAILED_CALLS):
        await agent.run(f'Search for "the Aldwyn viaduct {user}".')


async def test_a_tool_that_is_down_is_called_no_more_often_than_the_breaker_needs(
    start_simulator: StartSimulator, point_agent_at: PointAgentAt
) -> None:
    simulator = start_simulator(faults=SEARCH_IS_DOWN)
    point_agent_at(simulator, Settings.variables(), **QUICKLY)
    async with Agent(Settings.from_env()) as agent:
        await ask_until_it_is_down(agent)
    assert simulator.fired["search"] >= FAILED_CALLS
    assert searches(simulator) <= FAILED_CALLS + 2  # and a probe or two, where it took that long


async def test_while_its_circuit_is_open_others_work_and_a_single_probe_finds_it_back(
    start_simulator: StartSimulator, point_agent_at: PointAgentAt
) -> None:
    simulator = start_simulator(faults=SEARCH_IS_DOWN)
    point_agent_at(simulator, Settings.variables(), **QUICKLY | {"AGENT_BREAKER__OPEN_S": "1"})
    fact = simulator.world.search("the Corvid library")[0].facts[0]
    async with Agent(Settings.from_env()) as agent:
        await ask_until_it_is_down(agent)
        repair(simulator)
        before = searches(simulator)
        both = await agent.run('Search for "the Corvid library". What is the weather in Lisbon?')
        assert searches(simulator) == before, "nothing is sent while the circuit is open"
        assert simulator.world.weather_fact("Lisbon") in both.text
        async with asyncio.timeout(10):
            while fact not in (await agent.run('Search for "the Corvid library".')).text:
                assert searches(simulator) == before
        assert searches(simulator) == before + 1
