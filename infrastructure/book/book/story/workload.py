"""What users ask of an agent in an incident, when they come, and how long they wait."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

VALUE = "{}"
ANY_VALUE = r"([+-]?\d[\d.,]*\d|[+-]?\d|[A-Z][\w'-]*(?: [A-Z][\w'-]*){0,3})"


@dataclass(frozen=True)
class Gap:
    """How an honest answer without a fact looks: it names ``word`` and puts nothing in its place.

    ``form`` is the text around the fact where an answer gives it, with ``{}`` for the fact itself:
    "{} °C", "12*34 = {}".
    """

    word: str
    form: str

    def instead(self, text: str, known: Collection[str]) -> str | None:
        """A value that stands in the fact's place in ``text``, if none of the known ones does."""
        before, _, after = self.form.partition(VALUE)
        ends = r"(?!\w|[.,]\d)" if not after else ""
        pattern = re.escape(before) + ANY_VALUE + ends + re.escape(after)
        found = (match[1].rstrip(".,") for match in re.finditer(pattern, text))
        return next((value for value in found if value not in known), None)


@dataclass(frozen=True)
class Task:
    """One wish of a user. Its answer must hold every fact; the facts are computed, not guessed.

    ``gaps`` has one entry a fact: how an answer says that it lacks it. Without them an answer that
    lacks a fact is wrong, whatever it says.
    Tasks of one session run one after the other, in their order. ``at_s`` is when the task
    arrives, in seconds; ``tag`` is what a verdict tells tasks apart by.

    Of a service only: ``user`` is the bearer token that it comes with, ``body`` is sent as it is
    instead of the text, and a task that is ``sent`` twice has an outcome for each time.
    """

    text: str
    facts: tuple[str, ...]
    session: str | None = None
    at_s: float = 0.0
    tag: str = ""
    gaps: tuple[Gap, ...] = ()
    user: str | None = None
    body: bytes | None = None
    sent: int = 1

    def __post_init__(self) -> None:
        if self.gaps and len(self.gaps) != len(self.facts):
            raise ValueError(f"{len(self.facts)} facts need as many gaps, not {len(self.gaps)}")
        if self.sent < 1:
            raise ValueError(f"a task is sent once at least, not {self.sent} times")

    @property
    def needs_service(self) -> bool:
        """Whether an agent without a service could not be asked this."""
        return self.user is not None or self.body is not None or self.sent > 1


@dataclass(frozen=True)
class Workload:
    """Tasks, how many run at once, and after how many seconds a user gives up.

    Without arrival times ``at_once`` users, who come within ``ramp_s`` seconds, each take the next
    task when theirs is answered. With them tasks come when they come, wait while ``at_once``
    others run, and time and limit count from the arrival. Where turns ``overlap``, those of one
    session do not wait for each other.
    """

    tasks: tuple[Task, ...]
    at_once: int
    limit_s: float
    ramp_s: float = 0.0
    overlap: bool = False

    @property
    def is_open(self) -> bool:
        """Whether tasks arrive by the clock, whatever became of earlier ones."""
        return any(task.at_s for task in self.tasks)

    def visits(self) -> list[list[tuple[int, Task]]]:
        """Each user's tasks in order, with their places: a session's, or a single one."""
        visits: list[list[tuple[int, Task]]] = []
        of_session: dict[str, list[tuple[int, Task]]] = {}
        for place, task in enumerate(self.tasks):
            if task.session in of_session and not self.overlap:
                of_session[task.session].append((place, task))
                continue
            visits.append([(place, task)])
            if task.session is not None:
                of_session[task.session] = visits[-1]
        return visits
