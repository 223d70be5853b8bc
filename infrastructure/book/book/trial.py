"""One trial: one step's agent does one workload against one simulator, each in its own process.

Prevents figures that come from the agent's own word: facts are checked on the text it returned,
times are measured around ``run``, requests are counted by the simulator.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path

from book.chain import Step
from book.incident import Incident, Outcome, Run, Task, Workload
from book.processes import Child, Processes
from mock_claude import Exchange, FaultScript, Simulator

IMPORTS = ("book.trial", "anthropic", "anthropic.resources.messages", "httpx", "pydantic_settings")
SILENCE_S = 30.0  # beyond the task limit: then the step's process is stuck, not slow


class TrialError(RuntimeError):
    """A trial could not be carried out; what it says is no verdict on the step."""


@dataclass(frozen=True)
class Trial:
    """What to run: ``calm`` leaves out the incident's trouble, ``label`` names it in tables."""

    step: Step
    incident: Incident
    seed: int
    calm: bool = False
    overrides: tuple[tuple[str, str], ...] = ()
    label: str = ""

    @property
    def name(self) -> str:
        return self.label or self.step.short

    @property
    def settings(self) -> dict[str, str]:
        return {**self.incident.settings, **dict(self.overrides)}


def run(trial: Trial, processes: Processes, on_done: Callable[[bool], None]) -> Run:
    """Carry out one trial; ``on_done(whether it was done rightly)`` is called for every task.

    Raises TrialError if the simulator or the step's process ends early or falls silent.
    """
    workload = trial.incident.workload(trial.seed)
    script = trial.incident.faults.without_rules() if trial.calm else trial.incident.faults
    with (
        processes.child("simulator", serve, trial.seed, script) as simulator,
        tempfile.TemporaryDirectory(prefix="book-") as scratch,
    ):
        url = _receive(simulator, "the simulator", (), SILENCE_S)
        assert isinstance(url, str)
        environment = offline_environment(url) | trial.settings
        environment["AGENT_NOTES_FILE"] = str(Path(scratch) / "notes.jsonl")
        with processes.child("step", drive, trial.step.path, environment, workload) as agent:
            outcomes: list[Outcome] = []
            began = time.monotonic()
            while len(outcomes) < len(workload.tasks):
                patience = workload.limit_s + SILENCE_S
                received = _receive(agent, trial.step.name, (simulator,), patience)
                assert isinstance(received, tuple)
                place, text, error, latency_s = received
                outcome = Outcome(workload.tasks[place], text, error, latency_s)
                outcomes.append(outcome)
                on_done(outcome.done)
            seconds = time.monotonic() - began
        simulator.pipe.send("report")
        report = _receive(simulator, "the simulator", (), SILENCE_S)
        assert isinstance(report, tuple)
        exchanges, fired = report
    return Run(
        step=trial.step.name,
        outcomes=tuple(outcomes),
        exchanges=tuple(Exchange.from_json(each) for each in exchanges),
        fired=fired,
        seconds=seconds,
    )


def offline_environment(url: str) -> dict[str, str]:
    """The variables that point an agent at the simulator at ``url`` instead of the internet."""
    return {
        "ANTHROPIC_API_KEY": "sk-ant-offline",
        "ANTHROPIC_BASE_URL": url,
        "AGENT_SEARCH_URL": f"{url}/w/api.php",
        "AGENT_GEOCODING_URL": f"{url}/v1/search",
        "AGENT_FORECAST_URL": f"{url}/v1/forecast",
    }


def without_agent_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """A user's own key, base URL and settings must not reach an offline run."""
    prefixes = ("ANTHROPIC_", "AGENT_")
    return {k: v for k, v in environment.items() if not k.upper().startswith(prefixes)}


def _receive(child: Child, who: str, others: tuple[Child, ...], patience_s: float) -> object:
    """The next message of ``child``, unless it or one of ``others`` ends first."""
    sentinels = [child.process.sentinel, *(other.process.sentinel for other in others)]
    ready = wait([child.pipe, *sentinels], timeout=patience_s)
    if not ready:
        raise TrialError(f"{who} gave no sign for {patience_s:.0f} s and was stopped")
    if any(other.process.sentinel in ready for other in others):
        raise TrialError("the simulator ended in the middle of the run; run the command again")
    if child.pipe in ready:
        try:
            return child.pipe.recv()
        except (EOFError, ConnectionError):
            child.process.join(1)
    said = child.printed()
    raise TrialError(f"{who} ended early" + (f":\n{said}" if said else " and said nothing"))


def serve(pipe: Connection, seed: int, script: FaultScript) -> None:
    """In a child: a simulator until it is asked for its report or our other end is gone."""

    async def serving() -> None:
        async with Simulator(seed=seed, faults=script) as simulator:
            pipe.send(simulator.url)
            try:
                await asyncio.to_thread(pipe.recv)
            except (EOFError, ConnectionError):
                return
            pipe.send(([each.to_json() for each in simulator.log], dict(simulator.fired)))

    asyncio.run(serving())


def drive(pipe: Connection, folder: Path, environment: dict[str, str], workload: Workload) -> None:
    """In a child: the step's own agent does the workload; every outcome is sent as it comes."""
    sys.path.insert(0, str(folder))
    from config import Settings  # type: ignore[import-not-found]  # the step's own

    declared = Settings.variables()
    kept = without_agent_variables(os.environ)
    os.environ.clear()
    os.environ.update(kept | {k: v for k, v in environment.items() if k in declared})
    asyncio.run(_drive(pipe, workload))


async def _drive(pipe: Connection, workload: Workload) -> None:
    from agent import Agent  # type: ignore[import-not-found]
    from config import Settings

    async with Agent(Settings.from_env()) as agent:
        waiting = iter(enumerate(workload.tasks))

        async def user() -> None:
            for place, task in waiting:
                pipe.send((place, *await _one(agent, task, workload.limit_s)))

        await asyncio.gather(*(user() for _ in range(workload.at_once)))


async def _one(agent: object, task: Task, limit_s: float) -> tuple[str | None, str | None, float]:
    began = time.monotonic()
    text = error = None
    patience = asyncio.timeout(limit_s)
    try:
        async with patience:
            text = (await agent.run(task.text, task.session)).text  # type: ignore[attr-defined]
    except Exception as raised:  # noqa: BLE001 - any failure of a task is an outcome
        error = "too late" if patience.expired() else type(raised).__name__
    return text, error, time.monotonic() - began


def variant(trial: Trial, label: str, settings: Mapping[str, str]) -> Trial:
    """The same trial with other settings, for comparison only."""
    return replace(trial, label=label, overrides=tuple(settings.items()))
