"""An incident: a failure story that runs, and the numbers that judge it.

A chapter's ``incidents/NAME.py`` defines one ``INCIDENT``; its fault script lies beside it. What
was observed comes back as a :class:`Run`. Nothing here knows how a run is made or shown.
"""

from __future__ import annotations

import importlib.util
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from book.story.observed import Noted, Outcome, Run, bill, holds
from book.story.parts import Deed, RedisSettings, Role, Strike, check_parts
from book.story.verdict import Check, at_least, at_most, show
from book.story.workload import Gap, Task, Workload
from mock_claude import FaultScript, FaultScriptError

__all__ = [
    "Check",
    "Contrast",
    "Deed",
    "Evidence",
    "Gap",
    "Headline",
    "Incident",
    "IncidentError",
    "Noted",
    "Outcome",
    "RedisSettings",
    "Role",
    "Run",
    "Service",
    "Strike",
    "Task",
    "Workload",
    "at_least",
    "at_most",
    "bill",
    "holds",
    "load",
]


@dataclass(frozen=True)
class Evidence:
    """What a cure is judged by, all of one seed: the run under trouble, that of the step before
    the one that solves the incident, and the calm run of the same step where it was made."""

    run: Run
    before: Run
    calm_run: Run | None = None

    @property
    def calm(self) -> Run:
        """The same step without trouble. IncidentError unless the incident says ``needs_calm``."""
        if self.calm_run is None:
            raise IncidentError("the cure looks at the calm run: say needs_calm=True")
        return self.calm_run

    @property
    def is_before(self) -> bool:
        """Whether this is the step before itself: then a ratio to it says nothing."""
        return self.run is self.before


@dataclass(frozen=True)
class Service:
    """The workload goes to the step's service over HTTP; the harness is the load balancer.

    It polls readiness every ``poll_s`` seconds and stops sending when a poll fails. With
    ``sigterm_at_s`` the service gets a SIGTERM just after the first good poll from then on; that
    is trouble, and left out of a calm run.
    """

    poll_s: float = 0.1
    sigterm_at_s: float | None = None


@dataclass(frozen=True)
class Contrast:
    """The solving step once more under the same trouble, with other settings, to compare."""

    label: str
    settings: Mapping[str, str]
    remark: str = ""


@dataclass(frozen=True)
class Headline:
    """The one figure of an incident that a reader understands, and that its cure makes better.

    ``value`` computes it from the outcomes of the tasks that ``whose`` picks; None where there is
    nothing to compute it from. ``unit`` is "%", "s", "$" or nothing.
    """

    words: str
    unit: Literal["%", "s", "$", ""]
    better: Literal["lower", "higher"]
    value: Callable[[Run], float | None]
    whose: Callable[[Outcome], bool] = lambda outcome: True

    def of(self, run: Run) -> float | None:
        """The figure of a run; None where no task is one of those."""
        theirs = run.only(self.whose)
        return self.value(theirs) if theirs.outcomes else None

    def is_better(self, before: Run, after: Run) -> bool:
        """Whether ``after`` has the better figure; not so where one of the two is lacking."""
        old, new = self.of(before), self.of(after)
        if old is None or new is None:
            return False
        return new < old if self.better == "lower" else new > old

    def shown(self, run: Run) -> str:
        """The figure of a run as one says it."""
        return self.say(self.of(run))

    def say(self, value: float | None) -> str:
        """A figure as one says it: 3.7 s, 86.5%, $142; or "not measured"."""
        if value is None:
            return show(None, self.unit)
        if self.unit == "%":
            return f"{value * 100:.1f}".removesuffix(".0") + "%"
        if self.unit == "$":
            return f"${value:,.2f}" if value < 10 else f"${value:,.0f}"
        digits = f"{value:.2g}" if value < 1 else f"{value:,.1f}".removesuffix(".0")
        return f"{digits} {self.unit}".rstrip()


@dataclass(frozen=True)
class Incident:
    """A failure story. ``settings`` are documented variables, the same for every step. The solving
    step knows each of them; ``later_settings`` are those that only steps after it know.

    ``story`` says what happens, ``symptom`` what a person sees of it, each in a sentence;
    ``headline`` is the figure that stands for all. ``tags`` says in words what the tags of tasks
    mean. ``promise`` judges what the user was promised, with or without trouble; ``cure`` judges a
    run under trouble. Trouble is the script's rules and scripts (its latency belongs to the calm
    run too), a service's SIGTERM, and a ``workload`` where ``calm_workload`` names a quieter one.
    ``needs_calm`` says that the cure looks at the calm run. ``trials_at_once`` is for verdicts
    that rest on milliseconds: no more trials, of any incident, run beside one of these.
    ``figures`` are shown with a run and judged by nobody. ``faults`` may be a function of the seed.

    ``services`` are servers that each trial has a part of, beside those that its step declares;
    those in ``own`` are whole servers, which it may harm; ``redis`` says how its Redis is set up.
    ``roles`` are processes of the step; without them a ``service`` is one. ``strikes`` and
    ``deeds`` meet them. With ``telemetry`` the run holds samples, spans and alerts;
    ``alert_rules`` are Prometheus's files of rules.
    """

    name: str
    story: str
    symptom: str
    headline: Headline
    faults: FaultScript | Callable[[int], FaultScript]
    workload: Callable[[int], Workload]
    settings: Mapping[str, str]
    promise: Callable[[Run], Sequence[Check]]
    cure: Callable[[Evidence], Sequence[Check]]
    tags: Mapping[str, str] = field(default_factory=dict)
    contrasts: tuple[Contrast, ...] = ()
    later_settings: Mapping[str, str] = field(default_factory=dict)
    calm_workload: Callable[[int], Workload] | None = None
    service: Service | None = None
    needs_calm: bool = False
    trials_at_once: int = 8
    figures: Callable[[Run], Sequence[str]] = lambda run: ()
    services: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    redis: RedisSettings | None = None
    roles: tuple[Role, ...] = ()
    strikes: tuple[Strike, ...] = ()
    deeds: tuple[Deed, ...] = ()
    telemetry: bool = False
    alert_rules: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        check_parts(self.services, self.own, self.roles, self.strikes)

    @property
    def served(self) -> Service | None:
        """How the step is served; None where its agent runs without a service."""
        return self.service or (Service() if self.roles else None)

    def script(self, seed: int) -> FaultScript:
        """The fault script under this seed."""
        return self.faults if isinstance(self.faults, FaultScript) else self.faults(seed)

    def silent(self, run: Run) -> list[str]:
        """Fault rules and scripts that met no request of a run under trouble, and strikes and
        deeds that were not carried out: it proves nothing."""
        script = self.script(run.seed)
        told = [each.name for each in script.rules] + [each.name for each in script.scripts]
        told += [each.name for each in self.strikes] + [each.name for each in self.deeds]
        return [name for name in told if not run.fired.get(name)]

    def calmed(self) -> Incident:
        """The same story without its trouble."""
        service = self.service and replace(self.service, sigterm_at_s=None)
        workload = self.calm_workload or self.workload
        deeds = tuple(deed for deed in self.deeds if not deed.trouble)
        return replace(
            self,
            faults=lambda seed: self.script(seed).without_rules(),
            workload=workload,
            service=service,
            strikes=(),
            deeds=deeds,
        )


class IncidentError(ValueError):
    """An incident's file is missing, broken, or not what its name says."""


def load(file: Path) -> Incident:
    """Load an incident by path: its folder is no package, so that folders cannot shadow others."""
    name = file.stem.replace("_", "-")
    spec = importlib.util.spec_from_file_location(f"incident_{file.stem}", file)
    if spec is None or spec.loader is None or not file.is_file():
        raise IncidentError(f"{file}: there is no such incident file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except FaultScriptError:
        raise  # it names its own file and line
    except Exception as error:
        line = error.lineno if isinstance(error, SyntaxError) else _line_in(file, error)
        raise IncidentError(f"{file}:{line}: {type(error).__name__}: {error}") from error
    incident = getattr(module, "INCIDENT", None)
    if not isinstance(incident, Incident) or incident.name != name:
        raise IncidentError(f"{file}: must define INCIDENT, an Incident named {name!r}")
    return incident


def _line_in(file: Path, error: Exception) -> int:
    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno or 0 for f in reversed(frames) if Path(f.filename) == file), 0)
