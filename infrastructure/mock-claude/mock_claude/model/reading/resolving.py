"""Resolves what a task's words point at: "both", "it", "everything", a place left open.

Prevents a note of what was not understood. Rule: a note by reference holds the facts since the last
one, or those that its words name; if words before it were not understood, it is not made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from mock_claude.model.reading.quotes import Quotes
from mock_claude.model.reading.saving import Saving
from mock_claude.model.wishes import (
    Calculate,
    CapitalWeather,
    Fact,
    Read,
    Save,
    Search,
    Unable,
    Weather,
    Wish,
)


@dataclass(frozen=True)
class Draft:
    """A save whose references are still open; ``own`` are the facts its clause names."""

    saving: Saving
    own: tuple[Fact, ...] = ()


@dataclass(frozen=True)
class Gap:
    """Words that ask for something which was not understood."""

    words: str


_T = TypeVar("_T")
Item = Fact | Read | Unable | Draft | Gap

NO_CITY = Weather("")
_KINDS: dict[str, tuple[type, ...]] = {
    "weather": (Weather, CapitalWeather),
    "calculation": (Calculate,),
    "search": (Search,),
}
_SEVERAL = frozenset({"all", "both", "three"})
_LACKING = "I did not save a note, as I did not understand all that it is to hold."


def resolve(
    found: list[Item], open_to: tuple[Fact, ...], quotes: Quotes, context: tuple[Fact, ...] = ()
) -> tuple[Wish, ...]:
    """The wishes of what was found in a task, in its order; ``open_to`` are the places for weather
    in a place left open, ``context`` the facts of the task before. Words that were not understood
    are told if anything else is."""
    items = [placed for item in found for placed in _placed(item, open_to)]
    unmet = [item for item in items if _asks_more(item)]
    items = [asking(item, item in unmet) for item in items]
    wishes: list[Wish] = []
    saves: list[Save] = []
    since = 0
    for index, item in enumerate(items):
        if isinstance(item, Gap):
            wishes.append(Unable(f'I did not understand "{quotes.restore(item.words)}".'))
        elif isinstance(item, Read):
            wishes.append(replace(item, after=tuple(dict.fromkeys(saves))))
        elif not isinstance(item, Draft):
            wishes.append(item)
        elif item.saving.words:
            saves.extend(Save(text) for text in item.saving.words)
            wishes.extend(saves[-len(item.saving.words) :])
        else:
            of = item.own or _meant(items, index, since, item.saving)
            lacking = any(isinstance(other, (Gap, Unable)) for other in items[since:index])
            if lacking and not (of and item.saving.kinds - _SEVERAL):
                wishes.append(Unable(_LACKING))
                continue
            if not of and saves:
                continue  # 'note: "milk". Save it.' is one note
            if not of and any(map(_asks_more, context)):
                wishes.append(Unable(_LACKING))
                continue
            if not of and context and item.saving.kinds - _SEVERAL:
                of = _of_kinds(context, item.saving.kinds)[-1:]  # "and save the weather"
                if not of:
                    wishes.append(Unable(_LACKING))
                    continue
            several = 3 if "three" in item.saving.kinds else 2 * bool(item.saving.kinds & _SEVERAL)
            apart = item.saving.apart and len(of) > 1
            new = [Save(None, (fact,)) for fact in of] if apart else [Save(None, of, several)]
            saves.extend(new)
            wishes.extend(new)
            since = index
    wishes = list(dict.fromkeys(wishes))
    return tuple(wishes) if any(map(_is_told, wishes)) else ()


def _is_told(wish: Wish) -> bool:
    """Whether the wish is not just words that were not understood."""
    return not (isinstance(wish, Unable) and wish.said.startswith("I did not understand"))


def _asks_more(item: Item) -> bool:
    return isinstance(item, (Weather, CapitalWeather)) and item.asks_more


def asking(item: _T, more: bool) -> _T:
    """The item, asking for more than the weather now if ``more``."""
    return (
        replace(item, asks_more=True)
        if more and isinstance(item, (Weather, CapitalWeather))
        else item
    )


def _placed(item: Item, places: tuple[Fact, ...]) -> list[Item]:
    """The item, with weather in an open place moved to the places that the task speaks of."""
    if isinstance(item, Draft) and NO_CITY in item.own:
        own = [place for fact in item.own for place in (places if fact == NO_CITY else (fact,))]
        return [Draft(item.saving, tuple(own))]
    return [asking(place, _asks_more(item)) for place in places] if item == NO_CITY else [item]


def _of_kinds(facts: tuple[Fact, ...], names: frozenset[str]) -> tuple[Fact, ...]:
    kinds = tuple(kind for name in names for kind in _KINDS.get(name, ()))
    return tuple(fact for fact in facts if isinstance(fact, kinds))


def _meant(items: list[Item], index: int, since: int, saving: Saving) -> tuple[Fact | Read, ...]:
    """What a save refers to: facts since the last save, else before it, else after it."""

    def facts(some: list[Item]) -> tuple[Fact, ...]:
        found = [item for item in some if not isinstance(item, (Read, Unable, Draft, Gap))]
        return tuple(dict.fromkeys(found))

    before, recent, later = facts(items[:index]), facts(items[since:index]), facts(items[index:])
    for some in (recent, before, later):
        if chosen := _of_kinds(some, saving.kinds):
            return chosen
    if "all" in saving.kinds and before:
        return before
    for name, place in (("first", 0), ("second", 1), ("third", 2), ("last", -1)):
        if name in saving.kinds and len(before) > place:
            return before[place:][:1]
    reads = (item for item in items[:index] if isinstance(item, Read))
    saved = any(isinstance(item, Draft) for item in items[:index])
    return recent or before or later or (() if saved else tuple(reads)[:1])
