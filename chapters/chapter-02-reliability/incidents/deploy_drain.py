"""deploy-drain: every deployment loses the requests that are sent while a server stops.

A load balancer learns by its next poll that a server is going; until then it sends. A server that
closes its socket at SIGTERM refuses those requests. The cure is to say so first, wait until
everybody has heard it, and only then stop.
"""

from __future__ import annotations

from pathlib import Path

from book.story.incident import (
    Check,
    Evidence,
    Headline,
    Incident,
    Run,
    Service,
    Workload,
    at_least,
    at_most,
)
from book.story.wishes import Wishes, at
from mock_claude import FaultScript


def workload(seed: int) -> Workload:
    """Fifty requests a second for five seconds."""
    wishes = Wishes(seed)
    tasks = (at(0.01 + user / 50, wishes.echo(user)) for user in range(250))
    return Workload(tuple(tasks), at_once=250, limit_s=10.0)


def promise(run: Run) -> list[Check]:
    """Every request that is sent is answered; a refused one is lost."""
    sent = at_least("requests sent", len(run.outcomes), 100)
    return [sent, at_most("requests lost", lost(run), 0)]


def cure(seen: Evidence) -> list[Check]:
    """The process ends by itself, and well."""
    code = seen.run.exit_code
    return [at_most("exit code", code, 0)]


def lost(run: Run) -> int:
    """Requests that were sent and got no answer, for whatever reason."""
    return len(run.outcomes) - run.done


INCIDENT = Incident(
    name="deploy-drain",
    story="A deployment: SIGTERM to a service that gets 50 requests a second.",
    symptom="each deployment loses some requests",
    headline=Headline("requests lost", "", "lower", lost),
    faults=FaultScript.load(Path(__file__).with_suffix(".toml")),
    workload=workload,
    settings={
        "AGENT_BULKHEAD__LIMIT": "100",
        "AGENT_BULKHEAD__QUEUE": "50",
        "AGENT_DRAIN__PAUSE_S": "2",
        "AGENT_DRAIN__DRAIN_S": "10",
    },
    promise=promise,
    cure=cure,
    trials_at_once=2,
    service=Service(poll_s=0.4, sigterm_at_s=2.5),
)
