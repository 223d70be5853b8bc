"""A grammar of tasks: one to four wishes, in any words and order."""

import random
from collections.abc import Callable
from pathlib import Path

from forking import IMPORTS

from book.chain.chain import Step
from book.stage import trial as trials
from book.stage.processes import Processes
from book.stage.trial import Trial
from book.story.incident import Headline, Incident, Run, Task, Workload
from mock_claude import FaultScript
from mock_claude.world import World

CITIES = (
    "Lisbon",
    "New York",
    "São Paulo",
    "Rio de Janeiro",
    "Reykjavik",
    "Ho Chi Minh City",
    "Nairobi",
    "Tromsø",
    "Buenos Aires",
)
COUNTRIES = {"Portugal": "Lisbon", "Kenya": "Nairobi", "Norway": "Oslo", "Japan": "Tokyo"}
THINGS = ("viaduct", "lighthouse", "observatory", "canal", "clock tower", "opera house")
NAMES = ("Aldwyn", "Marlow", "Brightwater", "Castellan", "Dunmore", "Everhart", "Fenwick")
OPENINGS = ("", "Please help me. ", "Hi! ", "Two things, or more: ", "Hello Claude, ")
JOINTS = (" Then ", " Also, ", " And ", " ", " After that, ", "\n- ")

Wish = Callable[[random.Random, World], tuple[str, tuple[str, ...]]]


def sum_of_numbers(rng: random.Random, world: World) -> tuple[str, tuple[str, ...]]:
    a, b = rng.randint(100, 9999), rng.randint(11, 99)
    words, result = rng.choice(
        [
            (f"what is {a}*{b}?", a * b),
            (f"calculate {a} + {b}.", a + b),
            (f"how much is {a} minus {b}?", a - b),
            (f"work out ({a} - {b}) * 3.", (a - b) * 3),
            (f"what's {a} times {b}?", a * b),
            (f"compute {a} plus {b}.", a + b),
            (f"multiply {a} by {b}.", a * b),
        ]
    )
    return words, (str(result),)


def weather(rng: random.Random, world: World) -> tuple[str, tuple[str, ...]]:
    city = rng.choice(CITIES)
    words = rng.choice(
        [
            f"what is the weather in {city}?",
            f"how warm is it in {city} right now?",
            f"tell me the temperature in {city}.",
            f"what's the weather like in {city} today?",
            f"check the forecast for {city}.",
        ]
    )
    return words, (world.weather_fact(city),)


def weather_of_a_capital(rng: random.Random, world: World) -> tuple[str, tuple[str, ...]]:
    country, capital = rng.choice(sorted(COUNTRIES.items()))
    return f"what is the weather in the capital of {country}?", (world.weather_fact(capital),)


def search(rng: random.Random, world: World) -> tuple[str, tuple[str, ...]]:
    subject = f"the {rng.choice(NAMES)} {rng.choice(THINGS)}"
    words = rng.choice(
        [
            f"search the web for {subject}.",
            f"look up {subject}.",
            f"find out about {subject}.",
            f"tell me about {subject}.",
            f'search for "{subject}".',
        ]
    )
    return words, world.search(subject)[0].facts


def note(rng: random.Random, world: World) -> tuple[str, tuple[str, ...]]:
    number = rng.randint(1000, 9999)
    words = rng.choice(
        [f"save 'locker {number}' as a note.", f"make a note: the code is {number}."]
    )
    return words, ()


WISHES: tuple[Wish, ...] = (sum_of_numbers, weather, weather_of_a_capital, search, note)
ENDINGS = ("", "", "", " Save everything as a note.", " Finally, save that as a note.")


def grammar(seed: int, count: int) -> tuple[Task, ...]:
    """Tasks of one to four different wishes, in random order and wording."""
    rng, world = random.Random(seed), World(seed)
    tasks = []
    for _ in range(count):
        wishes = rng.sample(WISHES, k=rng.randint(1, 4))
        parts = [wish(rng, world) for wish in wishes]
        text = rng.choice(OPENINGS) + parts[0][0][0].upper() + parts[0][0][1:]
        for words, _facts in parts[1:]:
            joint = rng.choice(JOINTS)
            text += joint + (words if joint.strip() else words[0].upper() + words[1:])
        facts = tuple(fact for _, found in parts for fact in found)
        tasks.append(Task(text + rng.choice(ENDINGS), facts))
    return tuple(tasks)


def run_on(step: Step, seed: int, tasks: tuple[Task, ...], folder: Path) -> Run:
    """Eight at once, without trouble."""
    calm = Incident(
        name="grammar",
        story="",
        faults=FaultScript(),
        workload=lambda seed: Workload(tasks, at_once=8, limit_s=60.0),
        settings={},
        promise=lambda run: [],
        symptom="nothing goes wrong",
        headline=Headline("tasks done", "%", "higher", lambda run: run.success),
        cure=lambda seen: [],
    )
    with Processes(IMPORTS, folder) as processes:
        return trials.run(Trial(step, calm, seed, calm=True), processes, lambda done: None)


def wrong(run: Run) -> list[str]:
    """What was asked and what came, of each task that was not done."""
    return [
        f"{each.task.text!r} wants {each.task.facts}, got {each.text or each.error!r}"
        for each in run.outcomes
        if not each.done
    ]
