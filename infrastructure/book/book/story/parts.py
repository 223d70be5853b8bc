"""What a trial is made of beside its workload: servers, processes of the step, deeds and signals.

This prevents an incident that names what is not there: every name is held against those that there
are when the incident is made, so that its file and line are told.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

SERVICES = ("alertmanager", "postgres", "prometheus", "redis")
API = "api"
Signal = Literal["SIGTERM", "SIGKILL", "SIGSTOP", "SIGCONT"]
Act = Literal["SIGTERM", "SIGKILL", "SIGSTOP", "SIGCONT", "flush", "restart"]
ON_SERVERS = ("flush", "restart")
EVICTIONS = (
    *("noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random"),
    *("volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"),
)


@dataclass(frozen=True)
class RedisSettings:
    """How a trial's Redis is set up, where it is not as it comes.

    ``append_only`` writes down each change, so that a killed server comes back with what it had.
    ``max_memory_mb`` of 0 is no limit; at a limit ``eviction`` says what goes.
    """

    append_only: bool = False
    max_memory_mb: int = 0
    eviction: str = "noeviction"

    def __post_init__(self) -> None:
        if self.max_memory_mb < 0:
            raise ValueError(f"redis: max_memory_mb is 0 (no limit) or more: {self.max_memory_mb}")
        if self.eviction not in EVICTIONS:
            raise ValueError(f"redis: {unknown('eviction', self.eviction, EVICTIONS)}")


@dataclass(frozen=True)
class Role:
    """Processes of the step that run ``main()`` of a file in its folder.

    The load goes to those named "api", whose file is ``service.py``; that of others is
    ``NAME.py`` unless ``file`` says another. A step before the solving one that has no such file
    runs without the role; "api" is then served plainly.
    """

    name: str
    count: int = 1
    file: str = ""

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"a role's name is a word, not {self.name!r}")
        if self.count < 1:
            raise ValueError(f"role {self.name!r} has {self.count} processes; 1 is the least")
        if self.file and (not self.file.endswith(".py") or "/" in self.file or "\\" in self.file):
            raise ValueError(f"role {self.name!r}: a step's file is NAME.py, not {self.file!r}")

    @property
    def runs(self) -> str:
        """The file whose ``main()`` its processes run."""
        return self.file or ("service.py" if self.name == API else f"{self.name}.py")

    @property
    def members(self) -> tuple[str, ...]:
        """The names of its processes: worker-1, worker-2."""
        return tuple(f"{self.name}-{number}" for number in range(1, self.count + 1))


@dataclass(frozen=True)
class Strike:
    """Trouble that meets a process or a server of the incident's own.

    ``to`` is a process ("worker-2"), a role (its first process) or a service in ``own``, which
    may be flushed and restarted, too. It comes ``at_s`` seconds after the load began; or with
    ``request`` when the simulator gets that many requests of the model for tasks like ``task`` (a
    glob), before the last of them is answered: then it meets the process of that role, or of any
    where ``to`` is empty, that holds the connection.
    """

    name: str
    act: Act
    to: str = ""
    at_s: float | None = None
    request: int | None = None
    task: str = "*"

    def __post_init__(self) -> None:
        if (self.at_s is None) == (self.request is None):
            raise ValueError(f"strike {self.name!r} comes at_s or on a request: say one of them")
        if self.request is not None and (self.request < 1 or self.act in ON_SERVERS):
            raise ValueError(f"strike {self.name!r}: the n-th request, from 1, brings a signal")
        if self.at_s is not None and not self.to:
            raise ValueError(f"strike {self.name!r}: to whom?")

    def is_about(self, task: str) -> bool:
        """Whether a request for this task counts."""
        return fnmatchcase(task.lower(), self.task.lower())

    def meets(self, process: str) -> bool:
        """Whether this process of the step is one that it can meet."""
        return self.to in ("", process, process.rpartition("-")[0])


@dataclass(frozen=True)
class Deed:
    """What somebody does beside the load: a new key, a changed file, a decision.

    ``do`` gets the trial's folder, which ``{folder}`` stands for in settings. It comes ``at_s``
    seconds after the load began, or before the step's processes start where that is None. Unless
    it is ``trouble``, it belongs to the calm run, too.
    """

    name: str
    do: Callable[[Path], None]
    at_s: float | None = None
    trouble: bool = False


@dataclass(frozen=True)
class Done:
    """A strike or a deed that was carried out: when, and which process or server it met."""

    name: str
    at_s: float
    to: str = ""


def check_services(names: Sequence[str], what: str = "services") -> None:
    """ValueError for a name that no server has, or that stands there twice."""
    for name in names:
        if name not in SERVICES:
            raise ValueError(f"{what}: {unknown('service', name, SERVICES)}")
        if list(names).count(name) > 1:
            raise ValueError(f"{what}: {name!r} is named twice")


def check_parts(
    services: Sequence[str], own: Sequence[str], roles: Sequence[Role], strikes: Sequence[Strike]
) -> None:
    """ValueError where something names what the incident has not."""
    check_services(services)
    check_services(own, "own")
    names = [role.name for role in roles]
    if len(set(names)) < len(names):
        raise ValueError(f"roles: a name stands there twice: {', '.join(names)}")
    if roles and API not in names:
        raise ValueError(f"roles: one is named {API!r}: the load goes there, not to {names[0]!r}")
    processes = [*names, *(member for role in roles for member in role.members)]
    for strike in strikes:
        if not roles and strike.to not in own and strike.act not in ON_SERVERS:
            raise ValueError(f"strike {strike.name!r} meets a process: declare roles")
        valid = [*own] if strike.act in ON_SERVERS else [*processes, *own]
        valid = processes if strike.request is not None else valid
        if strike.to and strike.to not in valid:
            raise ValueError(f"strike {strike.name!r}: {unknown('target', strike.to, valid)}")


def unknown(kind: str, name: str, valid: Sequence[str]) -> str:
    """That there is no such thing, the nearest one, and all there are."""
    near = difflib.get_close_matches(name, valid, n=1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    return f"there is no {kind} {name!r}.{meant} Valid: {', '.join(sorted(valid)) or 'none'}"
