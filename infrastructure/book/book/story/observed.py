"""What was observed of one workload on one step: by the harness, and at the other end.

This prevents figures that rest on the agent's word. All times are seconds from the first request
that the simulator saw, so that outcomes, events and requests can be laid side by side.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal, get_args

from book.story.parts import Done
from book.story.telemetry import Alert, Line, Sample, Span, Telemetry
from book.story.workload import Task
from mock_claude import Exchange

MESSAGES_PATH = "/v1/messages"
REFUSED = (429, 503)  # of a service: before anything was spent
REFUSALS = ("BulkheadFullError",)  # of an agent, the same
Kind = Literal["facts", "said what is missing", "refused", "wrong", "failed"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Outcome:
    """What became of one task, as the harness saw it.

    ``latency_s`` counts from the task's arrival where arrivals have a time, else from its start.
    ``answer`` holds what the answer says beside its text. ``left`` counts the tasks of the event
    loop that still ran after the answer. ``status`` and ``retry_after_s`` are of a service only.
    """

    task: Task
    text: str | None  # what run returned; None when it raised or was too late
    error: str | None  # the error's class name, or "too late"; of a service "503 overloaded"
    latency_s: float
    began_s: float = 0.0
    answer: Mapping[str, object] = field(default_factory=dict)
    left: int = 0
    status: int | None = None
    retry_after_s: float | None = None

    @property
    def ended_s(self) -> float:
        return self.began_s + self.latency_s

    @property
    def done(self) -> bool:
        return self.text is not None and all(holds(self.text, fact) for fact in self.task.facts)

    @property
    def kind(self) -> Kind:
        """What the user got; what the agent claims about itself counts for nothing."""
        if self.text is None:
            return "refused" if self.status in REFUSED or self.error in REFUSALS else "failed"
        if self.done:
            return "facts"
        return "said what is missing" if self._says_what_is_missing(self.text) else "wrong"

    def _says_what_is_missing(self, text: str) -> bool:
        """For each lacking fact its wish is named, and nothing else stands in its place."""
        facts, gaps = self.task.facts, self.task.gaps
        if not gaps:
            return False
        lacking = [gap for fact, gap in zip(facts, gaps, strict=True) if not holds(text, fact)]
        return all(holds(text, gap.word) and gap.instead(text, facts) is None for gap in lacking)


@dataclass(frozen=True)
class Noted:
    """An event of the step's policies: its class name, when, and its fields."""

    name: str
    at_s: float
    fields: Mapping[str, object]


@dataclass(frozen=True)
class Run:
    """All that was observed of one workload on one step: outcomes here, requests at the other end.

    ``seconds`` is the wall time from the first task's start to the last one's end. ``in_flight``
    counts requests that the simulator still had when every task was answered. ``exit_code`` is a
    service's, 128 and the signal's number where a signal ended it; ``served_by`` the file that
    served. ``exit_codes`` and ``peak_mb`` (of memory; absent where not measured) are of each
    process by name; ``files`` are those of the trial's folder at the end. ``done_to_it`` are the
    strikes and deeds that were carried out.
    """

    step: str
    seed: int
    outcomes: tuple[Outcome, ...]
    exchanges: tuple[Exchange, ...]
    fired: Mapping[str, int]
    seconds: float
    calm: bool = False
    events: tuple[Noted, ...] = ()
    in_flight: int = 0
    exit_code: int | None = None
    served_by: str | None = None
    signal_s: float | None = None
    telemetry: Telemetry = field(default_factory=Telemetry)
    exit_codes: Mapping[str, int] = field(default_factory=dict)
    peak_mb: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    done_to_it: tuple[Done, ...] = ()

    @property
    def logs(self) -> tuple[Line, ...]:
        return self.telemetry.logs

    @property
    def samples(self) -> tuple[Sample, ...]:
        return self.telemetry.samples

    @property
    def spans(self) -> tuple[Span, ...]:
        return self.telemetry.spans

    @property
    def alerts(self) -> tuple[Alert, ...]:
        return self.telemetry.alerts

    @property
    def model_requests(self) -> list[Exchange]:
        return [each for each in self.exchanges if each.path == MESSAGES_PATH]

    def requests(self, path: str) -> list[Exchange]:
        """The requests of one path, in order of arrival."""
        return sorted((e for e in self.exchanges if e.path == path), key=lambda e: e.number)

    def noted(self, name: str, **fields: object) -> list[Noted]:
        """The events of one class whose fields are these."""
        wanted = fields.items()
        return [e for e in self.events if e.name == name and wanted <= e.fields.items()]

    def only(self, kept: Callable[[Outcome], bool]) -> Run:
        """The same run with the outcomes of some tasks, for figures about them."""
        return replace(self, outcomes=tuple(filter(kept, self.outcomes)))

    @property
    def done(self) -> int:
        return sum(outcome.done for outcome in self.outcomes)

    @property
    def success(self) -> float:
        return self.done / len(self.outcomes) if self.outcomes else 0.0

    @property
    def requests_per_task(self) -> float:
        return len(self.model_requests) / max(len(self.outcomes), 1)

    @property
    def tokens(self) -> int:
        return sum(each.all_input_tokens + each.output_tokens for each in self.model_requests)

    @property
    def cost_usd(self) -> Decimal:
        """What the simulator billed."""
        return bill(self.model_requests)

    @property
    def dollars_per_hour(self) -> float:
        """What an hour of this would cost."""
        return float(self.cost_usd) / self.seconds * 3600 if self.seconds else 0.0

    @property
    def sdk_retries(self) -> int:
        """Requests that the SDK's own retries sent (``x-stainless-retry-count`` above 0)."""
        return sum(1 for each in self.model_requests if each.sdk_retry)

    @property
    def repeats(self) -> int:
        """Requests that asked again what had failed before, as the simulator saw them."""
        failed: set[str] = set()
        repeats = 0
        for each in sorted(self.exchanges, key=lambda exchange: exchange.number):
            repeats += each.key in failed
            if each.status not in range(200, 400):
                failed.add(each.key)
        return repeats

    @property
    def hung_up(self) -> int:
        """Requests whose client left before an answer, or whose connection broke."""
        return sum(1 for each in self.exchanges if each.status == 0)

    @property
    def errors(self) -> Counter[str]:
        """Why tasks were not done, counted: the error, or what the answer was instead."""
        return Counter(o.error or o.kind for o in self.outcomes if not o.done)

    @property
    def kinds(self) -> Counter[Kind]:
        """What the users got, counted."""
        return Counter(outcome.kind for outcome in self.outcomes)

    def latency_s(self, share: float) -> float:
        """The latency that ``share`` of all tasks stay within, failed ones included.

        Nearest rank: an observed latency, never an interpolated one. 0 without tasks.
        """
        ordered = sorted(outcome.latency_s for outcome in self.outcomes)
        rank = -(-len(ordered) * round(share * 1000) // 1000)
        return ordered[max(rank, 1) - 1] if ordered else 0.0


def bill(exchanges: Iterable[Exchange]) -> Decimal:
    """What the simulator billed for these requests, in US dollars."""
    return sum((each.cost_usd for each in exchanges), Decimal(0))


def holds(text: str, fact: str) -> bool:
    """Whether ``fact`` stands in ``text``, not merely inside a longer number or word."""
    start = r"(?<![\w.,-])" if fact[:1].isdigit() else r"(?<!\w)" if fact[:1].isalnum() else ""
    end = r"(?![\w]|[.,]\d)" if fact[-1:].isdigit() else r"(?!\w)" if fact[-1:].isalnum() else ""
    return re.search(start + re.escape(fact) + end, text) is not None
