"""The lesson: a call that never ends is ended, tried again, and never outlives its request."""

import asyncio

from mock_claude.pytest_plugin import PointAgentAt, StartSimulator

from agent import Agent
from config import Settings

NEVER_ANSWERED = """
[[rule]]
name = "never"
attempts = 1
fault = "hang"
"""
A_BYTE_AT_A_TIME = """
[[rule]]
name = "trickle"
fault = "trickle"
chunk_bytes = 1
interval_s = 0.05
"""
QUICKLY = {
    "AGENT_RETRY__MAX_ATTEMPTS": "3",
    "AGENT_RETRY__BASE_S": "0.01",
    "AGENT_TIMEOUTS__CONNECT_S": "0.2",
    "AGENT_TIMEOUTS__MODEL_CALL_S": "0.4",
    "AGENT_TIMEOUTS__TOOL_CALL_S": "0.4",
}
PATIENCE_S = 6


async def outcome(agent: Agent, task: str) -> str:
    """The answer, or the name of what ended the task; "still waiting" after PATIENCE_S."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return (await agent.run(task)).text
    except TimeoutError:
        return "still waiting"
    except Exception as error:  # noqa: BLE001 - the test says which one it expects
        return type(error).__name__


async def test_a_call_that_is_never_answered_is_given_up_and_made_again(
    start_simulator: StartSimulator, point_agent_at: PointAgentAt
) -> None:
    simulator = start_simulator(faults=NEVER_ANSWERED)
    point_agent_at(simulator, Settings.variables(), **QUICKLY)
    async with Agent(Settings.from_env()) as agent:
        assert "437" in await outcome(agent, "What is 23*19?")
    assert [request.status for request in simulator.model_requests()] == [0, 200, 0, 200]


async def test_an_answer_that_trickles_ends_with_the_request_and_leaves_nothing_running(
    start_simulator: StartSimulator, point_agent_at: PointAgentAt
) -> None:
    simulator = start_simulator(faults=A_BYTE_AT_A_TIME)
    limits = {"AGENT_TIMEOUTS__REQUEST_S": "0.6"}
    point_agent_at(simulator, Settings.variables(), **QUICKLY | limits)
    async with Agent(Settings.from_env()) as agent:
        assert await outcome(agent, "What is 23*19?") == "DeadlineExceeded"
        async with asyncio.timeout(PATIENCE_S):
            while simulator.in_flight:  # noqa: ASYNC110 - the simulator has no Event for it
                await asyncio.sleep(0)
    assert simulator.fired["trickle"] >= 1
