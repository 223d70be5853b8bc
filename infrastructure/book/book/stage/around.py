"""What stands around a step's processes in a trial: simulator, folder, servers, receivers.

This prevents a process that reaches a user's own server or collector: what it finds in its
environment is put together here, and nothing of it outlives the trial.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from book.chain.chain import Step
from book.stage.acting import Acting
from book.stage.disk import Disk, watched
from book.stage.driving import METRICS
from book.stage.processes import Child, Processes
from book.stage.receivers.printed import lines_in
from book.stage.receivers.receivers import Receivers, receivers
from book.stage.services.alertmanager import AlertmanagerSettings
from book.stage.services.prometheus import PrometheusSettings
from book.stage.services.servers import Servers
from book.stage.services.tenant import Tenant
from book.stage.simulating import SILENCE_S, TrialError, receive, serve
from book.story.incident import Incident
from book.story.parts import RedisSettings
from book.story.telemetry import Line, Telemetry
from mock_claude.offline import offline_environment

FOLDER = "{folder}"  # in an incident's settings: the trial's folder
ALERTS_FIRST = ("alertmanager",)  # Prometheus tells it
Settings: TypeAlias = AlertmanagerSettings | PrometheusSettings | RedisSettings


@dataclass
class Around:
    """All that a trial's processes get; ``metrics`` are their ports for it, by process."""

    step: Step
    incident: Incident
    processes: Processes
    simulator: Child
    folder: Path
    events: Path
    settings: dict[str, str]
    acting: Acting
    disk: Disk
    telemetry: Receivers | None = None
    metrics: dict[str, int] = field(default_factory=dict)
    tenants: dict[str, Tenant] = field(default_factory=dict)

    def environment(self, source: str) -> dict[str, str]:
        """The variables of one process; of the agent's own it sees those that it declares."""
        found = dict(self.settings)
        for tenant in self.tenants.values():
            found |= tenant.environment
        if self.telemetry is not None:
            found |= self.telemetry.environment(source)
        if source in self.metrics:
            found[METRICS] = str(self.metrics[source])
        return found

    @property
    def sharers(self) -> list[Tenant]:
        return list(self.tenants.values())

    def start_servers(self) -> None:
        """Take the trial's part of each server that the step or the incident names.

        ServiceError says why one is not to be had.
        """
        names = dict.fromkeys((*self.step.services, *self.incident.services, *self.incident.own))
        servers = self.processes.once(servers_of)
        for name in sorted(names, key=lambda name: name not in ALERTS_FIRST):
            own = name in self.incident.own
            settings = self._settings(name)
            self.tenants[name] = taken = servers.tenant(name, own=own, settings=settings)
            if taken.process is not None:
                self.disk.watch(taken.process.output.parent)

    def _settings(self, name: str) -> Settings | None:
        if name == "redis":
            asked = self.incident.redis
            return None if asked == RedisSettings() else asked
        if name == "alertmanager":
            assert self.telemetry is not None
            return AlertmanagerSettings(webhook=self.telemetry.webhook)
        if name == "prometheus":
            manager = self.tenants.get("alertmanager")
            (url,) = manager.environment.values() if manager is not None else ("",)
            return PrometheusSettings(
                targets={source: [f"127.0.0.1:{port}"] for source, port in self.metrics.items()},
                rules=self.incident.alert_rules,
                alertmanager=url.removeprefix("http://") or None,
            )
        return None

    def scrape(self, declared: dict[str, bool]) -> None:
        """Scrape from now on the processes whose settings declare a port for it."""
        if self.telemetry is not None:
            ports = {name: self.metrics[name] for name, says in declared.items() if says}
            targets = {name: f"http://127.0.0.1:{port}/metrics" for name, port in ports.items()}
            self.telemetry.scrape(targets)
            self.telemetry.scrape_now()  # who is killed within the first second has a sample, too

    def scrape_now(self) -> None:
        """Once more, before the processes end."""
        if self.telemetry is not None:
            self.telemetry.scrape_now()

    def collected(self, outputs: dict[str, tuple[Path, Path]]) -> Telemetry:
        """All that the processes said; without a receiver that is what they printed."""
        for _, errors in outputs.values():
            self.disk.read(errors)
        if self.telemetry is not None:
            return self.telemetry.collected(outputs)
        logs: list[Line] = []
        left_out = 0
        for source, files in outputs.items():
            for stream, file in zip(("stdout", "stderr"), files, strict=True):
                lines, over = lines_in(source, stream, file)
                logs += lines
                left_out += over
        return Telemetry(logs=tuple(logs), dropped={"lines": left_out} if left_out else {})


@contextlib.contextmanager
def around(
    step: Step, incident: Incident, seed: int, settings: dict[str, str], processes: Processes
) -> Iterator[Around]:
    """Set up all but the servers; leaving the block ends it, the servers' parts too.

    DiskFull in place of all else where the disk was full meanwhile.
    """
    deeds = {each.name for each in incident.deeds}
    if len(deeds | {s.name for s in incident.strikes}) < len(incident.deeds + incident.strikes):
        raise TrialError(f"{incident.name}: two of its strikes and deeds have one name")
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(watched(processes.scratch))
        work = (seed, incident.script(seed), incident.strikes)
        simulator = stack.enter_context(processes.child("simulator", serve, *work))
        url = receive(simulator, "the simulator", (), SILENCE_S)
        assert isinstance(url, str)
        scratch = stack.enter_context(tempfile.TemporaryDirectory(dir=processes.scratch))
        folder = Path(scratch) / "trial"
        folder.mkdir()
        given = {name: value.replace(FOLDER, str(folder)) for name, value in settings.items()}
        given = offline_environment(url) | given
        given["AGENT_NOTES_FILE"] = str(folder / "notes.jsonl")
        tenants: dict[str, Tenant] = {}
        acting = Acting(incident.strikes, incident.deeds, folder, tenants)
        events = Path(scratch) / "events.jsonl"
        made = Around(
            *(step, incident, processes, simulator, folder, events, given, acting, disk),
            tenants=tenants,
        )
        names = (*step.services, *incident.services, *incident.own)
        if incident.telemetry or "alertmanager" in names:
            made.telemetry = stack.enter_context(receivers(processes))
        try:
            yield made
        finally:
            for tenant in tenants.values():
                if tenant.server is not None:
                    disk.read(tenant.server.process.output)
                tenant.drop()


def servers_of(processes: Processes) -> Servers:
    """The servers of a command, which end with it; made by ``processes.once``."""
    return Servers(processes, processes.scratch).__enter__()
