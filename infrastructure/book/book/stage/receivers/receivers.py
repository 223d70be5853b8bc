"""Our side of what takes in a trial's telemetry: where it is, and what it has at the end::

    with receivers(processes) as telemetry:
        environment |= telemetry.environment("api-1")   # OTEL_*, for a step that exports
        telemetry.scrape({"api-1": f"http://127.0.0.1:{port}/metrics"})
        ...
        run = telemetry.collected({"api-1": (stdout, stderr)}).since(zero)

This prevents a trial that waits for telemetry for ever, or reports to a user's own collector.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from book.stage.processes import Child, Processes
from book.stage.receivers.bounds import Bounds
from book.stage.receivers.printed import lines_in
from book.stage.simulating import SILENCE_S, TrialError, receive
from book.story.telemetry import Line, Telemetry

WHO = "the receiver of telemetry"
IMPORTS = ("book.stage.receivers.collecting",)  # for Processes, so that it starts at once


@dataclass
class Receivers:
    """A running receiver. Everything it has is on the monotonic clock."""

    child: Child
    url: str
    bounds: Bounds

    def environment(self, source: str) -> dict[str, str]:
        """The variables that make OpenTelemetry's SDK export here; ``source`` names the service."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_BSP_SCHEDULE_DELAY": "200",  # ms: a trial is over in seconds
            "OTEL_SERVICE_NAME": source,
        }

    @property
    def webhook(self) -> str:
        """Where an Alertmanager delivers."""
        return f"{self.url}/alerts"

    def scrape(self, targets: Mapping[str, str]) -> None:
        """Scrape these, by source, each second from now on."""
        self._ask(dict(targets))

    def scrape_now(self) -> None:
        """Scrape once more, at the end, before the processes are stopped."""
        self._ask("scrape")

    def collected(self, outputs: Mapping[str, tuple[Path, Path]] | None = None) -> Telemetry:
        """All of it, once; ``outputs`` are the files of standard output and error, by source."""
        telemetry = self._ask("report")
        assert isinstance(telemetry, Telemetry)
        logs: list[Line] = []
        left_out = 0
        for source, files in (outputs or {}).items():
            for stream, file in zip(("stdout", "stderr"), files, strict=True):
                lines, over = lines_in(source, stream, file, self.bounds)
                logs += lines
                left_out += over
        dropped = dict(telemetry.dropped) | ({"lines": left_out} if left_out else {})
        return replace(telemetry, logs=tuple(logs), dropped=dropped)

    def _ask(self, what: object) -> object:
        with contextlib.suppress(BrokenPipeError):  # receive says why it has ended
            self.child.pipe.send(what)
        return receive(self.child, WHO, (), SILENCE_S)


@contextlib.contextmanager
def receivers(
    processes: Processes, *, port: int = 0, bounds: Bounds | None = None
) -> Iterator[Receivers]:
    """Run a receiver for one trial, on a port of its own choice unless one is given.

    TrialError where the port is taken, or the packages of the extra are not installed.
    """
    try:
        from book.stage.receivers.collecting import collect
    except ImportError as error:
        raise TrialError(
            f"{WHO} needs {error.name}: uv sync --inexact --package book --extra telemetry"
        ) from None
    limits = bounds or Bounds()
    with processes.child("telemetry", collect, port, limits) as child:
        url = receive(child, WHO, (), SILENCE_S)
        if not isinstance(url, str):
            raise TrialError(
                f"{WHO} cannot listen on 127.0.0.1:{port}: the port is taken; free it "
                "(`ss -ltnp` or `lsof -i` shows who has it) or leave the choice to the harness"
            )
        yield Receivers(child, url, limits)


def without_otel_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """A user's own collector must not get a trial's telemetry."""
    return {k: v for k, v in environment.items() if not k.upper().startswith("OTEL_")}
