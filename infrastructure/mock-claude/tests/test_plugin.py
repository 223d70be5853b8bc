"""The fixtures every folder gets."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pytest

from mock_claude import FaultScript, Simulator
from mock_claude.background import in_background
from mock_claude.pytest_plugin import StartSimulator

pytest_plugins = ["pytester"]


def test_a_simulator_with_seed_7_is_there_without_an_import(simulator: Simulator) -> None:
    assert simulator.seed == 7
    assert httpx.get(f"{simulator.url}/_mock/health").json() == {"status": "ok"}


def test_more_simulators_start_with_their_own_seed_and_faults(
    start_simulator: StartSimulator,
) -> None:
    one = start_simulator(faults='[[rule]]\nname="r"\npath="*"\nfault="status"\nstatus=503\n')
    two = start_simulator(seed=3, faults=FaultScript())
    assert (one.url != two.url, two.seed) == (True, 3)
    assert httpx.get(one.search_url).status_code == 503
    assert httpx.get(two.search_url).status_code != 503


def test_whoever_holds_an_answer_finds_it_in_the_log(simulator: Simulator) -> None:
    with httpx.Client(base_url=simulator.url) as http:
        for number in range(1, 201):
            http.get("/nowhere")
            assert len(simulator.log) == number


def test_a_simulator_is_stopped_at_the_end_of_its_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import httpx, pytest
        urls = []

        def test_first(simulator):
            urls.append(simulator.url)
            httpx.get(simulator.url)

        def test_second():
            with pytest.raises(httpx.ConnectError):
                httpx.get(urls[0])
        """
    )
    run = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio")
    run.assert_outcomes(passed=2)


def test_a_failure_to_start_is_raised_where_it_was_asked_for(simulator: Simulator) -> None:
    with pytest.raises(OSError, match="in use"), in_background(Simulator(port=simulator.port)):
        pass


def test_loading_the_plugin_loads_no_server() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import mock_claude.pytest_plugin; "
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert loaded == ["mock_claude"]
