"""What leads an agent to a simulator instead of the internet."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest

from mock_claude import Simulator
from mock_claude.offline import offline_environment
from mock_claude.pytest_plugin import PointAgentAt, StartSimulator

pytest_plugins = ["pytester"]

ADDRESSES = ("ANTHROPIC_BASE_URL", "AGENT_SEARCH_URL", "AGENT_GEOCODING_URL", "AGENT_FORECAST_URL")
ALL = {"ANTHROPIC_API_KEY", "AGENT_NOTES_FILE", *ADDRESSES}


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith(("AGENT_", "ANTHROPIC_")):
            monkeypatch.delenv(name)


def found() -> dict[str, str]:
    """The agent's variables that are set now."""
    return {k: v for k, v in os.environ.items() if k.startswith(("AGENT_", "ANTHROPIC_"))}


def test_each_address_is_the_service_that_its_name_says(simulator: Simulator) -> None:
    variables = offline_environment(simulator.url)
    assert set(variables) == {"ANTHROPIC_API_KEY", *ADDRESSES}
    assert variables["ANTHROPIC_BASE_URL"] == simulator.url
    assert variables["AGENT_SEARCH_URL"] == simulator.search_url
    assert variables["AGENT_GEOCODING_URL"] == simulator.geocoding_url
    assert variables["AGENT_FORECAST_URL"] == simulator.forecast_url


def test_the_key_is_accepted_by_the_simulator_and_no_real_one(simulator: Simulator) -> None:
    variables = offline_environment(simulator.url)
    headers = {"x-api-key": variables["ANTHROPIC_API_KEY"], "anthropic-version": "2023-06-01"}
    assert httpx.get(f"{simulator.url}/v1/models").status_code == 401
    assert httpx.get(f"{simulator.url}/v1/models", headers=headers).status_code == 200
    assert "offline" in variables["ANTHROPIC_API_KEY"]


def test_an_agent_is_pointed_at_the_simulator_with_notes_of_its_own(
    simulator: Simulator, point_agent_at: PointAgentAt, tmp_path: Path
) -> None:
    point_agent_at(simulator, ALL)
    notes = tmp_path / "notes.jsonl"
    assert found() == offline_environment(simulator.url) | {"AGENT_NOTES_FILE": str(notes)}
    assert not notes.exists()


def test_only_what_an_agent_declares_is_set(
    simulator: Simulator, point_agent_at: PointAgentAt
) -> None:
    declared = {"ANTHROPIC_BASE_URL", "AGENT_RETRY__BASE_S", "AGENT_MODEL"}
    point_agent_at(simulator, declared, AGENT_RETRY__BASE_S="0.01", AGENT_LOOP__TURNS="3")
    assert found() == {"ANTHROPIC_BASE_URL": simulator.url, "AGENT_RETRY__BASE_S": "0.01"}


def test_a_tests_own_setting_takes_the_place_of_the_usual_one(
    simulator: Simulator, point_agent_at: PointAgentAt
) -> None:
    point_agent_at(simulator, ALL, AGENT_SEARCH_URL="http://127.0.0.1:9")
    assert found()["AGENT_SEARCH_URL"] == "http://127.0.0.1:9"
    assert found()["AGENT_FORECAST_URL"] == simulator.forecast_url


def test_an_agent_can_be_pointed_at_another_simulator(
    start_simulator: StartSimulator, point_agent_at: PointAgentAt
) -> None:
    one, two = start_simulator(), start_simulator()
    point_agent_at(one, ALL)
    point_agent_at(two, ALL)
    assert {found()[name].startswith(two.url) for name in ADDRESSES} == {True}


def test_what_was_set_before_is_back_after_the_test(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://before.example")
    pytester.makepyfile(
        """
        import os

        def test_pointed(simulator, point_agent_at):
            point_agent_at(simulator, {"ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"})
            assert os.environ["ANTHROPIC_BASE_URL"] == simulator.url
            assert "ANTHROPIC_API_KEY" in os.environ

        def test_after():
            assert os.environ["ANTHROPIC_BASE_URL"] == "https://before.example"
            assert "ANTHROPIC_API_KEY" not in os.environ
        """
    )
    run = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio")
    run.assert_outcomes(passed=2)
