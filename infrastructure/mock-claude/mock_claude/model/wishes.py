"""What a user can wish for: the vocabulary between reading a task and planning its calls.

Prevents the planner from knowing words, and the reader from knowing tools. Rule: a wish holds what
its call is given, and the wishes it depends on; what the stand-in cannot do is a wish too.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Calculate:
    """An expression of digits, ``+ - * / % **``, parentheses and spaces; its result's unit."""

    expression: str
    unit: str = ""


@dataclass(frozen=True)
class Weather:
    """The weather in a city; "" if the task names none.

    ``asks_more`` says that the words ask for more than the weather now: rain, tomorrow, Fahrenheit.
    """

    city: str
    asks_more: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class CapitalWeather:
    """The weather in the capital of a country, which must be looked up first."""

    country: str
    asks_more: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Search:
    """A subject to look up; ``asked`` in a question, which the article may not answer."""

    query: str
    asked: bool = field(default=False, compare=False)


Fact = Calculate | Weather | CapitalWeather | Search


@dataclass(frozen=True)
class Save:
    """A note: its ``text``, or, if that is None, what the wishes in ``of`` find out.

    With no text and no wishes it is the previous answer of the conversation, which must hold
    as many facts as the words say: ``several`` is 2 for "both", 3 for "all three".
    """

    text: str | None
    of: tuple[Fact | Read, ...] = ()
    several: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Read:
    """Reading all notes, once what stands before it in the task is saved.

    ``asks_more`` says that the words ask for some of them, or for their number.
    """

    after: tuple[Save, ...] = ()
    asks_more: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Unable:
    """What is asked and not done; ``said`` says so."""

    said: str


Wish = Fact | Save | Read | Unable
