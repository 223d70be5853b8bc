"""What every step of the agent promises, from the first to the last. Run: pytest test_agent.py"""

import asyncio
import os
import re
import runpy
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from mock_claude import Simulator

from agent import Agent
from config import HERE, Settings, SettingsError
from tools import ToolError, Tools


@pytest.fixture
def settings(simulator: Simulator, tmp_path: Path) -> Settings:
    """An agent that talks to a simulator without faults."""
    return Settings(
        anthropic_api_key=SecretStr("sk-ant-test"),
        anthropic_base_url=simulator.url,
        search_url=simulator.search_url,
        geocoding_url=simulator.geocoding_url,
        forecast_url=simulator.forecast_url,
        notes_file=tmp_path / "notes.jsonl",
    )


@pytest.fixture
def tools(settings: Settings) -> Tools:
    return Tools(settings)


@pytest.fixture(scope="module")
def offline() -> Tools:
    """For what asks nobody; one for all tests, because reading certificates takes a while."""
    return Tools(Settings())


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith(("AGENT_", "ANTHROPIC_")):
            monkeypatch.delenv(name)


async def test_it_answers_with_the_facts_that_its_tools_found(
    settings: Settings, simulator: Simulator
) -> None:
    async with Agent(settings) as agent:
        answer = await agent.run("What is 23*19, and what is the weather in Lisbon?")
    assert "437" in answer.text
    assert simulator.world.weather_fact("Lisbon") in answer.text


async def test_an_answer_tells_its_turns_and_tokens_as_the_server_counted_them(
    settings: Settings, simulator: Simulator
) -> None:
    async with Agent(settings) as agent:
        answer = await agent.run("What is 2+2? Save it as a note.")
    requests = simulator.model_requests()
    assert answer.turns == len(requests) == 3
    assert answer.input_tokens == sum(request.input_tokens for request in requests)
    assert answer.all_input_tokens == sum(request.all_input_tokens for request in requests)
    assert answer.output_tokens == sum(request.output_tokens for request in requests)


async def test_tasks_of_one_session_share_history_and_others_do_not(
    settings: Settings, tools: Tools
) -> None:
    async with Agent(settings) as agent:
        await agent.run("What is 23*19?", session="ada")
        await agent.run("Save that as a note.", session="ben")
        assert "437" not in await tools.read_notes()
        await agent.run("Save that as a note.", session="ada")
    assert "437" in await tools.read_notes()


async def test_a_failed_task_leaves_no_trace_in_its_session(
    settings: Settings, simulator: Simulator
) -> None:
    async with Agent(settings.model_copy(update={"model": "claude-unheard-of"})) as agent:
        with pytest.raises(Exception, match="claude-unheard-of"):
            await agent.run("What is 2+2?", session="ada")
        assert not agent.sessions.get("ada")


async def test_many_tasks_at_once_get_their_own_answers(settings: Settings) -> None:
    async with Agent(settings) as agent:
        asked = [agent.run(f"What is {n}*{n + 1}?") for n in range(10, 22)]
        answers = await asyncio.gather(*asked)
    for n, answer in zip(range(10, 22), answers, strict=True):
        assert str(n * (n + 1)) in answer.text


async def test_claude_is_told_of_a_tool_that_fails_and_answers_with_the_rest(
    settings: Settings,
) -> None:
    async with Agent(settings) as agent:
        answer = await agent.run("What is 23*19, and what is the weather in Atlantis?")
    assert "437" in answer.text
    assert "no place is called" in answer.text


async def test_a_blank_task_is_refused_before_anything_is_sent(
    settings: Settings, simulator: Simulator
) -> None:
    async with Agent(settings) as agent:
        with pytest.raises(ValueError, match="blank"):
            await agent.run(" \n")
    assert not simulator.model_requests()


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("23*19", "437"),
        ("(4 + 5) * -3", "-27"),
        ("10 / 4", "2.5"),
        ("8 / 2", "4"),
        ("2**10", "1024"),
        ("+5", "5"),
        ("3×4", "12"),  # noqa: RUF001 - as people write it
        ("6÷2", "3"),
        ("5−3", "2"),  # noqa: RUF001
        ("5 – 3", "2"),  # noqa: RUF001
        ("3·4", "12"),
        ("0.1 + 0.2", "0.3"),
        ("1/3", "0.333333333333333"),
        ("2/3*1000000", "666666.666666667"),
        ("1/100000", "0.00001"),
        ("246913578024690/2", "123456789012345"),
        ("10**15 - 1 + 0.25", "999999999999999"),
        ("1.05**360", "42476396.40868"),
        ("-7 // 2", "-4"),
        ("-7 % 3", "2"),
        ("2**0.5", "1.4142135623731"),
    ],
)
async def test_arithmetic_is_exact(offline: Tools, expression: str, result: str) -> None:
    assert await offline.calculate(expression) == result


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "1 +",
        "1/0",
        "9**9**9",
        "(-8)**0.5",
        "__import__('os')",
        "'a' * 9",
        "f(1)",
        "[1][0]",
        "x",
        "1e308*10",
        "1e400",
        "1e400-1e400",
        "10**-400",
        "1e-400",
        "1 + 2.5E-0324",
        "1/10**200/10**200",
        "True+1",
        "-" * 2000 + "1",
        "+".join("1" * 3000),
        f"{'9' * 2500}*{'9' * 2500}",
        "9" * 5000,
    ],
)
async def test_what_is_no_arithmetic_is_refused_with_a_reason(
    offline: Tools, expression: str
) -> None:
    with pytest.raises(ToolError, match="cannot calculate"):
        await offline.calculate(expression)


async def test_notes_come_back_as_they_were_written(tools: Tools) -> None:
    assert await tools.read_notes() == "there are no notes yet"
    await tools.save_note("tea\nfor two")
    await tools.save_note("São Paulo 18.3 °C")
    assert await tools.read_notes() == "- tea\nfor two\n- São Paulo 18.3 °C"


async def test_what_can_be_read_of_the_notes_is_read_and_the_rest_is_counted(
    tools: Tools, settings: Settings
) -> None:
    # With the mark that editors on Windows put first, and a tab that JSON would escape.
    told = '\ufeff"milk"\n\n  \n{"a": 1}\n"two\tlemons"\n"egg'
    settings.notes_file.write_text(told, encoding="utf-8")
    assert await tools.read_notes() == "- milk\n(3 of them cannot be read)"
    await tools.save_note("tea")
    assert await tools.read_notes() == "- milk\n- tea\n(3 of them cannot be read)"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("calculate", {"expression": 4}),
        ("calculate", {}),
        ("get_weather", {"city": None}),
        ("get_weather", {"city": "Oslo", "days": "3"}),
        ("save_note", {"text": {"a": [1]}}),
        ("order_pizza", {"size": "large"}),
    ],
)
async def test_a_call_that_no_tool_can_answer_is_told_what_there_is_and_is_not_made(
    settings: Settings, name: str, arguments: dict[str, object]
) -> None:
    async with Agent(settings) as agent:
        with pytest.raises(ToolError, match=r"search_web.*get_weather.*save_note") as told:
            await agent.use_tool(name, arguments)
    assert str(told.value).startswith(f"no tool '{name}' takes {{")
    assert not settings.notes_file.exists()


async def test_half_a_character_is_replaced_and_harms_no_other_task(
    settings: Settings, simulator: Simulator
) -> None:
    settings.notes_file.write_text('"caf\\ud83d"\n', encoding="utf-8")
    async with Agent(settings) as agent:
        assert (await agent.run("What is 23*19? \ud83d")).text == "23*19 = 437."
        assert "caf\ufffd" in (await agent.run("What notes do I have?", session="ada")).text
        assert "437" in (await agent.run("What is 23*19?", session="ada")).text
    assert {request.status for request in simulator.model_requests()} == {200}


async def test_weather_names_the_region_and_the_country_of_the_place(tools: Tools) -> None:
    assert (await tools.get_weather("Paris")).startswith("Paris, France: ")
    assert (await tools.get_weather("Singapore")).startswith("Singapore: ")


async def test_weather_for_a_place_that_does_not_exist_says_so(tools: Tools) -> None:
    with pytest.raises(ToolError, match="Atlantis"):
        await tools.get_weather("Atlantis")


def test_only_saving_a_note_changes_anything_and_only_arithmetic_is_our_own_word(
    tools: Tools,
) -> None:
    assert {name for name in tools.by_name if not tools.read_only(name, {})} == {"save_note"}
    trusted = {name for name, tool in tools.by_name.items() if not tool.untrusted}
    assert trusted == {"calculate", "save_note"}


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret")
    monkeypatch.setenv("AGENT_MAX_TOKENS", "77")
    settings = Settings.from_env()
    assert settings.max_tokens == 77
    assert settings.anthropic_api_key.get_secret_value() == "sk-ant-secret"
    assert "sk-ant-secret" not in repr(settings)


def test_a_variable_of_another_program_sets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODEL", "MAX_TOKENS", "SEARCH_URL"):
        monkeypatch.setenv(name, "1")
    assert Settings.from_env().model_dump() == Settings().model_dump()


def test_a_misspelt_setting_is_refused_with_the_names_that_exist(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AGENT_MAX_TOKEN", "77")
    with pytest.raises(SettingsError, match=r"AGENT_MAX_TOKEN\b.*AGENT_MAX_TOKENS"):
        Settings.from_env()


def test_a_wrong_setting_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_MAX_TOKENS", "sk-ant-pasted-here")
    with pytest.raises(SettingsError, match=r"AGENT_MAX_TOKENS.*integer") as refused:
        Settings.from_env()
    assert "sk-ant-pasted-here" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["http://a\nb", "http://a b", "http://a:b", "http://a/\x07", "http://[", "http://", "a.b"],
)
def test_an_address_that_is_none_is_refused_before_it_is_used(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
    with pytest.raises(SettingsError, match=r"ANTHROPIC_BASE_URL: .*pattern"):
        Settings.from_env()


@pytest.mark.parametrize("url", ["http://[::1]:80/", "https://user@proxy.corp:8443/v1?x=1"])
async def test_an_address_may_have_a_port_a_user_and_a_path(url: str, settings: Settings) -> None:
    async with Agent(settings.model_copy(update={"anthropic_base_url": url})) as agent:
        assert (
            Settings(anthropic_base_url=url).anthropic_base_url == agent.settings.anthropic_base_url
        )


def test_the_example_file_lists_every_setting() -> None:
    example = (HERE / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^(?:# )?([A-Z_]+)=", example, re.MULTILINE)) == Settings.variables()


def test_the_command_without_a_key_says_what_to_do_in_two_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["agent.py", "What is 2+2?"])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(HERE / "agent.py"), run_name="__main__")
    told = capsys.readouterr().err
    assert left.value.code == 2
    assert "ANTHROPIC_API_KEY" in told
    assert len(told.strip().splitlines()) == 2
