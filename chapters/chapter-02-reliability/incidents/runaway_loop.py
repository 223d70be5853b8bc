"""runaway-loop: an agent that asks for the same tool all night.

Nothing fails, so nothing is retried and no circuit opens: every call succeeds and is billed. A
deadline ends it in time but throws away what was found. The cure is a guard that counts, stops,
and answers with the facts at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from book.story.incident import (
    Check,
    Evidence,
    Headline,
    Incident,
    Outcome,
    Run,
    Task,
    Workload,
    at_least,
    at_most,
    bill,
)
from book.story.wishes import CITIES, Wishes, sum_gap, weather_gap
from mock_claude import FaultScript

MOST_CALLS = 8
LIMIT_S = 8.0


def workload(seed: int) -> Workload:
    """Eighteen users with two tasks each in a session of their own; two of three meet a loop."""
    wishes = Wishes(seed)
    tasks: list[Task] = []
    for user in range(18):
        one, two = wishes.rng.sample(CITIES, 2)
        facts = wishes.world.weather_fact(one), wishes.world.weather_fact(two)
        gaps = weather_gap(one), weather_gap(two)
        asked = f"What is the weather in {one}"
        session = f"user-{user}"
        if user % 3 == 0:
            text = f"I ask again ({user}): what is the weather in {one}?"
            tasks.append(Task(text, facts[:1], session, tag="loop", gaps=gaps[:1]))
        elif user % 3 == 1:
            text = f"Keep comparing ({user}): {asked}, and what is the weather in {two}?"
            tasks.append(Task(text, facts, session, tag="loop", gaps=gaps))
        else:
            text = f"({user}) {asked}?"
            tasks.append(Task(text, facts[:1], session, tag="plain", gaps=gaps[:1]))
        a, b = wishes.rng.randint(100, 999), wishes.rng.randint(11, 99)
        text, gap = f"And what is {a}*{b}?", sum_gap(f"{a}*{b}")
        tasks.append(Task(text, (str(a * b),), session, tag="next", gaps=(gap,)))
    return Workload(tuple(tasks), at_once=18, limit_s=LIMIT_S)


def promise(run: Run) -> list[Check]:
    """Everybody is told what their tools found, and the session goes on."""
    return [
        at_least("success", run.success, 0.99, "%"),
        at_least("next tasks in the session", run.only(tag("next")).success, 0.99, "%"),
    ]


def cure(seen: Evidence) -> list[Check]:
    """A loop is stopped within a few calls, as the simulator and the answers count them."""
    loops = seen.run.only(tag("loop")).outcomes
    turns = [outcome.answer.get("turns") for outcome in loops]
    known = [count for count in turns if isinstance(count, int)]
    mean = sum(seen.run.fired.values()) / len(loops)
    return [
        at_most("model calls of a loop, mean at the simulator", mean, MOST_CALLS),
        at_most("model calls of a loop, most by the answers", max(known, default=None), MOST_CALLS),
    ]


def tag(name: str) -> Callable[[Outcome], bool]:
    return lambda outcome: outcome.task.tag == name


def dollars_an_hour(run: Run) -> float:
    """What this work costs, on the same clock for every step: the workload once every LIMIT_S."""
    return float(bill(run.model_requests)) / LIMIT_S * 3600


INCIDENT = Incident(
    name="runaway-loop",
    story="A model asks for one tool for ever; another goes back and forth between two.",
    symptom="the agent asks the same question all night",
    headline=Headline("dollars an hour", "$", "lower", dollars_an_hour),
    tags={
        "loop": "tasks whose model goes in circles",
        "plain": "tasks without a loop",
        "next": "the next task of each session",
    },
    faults=FaultScript.load(Path(__file__).with_suffix(".toml")),
    workload=workload,
    settings={
        "AGENT_TIMEOUTS__CONNECT_S": "1",
        "AGENT_TIMEOUTS__MODEL_CALL_S": "3",
        "AGENT_TIMEOUTS__TOOL_CALL_S": "3",
        "AGENT_TIMEOUTS__REQUEST_S": "6",
    },
    promise=promise,
    cure=cure,
)
