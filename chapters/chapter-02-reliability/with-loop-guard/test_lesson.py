"""The lesson: a model that goes in circles is stopped, its facts are told, the session goes on."""

import pytest

from mock_claude.pytest_plugin import PointAgentAt, StartSimulator

from agent import Agent, Answer, main
from config import Settings

ONE_CALL_FOR_EVER = """
[[script]]
name = "loop"
story = "runaway"
task = "*again*"
"""
BACK_AND_FORTH = """
[[script]]
name = "loop"
story = "cycle"
task = "*again*"
"""
TASK = "Once again: what is the weather in Oslo, and what is the weather in Rome?"
LIMITS = {
    "AGENT_TIMEOUTS__CONNECT_S": "0.5",
    "AGENT_TIMEOUTS__MODEL_CALL_S": "1",
    "AGENT_TIMEOUTS__TOOL_CALL_S": "1",
    "AGENT_TIMEOUTS__REQUEST_S": "2",  # ends the loop on the step before, without an answer
}


async def run(agent: Agent, task: str) -> Answer | None:
    try:
        return await agent.run(task, session="ada")
    except Exception:  # noqa: BLE001 - on the step before, any failure will do
        return None


@pytest.mark.parametrize(
    ("script", "cities", "limit"),
    [
        (ONE_CALL_FOR_EVER, ("Oslo",), "identical_calls"),
        (BACK_AND_FORTH, ("Oslo", "Rome"), "cycle"),
    ],
)
async def test_a_loop_ends_with_the_facts_and_the_limit_and_the_session_goes_on(
    start_simulator: StartSimulator,
    point_agent_at: PointAgentAt,
    script: str,
    cities: tuple[str, ...],
    limit: str,
) -> None:
    simulator = start_simulator(faults=script)
    point_agent_at(simulator, Settings.variables(), **LIMITS)
    async with Agent(Settings.from_env()) as agent:
        answer = await run(agent, TASK)
        assert answer is not None, "the loop went on until the deadline"
        assert answer.stopped == limit
        assert answer.turns == len(simulator.model_requests()) <= 8
        for city in cities:
            assert simulator.world.weather_fact(city) in answer.text
        afterwards = await run(agent, "What is 23*19?")
        assert afterwards is not None
        assert "437" in afterwards.text
    assert {request.status for request in simulator.model_requests()} == {200}


async def test_the_prompt_is_no_loop_either_where_a_session_has_ended_it_begins_one(
    start_simulator: StartSimulator,
    point_agent_at: PointAgentAt,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    simulator = start_simulator(faults="[latency]\nmessages_s = 0.3")
    session = {"AGENT_TIMEOUTS__SESSION_S": "1.2", "AGENT_TIMEOUTS__REQUEST_S": "1.1"}
    point_agent_at(simulator, Settings.variables(), **LIMITS | session)
    typed = iter(["Say hello."] * 9)

    def types(prompt: str) -> str:
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", types)
    await main(None)
    shown = capsys.readouterr()
    assert "begin a new session" in shown.err
    assert shown.out.count("Hello!") >= 5, "after its end nobody was answered any more"
