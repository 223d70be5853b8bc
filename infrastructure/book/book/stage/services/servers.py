"""The servers of one command: each started when first needed, parted among trials, ended with it.

This prevents a server a trial, which would take longer than the trial, and servers that nobody
owns. Only this starts any::

    with Processes(IMPORTS, scratch) as processes, Servers(processes, scratch) as servers:
        with servers.tenant("redis") as tenant:
            environment |= tenant.environment      # REDIS_URL
"""

from __future__ import annotations

import difflib
import os
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from book.stage.processes import Processes
from book.stage.services import alertmanager, postgres, postgres_programs, prometheus, redis
from book.stage.services.errors import ServiceError, ServiceMissing, UnknownService
from book.stage.services.lent import LentPostgres, LentRedis, Sweeper
from book.stage.services.tenant import Server, Tenant


@dataclass(frozen=True)
class Kind:
    """How servers of one name are found and made. ``shared``: trials can part one of them."""

    name: str
    variable: str
    install: str
    programs: Callable[[], Sequence[Any]]
    make: Callable[[Path, Any, Any], Server]
    shared: bool


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            redis.KIND,
            redis.VARIABLE,
            redis.INSTALL,
            redis.programs,
            redis.RedisServer,
            shared=True,
        ),
        Kind(
            postgres.KIND,
            postgres.VARIABLE,
            postgres_programs.INSTALL,
            postgres_programs.programs,
            postgres.PostgresServer,
            shared=True,
        ),
        Kind(
            prometheus.KIND,
            prometheus.VARIABLE,
            prometheus.INSTALL,
            prometheus.programs,
            prometheus.PrometheusServer,
            shared=False,
        ),
        Kind(
            alertmanager.KIND,
            alertmanager.VARIABLE,
            alertmanager.INSTALL,
            alertmanager.programs,
            alertmanager.AlertmanagerServer,
            shared=False,
        ),
    )
}
LENT: dict[str, Callable[[str, Sweeper], LentRedis | LentPostgres]] = {
    redis.KIND: LentRedis,
    postgres.KIND: LentPostgres,
}


def kind_named(name: str) -> Kind:
    """The kind of this name. UnknownService, with the valid ones, if there is none."""
    if name in KINDS:
        return KINDS[name]
    near = difflib.get_close_matches(name, KINDS, n=1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    raise UnknownService(f"there is no service {name!r}.{meant} Valid: {', '.join(sorted(KINDS))}")


def missing(names: Sequence[str], environ: Mapping[str, str] = os.environ) -> list[ServiceMissing]:
    """What of these cannot run here: whatever needs it is skipped by name, with this line."""
    absent = []
    for kind in map(kind_named, names):
        lent = kind.name in LENT and environ.get(kind.variable)
        if not lent and not kind.programs():
            absent.append(_missing(kind))
    return absent


@dataclass
class Servers:
    """All servers of one command. ``programs`` chooses one by kind, else the best that is found."""

    processes: Processes
    scratch: Path
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    programs: Mapping[str, object] = field(default_factory=dict)
    used: dict[str, str] = field(default_factory=dict)  # which program runs, by kind
    _shared: dict[Hashable, Server] = field(default_factory=dict)
    _lent: dict[str, LentRedis | LentPostgres] = field(default_factory=dict)
    _open: list[Server] = field(default_factory=list)
    _starting: dict[str, threading.Lock] = field(
        default_factory=lambda: {name: threading.Lock() for name in KINDS}
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _sweeper: Sweeper = field(default_factory=Sweeper)
    _closed: bool = False

    def __enter__(self) -> Servers:
        self.processes.at_end(self.close)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def tenant(self, name: str, *, own: bool = False, settings: Hashable = None) -> Tenant:
        """A part of a server for one trial; with ``own`` a whole server, which it may harm.

        ``settings`` are of the kind (RedisSettings, ...); with them it is no user's server.
        UnknownService, ServiceMissing, ServiceError if it does not start, ServiceDied if it has
        ended meanwhile.
        """
        kind = kind_named(name)
        url = self.environ.get(kind.variable, "")
        if url and name in LENT and not own and settings is None:
            environment, drop = self._lend(name, url).tenant()
            return Tenant(name, environment, None, None, drop)
        if own or not kind.shared:
            server = self._start(kind, settings)
            environment, end = server.tenant(whole=True)
            return Tenant(name, environment, server, server.process, end)
        with self._starting[name]:
            shared = self._shared.get((name, settings))
            if shared is None or not shared.process.runs:
                shared = self._shared[name, settings] = self._start(kind, settings)
        environment, drop = shared.tenant(whole=False)
        # A server that ends takes its data along: to drop eight databases first takes seconds.
        return Tenant(
            name, environment, None, shared.process, lambda: None if self._closed else drop()
        )

    def close(self) -> None:
        """End every server and drop every tenant. Safe to call twice, from any thread."""
        with self._lock:
            self._closed = True
            servers, self._open = self._open, []
        ending = [threading.Thread(target=server.end) for server in servers]
        for each in ending:  # side by side: what is killed must be gone in five seconds
            each.start()
        for each in ending:
            each.join()
        self._sweeper.end()

    def _lend(self, name: str, url: str) -> LentRedis | LentPostgres:
        with self._starting[name]:
            if name not in self._lent:
                self._lent[name] = LENT[name](url, self._sweeper)
                self.used[name] = f"the server that {KINDS[name].variable} names"
            return self._lent[name]

    def _start(self, kind: Kind, settings: Hashable) -> Server:
        program = self.programs.get(kind.name) or next(iter(kind.programs()), None)
        if program is None:
            raise _missing(kind)
        with self._lock:
            closed = self._closed
        if closed:
            raise InterruptedError("stopping")
        server = kind.make(self.scratch, program, settings)
        with self._lock:
            if not self._closed:
                self._open.append(server)
                self.used[kind.name] = str(program)
                return server
        server.end()
        raise InterruptedError("stopping")


def _missing(kind: Kind) -> ServiceMissing:
    names = {"alertmanager": "alertmanager or prometheus-alertmanager"}.get(kind.name, kind.name)
    return ServiceMissing(kind.name, f"there is no program of it here ({names})", kind.install)


def check_names(names: Sequence[str]) -> None:
    """UnknownService for the first name that no server has, ServiceError for a name twice."""
    for name in names:
        kind_named(name)
        if names.count(name) > 1:
            raise ServiceError(f"services: {name!r} is named twice")
