"""The short form of ``fuzz_messages.py``: nothing that nobody wrote stops the server."""

from __future__ import annotations

import httpx
import pytest
from fuzz_messages import Fuzz, main, run

from mock_claude import Simulator


def test_no_request_gets_a_500_or_takes_two_seconds(simulator: Simulator) -> None:
    with httpx.Client(timeout=60) as client:
        fuzz = Fuzz(simulator.url, client)
        run(fuzz, 120, 16)
    assert fuzz.statuses[200] > 10  # requests that reach the model
    assert fuzz.statuses[400] > 10
    assert simulator.in_flight == 0


def test_an_answer_that_must_not_be_is_shown(simulator: Simulator) -> None:
    with httpx.Client(timeout=60) as client:
        fuzz = Fuzz(simulator.url, client)
        with pytest.raises(AssertionError, match="/v1/messages: "):
            fuzz.send("/v1/messages", {}, {"x-mock-fault": "500"})


def test_the_command_ends_with_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--minutes", "0"]) == 0
    assert capsys.readouterr().out == "0 requests: ; the slowest took 0.00 s\n"
