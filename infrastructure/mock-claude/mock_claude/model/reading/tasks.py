"""Reads a task: which wishes it holds, in order, and what each depends on.

Prevents a plan that fits one wording only. Rule: cut the task into clauses, recognise each by
itself, then resolve what points elsewhere: "both", "it", "there", "the result".
"""

from __future__ import annotations

import re
from functools import lru_cache

from mock_claude.model.reading import (
    arithmetic,
    clauses,
    forecasts,
    limits,
    questions,
    recall,
    references,
    scope,
    spots,
    topics,
    units,
)
from mock_claude.model.reading.courtesies import core, without_lead, without_tail
from mock_claude.model.reading.quotes import QUOTED, Quotes, prepare
from mock_claude.model.reading.resolving import NO_CITY, Draft, Gap, Item, asking, resolve
from mock_claude.model.reading.saving import Saving, is_literal, to_save
from mock_claude.model.reading.spots import Spot
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
from mock_claude.world import places

_MORE = re.compile(
    r"(?:(?:the\s)?same\s)?(?P<about>(?:what|how)\sabout\s)?(?P<link>in\s|for\s|at\s|on\s|about\s)?"
    r"(?P<more>\S.{0,80})",
    re.IGNORECASE,
)


_OPEN_NOTE = re.compile(rf":\s(?!{QUOTED})")
_FAREWELL = re.compile(
    r"(?:that(?:['\u2019]s|\sis)|best|regards|kind|i\shope|hope|let\sme|all|done|sorry|you|\S+$)\b",
    re.IGNORECASE,
)


class _Reader:
    """Collects the wishes of one task, clause by clause."""

    def __init__(self, quotes: Quotes, context: tuple[Fact, ...]) -> None:
        self.quotes = quotes
        self.context = context
        self.found: list[Item] = []
        self.unread: list[str] = []
        self.note_is_open = False

    def clause(self, text: str) -> None:
        """Recognises one clause."""
        leads = text.endswith(":")
        text = text.rstrip(": ") if leads else text
        polite = without_tail(without_lead(text))
        words = arithmetic.goes_on(text) or core(text)
        if not words:
            return
        if recall.reads(words):
            self.found.append(Read(asks_more=recall.asks_more(words)))
            if more_asked := _AND_MORE.search(words):
                self.found.append(Gap(more_asked[1]))
            return
        if more := self.more_of_the_same(words):
            self.found.extend(more)
            return
        saving = to_save(polite, self.quotes) or to_save(words, self.quotes)
        if saving:
            parts = clauses.split(saving.about, self.quotes)
            each = [self.facts(core(part)) for part in parts]
            facts = tuple(fact for some in each for fact in some)
            if facts and not all(each):
                self.found.append(Gap(text))
        else:
            facts = self.facts(words)
        self.found.extend(facts)
        if saving and saving.about and not facts:
            words_of_note = self.quotes.restore(saving.about).strip(" .")
            if saving.is_subject or not is_literal(words, saving.about):
                quoted = re.search(QUOTED, saving.about)
                why = _SAVES_QUOTED if quoted else "put the words of a note in quotation marks."
                self.found.append(Unable(f'I did not save "{words_of_note}": {why}'))
                return
            saving = Saving(words=(words_of_note,))
        if saving:
            self.found.append(Draft(saving, facts))
        elif not facts:
            if self.continues_note(polite):
                return
            self.unread.append(words)
            says = (leads and not _MANNER.match(words)) or (
                scope.asks_nothing(text, words) and not _FORM.match(words)
            )
            if not says and not self.is_answered(words):
                self.found.append(Gap(words))
        self.note_is_open = bool(saving and saving.words and _OPEN_NOTE.search(text))

    def is_answered(self, words: str) -> bool:
        """Whether a clause only asks more of what is looked up already: "and who built it?"."""
        found = questions.queries(words, self.quotes)
        return found == [] and any(isinstance(wish, Search) for wish in self.found)

    def continues_note(self, polite: str) -> bool:
        """Whether a sentence without a wish goes on with "make a note: ..."; if so, adds it."""
        last = self.found[-1] if self.found else None
        if not self.note_is_open or not isinstance(last, Draft) or _FAREWELL.match(polite):
            return False
        said = last.saving.words[-1]
        stop = "" if said.endswith(("!", "?", "\u2026")) else "."
        words = f"{said}{stop} {self.quotes.restore(polite)}"
        self.found[-1] = Draft(Saving(words=(*last.saving.words[:-1], words)))
        return True

    def facts(self, words: str) -> tuple[Fact, ...]:
        """The facts that the words ask for."""
        if not words or len(words) > _LONGEST:
            return ()
        asked = forecasts.weather_spots(words, self.quotes)
        if asked is not None and forecasts.misses_a_place(words, asked):
            return ()
        if asked is not None:
            more = forecasts.asks_more(words, asked, self.quotes)
            return tuple(asking(self.place(spot), more) for spot in asked)
        if converted := units.conversion(self.unquoted(words)):
            return (Calculate(*converted),)
        sums = re.sub(r"^(?:what|how) about ", "", self.unquoted(words), flags=re.IGNORECASE)
        expressions = arithmetic.calculations(sums, self.last_expression())
        if expressions:
            return tuple(Calculate(expression) for expression in expressions)
        told = re.sub(r"^(?:tell|give|show|let)\s\w+\s(?:know\s)?", "", words)
        found = questions.queries(words, self.quotes, is_reference=references.refers(told))
        if found is None or _NOT_THAT.search(words):
            return ()
        asked_for = questions.is_question(told)
        named = scope.may_be_looked_up(told) and all(
            scope.is_subject(query) and scope.is_whole(told, query) for query in found
        )
        if (asked_for and not named) or any(map(scope.is_personal, found)):
            return ()
        searched = any(isinstance(wish, Search) for wish in self.found)
        if not found and self.unread and not searched:
            subject = topics.named_in(self.unread[-1], self.quotes)
            return (Search(subject),) if subject else ()
        return tuple(Search(query, asked_for) for query in found)

    def more_of_the_same(self, words: str) -> tuple[Fact, ...]:
        """What "and in Porto?" asks for after the weather, or "for B" after a search."""
        match, last = _MORE.fullmatch(words), next(iter(self.found[-1:] or self.context[-1:]), None)
        if isinstance(last, (Weather, CapitalWeather)) and places.city_named(words):
            return (Weather(words),)  # the next of a list
        if match is None or not (match["about"] or match["link"]):
            return ()
        more = match["more"]
        if isinstance(last, (Weather, CapitalWeather)) and spots.looks_named(more):
            if last == NO_CITY and self.found:
                self.found.pop()
            listed = spots.spots(more, self.quotes)
            if not self.found and not all(places.city_named(spot.name) for spot in listed):
                return ()
            odd = last.asks_more or forecasts.asks_more(words, listed, self.quotes)
            return tuple(asking(self.place(spot), odd) for spot in listed)
        if isinstance(last, Search) and match["link"] and match["link"] in ("for ", "about "):
            found = questions.queries(f"search for {more}", self.quotes)
            return tuple(Search(query) for query in found or ())
        return ()

    def unquoted(self, words: str) -> str:
        """The words with quoted calculations in the open."""
        for char in set(re.findall(QUOTED, words)):
            inner = self.quotes.bare(char)
            if self.quotes.is_quotation(char) and arithmetic.calculations(inner):
                words = words.replace(char, inner)
        return words

    def last_expression(self) -> str | None:
        """What "the result" is, if something is calculated before."""
        facts = [wish for wish in self.found if isinstance(wish, Calculate)]
        if facts:
            return facts[-1].expression
        start = _START.fullmatch(self.unread[-1]) if self.unread else None
        if start:
            return start[1]
        facts = [wish for wish in self.context if isinstance(wish, Calculate)]
        return facts[-1].expression if facts and len(facts[-1].expression) < _LONGEST else None

    def place(self, spot: Spot) -> Weather | CapitalWeather:
        """The wish for a place; "there" is the place spoken of last."""
        if spot.name:
            return CapitalWeather(spot.name) if spot.of_capital else Weather(spot.name)
        for wish in reversed([*self.context, *self.found]):
            if isinstance(wish, (Weather, CapitalWeather)) and wish != NO_CITY:
                return wish
            if isinstance(wish, Search):
                country = spots.country_of_capital(wish.query)
                return CapitalWeather(country) if country else Weather(wish.query)
        return NO_CITY

    def wishes(self) -> tuple[Wish, ...]:
        """The wishes with every reference resolved."""
        spoken = (spots.mentioned(clause, self.quotes) for clause in self.unread)
        open_to = tuple(self.place(spot) for spot in next(filter(None, spoken), [Spot("")]))
        return resolve(self.found, open_to, self.quotes, self.context)


_SAVES_QUOTED = "I save what stands in quotation marks as it is, and heed no more about it."
_AND_MORE = re.compile(
    r"\bnotes?,?\s(?:and|then)\s(?!(?:read|show|tell|list)\b)(\S.*)", re.IGNORECASE
)
_START = re.compile(r"(?:take\s|the\snumber\s)*(-?\d+(?:\.\d+)?)", re.IGNORECASE)
_NOT_THAT = re.compile(r",\s(?:and\s|but\s)?not\s", re.IGNORECASE)
_MANNER = re.compile(
    r"(?:answer|reply|respond|say|speak|write|explain|translate|format|give|convert|round)\b"
    r"(?!\s(?:me|us|the\sfollowing|this|these|my|to|all|both)\b)|(?:in|as|with|using)\s(?!order|addition|short|case|this|my|the\sfollowing)",
    re.IGNORECASE,
)
"""What says how to answer ("in French:"), which the stand-in does not follow."""
_FORM = re.compile(
    r"in\s(?:just\s|only\s)?(?:a|one|two|three|four|five|\d+)\s(?:\w+\s)?(?:words?|sentences?|lines?)\b|"
    rf"in\s(?:{scope.LANGUAGE})\b|(?:as|like)\sa\s",
    re.IGNORECASE,
)
_LONGEST = 600
"""Characters of the longest clause that can ask for a fact; a longer one is a document."""
_MOST = 200
"""Clauses of a task that are read; a text of more is a document."""
_END = 3_000
"""Characters of a long text's beginning, and of its end, that are read: the rest is a document."""


def context(wishes: tuple[Wish, ...]) -> tuple[Fact, ...]:
    """What a later task of the session can point at: "and times 2?", "and in Porto?", "save it"."""
    return tuple(wish for wish in wishes if not isinstance(wish, (Save, Read, Unable)))


def wishes_in(text: str, before: tuple[Fact, ...] = ()) -> tuple[Wish, ...]:
    """The wishes of a task, in the order in which its words put them.

    ``before`` is what the session's earlier tasks found out.
    """
    if len(text) > 2 * _END:
        text = f"{text[:_END]} {text[-_END:]}"
    return _wishes_in(text, before, tuple(getattr(wish, "asks_more", False) for wish in before))


@lru_cache(maxsize=512)  # every turn of a task reads the same words again
def _wishes_in(
    text: str, before: tuple[Fact, ...], _asks_more: tuple[bool, ...]
) -> tuple[Wish, ...]:
    """``_asks_more`` tells contexts apart that are equal but for it."""
    prepared, quotes = prepare(text)
    limited = limits.limit(prepared, quotes)
    reader = _Reader(quotes, before)
    for clause in clauses.split(limited.text, quotes)[:_MOST]:
        reader.clause(clause)
    return limits.granted(reader.wishes(), limited)
