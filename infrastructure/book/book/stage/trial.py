"""One trial: one step's agent does one workload against one simulator, each in its own process.

Prevents figures that come from the agent's own word: facts are checked on the text it returned,
times are measured around ``run``, requests are counted by the simulator.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from book.chain.chain import Step
from book.stage.around import around
from book.stage.by_agent import drive_agent
from book.stage.by_roles import serve_roles
from book.stage.noting import events_in
from book.stage.processes import Processes
from book.stage.seen import Seen, done_since, files_in
from book.stage.serving import serves
from book.stage.simulating import ask
from book.stage.waiting import Waited
from book.story.incident import Incident, Run, Workload
from mock_claude import Exchange

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
        workload, latency = self.workload, self.incident.script(self.seed).latency
        turn_s = 2 * max(latency.messages_s, latency.first_token_s) + 0.2
        rounds = -(-len(workload.tasks) // max(workload.at_once, 1))
        last_s = max((task.at_s for task in workload.tasks), default=0.0)
        return last_s + workload.ramp_s + rounds * turn_s + (0 if self.calm else workload.limit_s)


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
    seen = Seen(trial.workload, on_done)
    with (
        _turn_to_start() as starting,
        around(trial.step, incident, trial.seed, trial.settings, processes) as place,
    ):
        (drive_agent if incident.served is None else serve_roles)(place, seen, starting)
        report = ask(place.simulator, "report")
        assert isinstance(report, tuple)
        exchanges, fired, first_at, struck, peaks = report
        zero = first_at if first_at is not None else time.monotonic()
        done = done_since([*place.acting.done, *struck], zero)
        seen_run = Run(
            step=trial.step.name,
            seed=trial.seed,
            outcomes=seen.outcomes_since(zero),
            exchanges=tuple(Exchange.from_json(each) for each in exchanges),
            fired=dict(Counter(fired) + Counter(each.name for each in done)),
            seconds=seen.seconds,
            calm=trial.calm,
            events=events_in(place.events, zero),
            in_flight=seen.in_flight,
            exit_code=seen.exit_code,
            served_by=None if incident.served is None else serves(trial.step.path),
            signal_s=None if seen.signal_at is None else seen.signal_at - zero,
            telemetry=place.collected(seen.outputs).since(zero),
            exit_codes=seen.exit_codes,
            peak_mb=peaks | place.acting.peaks,
            files=files_in(place.folder),
            done_to_it=done,
        )
        return seen_run, seen.waited


@contextlib.contextmanager
def _turn_to_start() -> Iterator[contextlib.ExitStack]:
    """Wait for a turn; closing what is given, or leaving, passes it on."""
    with contextlib.ExitStack() as turn:
        turn.enter_context(STARTING)
        yield turn


def variant(trial: Trial, label: str, settings: Mapping[str, str]) -> Trial:
    """The same trial with other settings, for comparison only."""
    return replace(trial, label=label, overrides=tuple(settings.items()))
