"""Reads the places of a list: "Lisbon, Portugal, Porto and the capital of Spain right now".

Prevents a name from being cut ("Washington, D.C.") or from swallowing what follows it. Rule: words
of time go first; a name ends where its capitals end, or at a word that no name holds; a country
after a comma belongs to the city before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mock_claude.model.reading.quotes import QUOTED, Quotes
from mock_claude.world import places


@dataclass(frozen=True)
class Spot:
    """Where the weather is asked for: a city, the capital of a country, or "" for "there"."""

    name: str
    of_capital: bool = False


_TIME = re.compile(
    r"\b(?:right\snow|rn|atm|at\sthe\s(?:very\s)?moment|at\spresent|at\sthis\s(?:very\s)?(?:moment|hour|time)|"
    r"(?:for\s|of\s)?(?:later\s)?(?:today|tonight|tomorrow)(?:['\u2019]s)?(?:\s(?:morning|noon|afternoon|evening|night))?|now|currently|presently|"
    r"(?:for\s|on\s)?(?:this|next|the)\s(?:very\s)?(?:morning|afternoon|evening|week|weekend|minute|"
    r"instant|coming\sdays)|these\sdays|"
    r"(?:for\s|over\s)?(?:the\s)?next\s(?:\w+\s)?(?:days|hours|weeks)|"
    r"(?:on\s|for\s|this\s|next\s)?(?:mon|tues|wednes|thurs|fri|satur|sun)day|"
    r"as\sof\snow|just\snow|nowadays|lately|in\s(?:degrees?\s)?(?:celsius|fahrenheit|metric|\u00b0?[cf])(?![\w.])|please|"
    r"like|looking|outside|outdoors|out\sthere|going\sto\sbe|for\s(?:me|us|now)|exactly|again|too|"
    r"as\swell(?!\sas)|instead|first|really)\b",
    re.IGNORECASE,
)
PREPOSITION = r"(?:in|for|at|of|over|around|near|across|from|on|to|between|inside|is|are|within|@)"
_LED = re.compile(rf"^(?:.*?[\s:,(])??{PREPOSITION}\s+(?P<rest>\S.*)", re.IGNORECASE | re.DOTALL)
_JOINT = re.compile(
    r"\s*(?P<comma>,|\()\s*(?:(?:and|or)\s+)?|\s+(?:and|or|as\swell\sas|plus|then|vs\.?|versus|than|"
    r"compared\s(?:to|with)|with|against|but\salso)\s+|\s*[&/;|)]\s*",
    re.IGNORECASE,
)
_ITEM_LEAD = re.compile(
    rf"(?:{PREPOSITION}|also|both|and|or|either|then|each\sof|(?:the\s)?(?:following|these|two|three)\s"
    r"(?:cities|places|towns):?|(?:the\s)?(?:city|cities|town|towns|village)(?:\s(?:of|like)|(?-i:(?=\s[A-Z])))|downtown|"
    r"central|beautiful|sunny|rainy|the\sone|same)\s+|(?-i:[a-z]+\s+in\s+(?=[A-Z]))|the\s(?=[A-Z])(?!Hague\b)",
    re.IGNORECASE,
)
_CAPITAL = re.compile(r"(?:the\s)?capital(?:s|\scit(?:y|ies))?\sof\s(?P<of>\S.*)", re.IGNORECASE)
_CAPITAL_AFTER = re.compile(
    r"(?:the\s)?(?P<of>.+?)(?:['\u2019]s?)?\scapital(?:\scity)?", re.IGNORECASE
)
_THERE = re.compile(
    r"(?:there|here|it|its|them|that|this|(?:in\s)?(?:that|this|the|the\ssame|my|our)\s(?:same\s)?"
    r"(?:city|place|town|capital|location|area|village|country)|where\s(?:i|we)\s(?:am|are|live)|"
    r"both(?:\s(?:cities|places))?|each)",
    re.IGNORECASE,
)
_NO_PLACE = re.compile(
    r"(?:i|i['\u2019](?:m|d|ll|ve)|we|you|he|she|they|please|have|find|tell|then|also|if|so|what|how|which|who|"
    r"save|store|note|write|remember|record|put|look|search|read|show|calculate|compute|general|"
    r"detail|short|advance|case|mind|by|not|and|or|usual|normal|average|fahrenheit|celsius|kelvin|degrees)\b(?!-)",
    re.IGNORECASE,
)
PARTICLE = re.compile(
    r"(?:de|da|do|dos|das|del|della|di|du|des|la|le|les|los|las|el|al|of|the|upon|on|am|an|der|den|"
    r"sur|sous|y|e|und|ob|aan|op|zee|es|by|d|l|ibn|bin|ar|as|az|ul)",
    re.IGNORECASE,
)
_AFTER_A_PLACE = re.compile(
    r"\s+(?:so|because|since|if|when|while|but|with|using|via|that|which|who|where|before|after|until|"
    r"is|are|was|will|would|should|i|we|you|my|to|it|as|by|on|in|at|for|right|given|during|than|look|"
    r"looks|has|have|does|do|get|gets|feel|feels|be|please|then|weather|forecast|temperature|not)\b.*",
    re.IGNORECASE | re.DOTALL,
)


def _name(item: str, quotes: Quotes) -> Spot | None:
    """The place an item of a list names, or None if it names none."""
    item = re.sub(r"^[^:]*:\s+", "", item).strip(" \t\n,:;?!\"'\u2019")
    while match := _ITEM_LEAD.match(item):
        item = item[match.end() :]
    if re.fullmatch(QUOTED + r"(?:['\u2019]s)?", item):
        return Spot(quotes.bare(item[0]))
    for pattern in (_CAPITAL, _CAPITAL_AFTER):
        if match := pattern.fullmatch(item):
            country = _cut(match["of"].strip(" .?!"))
            known = places.capital_of(quotes.restore(country))
            if known or pattern is _CAPITAL:
                people = places.country_of_people(country)
                return Spot(people or quotes.restore(country), of_capital=True)
    if _NO_PLACE.match(item) or places.country_of_people(item.strip(" .")):
        return None
    if _THERE.fullmatch(item):
        return Spot("")
    item = _cut(item)
    if not places.city_named(item):
        item = re.sub(r"['\u2019]s$", "", item)
    item = item if re.search(r"\.\w\.$|\b(?:D\.C)\.$", item) else item.rstrip(".")
    has_digit = any(char.isdigit() for char in item)
    if has_digit or not any(char.isalpha() for char in item) or len(item) > 60:
        return None
    for name, _, country in (item.rpartition(" "), item.partition(" ")):
        is_where = places.qualifies(country) or re.fullmatch(r"[A-Z]{2}", country)
        if places.city_named(name) and is_where and not places.city_named(item):
            return Spot(f"{name}, {country}")  # "Paris France"
    known = places.city_named(item)
    plainly_typed = item == item.lower() or (item == item.upper() and len(item) > 3)
    return Spot(known.name if known and plainly_typed else quotes.restore(item))


def _cut(item: str) -> str:
    """The item up to where the place's name ends."""
    if not item[:1].isupper():
        return _AFTER_A_PLACE.sub("", item)
    words = item.split(" ")
    end = 1
    for index, word in enumerate(words[1:], start=1):
        if word[:1].isupper() or re.match(QUOTED, word):
            end = index + 1
        elif not PARTICLE.fullmatch(word.strip("'\u2019-")):
            break
    name = " ".join(words[:end])
    if end == 1 and places.city_named(item):
        return item  # "Rio de janeiro"
    return name


def spots(text: str, quotes: Quotes) -> list[Spot]:
    """The places of a list such as "Lisbon, Portugal, Porto and the capital of Spain"."""
    found: list[Spot] = []
    at, comma, capitals = 0, False, False
    text = text.strip()
    for joint in [*_JOINT.finditer(text), None]:
        item = text[at : joint.start() if joint else len(text)]
        at = joint.end() if joint else len(text)
        is_qualifier = comma and found and not found[-1].of_capital and found[-1].name
        bare = item.strip(" .?!")
        if is_qualifier and (places.qualifies(bare) or re.fullmatch(r"[A-Z]{2}", bare)):
            dotted = item.strip() if bare.upper().endswith(("D.C", "U.S")) else bare
            found[-1] = Spot(f"{found[-1].name}, {dotted.upper() if '.' in dotted else dotted}")
        else:
            for each in _in_a_row(item) or [item]:
                if (spot := _name(each, quotes)) and not (found and _is_phrase(each, spot.name)):
                    found.append(Spot(spot.name, True) if capitals and spot.name else spot)
            capitals = capitals or bool(re.search(r"\bcapitals\sof\b", item, re.IGNORECASE))
        comma = bool(joint and joint["comma"])
    return list(dict.fromkeys(found))


def _in_a_row(item: str) -> list[str]:
    """The cities of "london paris new york", or [] if it is anything else."""
    words, found = item.strip(" .?!").split(), list[str]()
    while words:
        sizes = range(min(len(words), 4), 0, -1)
        size = next((n for n in sizes if places.city_named(" ".join(words[:n]))), 0)
        if not size:
            return []
        found.append(" ".join(words[:size]))
        words = words[size:]
    return found


def _is_phrase(item: str, name: str) -> bool:
    """Whether words after a first city are no name: "by how much", "email it to Bob"."""
    return name == name.lower() and " " in item.strip() and not places.city_named(name)


def looks_named(text: str) -> bool:
    """Whether words may be a place's name: capitalised, quoted, or in the table."""
    text = text.strip(" ,.?!:'\u2019")
    return bool(text) and (
        text[:1].isupper() or bool(re.match(QUOTED, text)) or places.city_named(text) is not None
    )


def places_after(text: str, quotes: Quotes) -> list[Spot]:
    text = _TIME.sub(" ", text).strip()
    text = re.sub(r"^(?:is|are|will|was|does|do)\s(?:it|there|we|they)\s?(?:be|have)?\b", "", text)
    direct = text.lstrip(" ,:\u2013\u2014-(")
    head = re.split(r"\s+(?:and|or)\s+|,", direct, maxsplit=1)[0]
    if looks_named(head) and not _LED.match(direct.split(" ")[0] + " x"):
        return spots(direct, quotes)
    if match := _LED.match(text):
        return spots(match["rest"], quotes)
    if re.search(r"\bthere\b", text, re.IGNORECASE):
        return [Spot("")]
    return []


def without_time(text: str) -> str:
    """The text without words such as "right now", which say nothing about the place."""
    return _TIME.sub(" ", text)


def names_capital(text: str) -> bool:
    """Whether the text begins as "the capital of Peru" does."""
    return bool(_CAPITAL.match(text))


def country_of_capital(query: str) -> str | None:
    """The country in a search for its capital ("capital of Peru"), or None."""
    match = _CAPITAL.fullmatch(query)
    if match:
        return match["of"]
    match = _CAPITAL_AFTER.fullmatch(query)
    return match["of"] if match and places.capital_of(match["of"]) else None


_SAID = re.compile(
    r"\b(?i:in|to|for|at|from|near|visit|visiting|reach|reaching|around)\s+(?P<place>[A-Z].*)"
)


def mentioned(clause: str, quotes: Quotes) -> list[Spot]:
    """The places a clause without a wish speaks of, as "I fly to Lisbon tomorrow" does."""
    text = without_time(clause).strip()
    if match := _SAID.search(text):
        return spots(match["place"], quotes)
    found = spots(text, quotes)
    return found if all(places.city_named(spot.name) for spot in found) else []
