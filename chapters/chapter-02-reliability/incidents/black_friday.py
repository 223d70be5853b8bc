"""black-friday: ten times the load that a service can carry.

A service that takes everything makes everybody wait, and the last ones for nothing. The cure is a
bulkhead: as many tasks at once as the service can do well, a short line, and a quick and honest no
to everybody else, before a token is spent.
"""

from __future__ import annotations

from pathlib import Path

from book.story.incident import (
    Check,
    Evidence,
    Headline,
    Incident,
    Outcome,
    Run,
    Service,
    Workload,
    at_least,
    at_most,
)
from book.story.wishes import Wishes, at
from mock_claude import Exchange, FaultScript

LIMIT, QUEUE = 4, 2
SERVICE_TIME_S = 0.8 + 0.04 * (LIMIT - 1)  # of a task at the limit, as in the fault script
LOAD = 10 * LIMIT / SERVICE_TIME_S  # arrivals a second
SECONDS = 4.0


def workload(seed: int) -> Workload:
    """Ten times the load for four seconds."""
    wishes = Wishes(seed)
    users = range(int(LOAD * SECONDS))
    tasks = tuple(at(0.01 + user / LOAD, wishes.echo(user)) for user in users)
    return Workload(tasks, at_once=len(tasks), limit_s=20.0)


def at_the_limit(seed: int) -> Workload:
    """As many users as the bulkhead lets in, one task after the other."""
    wishes = Wishes(seed)
    return Workload(tuple(wishes.echo(user) for user in range(5 * LIMIT)), LIMIT, limit_s=20.0)


def promise(run: Run) -> list[Check]:
    """Who is let in is answered; without overload everybody is let in."""
    accepted = run.only(is_accepted)
    checks = [at_least("success of the accepted", accepted.success, 0.99, "%")]
    return checks + ([at_least("success", run.success, 0.99, "%")] if run.calm else [])


def cure(seen: Evidence) -> list[Check]:
    """Refusals are quick, honest and free, and the accepted hardly feel the crowd."""
    run, calm = seen.run, seen.calm
    accepted, refused = run.only(is_accepted), run.only(is_refused)
    honest = sum(o.retry_after_s is not None for o in refused.outcomes)
    entered = [*run.noted("BulkheadEntered"), *run.noted("BulkheadRefused")]
    tasks = [event for event in entered if event.fields["dependency"] == "run"]
    waiting = max((int(str(event.fields["waiting"])) for event in tasks), default=None)
    running = max((int(str(event.fields["running"])) for event in tasks), default=None)
    in_memory = None if waiting is None or running is None else running + waiting
    any_refused, any_accepted = bool(refused.outcomes), bool(accepted.outcomes)
    quick = refused.latency_s(0.95) / accepted.latency_s(0.5) if any_accepted else None
    crowd = p95(accepted) / p95(calm) if any_accepted else None
    return [
        at_least("requests refused", len(refused.outcomes), len(run.outcomes) * 0.5),
        at_least(
            "of them with Retry-After",
            honest,
            len(refused.outcomes),
            guard=True,
            applies=any_refused,
        ),
        at_most("model calls beyond the accepted", calls_beyond(run, accepted), 0, guard=True),
        at_most(
            "p95 of refusals over the accepted median",
            quick,
            0.1,
            guard=True,
            applies=any_refused,
        ),
        at_most("p95 of the accepted over a run at the limit", crowd, 2.0),
        at_most("longest queue", waiting, LIMIT / 2),
        at_most("tasks in memory", in_memory, LIMIT + QUEUE),
        at_most("tasks at work, as the simulator saw", at_work(run.model_requests), LIMIT),
    ]


def figures(run: Run) -> list[str]:
    """How fast those who were sent away were told so."""
    refused = run.only(is_refused)
    if not refused.outcomes:
        return []
    return [f"{len(refused.outcomes)} refused, p95 after {refused.latency_s(0.95):.3f} s"]


def is_accepted(outcome: Outcome) -> bool:
    return outcome.status == 200


def is_refused(outcome: Outcome) -> bool:
    return outcome.status in (429, 503)


def p95(run: Run) -> float:
    return run.latency_s(0.95)


def calls_beyond(run: Run, accepted: Run) -> int:
    """Each of these tasks takes one model call; more than that were spent on the refused."""
    return max(len(run.model_requests) - len(accepted.outcomes), 0)


def at_work(requests: list[Exchange]) -> int:
    """The most model calls that were under way at one moment."""
    begins = [(each.at_s, 1) for each in requests]
    ends = [(each.at_s + each.duration_s, -1) for each in requests]
    now = most = 0
    for _, change in sorted([*begins, *ends]):
        now += change
        most = max(most, now)
    return most


INCIDENT = Incident(
    name="black-friday",
    story=f"{LOAD:.0f} requests a second come to a service that can do {LOAD / 10:.1f}.",
    symptom="ten times the load: everybody is let in, and everybody waits",
    headline=Headline("p95 of the accepted", "s", "lower", p95, whose=is_accepted),
    faults=FaultScript.load(Path(__file__).with_suffix(".toml")),
    workload=workload,
    calm_workload=at_the_limit,
    settings={
        "AGENT_BULKHEAD__LIMIT": str(LIMIT),
        "AGENT_BULKHEAD__QUEUE": str(QUEUE),
        "AGENT_BULKHEAD__WAIT_S": "5",
    },
    promise=promise,
    cure=cure,
    needs_calm=True,
    trials_at_once=1,
    service=Service(),
    figures=figures,
)
