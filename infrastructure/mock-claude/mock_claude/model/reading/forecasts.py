"""Reads wishes for the weather.

Prevents "look up weather balloons" from being a forecast. Rule: a clause asks for the weather if it
names it and says nothing else but courtesies and a place, or asks as people do: "is it raining?".
"""

from __future__ import annotations

import re

from mock_claude.model.reading.quotes import QUOTED, Quotes
from mock_claude.model.reading.spots import (
    PARTICLE,
    PREPOSITION,
    Spot,
    looks_named,
    names_capital,
    places_after,
    spots,
    without_time,
)
from mock_claude.world import places

_ADJECTIVE = (
    r"(?:warm|cold|hot|cool|chilly|mild|windy|humid|rainy|wet|dry|sunny|cloudy|stormy|foggy|snowy|"
    r"freezing|icy)(?:er|est)?|(?:wind|rain|sunn|cloud|chill|dr)i(?:er|est)|(?:wet|hot)t(?:er|est)"
)
_KINDS = (
    r"(?:weather(?:\s(?:forecast|report|conditions?|situation|update|data|outlook))?|forecast|"
    r"(?:air\s|outside\s|outdoor\s)?temperature(?:s|\sdifferences?)?|temps?|wind\sspeed|humidity|conditions\soutside)"
)
_NOUN = re.compile(
    rf"\b{_KINDS}(?:(?:,|\sand|\sor|\s&|,\sand)\s(?:the\s)?(?:current\s)?(?:{_KINDS}|winds?|rain|"
    r"conditions))*(?![\w-])",
    re.IGNORECASE,
)
_FOLLOWERS = re.compile(
    r"(?:['\u2019]s\b)?\s*(?:$|[:,?!.()\u2013\u2014]|-\s|(?:in|for|at|of|over|around|near|across|from|on|like|is|are|"
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
_READS_ABOUT = re.compile(
    r"(?:search|google|research|who|why|when|tell\sme\sabout|read|explain|define)\b", re.IGNORECASE
)
_LOOKS_FOR = re.compile(r"(?:search|google|research|find|look)\b", re.IGNORECASE)
_WHAT_IS = re.compile(r"what(?:['\u2019]?s|\sis|\sare)\s", re.IGNORECASE)
_OF_A_THING = re.compile(
    r"(?i:temperatures?)\s+(?:of\s+(?:the|an?)\s+(?!(?:cap|city|town|place|area)|[A-Z])|at\s+which)"
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
        r"\b(?:need|take|bring|pack|carry|wear)\s(?:(?:an?|my|the)\s)?(?:\w+\s)?(?:umbrella|raincoat|"
        r"coat|jacket|sweater|scarf|sunscreen|sunglasses|hat)\b(?P<rest>.*)",
        r"\bwhat\s(?:should|do|shall|can)\s(?:i|we)\s(?:wear|pack|put\son)\b(?P<rest>.*)",
        r"\bdegrees(?:\s(?:celsius|fahrenheit|c|outside))?(?:\s(?:is|are|does|it|there|have|has|we|"
        r"they))*(?P<rest>\s(?:in|at|over|around|outside)\b.*)",
        r"\b(?:what|how)(?:['\u2019]?s|\sis|\swill)\s(?:it|things)\s(?:be\s|look\s|looking\s)?"
        r"(?:like\s)?(?P<rest>(?:outside|out\sthere|(?:like\s)?in\s(?!common|my|the\s(?:end|long))).*)",
        r"\b(?:what|how)(?:['\u2019]?s|\sis)\sit\slike\s(?P<rest>(?:outside|there|in|at)\b.*)",
        r"\b(?:which|where)\s(?:one\s|city\s|place\s|of\s(?:the\s)?(?:two|them|these)\s)?(?:is|will\sbe)\s"
        rf"(?:it\s)?(?:the\s)?(?:{_ADJECTIVE})(?P<rest>)\W*$",
        rf"\b(?:which|where|what(?:['\u2019]?s)?)\b.*\b(?:{_ADJECTIVE})\b(?P<rest>[,:]?.*\bor\b.*)",
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


def _is_weather_word(clause: str, noun: re.Match[str]) -> bool:
    """Whether the word means the weather: not so in "weather balloons" or "the temperature of the
    sun"."""
    after = clause[noun.end() :]
    of_a_thing = _OF_A_THING.match(noun[0] + after)
    if of_a_thing:
        return False
    first = after.strip().split(" ")[0]
    return bool(
        _FOLLOWERS.match(after)
        or looks_named(first)
        or places.city_named(without_time(after).strip(" .?!"))
    )


def _from_noun(clause: str, quotes: Quotes) -> list[Spot] | None:
    """The places of a clause that names the weather."""
    for noun in _NOUN.finditer(clause):
        if not _is_weather_word(clause, noun):
            continue
        before, after = clause[: noun.start()], clause[noun.end() :]
        found = places_after(after, quotes)
        if not _FILLER.sub("", without_time(before)):
            if found:
                return found
            # "what is weather?" asks for an article, "what is the weather?" for a forecast
            defines = _WHAT_IS.fullmatch(before) and not re.search(r"\blike\b", after)
            return None if defines or _LOOKS_FOR.match(clause) else [Spot("")]
        owner = _owner(before)
        if _SEARCHING.match(clause):
            return spots(owner, quotes) if owner and places.city_named(owner) else None
        if owner or any(spot.name for spot in found):
            return found or spots(owner, quotes) or None
    return None


def _owner(before: str) -> str:
    """The place in "Lisbon's weather", "the Lisbon weather", "in Lisbon, what is the weather"."""
    words = without_time(before).split()
    while words and not _FILLER.sub("", words[0]):
        words.pop(0)
    while words and not _FILLER.sub("", words[-1]):
        words.pop()
    if words and re.fullmatch(PREPOSITION, words[0], re.IGNORECASE):
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
        word[:1].isupper() or PARTICLE.fullmatch(word) or word in ("and", "or", "&")
        for word in re.split(r"[\s,]+", text)
        if word and not re.match(QUOTED, word)
    )
    return text if owned or named or places.city_named(text) else ""


def weather_spots(clause: str, quotes: Quotes) -> list[Spot] | None:
    """The places whose weather a clause asks for, or None if it does not ask for the weather.

    ``Spot("")`` stands for a place that the clause leaves open.
    """
    found = _from_noun(clause, quotes)
    if found is not None or _READS_ABOUT.match(clause):
        return found
    for way in _OTHER_WAYS:
        if match := way.search(clause):
            return places_after(match["rest"], quotes) or [Spot("")]
    clause = without_time(clause).strip(" ?.!")
    if match := _HOW.fullmatch(clause):
        place = (match["a"] or match["b"]).strip()
        if looks_named(place) or names_capital(place):
            return spots(place, quotes) or None
    match = _NAMED.fullmatch(clause)
    if match and (match["other"] or re.search(_ADJECTIVE + "|weather", clause, re.IGNORECASE)):
        both = ", ".join(filter(None, (match["place"], match["other"])))
        return spots(both, quotes) or None if looks_named(both) else None
    return None


_PLAIN = re.compile(
    r"(?:what|whats|is|are|s|the|a|an|weather|temperatures?|temps?|conditions?|reports?|current|currently|today|"
    r"now|right|moment|present|like|how|hows|about|warm|cold|hot|cool|windy|winds?|speed|degrees|celsius|c|it|"
    r"in|for|at|of|and|both|also|over|around|near|on|to|outside|there|here|tell|me|us|get|give|show|check|find|"
    r"out|look|up|see|let|know|do|does|you|i|m|d|we|want|need|would|like|please|local|latest|same|capitals?|"
    r"city|cities|place|report|fetch|looking|any|idea|gets?|s|things|air|wonder|wondering|this|that|web|search|"
    r"data|where|go|going|am|fly|live|visit|visiting|lets?|read|say|says|your|tool|use|using|with|each|again|"
    r"following|two|three|four|places|details?|info|information|update|situation|curious|hear|how's|what's)",
    re.IGNORECASE,
)


def misses_a_place(clause: str, found: list[Spot]) -> bool:
    """Whether a clause names a city that is not among the places that were found in it."""
    if not any(spot.name for spot in found):
        return False
    named = {word for spot in found for word in places.key(spot.name).split()}
    words = set(re.findall(r"\b[A-Z][^\W\d_]+", clause)) - {"Nice"}
    return any(places.city_named(word) and places.key(word) not in named for word in words)


def asks_more(clause: str, found: list[Spot], quotes: Quotes) -> bool:
    """Whether a clause asks for more than the weather now, in these places: any word that says
    nothing of it does, such as "rain", "tomorrow", "Fahrenheit" or "warmer"."""
    named = {word for spot in found for word in places.key(spot.name).split()}
    named |= {word for spot in found for word in places.key(quotes.restore(spot.name)).split()}
    named |= {"st"} if "saint" in named else set()
    words = places.key(quotes.restore(clause)).split()
    return any(
        not (
            word in named
            or word.removesuffix("s") in named
            or PARTICLE.fullmatch(word)
            or _PLAIN.fullmatch(word)
        )
        for word in words
        if places.country_of_people(word) is None or "capital" not in words
    )


_BEGINS = re.compile(
    r"(?:(?:the|today['\u2019]s|current|local|latest|tomorrow['\u2019]s|tonight['\u2019]s|its)\s)*"
    rf"{_KINDS}(?![\w-])",
    re.IGNORECASE,
)
_BEGINS_WITH_OWNER = re.compile(
    rf"(?P<owner>\S.{{0,40}}?)['\u2019]?s?\s(?:current\s)?{_KINDS}(?![\w-])"
)


_ASKS_FOR = re.compile(
    r"(?:get|fetch|check|find|see|report|grab|give\s(?:me|us)|tell\s(?:me|us)|show\s(?:me|us))\s(?:out\s|on\s)?",
    re.IGNORECASE,
)


def begins_verb(text: str) -> bool:
    """Whether a piece of text begins with a request for the weather."""
    match = _ASKS_FOR.match(text)
    return bool(match) and begins(text[match.end() :] if match else "")


def begins(text: str) -> bool:
    """Whether a piece of text begins with the weather, so that a new clause begins there."""
    match = _BEGINS.match(text)
    if match:
        after = text[match.end() :]
        return bool(_FOLLOWERS.match(after)) or looks_named(after.strip().split(" ")[0])
    match = _BEGINS_WITH_OWNER.match(text)
    return bool(match and (places.city_named(match["owner"]) or _owner(match["owner"] + "'s")))
