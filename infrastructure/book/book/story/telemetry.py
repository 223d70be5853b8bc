"""What a trial's processes said about themselves: lines, samples, spans, and alerts about them.

This prevents verdicts on a trace or a log that nobody has read. As in the rest of a run, times are
seconds from the first request that the simulator saw, once ``since`` has moved them there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Line:
    """A line that ``source`` printed; ``fields`` where it is a JSON object, else None.

    ``at_s`` is when the line says that it was written, None where it does not.
    """

    source: str
    stream: str  # "stdout" or "stderr"
    text: str
    fields: Mapping[str, object] | None = None
    at_s: float | None = None

    def since(self, zero: float) -> Line:
        return replace(self, at_s=None if self.at_s is None else self.at_s - zero)


@dataclass(frozen=True)
class Exemplar:
    """One observation behind a sample, mostly the trace it belongs to; ``at_s`` where it says."""

    labels: Mapping[str, str]
    value: float
    at_s: float | None = None

    def since(self, zero: float) -> Exemplar:
        return replace(self, at_s=None if self.at_s is None else self.at_s - zero)


@dataclass(frozen=True)
class Sample:
    """One series of ``source`` at the time of a scrape. The harness adds ``up``: 1, or 0 where a
    scrape failed."""

    source: str
    at_s: float
    name: str
    labels: Mapping[str, str]
    value: float
    exemplar: Exemplar | None = None

    def since(self, zero: float) -> Sample:
        exemplar = self.exemplar and self.exemplar.since(zero)
        return replace(self, at_s=self.at_s - zero, exemplar=exemplar)


@dataclass(frozen=True)
class SpanEvent:
    """Something that happened within a span, such as an exception."""

    name: str
    at_s: float
    attributes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Span:
    """A span as it was exported. Ids are lower-case hex, ``parent_id`` of a root is "".

    ``kind`` is "internal", "server", "client", "producer", "consumer" or "unspecified";
    ``status`` "unset", "ok" or "error". ``links`` are pairs of trace and span.
    """

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: str
    began_s: float
    ended_s: float
    status: str = "unset"
    message: str = ""
    attributes: Mapping[str, object] = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    resource: Mapping[str, object] = field(default_factory=dict)
    scope: str = ""

    @property
    def source(self) -> str:
        """The service that it names itself."""
        return str(self.resource.get("service.name", ""))

    @property
    def seconds(self) -> float:
        return self.ended_s - self.began_s

    def since(self, zero: float) -> Span:
        events = tuple(replace(each, at_s=each.at_s - zero) for each in self.events)
        return replace(
            self, began_s=self.began_s - zero, ended_s=self.ended_s - zero, events=events
        )


@dataclass(frozen=True)
class Alert:
    """An alert as it was delivered: ``at_s`` is the delivery, ``status`` "firing" or "resolved"."""

    name: str
    status: str
    at_s: float
    receiver: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    def since(self, zero: float) -> Alert:
        return replace(self, at_s=self.at_s - zero)


@dataclass(frozen=True)
class Telemetry:
    """All of it. ``dropped`` counts by kind what was over a bound; ``refused`` says what came in
    and could not be read, each reason once with how often."""

    samples: tuple[Sample, ...] = ()
    spans: tuple[Span, ...] = ()
    alerts: tuple[Alert, ...] = ()
    logs: tuple[Line, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)

    def since(self, zero: float) -> Telemetry:
        """The same with times from ``zero`` of the monotonic clock on."""
        return replace(
            self,
            samples=tuple(each.since(zero) for each in self.samples),
            spans=tuple(each.since(zero) for each in self.spans),
            alerts=tuple(each.since(zero) for each in self.alerts),
            logs=tuple(each.since(zero) for each in self.logs),
        )
