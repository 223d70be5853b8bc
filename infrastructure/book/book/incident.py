"""An incident: a failure story that runs, and the numbers that judge it.

A chapter's ``incidents/NAME.py`` defines one ``INCIDENT``; its fault script lies beside it. What
was observed comes back as a :class:`Run`. Nothing here knows how a run is made or shown.
"""

from __future__ import annotations

import importlib.util
import re
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from mock_claude import Exchange, FaultScript, FaultScriptError
from readiness.pricing import cost_usd

MESSAGES_PATH = "/v1/messages"


@dataclass(frozen=True)
class Task:
    """One wish of a user. Its answer must hold every fact; the facts are computed, not guessed."""

    text: str
    facts: tuple[str, ...]
    session: str | None = None


@dataclass(frozen=True)
class Workload:
    """Tasks, how many run at once, and after how many seconds a user gives up."""

    tasks: tuple[Task, ...]
    at_once: int
    limit_s: float


@dataclass(frozen=True)
class Outcome:
    """What became of one task, as the harness saw it."""

    task: Task
    text: str | None  # what run returned; None when it raised or was too late
    error: str | None  # the error's class name, or "too late"
    latency_s: float

    @property
    def done(self) -> bool:
        return self.text is not None and all(holds(self.text, fact) for fact in self.task.facts)


@dataclass(frozen=True)
class Run:
    """All that was observed of one workload on one step: outcomes here, requests at the other end.

    ``seconds`` is the wall time from the first task's start to the last one's end.
    """

    step: str
    outcomes: tuple[Outcome, ...]
    exchanges: tuple[Exchange, ...]
    fired: Mapping[str, int]
    seconds: float

    @property
    def model_requests(self) -> list[Exchange]:
        return [each for each in self.exchanges if each.path == MESSAGES_PATH]

    @property
    def done(self) -> int:
        return sum(outcome.done for outcome in self.outcomes)

    @property
    def success(self) -> float:
        return self.done / len(self.outcomes)

    @property
    def requests_per_task(self) -> float:
        return len(self.model_requests) / len(self.outcomes)

    @property
    def tokens(self) -> int:
        return sum(each.input_tokens + each.output_tokens for each in self.model_requests)

    @property
    def cost_usd(self) -> Decimal:
        """Billed tokens, as the simulator saw them, at the price table's rates."""
        return sum(
            (
                cost_usd(each.model or "", each.input_tokens, each.output_tokens)
                for each in self.model_requests
                if each.input_tokens
            ),
            Decimal(0),
        )

    @property
    def sdk_retries(self) -> int:
        """Requests that the SDK's own retries sent (``x-stainless-retry-count`` above 0)."""
        return sum(1 for each in self.model_requests if each.sdk_retry)

    @property
    def errors(self) -> Counter[str]:
        """Why tasks were not done, counted; "wrong answer" where a fact is missing."""
        return Counter(o.error or "wrong answer" for o in self.outcomes if not o.done)

    def latency_s(self, share: float) -> float:
        """The latency that ``share`` of all tasks stay within, failed ones included.

        Nearest rank: an observed latency, never an interpolated one.
        """
        ordered = sorted(outcome.latency_s for outcome in self.outcomes)
        rank = -(-len(ordered) * round(share * 1000) // 1000)
        return ordered[max(rank, 1) - 1]


@dataclass(frozen=True)
class Check:
    """One number of a verdict beside its limit."""

    name: str
    value: float
    limit: float
    at_most: bool
    unit: str = ""

    @property
    def ok(self) -> bool:
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def __str__(self) -> str:
        sign = ("<=" if self.at_most else ">=") if self.ok else (">" if self.at_most else "<")
        return f"{self.name} {self._show(self.value)} {sign} {self._show(self.limit)}"

    def _show(self, value: float) -> str:
        return f"{value:.1%}" if self.unit == "%" else f"{value:.4g}{self.unit and ' ' + self.unit}"


def at_least(name: str, value: float, limit: float, unit: str = "") -> Check:
    return Check(name, value, limit, at_most=False, unit=unit)


def at_most(name: str, value: float, limit: float, unit: str = "") -> Check:
    return Check(name, value, limit, at_most=True, unit=unit)


@dataclass(frozen=True)
class Contrast:
    """The solving step once more under the same trouble, with other settings, to compare."""

    label: str
    settings: Mapping[str, str]
    remark: str = ""


@dataclass(frozen=True)
class Incident:
    """A failure story. ``settings`` are documented variables, the same for every step.

    ``promise`` judges what the user was promised, with or without trouble; ``lesson`` judges a
    run under trouble beside the same step's calm run. The script's rules are the trouble; its
    latency belongs to the calm run too.
    """

    name: str
    story: str
    faults: FaultScript
    workload: Callable[[int], Workload]
    settings: Mapping[str, str]
    promise: Callable[[Run], Sequence[Check]]
    lesson: Callable[[Run, Run], Sequence[Check]]
    contrasts: tuple[Contrast, ...] = ()


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


def holds(text: str, fact: str) -> bool:
    """Whether ``fact`` stands in ``text``, not merely inside a longer number or word."""
    start = r"(?<![\w.,-])" if fact[:1].isdigit() else r"(?<!\w)" if fact[:1].isalnum() else ""
    end = r"(?![\w]|[.,]\d)" if fact[-1:].isdigit() else r"(?!\w)" if fact[-1:].isalnum() else ""
    return re.search(start + re.escape(fact) + end, text) is not None
