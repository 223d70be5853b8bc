"""The fixtures ``simulator`` and ``start_simulator``, in every folder without an import.

This prevents each test folder from growing a server fixture of its own. Nothing of the server is
imported before a test asks for it, because every pytest run loads this module.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from mock_claude.faults.fault_script import FaultScript
    from mock_claude.server import Simulator


class PointAgentAt(Protocol):
    """The type of the fixture ``point_agent_at``."""

    def __call__(self, simulator: Simulator, declared: Collection[str], **settings: str) -> None:
        """From now on settings read from the environment lead to ``simulator``.

        Of ``settings`` (variables by name) only those that are ``declared`` are set, so that one
        test may run on agents that know different settings.
        """


class StartSimulator(Protocol):
    """The type of the fixture ``start_simulator``."""

    def __call__(self, seed: int = 7, faults: str | FaultScript = "") -> Simulator:
        """A running simulator; ``faults`` is a script or its TOML text."""


@pytest.fixture
def start_simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[StartSimulator]:
    """Starts simulators, any number of them, and stops them when the test ends.

    Until then no proxy of the environment is asked.
    """
    from mock_claude import offline

    for name in set(os.environ) - offline.without_proxies(os.environ).keys():
        monkeypatch.delenv(name)
    for name, value in offline.NO_PROXY.items():
        monkeypatch.setenv(name, value)
    from mock_claude.background import in_background
    from mock_claude.faults.fault_script import FaultScript
    from mock_claude.server import Simulator

    with ExitStack() as running:

        def start(seed: int = 7, faults: str | FaultScript = "") -> Simulator:
            script = FaultScript.parse(faults) if isinstance(faults, str) else faults
            return running.enter_context(in_background(Simulator(seed, script)))

        yield start


@pytest.fixture
def simulator(start_simulator: StartSimulator) -> Simulator:
    """A running simulator with seed 7 and no faults."""
    return start_simulator()


@pytest.fixture
def point_agent_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> PointAgentAt:
    """Lets an agent's own ``Settings.from_env()`` find a simulator, and an empty notes file."""
    from mock_claude.offline import offline_environment

    def point(simulator: Simulator, declared: Collection[str], **settings: str) -> None:
        notes = {"AGENT_NOTES_FILE": str(tmp_path / "notes.jsonl")}
        for name, value in (offline_environment(simulator.url) | notes | settings).items():
            if name in declared:
                monkeypatch.setenv(name, value)

    return point
