"""rate-limit-storm: for three seconds the API refuses every call, in four different ways.

The SDK alone tries three times within about two seconds, or obeys a Retry-After of an hour and
sleeps. A user waits fifteen seconds and leaves. The cure is patience that fits the storm: more
attempts, spread by full jitter, and a Retry-After that is honoured up to a cap.
"""

from __future__ import annotations

import random
from pathlib import Path

from book.story.incident import (
    Check,
    Contrast,
    Evidence,
    Headline,
    Incident,
    Run,
    Task,
    Workload,
    at_least,
    at_most,
)
from book.story.wishes import CITIES, KINDS, NAMES, article, sum_gap, weather_gap
from mock_claude import FaultScript
from mock_claude.world import World


def workload(seed: int) -> Workload:
    """120 users, each with one wish that takes about three model calls; every text is its own."""
    rng, world = random.Random(seed), World(seed)
    return Workload(tuple(_task(user, rng, world) for user in range(120)), at_once=12, limit_s=15.0)


def _task(user: int, rng: random.Random, world: World) -> Task:
    a, b = rng.randint(100, 999), rng.randint(11, 99)
    hello = f"{rng.choice(NAMES)} ({user}) here."
    if user % 3 == 0:
        text = f"{hello} What is {a}*{b}? Save the result as a note."
        return Task(text, (str(a * b),), gaps=(sum_gap(f"{a}*{b}"),))
    if user % 3 == 1:
        city = rng.choice(CITIES)
        text = f"{hello} What is the weather in {city}, and what is {a}+{b}? Save both as a note."
        gaps = weather_gap(city), sum_gap(f"{a}+{b}")
        return Task(text, (world.weather_fact(city), str(a + b)), gaps=gaps)
    subject = f"{rng.choice(NAMES)}'s {rng.choice(KINDS)} {user}"
    text = f'{hello} Search the web for "{subject}", then save what you found as a note.'
    facts, missing = article(world, subject)
    return Task(text, facts, gaps=missing)


def promise(run: Run) -> list[Check]:
    """What a user was promised, with or without a storm."""
    return [
        at_least("success", run.success, 0.99, "%"),
        at_most("p95", run.latency_s(0.95), 8.0, "s"),
    ]


def within_8_s(run: Run) -> float:
    """The share of tasks that are done, and in time."""
    return sum(o.done and o.latency_s <= 8.0 for o in run.outcomes) / len(run.outcomes)


def cure(seen: Evidence) -> list[Check]:
    """Patience must not become a storm of its own: at most 1.6 times the calm run's requests."""
    ratio = len(seen.run.model_requests) / len(seen.calm.model_requests)
    return [at_most("model requests over a calm run", ratio, 1.6, "times", guard=True)]


INCIDENT = Incident(
    name="rate-limit-storm",
    story="For 3 s the API answers 429 or 529 to everybody; one says: in an hour.",
    symptom="for three seconds every call is refused",
    headline=Headline("tasks answered within 8 s", "%", "higher", within_8_s),
    faults=FaultScript.load(Path(__file__).with_suffix(".toml")),
    workload=workload,
    settings={
        "AGENT_RETRY__MAX_ATTEMPTS": "10",
        "AGENT_RETRY__BASE_S": "1",
        "AGENT_RETRY__CAP_S": "2",
        "AGENT_RETRY__RETRY_AFTER_CAP_S": "2",
    },
    later_settings={
        # A storm of seconds is waited out: the breaker of later steps must not cut it short.
        "AGENT_BREAKER__WINDOW_CALLS": "400",
        "AGENT_BREAKER__MINIMUM_CALLS": "200",
    },
    promise=promise,
    cure=cure,
    needs_calm=True,
    contrasts=(
        Contrast(
            label="with-retries, as printed",
            settings={
                "AGENT_RETRY__MAX_ATTEMPTS": "3",
                "AGENT_RETRY__BASE_S": "0.5",
                "AGENT_RETRY__CAP_S": "8",
                "AGENT_RETRY__RETRY_AFTER_CAP_S": "30",
            },
            remark="max_attempts=3 with full jitter beside the SDK's own two retries: "
            "more code is not more resilience.",
        ),
    ),
)
