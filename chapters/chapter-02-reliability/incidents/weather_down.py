"""weather-down: one tool is dead for good, and the answer must say so.

An agent that waits for it fails everybody; one that hides it lies. The cure is to answer with what
the other tools gave, the last known weather with its age where there is one, and the name of what
is missing where there is none.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs

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
    holds,
)
from book.story.wishes import Wishes, at, tagged
from mock_claude import Exchange, FaultScript
from mock_claude.world import World

DEAD_S = 4.0
SEEN = ("Lisbon", "Nairobi", "Quito", "Oslo", "Hanoi", "Lima", "Accra", "Riga", "Dublin", "Cairo")
UNSEEN = ("Madrid", "Tokyo", "Ottawa", "Canberra", "Warsaw", "Vienna", "Prague", "Seoul", "Athens")
FORECAST = "/v1/forecast"
AGE = re.compile(r"(\d+(?:\.\d+)?) s old")


def workload(seed: int) -> Workload:
    """Twenty tasks ask for ten places while all is well, forty more for nineteen afterwards.

    Each also asks for a sum. The weather is no fact of the task: the verdict asks for it.
    """
    wishes = Wishes(seed)

    def task(user: int, city: str) -> Task:
        whole = wishes.weather_and_sum(user, city)
        return tagged(city, Task(whole.text, whole.facts[1:], gaps=whole.gaps[1:]))

    early = [at(0.1 + user / 15, task(user, SEEN[user % len(SEEN)])) for user in range(20)]
    places = (*SEEN, *UNSEEN)
    late = [at(7 + n / 12, task(20 + n, places[n % len(places)])) for n in range(40)]
    return Workload((*early, *late), at_once=20, limit_s=8.0)


def promise(run: Run) -> list[Check]:
    """What the other tools found is told; without trouble the weather is told too."""
    checks = [at_least("answers with the other tools' facts", run.success, 0.99, "%")]
    if run.calm:
        told = [
            holds(o.text or "", fact(run, o.task.tag)) and not o.answer.get("degraded")
            for o in run.outcomes
        ]
        checks += [at_least("answers with the weather, none degraded", share(told), 0.99, "%")]
    return checks


def cure(evidence: Evidence) -> list[Check]:
    """Old values come with their age, missing ones by name, and only then is it degraded."""
    run = evidence.run
    late = [o for o in run.outcomes if is_late(o) and o.text is not None]
    stale = [o for o in late if seen(run, o)]
    missing = [o for o in late if not seen(run, o)]
    errors = [error for o in stale if (error := age_error_s(run, o)) is not None]
    worst = max(errors) if errors and len(errors) == len(stale) else None
    degraded = [bool(o.answer.get("degraded")) is (o in late) for o in run.outcomes]
    named = ["Missing" in (o.text or "") and o.task.tag in (o.text or "") for o in missing]
    values = [holds(o.text or "", fact(run, o.task.tag)) for o in stale]
    return [
        at_least("tasks for places seen before", len(stale), 15, guard=True),
        at_least("with the old value", share(values), 1.0, "%"),
        at_most("error of the age told", worst, 1.0, "s"),
        at_least("tasks for unseen places", len(missing), 15, guard=True),
        at_least("named as missing", share(named), 1.0, "%"),
        at_least("degraded exactly then", share(degraded), 1.0, "%"),
    ]


def is_late(outcome: Outcome) -> bool:
    return outcome.task.at_s > DEAD_S


def says_what_is_old_or_missing(run: Run) -> float:
    """The share of answers with the old value and its age, or the name of what is missing."""
    said = []
    for outcome in run.outcomes:
        text, city = outcome.text or "", outcome.task.tag
        if seen(run, outcome):
            said.append(holds(text, fact(run, city)) and AGE.search(text) is not None)
        else:
            said.append("Missing" in text and city in text)
    return share(said)


def share(good: list[bool]) -> float:
    return sum(good) / len(good) if good else 0.0


def fact(run: Run, city: str) -> str:
    return World(run.seed).weather_fact(city)


def seen(run: Run, outcome: Outcome) -> Exchange | None:
    """The last forecast that was given for this outcome's place before its task began."""
    place = World(run.seed).locate(outcome.task.tag)
    found = None
    for each in run.requests(FORECAST):
        if each.status == 200 and each.at_s + each.duration_s <= outcome.began_s and place:
            asked = {name: values[0] for name, values in parse_qs(each.query).items()}
            if (float(asked["latitude"]), float(asked["longitude"])) == (
                place.latitude,
                place.longitude,
            ):
                found = each
    return found


def age_error_s(run: Run, outcome: Outcome) -> float | None:
    """How far the age in the text is from any that it had while the task was under way.

    None where the text tells no age.
    """
    told, then = AGE.search(outcome.text or ""), seen(run, outcome)
    if told is None or then is None:
        return None
    age_s = float(told[1])
    least_s = outcome.began_s - (then.at_s + then.duration_s)
    most_s = outcome.ended_s - then.at_s
    return max(least_s - age_s, age_s - most_s, 0.0)


INCIDENT = Incident(
    name="weather-down",
    story="The weather service dies and does not come back.",
    symptom="a tool stays dead, and answers do not say what they lack",
    headline=Headline(
        "answers that say what is old or missing",
        "%",
        "higher",
        says_what_is_old_or_missing,
        whose=is_late,
    ),
    faults=FaultScript.load(Path(__file__).with_suffix(".toml")),
    workload=workload,
    settings={"AGENT_RETRY__MAX_ATTEMPTS": "2", "AGENT_RETRY__BASE_S": "0.1"},
    promise=promise,
    cure=cure,
)
