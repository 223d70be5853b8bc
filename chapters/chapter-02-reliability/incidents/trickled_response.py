"""trickled-response: every read is in time, and the answer takes half a minute.

A limit on each read is no limit on the call: the SDK's own timeout never fires. The cure is a
limit on the whole call, and a deadline for the request that all its calls share.
"""

from __future__ import annotations

from pathlib import Path

from book.story.incident import (
    Check,
    Evidence,
    Headline,
    Incident,
    Run,
    Workload,
    at_least,
    at_most,
)
from book.story.wishes import Wishes
from mock_claude import FaultScript

REQUEST_S = 6.0
SCHEDULING = 1.2  # a busy machine may be late to run what is due


def workload(seed: int) -> Workload:
    """40 tasks of two model calls, 20 at once; users wait for fifteen seconds."""
    wishes = Wishes(seed)
    return Workload(tuple(wishes.product(user) for user in range(40)), at_once=20, limit_s=15.0)


def promise(run: Run) -> list[Check]:
    """No task takes longer than a request may; without trouble all are done."""
    slowest = at_most("slowest task", run.latency_s(1.0), REQUEST_S * SCHEDULING, "s")
    return [slowest, *([at_least("success", run.success, 0.99, "%")] if run.calm else [])]


def cure(seen: Evidence) -> list[Check]:
    """Short limits with retries win most of the tasks back."""
    return [at_least("success", seen.run.success, 0.8, "%")]


INCIDENT = Incident(
    name="trickled-response",
    story="Three answers in ten come a byte at a time, every read in time.",
    symptom="answers drip in, and no time limit fires",
    headline=Headline(
        f"slowest task, where a request may take {REQUEST_S:g} s",
        "s",
        "lower",
        lambda run: run.latency_s(1.0),
    ),
    faults=FaultScript.load(Path(__file__).with_suffix(".toml")),
    workload=workload,
    settings={
        "AGENT_RETRY__MAX_ATTEMPTS": "4",
        "AGENT_RETRY__BASE_S": "0.1",
        "AGENT_BREAKER__WINDOW_CALLS": "100",
        "AGENT_BREAKER__MINIMUM_CALLS": "100",
        "AGENT_TIMEOUTS__CONNECT_S": "0.5",
        "AGENT_TIMEOUTS__MODEL_CALL_S": "1.5",
        "AGENT_TIMEOUTS__TOOL_CALL_S": "2",
        "AGENT_TIMEOUTS__REQUEST_S": f"{REQUEST_S:g}",
    },
    promise=promise,
    cure=cure,
)
