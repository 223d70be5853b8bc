"""What a web service says of each request: one line of a JSON log, and the spans of its stages.

This prevents a trace that ends where another team's service begins. The rule: a visit continues
the caller's ``traceparent``, or begins a trace; its SERVER span has one child for each stage that
ran. A trace that the caller does not sample is logged, not exported.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from mock_claude.correlation import Correlation, new_span, new_trace, trace_of
from mock_claude.world.exporting import Exporter, attributes

_SERVER, _INTERNAL, _ERROR = 2, 1, 2


@dataclass
class Stage:
    """One stage of a visit; times in nanoseconds since 1970."""

    name: str
    began_ns: int
    ended_ns: int = 0
    reason: str | None = None


@dataclass
class Visit:
    """One request to a web service, while it is served."""

    service: str
    method: str
    path: str
    request_id: str
    """The caller's own, or else the one that it got here."""
    correlation: Correlation
    began_ns: int
    stages: list[Stage] = field(default_factory=list)
    stage: str | None = None
    """Where it went wrong or was slow."""
    reason: str | None = None


class Telemetry:
    """Where the web services log and export to. Both are off unless asked for.

    ``log`` is appended to: OSError if it cannot be. ``otlp`` is a collector's address: ValueError
    if it is none. ``now_ns`` is the wall clock.
    """

    def __init__(
        self,
        log: str | Path | None = None,
        otlp: str | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.now_ns = now_ns
        self.exporter = None if otlp is None else Exporter(otlp)
        self._unwritten = 0
        self._log = None if log is None else Path(log)
        if self._log is not None:
            with self._log.open("a", encoding="utf-8"):
                pass  # it can be written, and is there before the first request

    @property
    def lost(self) -> int:
        """Spans that no collector took, and lines that no disk took."""
        return self._unwritten + (0 if self.exporter is None else self.exporter.lost)

    def closed(self, visit: Visit, status: int) -> None:
        """A visit is over; ``status`` is that of its answer."""
        if self._log is None and self.exporter is None:
            return
        parent = trace_of(visit.correlation.traceparent or "")
        trace_id = new_trace() if parent is None else parent.trace_id
        span_id, ended_ns = new_span(), self.now_ns()
        if self._log is not None:
            self._write(visit, status, trace_id, span_id, ended_ns)
        if self.exporter is not None and (parent is None or parent.is_sampled):
            state = visit.correlation.tracestate
            whole = _span(visit.method + " " + visit.path, visit.began_ns, ended_ns, _SERVER)
            spans = [
                whole
                | {"parentSpanId": "" if parent is None else parent.span_id}
                | {"attributes": attributes(_server_attributes(visit, status))}
                | _status(visit.reason if status >= 500 else None)
            ]
            spans[0]["spanId"] = span_id
            for each in visit.stages:
                child = _span(each.name, each.began_ns, each.ended_ns or ended_ns, _INTERNAL)
                spans.append(child | {"parentSpanId": span_id} | _status(each.reason))
            for span in spans:
                span |= {"traceId": trace_id} | ({} if state is None else {"traceState": state})
            self.exporter.send(visit.service, spans)

    def close(self) -> None:
        """Deliver what is left to the collector, for a few seconds at most."""
        if self.exporter is not None:
            self.exporter.close()

    def _write(self, visit: Visit, status: int, trace_id: str, span_id: str, ended_ns: int) -> None:
        if self._log is None:
            return
        level = "error" if status >= 500 else "warning" if status >= 400 else "info"
        line = {
            "time": datetime.fromtimestamp(visit.began_ns / 1e9, UTC).isoformat(
                timespec="milliseconds"
            ),
            "level": level,
            "service": visit.service,
            "method": visit.method,
            "path": visit.path,
            "status": status,
            "request_id": visit.request_id,
            "trace_id": trace_id,
            "span_id": span_id,
            "stage": visit.stage,
            "reason": visit.reason,
            "duration_ms": _ms(ended_ns - visit.began_ns),
            "stages_ms": {
                each.name: _ms((each.ended_ns or ended_ns) - each.began_ns) for each in visit.stages
            },
        }
        try:
            with self._log.open("a", encoding="utf-8", newline="\n") as file:
                file.write(json.dumps(line) + "\n")
        except OSError:  # a full disk is no reason to refuse a search; later lines may fit again
            self._unwritten += 1


def _span(name: str, began_ns: int, ended_ns: int, kind: int) -> dict[str, object]:
    return {
        "spanId": new_span(),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(began_ns),
        "endTimeUnixNano": str(max(ended_ns, began_ns)),
    }


def _server_attributes(visit: Visit, status: int) -> dict[str, object]:
    return {
        "http.request.method": visit.method,
        "url.path": visit.path,
        "http.route": visit.path,
        "http.response.status_code": status,
        "request.id": visit.request_id,
        "error.type": str(status) if status >= 500 else None,
    }


def _status(reason: str | None) -> dict[str, object]:
    return {} if reason is None else {"status": {"code": _ERROR, "message": reason}}


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / 1e6, 3)
