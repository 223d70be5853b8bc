"""Wishes that incidents are made of, each with the facts that its answer must hold.

Every text is its own, because two users who ask the same words meet the same faults.
"""

from __future__ import annotations

import random
from dataclasses import replace

from book.story.workload import VALUE, Gap, Task
from mock_claude.world import World

CITIES = ("Lisbon", "Nairobi", "Quito", "Oslo", "Hanoi", "Lima", "Accra", "Riga", "Dublin", "Cairo")
NAMES = ("Ada", "Ben", "Chidi", "Dara", "Elif", "Femi", "Gita", "Hugo", "Ines", "Jun")
KINDS = ("bridge", "lighthouse", "observatory", "canal", "library", "tower")


class Wishes:
    """Wishes of users with numbers, drawn from one seed and true in its world."""

    def __init__(self, seed: int) -> None:
        self.rng, self.world = random.Random(seed), World(seed)

    def echo(self, user: int) -> Task:
        """A single model call."""
        word = f"{self.rng.choice(KINDS)}-{user}-{self.rng.randint(100, 999)}"
        return Task(f'Say "{word}".', (word,))

    def product(self, user: int) -> Task:
        """Two model calls around a calculation."""
        a, b = self.rng.randint(100, 999), self.rng.randint(11, 99)
        gap = sum_gap(f"{a}*{b}")
        return Task(f"{self._hello(user)} What is {a}*{b}?", (str(a * b),), gaps=(gap,))

    def weather(self, user: int, city: str | None = None) -> Task:
        """Two model calls around the weather in a city."""
        place = city or self.rng.choice(CITIES)
        fact = self.world.weather_fact(place)
        text = f"{self._hello(user)} What is the weather in {place}?"
        return Task(text, (fact,), gaps=(weather_gap(place),))

    def weather_and_sum(self, user: int, city: str | None = None) -> Task:
        """Two tools in one turn; the weather's fact is the first."""
        place = city or self.rng.choice(CITIES)
        a, b = self.rng.randint(100, 999), self.rng.randint(11, 99)
        text = f"{self._hello(user)} What is the weather in {place}, and what is {a}+{b}?"
        gaps = weather_gap(place), sum_gap(f"{a}+{b}")
        return Task(text, (self.world.weather_fact(place), str(a + b)), gaps=gaps)

    def search(self, user: int) -> Task:
        """Two model calls around a web search."""
        subject = f"{self.rng.choice(NAMES)}'s {self.rng.choice(KINDS)} {user}"
        text = f'{self._hello(user)} Search the web for "{subject}".'
        facts, gaps = article(self.world, subject)
        return Task(text, facts, gaps=gaps)

    def _hello(self, user: int) -> str:
        return f"{self.rng.choice(NAMES)} ({user}) here."


def sum_gap(expression: str) -> Gap:
    """What stands for the result of ``expression`` where there is none."""
    return Gap(expression, f"{expression} = {VALUE}")


def weather_gap(city: str) -> Gap:
    """What stands for the temperature in ``city`` where there is none."""
    return Gap(city, f"{VALUE} °C")


def article(world: World, subject: str) -> tuple[tuple[str, ...], tuple[Gap, ...]]:
    """The facts that a search for ``subject`` finds, each with what stands where it is missing."""
    found = world.search(subject)[0]
    gaps = []
    for fact in found.facts:
        before, _, after = found.extract.partition(fact)
        lead = " ".join(before.split()[-2:])  # "opened in"
        gaps.append(Gap(subject, f"{lead} {VALUE}{after[:1]}"))
    return found.facts, tuple(gaps)


def at(seconds: float, task: Task) -> Task:
    """The same task, arriving so many seconds after the workload's start."""
    return replace(task, at_s=seconds)


def tagged(tag: str, task: Task) -> Task:
    """The same task, with what the verdict knows it by."""
    return replace(task, tag=tag)
