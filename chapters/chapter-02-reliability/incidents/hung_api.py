"""hung-api: at 3 am the API accepts calls and answers some of them never.

The SDK would wait ten minutes for each. A call that does not fail is not retried, so the user
waits with it and leaves. The cure is a limit on the whole call, short enough to try again: four
times what a call takes, so that a call which is only slow is not cut off, and three fit into a
user's patience.
"""

from __future__ import annotations

from pathlib import Path

from book.story.incident import (
    Check,
    Evidence,
    Headline,
    Incident,
    Run,
    Task,
    Workload,
    at_least,
    at_most,
)
from book.story.wishes import Wishes, at
from mock_claude import FaultScript

MODEL = "claude-sonnet-5-5"


def workload(seed: int) -> Workload:
    """200 tasks of one or two model calls, 12 or 13 a second; a user waits twelve seconds.

    They come by the clock: users who wait for their turn would end the run with hung calls alone.
    """
    wishes = Wishes(seed)

    def task(user: int) -> Task:
        wish = wishes.weather_and_sum(user) if user % 2 else wishes.echo(user)
        return at(user * 0.08, wish)

    return Workload(tuple(task(user) for user in range(200)), at_once=200, limit_s=12.0)


def promise(run: Run) -> list[Check]:
    """Everybody is answered within a user's patience."""
    return [at_least("success", run.success, 0.99, "%")]


def cure(seen: Evidence) -> list[Check]:
    """One call in ten is no outage: the circuit stays closed. What was given up really ends."""
    opened = len(seen.run.noted("CircuitChanged", after="open", dependency=MODEL))
    left = sum(outcome.left for outcome in seen.run.outcomes)
    return [
        at_most("openings of the model's breaker", opened, 0, guard=True),
        at_most("tasks left running after an answer", left, 0, guard=True),
        at_most("requests in flight after the last answer", seen.run.in_flight, 0, guard=True),
    ]


INCIDENT = Incident(
    name="hung-api",
    story="One model call in ten is never answered.",
    symptom="a model call in ten is never answered",
    headline=Headline("tasks answered within 12 s", "%", "higher", lambda run: run.success),
    faults=FaultScript.load(Path(__file__).with_suffix(".toml")),
    workload=workload,
    settings={
        "AGENT_RETRY__MAX_ATTEMPTS": "4",
        "AGENT_RETRY__BASE_S": "0.25",
        "AGENT_BREAKER__WINDOW_CALLS": "20",
        "AGENT_TIMEOUTS__CONNECT_S": "1",
        "AGENT_TIMEOUTS__MODEL_CALL_S": "2.2",
        "AGENT_TIMEOUTS__REQUEST_S": "12",
    },
    promise=promise,
    cure=cure,
)
