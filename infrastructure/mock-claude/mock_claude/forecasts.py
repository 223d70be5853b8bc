"""Reads wishes for the weather: in which places, or in the capital of which country.

Prevents a place from being cut ("Washington, D.C.") or from swallowing what follows it ("Lisbon
right now"). Rule: first recognise that a clause asks for the weather, then read its places from
after the preposition, else from before the word, else leave the place open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mock_claude import places
from mock_claude.quotes import QUOTED, Quotes


@dataclass(frozen=True)
class Spot:
    """Where the weather is asked for: a city, the capital of a country, or "" for "there"."""

    name: str
    of_capital: bool = False


_ADJECTIVE = (
    r"(?:warm|cold|hot|cool|chilly|mild|windy|humid|rainy|wet|dry|sunny|cloudy|stormy|foggy|snowy|"
    r"freezing|icy)(?:er)?|windier|rainier|wetter|hotter|sunnier|cloudier|chillier|drier"
)
_KINDS = (
    r"(?:weather(?:\s(?:forecast|report|conditions?|situation|update|data|outlook))?|forecast|"
    r"(?:air\s|outside\s|outdoor\s)?temperatures?|temps?|wind\sspeed|humidity|conditions\soutside)"
)
_NOUN = re.compile(
    rf"\b{_KINDS}(?:(?:,|\sand|\sor|\s&|,\sand)\s(?:the\s)?(?:current\s)?(?:{_KINDS}|winds?|rain|"
    r"conditions))*(?![\w-])",
    re.IGNORECASE,
)
_FOLLOWERS = re.compile(
    r"\s*(?:$|[:,?!.()\u2013\u2014]|-\s|(?:in|for|at|of|over|around|near|across|from|on|like|is|are|"
    r"will|be|was|today|now|right|currently|tomorrow|tonight|there|here|outside|please|this|and|or|"
    r"these|than|versus|vs|report|look|looking|doing|going|both|later|as|next|out|between|to)\b"
    rf"|{QUOTED})",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"\b(?:what|whats|is|are|was|will|be|the|a|an|any|current|currently|today|tonight|tomorrow|local|"
    r"latest|present|actual|live|exact|like|how|hows|about|tell|give|get|show|fetch|bring|check|find|"
    r"out|look|up|see|let|know|me|us|for|of|at|on|to|do|does|you|have|i|need|want|wonder|wondering|"
    r"would|d|m|ll|curious|interested|and|also|now|right|please|outside|search|google|query|web|"
    r"internet|online|report|compare|read|describe|summarise|summarize|retrieve|obtain|grab|pull|"
    r"quick|brief|short|full|same|hear|can|could|ask|s|both|more|some|information|info|details|"
    r"regarding|concerning|with|using|your|tool|then|next|there|here|it|its|this|that|say|says|what's|"
    r"morning|afternoon|evening|week|weekend|average|make|use|request|lookup|which|exactly|just)\b"
    r"|[\s'\u2019,:;.?!-]",
    re.IGNORECASE,
)
_SEARCHING = re.compile(
    r"(?:search|google|research|find|look|who|why|when|where|tell me about|read|explain|define)\b",
    re.IGNORECASE,
)
_OTHER_WAYS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\bhow\s(?:{_ADJECTIVE})\s(?:\w+\s){{0,3}}(?:it|things|weather)\b(?P<rest>.*)",
        r"\b(?:if|whether|when)\sit\s(?:rains|snows)\b(?P<rest>.*)",
        rf"\b(?:is|will|does|was|if|whether|be)\s(?:it(?:['\u2019]s|\sis|\swill|\sbe)?|there)\s"
        r"(?:be\s|currently\s|going\sto\s(?:be\s)?|get\s|gonna\s|very\s|really\s|any\s|a\schance\sof\s|"
        r"too\s|still\s)*"
        rf"(?:{_ADJECTIVE}|rain(?:ing)?|snow(?:ing)?|pouring|drizzling|sunshine|fog|nice|storms?)\b"
        r"(?P<rest>.*)",
        r"\b(?:any|chance\sof|much)\s(?:rain|snow|sunshine|sun|fog|wind|storms?)\b(?P<rest>.*)",
        r"\b(?:need|take|bring|pack|carry|wear)\s(?:(?:an?|my|the)\s)?(?:\w+\s)?(?:umbrella|raincoat|coat|"
        r"jacket|sweater|scarf|sunscreen|sunglasses|hat)\b(?P<rest>.*)",
        r"\bwhat\s(?:should|do|shall|can)\s(?:i|we)\s(?:wear|pack|put\son)\b(?P<rest>.*)",
        r"\bdegrees(?:\s(?:celsius|fahrenheit|c|outside))?(?:\s(?:is|are|does|it|there|have|has|we|"
        r"they))*(?P<rest>\s(?:in|at|over|around|outside)\b.*)",
        r"\b(?:what|how)(?:['\u2019]?s|\sis|\swill)\s(?:it|things)\s(?:be\s|look\s|looking\s)?"
        r"(?:like\s)?(?P<rest>(?:outside|out\sthere|(?:like\s)?in\s(?!common|my|the\s(?:end|long))).*)",
        r"\b(?:what|how)(?:['\u2019]?s|\sis)\sit\slike\s(?P<rest>(?:outside|there|in|at)\b.*)",
        rf"\b(?:which|where)\b.*\b(?:{_ADJECTIVE})\b(?P<rest>[,:]?.*\bor\b.*)",
    )
)
_NAMED = re.compile(
    rf"(?:is|are|will|how\s(?:{_ADJECTIVE})\sis|how['\u2019]s|how\sis)\s(?P<place>.+?)"
    rf"(?:\s(?:be\s|currently\s|very\s|really\s)*(?:{_ADJECTIVE}|weather-?wise|doing\sweather-?wise)"
    r"(?:\sthan\s(?P<other>.+))?)?",
    re.IGNORECASE,
)

_HOW = re.compile(
    rf".*?\bhow\s(?:{_ADJECTIVE})\s(?:(?:is|are|was|will|does)\s(?P<a>.+?)(?:\s(?:be|get))?"
    r"|(?P<b>.+?)\s(?:is|are|gets?|will\sbe|can\sget|may\sbe|would\sbe))",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"\b(?:right\snow|rn|atm|at\sthe\s(?:very\s)?moment|at\spresent|at\sthis\s(?:very\s)?(?:moment|hour|time)|"
    r"(?:for\s|of\s)?(?:later\s)?(?:today|tonight|tomorrow)(?:['\u2019]s)?|now|currently|presently|"
    r"(?:for\s|on\s)?(?:this|next|the)\s(?:very\s)?(?:morning|afternoon|evening|week|weekend|minute|"
    r"instant|coming\sdays)|these\sdays|"
    r"(?:on\s|for\s|this\s|next\s)?(?:mon|tues|wednes|thurs|fri|satur|sun)day|"
    r"as\sof\snow|just\snow|nowadays|in\s(?:degrees?\s)?(?:celsius|fahrenheit|metric|\u00b0c)|please|"
    r"like|looking|outside|outdoors|out\sthere|going\sto\sbe|for\s(?:me|us|now)|exactly|again|too|"
    r"as\swell(?!\sas)|instead|first|really)\b",
    re.IGNORECASE,
)
_PREPOSITION = r"(?:in|for|at|of|over|around|near|across|from|on|to|between|inside|is|are|within)"
_LED = re.compile(rf"^(?:.*?[\s:,(])??{_PREPOSITION}\s+(?P<rest>\S.*)", re.IGNORECASE | re.DOTALL)
_JOINT = re.compile(
    r"\s*(?P<comma>,|\()\s*(?:(?:and|or)\s+)?|\s+(?:and|or|as\swell\sas|plus|then|vs\.?|versus|than|"
    r"compared\s(?:to|with)|but\salso)\s+|\s*[&/;|)]\s*",
    re.IGNORECASE,
)
_ITEM_LEAD = re.compile(
    rf"(?:{_PREPOSITION}|also|both|and|or|either|then|each\sof|(?:the\s)?(?:following|these|two|three)\s"
    r"(?:cities|places|towns):?|(?:the\s)?(?:city|cities|town|towns|village)\s(?:of|like)|downtown|"
    r"central|beautiful|sunny|rainy|the\sone|same)\s+|the\s(?=[A-Z])(?!Hague\b)",
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
    r"(?:i|i['\u2019](?:m|d|ll|ve)|we|you|he|she|they|please|have|find|tell|then|also|if|so|what|how|general|"
    r"detail|short|advance|case|mind)\b(?!-)",
    re.IGNORECASE,
)
_PARTICLE = re.compile(
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
    item = item.strip(" \t\n,:;?!\"'\u2019")
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
    if _NO_PLACE.match(item):
        return None
    if _THERE.fullmatch(item):
        return Spot("")
    item = _cut(item)
    item = re.sub(r"['\u2019]s$", "", item)
    item = item if re.search(r"\.\w\.$|\b(?:D\.C)\.$", item) else item.rstrip(".")
    if not any(char.isalpha() for char in item) or len(item) > 60:
        return None
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
        elif not _PARTICLE.fullmatch(word.strip("'\u2019-")):
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
        elif spot := _name(item, quotes):
            found.append(Spot(spot.name, True) if capitals and spot.name else spot)
            capitals = capitals or bool(re.search(r"\bcapitals\sof\b", item, re.IGNORECASE))
        comma = bool(joint and joint["comma"])
    return list(dict.fromkeys(found))


def looks_named(text: str) -> bool:
    """Whether words may be a place's name: capitalised, quoted, or in the table."""
    text = text.strip(" ,.?!:'\u2019")
    return bool(text) and (
        text[:1].isupper() or bool(re.match(QUOTED, text)) or places.city_named(text) is not None
    )


def _places_after(text: str, quotes: Quotes) -> list[Spot]:
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


def _from_noun(clause: str, quotes: Quotes) -> list[Spot] | None:
    for noun in _NOUN.finditer(clause):
        before, after = clause[: noun.start()], clause[noun.end() :]
        follows = _FOLLOWERS.match(after) or looks_named(after.strip().split(" ")[0])
        named_after = places.city_named(_TIME.sub("", after).strip(" .?!")) is not None
        if not follows and not named_after:
            continue
        found = _places_after(after, quotes)
        if re.match(
            r"temperature\s+of\s+(?:the|an?)\s+[a-z]", clause[noun.start() :]
        ) and not re.match(r"\s+of\s+the\s+(?:cap|city)", after):
            continue
        kept = _FILLER.sub("", _TIME.sub(" ", before))
        if not kept:
            searching = re.match(r"(?:search|google|research|find|look)\b", clause, re.IGNORECASE)
            if (
                re.fullmatch(r"what(?:['\u2019]?s|\sis|\sare)\s", before, re.IGNORECASE)
                and not found
            ):
                return None if not re.search(r"\blike\b", after) else [Spot("")]
            if searching and not any(spot.name for spot in found):
                return None
            return found or [Spot("")]
        owner = _owner(before)
        if owner and not _SEARCHING.match(clause):
            return found or spots(owner, quotes) or None
        if owner and places.city_named(owner):
            return spots(owner, quotes)
        if any(spot.name for spot in found) and not _SEARCHING.match(clause):
            return found
    return None


def _owner(before: str) -> str:
    """The place in "Lisbon's weather", "the Lisbon weather" and "in Lisbon, what is the weather"."""
    words = _TIME.sub(" ", before).split()
    while words and not _FILLER.sub("", words[0]):
        words.pop(0)
    while words and not _FILLER.sub("", words[-1]):
        words.pop()
    if words and re.fullmatch(_PREPOSITION, words[0], re.IGNORECASE):
        words.pop(0)
        led = True
    else:
        led = False
    while words and words[-1].lower().strip(",") in ("in", "what", "how", "is", "the", "of"):
        words.pop()
    text = " ".join(words)
    text = re.split(r",\s(?:what|how|is)\b", text, flags=re.IGNORECASE)[0].rstrip(",")
    owned = bool(re.search(r"['\u2019]s?$", text)) or led
    text = re.sub(r"['\u2019]s?$", "", text)
    if not text or len(words) > 8:
        return ""
    named = all(
        word[:1].isupper() or _PARTICLE.fullmatch(word) or word in ("and", "or", "&")
        for word in re.split(r"[\s,]+", text)
        if word and not re.match(QUOTED, word)
    )
    return text if owned or named or places.city_named(text) else ""


def weather_spots(clause: str, quotes: Quotes) -> list[Spot] | None:
    """The places whose weather a clause asks for; ``Spot("")`` if it names none, None if it
    does not ask for the weather."""
    found = _from_noun(clause, quotes)
    if found is not None or _SEARCHING.match(clause):
        if found is not None or not re.match(r"(?:find|look|where)\b", clause, re.IGNORECASE):
            return found
    for way in _OTHER_WAYS:
        if match := way.search(clause):
            return _places_after(match["rest"], quotes) or [Spot("")]
    if match := _HOW.fullmatch(_TIME.sub(" ", clause).strip(" ?.!")):
        place = (match["a"] or match["b"]).strip()
        if looks_named(place) or _CAPITAL.match(place):
            return spots(place, quotes) or None
    match = _NAMED.fullmatch(clause.strip(" ?.!"))
    if match and (match["other"] or re.search(_ADJECTIVE + "|weather", clause, re.IGNORECASE)):
        both = ", ".join(filter(None, (match["place"], match["other"])))
        if looks_named(_TIME.sub("", both)):
            return spots(_TIME.sub("", both), quotes) or None
    return None


_BEGINS = re.compile(
    rf"(?:(?:the|today['\u2019]s|current|local|latest|tomorrow['\u2019]s|tonight['\u2019]s|its)\s)*{_KINDS}(?![\w-])",
    re.IGNORECASE,
)
_BEGINS_WITH_OWNER = re.compile(
    rf"(?P<owner>\S.{{0,40}}?)['\u2019]?s?\s(?:current\s)?{_KINDS}(?![\w-])"
)


def begins(text: str) -> bool:
    """Whether a piece of text begins with the weather, so that a new clause begins there."""
    match = _BEGINS.match(text)
    if match:
        after = text[match.end() :]
        return bool(_FOLLOWERS.match(after)) or looks_named(after.strip().split(" ")[0])
    match = _BEGINS_WITH_OWNER.match(text)
    return bool(match and (places.city_named(match["owner"]) or _owner(match["owner"] + "'s")))


def country_of_capital(query: str) -> str | None:
    """The country in a search for its capital ("capital of Peru"), or None."""
    match = _CAPITAL.fullmatch(query)
    if match:
        return match["of"]
    match = _CAPITAL_AFTER.fullmatch(query)
    return match["of"] if match and places.capital_of(match["of"]) else None


_SAID = re.compile(
    r"(?:\b(?:in|to|for|at|from|near|visit|visiting|reach|reaching|around)\s+)(?P<place>[A-Z].*)"
)


def mentioned(clause: str, quotes: Quotes) -> Spot | None:
    """The place a clause without a wish speaks of, as "I fly to Lisbon tomorrow" does."""
    text = _TIME.sub(" ", clause).strip()
    if match := _SAID.search(text):
        found = spots(match["place"], quotes)
        return found[0] if found else None
    if places.city_named(text):
        return Spot(text.strip(" ,.:;?!"))
    return None
