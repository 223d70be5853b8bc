"""primary-flaps: the main model is overloaded for ten seconds while others are well.

Retries give up, the circuit opens, and every task fails although a smaller model could do it. The
cure is a fallback model, taken while the main one is away and left as soon as it is back.
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
    Workload,
    at_least,
    at_most,
)
from book.story.wishes import Wishes, at
from mock_claude import FaultScript

MAIN, FALLBACK = "claude-sonnet-5-5", "claude-haiku-4-5"
DOWN_S, BACK_S = 3.0, 13.0  # as in the fault script
OPEN_S, JITTER, PROBES = 2.0, 0.1, 1
IN_FLIGHT_S = 0.1


def workload(seed: int) -> Workload:
    """Six tasks a second for twenty seconds."""
    wishes = Wishes(seed)
    tasks = (at(0.01 + user / 6, wishes.product(user)) for user in range(120))
    return Workload(tuple(tasks), at_once=60, limit_s=15.0)


def promise(run: Run) -> list[Check]:
    """Everybody is answered."""
    return [at_least("success", run.success, 0.99, "%")]


def cure(seen: Evidence) -> list[Check]:
    """The fallback serves meanwhile, and the main model is found again soon and gently."""
    run = seen.run
    meanwhile = run.only(is_meanwhile)
    by_fallback = [
        each
        for each in run.model_requests
        if each.status == 200 and DOWN_S + 0.5 <= each.at_s < BACK_S and each.model == FALLBACK
    ]
    back_s, back_limit_s = first_main_s(run) - BACK_S, 2 * OPEN_S * (1 + JITTER)
    return [
        at_least("success meanwhile", meanwhile.success, 0.99, "%"),
        at_least("calls served by the fallback meanwhile", len(by_fallback), 50),
        at_most("back on the main model after", back_s, back_limit_s, "s", guard=True),
        at_most("calls while open beyond its probes", calls_beyond_probes(run), 0, guard=True),
    ]


def is_meanwhile(outcome: Outcome) -> bool:
    return DOWN_S <= outcome.began_s < BACK_S


def first_main_s(run: Run) -> float:
    """When the main model first answered after its return; the run's end where it did not."""
    good = [
        each.at_s + each.duration_s
        for each in run.model_requests
        if each.model == MAIN and each.status == 200 and each.at_s >= BACK_S
    ]
    return min(good, default=BACK_S + run.seconds)


def calls_beyond_probes(run: Run) -> int:
    """Calls that reached the main model while its circuit was open, less its probes."""
    changes = run.noted("CircuitChanged", dependency=MAIN)
    opened = [change.at_s for change in changes if change.fields["after"] == "open"]
    closed = [change.at_s for change in changes if change.fields["after"] == "closed"]
    if not opened:
        return 0
    end_s = min((each for each in closed if each > opened[0]), default=run.seconds)
    begin_s = opened[0] + IN_FLIGHT_S
    calls = [e for e in run.model_requests if e.model == MAIN and begin_s <= e.at_s < end_s]
    probes = [c for c in changes if c.fields["after"] == "half_open" and c.at_s <= end_s]
    return max(len(calls) - PROBES * len(probes), 0)


INCIDENT = Incident(
    name="primary-flaps",
    story="For 10 s the main model answers 529; a smaller one is well.",
    symptom="the main model is overloaded for 10 s",
    headline=Headline(
        "tasks answered meanwhile", "%", "higher", lambda run: run.success, whose=is_meanwhile
    ),
    faults=FaultScript.load(Path(__file__).with_suffix(".toml")),
    workload=workload,
    settings={
        "AGENT_MODEL": MAIN,
        "AGENT_RETRY__MAX_ATTEMPTS": "3",
        "AGENT_RETRY__BASE_S": "0.2",
        "AGENT_BREAKER__WINDOW_CALLS": "20",
        "AGENT_BREAKER__PROBES": str(PROBES),
        "AGENT_BREAKER__OPEN_S": f"{OPEN_S:g}",
        "AGENT_BREAKER__OPEN_GROWTH": "1",
        "AGENT_BREAKER__OPEN_JITTER": f"{JITTER:g}",
        "AGENT_DEGRADATION__FALLBACK_MODEL": FALLBACK,
    },
    promise=promise,
    cure=cure,
)
