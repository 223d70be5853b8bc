"""One trial: one step's agent does one workload against one simulator, each in its own process.

Prevents figures that come from the agent's own word: facts are checked on the text it returned,
times are measured around ``run``, requests are counted by the simulator.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from book.chain.chain import Step
from book.stage.driving import drive
from book.stage.noting import events_in
from book.stage.processes import Child, Processes
from book.stage.serving import START_S, free_port, send_load, serve_step, serves
from book.stage.simulating import SILENCE_S, TrialError, ask, receive, serve
from book.stage.waiting import Waited, watching
from book.story.incident import Incident, Outcome, Run, Workload
from mock_claude import Exchange
from mock_claude.offline import offline_environment

IMPORTS = (
    *(
        "book.stage.trial",
        "anthropic",
        "anthropic.resources.messages",
        "httpx",
        "pydantic_settings",
    ),
    # What else a first task, or a service, would import while its limits already count.
    *("anyio._backends._asyncio", "httpcore", "opentelemetry.propagate", "reliability", "fastapi"),
    *("uvicorn", "starlette.applications", "uvicorn.protocols.http.h11_impl"),
)
# Starting takes a second of work: done by many at once, it would count as their steps' slowness.
STARTING = threading.BoundedSemaphore(2)
EXIT_S = 35.0  # a service may take its grace period of 30 s to end


@dataclass(frozen=True)
class Trial:
    """What to run: ``calm`` leaves out the incident's trouble, ``label`` names it in tables.

    ``attempt`` counts from 1; each has fewer trials beside it than the one before.
    """

    step: Step
    incident: Incident
    seed: int
    calm: bool = False
    overrides: tuple[tuple[str, str], ...] = ()
    label: str = ""
    attempt: int = 1

    @property
    def name(self) -> str:
        return self.label or self.step.short

    @property
    def settings(self) -> dict[str, str]:
        return {**self.incident.later_settings, **self.incident.settings, **dict(self.overrides)}

    @property
    def workload(self) -> Workload:
        incident = self.incident.calmed() if self.calm else self.incident
        return incident.workload(self.seed)

    @property
    def about_s(self) -> float:
        """How long it lasts, roughly, from when its users come and what two model calls take."""
        workload, latency = self.workload, self.incident.faults.latency
        turn_s = 2 * max(latency.messages_s, latency.first_token_s) + 0.2
        rounds = -(-len(workload.tasks) // max(workload.at_once, 1))
        last_s = max((task.at_s for task in workload.tasks), default=0.0)
        return last_s + workload.ramp_s + rounds * turn_s + (0 if self.calm else workload.limit_s)


@dataclass
class _Seen:
    """What has been observed so far; times on the monotonic clock."""

    workload: Workload
    on_done: Callable[[bool], None]
    outcomes: list[Outcome] = field(default_factory=list)
    in_flight: int = 0
    exit_code: int | None = None
    signal_at: float | None = None
    waited: Waited = field(default_factory=Waited)

    def add(self, place: int, fields: Mapping[str, object]) -> None:
        outcome = Outcome(self.workload.tasks[place], **fields)  # type: ignore[arg-type]
        self.outcomes.append(outcome)
        self.on_done(outcome.done)

    @property
    def seconds(self) -> float:
        """From the first task's start to the last one's end."""
        began = min((each.began_s for each in self.outcomes), default=0.0)
        return max((each.ended_s for each in self.outcomes), default=0.0) - began


def run(trial: Trial, processes: Processes, on_done: Callable[[bool], None]) -> Run:
    """Carry out one trial; ``on_done(whether it was done rightly)`` is called for every task.

    Raises TrialError if the simulator or the step's process ends early or falls silent.
    """
    return watched(trial, processes, on_done)[0]


def watched(
    trial: Trial, processes: Processes, on_done: Callable[[bool], None]
) -> tuple[Run, Waited]:
    """As :func:`run`, with how long the trial's processes waited for a CPU in its measured part."""
    incident = trial.incident.calmed() if trial.calm else trial.incident
    seen = _Seen(trial.workload, on_done)
    with (
        _turn_to_start() as starting,
        processes.child("simulator", serve, trial.seed, incident.faults) as simulator,
        tempfile.TemporaryDirectory(dir=processes.scratch) as folder,
    ):
        url = receive(simulator, "the simulator", (), SILENCE_S)
        assert isinstance(url, str)
        environment = offline_environment(url) | trial.settings
        environment["AGENT_NOTES_FILE"] = str(Path(folder) / "notes.jsonl")
        events = Path(folder) / "events.jsonl"
        if incident.service is None:
            _drive(trial, processes, simulator, environment, events, seen, starting)
        else:
            _serve(trial, processes, simulator, environment, events, seen, starting)
        report = ask(simulator, "report")
        assert isinstance(report, tuple)
        exchanges, fired, first_at = report
        zero = first_at if first_at is not None else time.monotonic()
        seen_run = Run(
            step=trial.step.name,
            seed=trial.seed,
            outcomes=tuple(replace(o, began_s=o.began_s - zero) for o in seen.outcomes),
            exchanges=tuple(Exchange.from_json(each) for each in exchanges),
            fired=fired,
            seconds=seen.seconds,
            calm=trial.calm,
            events=events_in(events, zero),
            in_flight=seen.in_flight,
            exit_code=seen.exit_code,
            served_by=None if incident.service is None else serves(trial.step.path),
            signal_s=None if seen.signal_at is None else seen.signal_at - zero,
        )
        return seen_run, seen.waited


@contextlib.contextmanager
def _turn_to_start() -> Iterator[contextlib.ExitStack]:
    """Wait for a turn; closing what is given, or leaving, passes it on."""
    with contextlib.ExitStack() as turn:
        turn.enter_context(STARTING)
        yield turn


def _drive(
    trial: Trial,
    processes: Processes,
    simulator: Child,
    environment: dict[str, str],
    events: Path,
    seen: _Seen,
    starting: contextlib.ExitStack,
) -> None:
    """The step's agent does the workload in its own process."""
    work = (trial.step.path, environment, seen.workload, events)
    with processes.child("step", drive, *work) as agent:
        receive(agent, trial.step.name, (simulator,), SILENCE_S)  # it is ready
        starting.close()
        last_s = max(task.at_s for task in seen.workload.tasks)
        patience = seen.workload.limit_s + last_s + SILENCE_S
        with watching((simulator, agent)) as watch:
            while True:
                received = receive(agent, trial.step.name, (simulator,), patience)
                if received is None:
                    break
                assert isinstance(received, tuple)
                seen.add(*received)
        seen.waited = watch.waited
        for _ in range(20):  # a client that left is noticed at the next turn of the other loop
            answer = ask(simulator, "in flight")
            assert isinstance(answer, int)
            seen.in_flight = answer
            if answer == 0:
                break
            time.sleep(0.05)
        agent.pipe.send("end")


def _serve(
    trial: Trial,
    processes: Processes,
    simulator: Child,
    environment: dict[str, str],
    events: Path,
    seen: _Seen,
    starting: contextlib.ExitStack,
) -> None:
    """The step's service does the workload; a balancer in a third process sends it."""
    service = trial.incident.service if not trial.calm else trial.incident.calmed().service
    assert service is not None
    port = free_port()
    environment |= {"AGENT_LISTEN__PORT": str(port), "AGENT_LISTEN__HOST": "127.0.0.1"}
    work = (trial.step.path, environment, port, events)
    with processes.child("service", serve_step, *work) as served:
        pid = served.process.pid
        assert pid is not None
        load = (f"http://127.0.0.1:{port}", pid, seen.workload, service)
        with processes.child("load", send_load, *load) as balancer:
            who = f"{trial.step.name}'s load"
            receive(balancer, who, (simulator, served), START_S + SILENCE_S)  # the service is ready
            starting.close()
            last_s = max(task.at_s for task in seen.workload.tasks)
            patience = seen.workload.limit_s + last_s + SILENCE_S
            others = (simulator,) if service.sigterm_at_s is not None else (simulator, served)
            # Latencies are taken in the balancer: what it waits would count as the step's.
            with watching((simulator, served, balancer)) as watch:
                while True:
                    received = receive(balancer, who, others, patience)
                    assert isinstance(received, tuple)
                    place, what = received
                    if place is None:
                        seen.signal_at = what
                        break
                    seen.add(place, what)
            seen.waited = watch.waited
        if seen.signal_at is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        served.process.join(EXIT_S)
        code = served.process.exitcode
        seen.exit_code = 128 - code if code is not None and code < 0 else code
        if code == 1:
            raise TrialError(f"{trial.step.name}'s service failed:\n{served.printed()}")


def variant(trial: Trial, label: str, settings: Mapping[str, str]) -> Trial:
    """The same trial with other settings, for comparison only."""
    return replace(trial, label=label, overrides=tuple(settings.items()))
