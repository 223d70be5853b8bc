"""The lesson: an outage makes answers smaller, never silent: old values, gaps, another model."""

import httpx

from mock_claude import Simulator
from mock_claude.pytest_plugin import PointAgentAt, StartSimulator

from agent import Agent, Answer
from config import Settings

WEATHER_IS_DOWN = {"name": "weather", "path": "/v1/[sf]*", "fault": "status", "status": 503}
MAIN_IS_DOWN = {"name": "main", "model": "claude-sonnet-*", "fault": "status", "status": 529}
MAIN, FALLBACK = "claude-sonnet-5-5", "claude-haiku-4-5"
QUICKLY = {
    "AGENT_MODEL": MAIN,
    "AGENT_RETRY__MAX_ATTEMPTS": "2",
    "AGENT_RETRY__BASE_S": "0.01",
    "AGENT_DEGRADATION__FALLBACK_MODEL": FALLBACK,
}


def break_down(simulator: Simulator, *rules: dict[str, object]) -> None:
    httpx.put(f"{simulator.url}/_mock/faults", json={"rule": rules}).raise_for_status()


async def ask(agent: Agent, task: str) -> tuple[str, object]:
    """The text, or the error's name, and whether the answer says that it is degraded."""
    try:
        answer = await agent.run(task)
    except Exception as error:  # noqa: BLE001 - on the step before, any failure will do
        return type(error).__name__, None
    return answer.text, getattr(answer, "degraded", None)


def booked(answer: Answer) -> dict[str, int]:
    return {model: tokens.input_tokens for model, tokens in (answer.tokens or {}).items()}


def input_tokens(simulator: Simulator, since: int) -> int:
    return sum(request.input_tokens for request in simulator.log[since:])


async def test_a_place_seen_before_gets_its_old_weather_and_its_age_another_is_named_as_missing(
    start_simulator: StartSimulator, point_agent_at: PointAgentAt
) -> None:
    simulator = start_simulator()
    point_agent_at(simulator, Settings.variables(), **QUICKLY)
    weather = simulator.world.weather_fact("Lisbon")
    async with Agent(Settings.from_env()) as agent:
        assert await ask(agent, "What is 23*19?") == ("23*19 = 437.", False)
        assert (await ask(agent, "What is the weather in Lisbon?"))[1] is False
        break_down(simulator, WEATHER_IS_DOWN)
        text, degraded = await ask(agent, "What is the weather in Lisbon, and what is 20+3?")
        assert degraded is True
        assert weather in text
        assert "23" in text
        assert " s old" in text
        text, degraded = await ask(agent, "What is the weather in Oslo, and what is 20+4?")
        assert degraded is True
        assert "24" in text
        assert "Missing: get_weather (city: Oslo)" in text
        break_down(simulator)
        assert (await ask(agent, "What is the weather in Oslo?"))[1] is False


async def test_another_model_answers_while_the_main_one_is_down_and_the_tokens_are_booked_to_it(
    start_simulator: StartSimulator, point_agent_at: PointAgentAt
) -> None:
    simulator = start_simulator()
    point_agent_at(simulator, Settings.variables(), **QUICKLY)
    break_down(simulator, MAIN_IS_DOWN)
    async with Agent(Settings.from_env()) as agent:
        text, degraded = await ask(agent, "What is 23*19?")
        assert degraded is True
        assert "437" in text
        assert FALLBACK in text
        served = len(simulator.log)
        answer = await agent.run("What is 24*19?")
        assert booked(answer) == {FALLBACK: input_tokens(simulator, served)}
        break_down(simulator)
        served = len(simulator.log)
        answer = await agent.run("What is 25*19?")
        assert booked(answer) == {MAIN: input_tokens(simulator, served)}
