"""What a user can wish for: the vocabulary between reading a task and planning its calls.

Prevents the planner from knowing words, and the reader from knowing tools. Rule: a wish holds what
its call is given, and the wishes it depends on.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Calculate:
    """An expression of digits, ``+ - * / % **``, parentheses and spaces."""

    expression: str


@dataclass(frozen=True)
class Weather:
    """The weather in a city; "" if the task names none."""

    city: str


@dataclass(frozen=True)
class CapitalWeather:
    """The weather in the capital of a country, which must be looked up first."""

    country: str


@dataclass(frozen=True)
class Search:
    """A subject to look up."""

    query: str


Fact = Calculate | Weather | CapitalWeather | Search


@dataclass(frozen=True)
class Save:
    """A note: its ``text``, or, if that is None, what the wishes in ``of`` find out.

    With no text and no wishes it is the previous answer of the conversation.
    """

    text: str | None
    of: tuple[Fact | Read, ...] = ()


@dataclass(frozen=True)
class Read:
    """Reading all notes, once what stands before it in the task is saved."""

    after: tuple[Save, ...] = ()


Wish = Fact | Save | Read
