"""Fault rules: which request each hits, and which one decides.

This prevents a fault run that cannot be repeated. The rule: a decision depends on the seed, the
rule's name and the request's own key and attempt (``draws``). Only ``after_s`` and ``until_s``
look at a clock, which starts with the first request.

Rules are tried in their order. The first that matches and whose draw fires decides alone, also
when it is a ``delay`` or a ``trickle``, after which the answer still follows. A fault of streams
matches only requests that ask for a stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from mock_claude import paths
from mock_claude.faults.draws import draw
from mock_claude.faults.latency import Latency

__all__ = ["STREAM_FAULTS", "FaultKind", "Latency", "Request", "Rule", "choose", "draw"]

FaultKind = Literal[
    "status",
    "delay",
    "hang",
    "reset",
    "trickle",
    "stream-error",
    "stream-cut",
    "stream-stall",
    "stream-malformed",
    "stream-no-stop",
    "slow-first-token",
]

STREAM_FAULTS = frozenset(
    {
        "stream-error",
        "stream-cut",
        "stream-stall",
        "stream-malformed",
        "stream-no-stop",
        "slow-first-token",
    }
)


@dataclass(frozen=True)
class Request:
    """What a rule may look at."""

    path: str
    model: str | None
    key: str
    attempt: int
    elapsed_s: float
    stream: bool = False
    task: str | None = None
    """Of a model request: the text of the task at hand."""
    words: str = ""
    """Of a request to a web service: what it asks for."""
    caller: str = ""
    """Who asks: the ``user-agent``."""


@dataclass(frozen=True)
class Rule:
    """When a fault happens, and what happens then. Times in seconds."""

    name: str
    fault: FaultKind
    path: str = paths.MESSAGES
    model: str | None = None
    after_s: float = 0.0
    until_s: float | None = None
    probability: float = 1.0
    attempts: int | None = None
    status: int = 529
    retry_after_s: float | None = None
    error_type: str | None = None
    error_code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    delay_s: float = 0.0
    chunk_bytes: int = 1
    interval_s: float = 0.05
    after_events: int = 4
    """Events of a stream that arrive whole; the default ends with the first delta."""
    stall_s: float | None = None
    """None: for ever."""
    task: str | None = None
    """A glob without regard to case, as scripts have it; then only model requests match. With a
    ``stage`` it is about what a web service is asked for."""
    stage: str | None = None
    """The stage of a web service that is hit; then only these match."""
    caller: str | None = None
    """A glob for the ``user-agent``, without regard to case."""
    reason: str | None = None
    """What the error says."""

    def matches(self, request: Request) -> bool:
        """Whether path, model, task, window, attempt and form are this rule's."""
        return (
            fnmatchcase(request.path, self.path)
            and (self.model is None or _is_model(request.model, self.model))
            and (self.task is None or is_task(self._task(request), self.task))
            and (self.stage is None or request.path in paths.SERVICES)
            and (self.caller is None or is_task(request.caller, self.caller))
            and self.after_s <= request.elapsed_s
            and (self.until_s is None or request.elapsed_s < self.until_s)
            and (self.attempts is None or request.attempt <= self.attempts)
            and (request.stream or self.fault not in STREAM_FAULTS)
        )

    def _task(self, request: Request) -> str | None:
        return request.task if self.stage is None else request.words


def _is_model(model: str | None, glob: str) -> bool:
    return model is not None and fnmatchcase(model, glob)


def is_task(task: str | None, glob: str) -> bool:
    """Whether a task's text is like the glob, without regard to case."""
    return task is not None and fnmatchcase(task.lower(), glob.lower())


def choose(rules: Sequence[Rule], seed: int, request: Request) -> Rule | None:
    """The rule that decides this request, if any."""
    for rule in rules:
        if rule.matches(request):
            drawn = draw(seed, rule.name, request.key, request.attempt)
            if drawn < rule.probability:
                return rule
    return None
