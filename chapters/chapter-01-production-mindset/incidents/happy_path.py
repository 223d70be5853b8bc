"""happy-path: a friendly day. Nothing goes wrong, and the prototype looks finished.

Every demo is this day. It is the baseline that the bad day is laid beside, and where the cost of
a task is observed.
"""

from __future__ import annotations

from pathlib import Path

from book.story.incident import Check, Evidence, Headline, Incident, Run, Task, Workload, at_least
from book.story.wishes import Wishes
from mock_claude import FaultScript


def workload(seed: int) -> Workload:
    """Forty users, one after the other, so that each request can be booked to its task."""
    wishes = Wishes(seed)
    kinds = (wishes.product, wishes.weather, wishes.weather_and_sum, wishes.search)

    def task(user: int) -> Task:
        return kinds[user % len(kinds)](user)

    return Workload(tuple(task(user) for user in range(40)), at_once=1, limit_s=15.0)


def promise(run: Run) -> list[Check]:
    return [at_least("success", run.success, 1.0, "%")]


def cure(seen: Evidence) -> list[Check]:
    return []


INCIDENT = Incident(
    name="happy-path",
    story="A friendly day: forty users, and everything works.",
    symptom="nothing goes wrong",
    headline=Headline("tasks done", "%", "higher", lambda run: run.success),
    faults=FaultScript.load(Path(__file__).with_suffix(".toml")),
    workload=workload,
    settings={},
    promise=promise,
    cure=cure,
)
