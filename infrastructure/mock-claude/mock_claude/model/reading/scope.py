"""Tells what the stand-in can look up, and what in a task asks for nothing.

Prevents an article about "seconds in a day". Rule: a question is looked up if it names something
and asks for no sum, unit, day, translation, verse or opinion; what is neither understood nor a
plain statement is told to the user.
"""

from __future__ import annotations

import re

from mock_claude.model.reading.numbers import with_digits
from mock_claude.model.reading.quotes import QUOTED

LANGUAGE = (
    r"(?:english|french|spanish|german|italian|portuguese|dutch|latin|greek|russian|polish|swedish|"
    r"norwegian|danish|finnish|turkish|arabic|hebrew|hindi|chinese|mandarin|japanese|korean|welsh|"
    r"irish|esperanto|klingon|morse(?:\scode)?|binary|hex(?:adecimal)?|octal|roman\snumerals|pig\slatin)"
)
_OUT = re.compile(
    r"\b(?:i|me|my|mine|myself|we|us|our|you|your|yours|yourself|u|ur"
    r"|today|now|tomorrow|yesterday|tonight|currently|nowadays|(?:mon|tues|wednes|thurs|fri|satur|sun)day"
    r"|(?:this|next|last)\s(?:week|month|year|time|morning|number)|time\s(?:is|was|will|in|it)|date|weekday|"
    r"day\sof|day\s(?:is|was|will)|until|leap\syear|time\szones?|o['\u2019]?clock|ago"
    r"|factorial|primes?|divisors?|divisible|multiples?|even|odd|percent(?:age)?|average|median|mean|sum|"
    r"product|remainder|roots?|squared?|cubed?|log(?:arithm)?|sin(?:e)?|cos(?:ine)?|tan(?:gent)?|integral|"
    r"derivative|fraction|decimals?|digits?|plus|minus|times|divided|multiplied|half|double|twice|triple|dozen|"
    r"equals?|equation|probability|odds|interest|tip|discount|numbers?|calculate|rounded|sequence"
    r"|(?:milli|micro|nano)?seconds|minutes|hours|days|weeks|months|decades|fortnights?|inch(?:es)?|foot|feet|"
    r"yards?|miles?|(?:kilo|centi|milli)?met(?:er|re)s|km|cm|mm|kgs?|(?:kilo|milli)?grams?|kilos?|pounds?|"
    r"ounces?|oz|lbs?|stones?|lit(?:er|re)s?|ml|gallons?|pints?|cups?|(?:table|tea)spoons?|dollars?|euros?|"
    r"cents?|usd|eur|gbp|jpy|yen|rupees?|pesos?|currency|exchange\srate|bitcoins?|price|celsius|fahrenheit|kelvin|"
    r"bytes?|(?:kilo|mega|giga)bytes?|kb|mb|gb|degrees|kph|mph|convert|conversion"
    r"|jokes?|poems?|haikus?|limericks?|riddles?|rhymes?|synonyms?|antonyms?|opposite|plural|anagrams?|"
    r"palindromes?|spell(?:ed|ing)?|letters|vowels|syllables|uppercase|lowercase|reversed?|backwards|"
    r"translat\w*|pronounced?|advice|opinion|favou?rite|should|code|function|bug|error|regex|notes?|saved?|"
    r"weather|temperature|conditions|rain|snow|winds?|windy|humid|humidity|sunrise|sunset|left|"
    r"news|latest|newest|best|worst|cheapest|hotels?|flights?|restaurants?|tickets?|right$|sentences?|words?|lines|"
    rf"(?:in|into|to)\s{LANGUAGE}|{LANGUAGE}\s(?:word|for|translation))\b"
    r"|^how\s(?:far|long\swill)\b|\b(?:noon|midnight)\b|\btime\b(?=\W*$)|\s(?:or|vs\.?|versus)\s|[=<>{}\[\]#$\\^_|%+*\u20ac\u00a3\u00b0]|\d\s?[/*+]\s?\d",
    re.IGNORECASE,
)
_PERSON = re.compile(
    r"(?:you|me|us|yourself|myself|u|it|this|that|today|tomorrow|yesterday|tonight|now|everything|"
    r".*(?:\sand|,?\sthen)\s[a-z]+\s(?:me|us|it|them|an?|the)\b.*|for|about|up|on|of|(?:.{0,80}\s)?(?:of|in)\s(?:it|this|that|there|them)(?:\s\w+)?|"
    r"(?:your|my|our|its|his|her|their)\s.*)",
    re.IGNORECASE,
)
_POINTS = re.compile(
    r"\b(?:it|its|they|their|them|he|she|his|her|him|this|that|these|those|there|here)\b",
    re.IGNORECASE,
)
_NAME = re.compile(rf"(?<=[\s(])(?:[A-Z][\w'\u2019-]+|{QUOTED})")
_COUNTS = re.compile(
    r"(?:how\s(?!do\b|does\b|did\b|is\b|are\b|was\b|were\b)|which\b)", re.IGNORECASE
)
_LONGEST = 9  # words of a question without a name


def may_be_looked_up(question: str) -> bool:
    """Whether an article may hold the answer to a question."""
    if _OUT.search(question):
        return False
    if _NAME.search(question):
        return True
    has_number = re.search(r"\d", with_digits(re.sub(r"\bone\b", "", question)))
    if has_number or _COUNTS.match(question) or _POINTS.search(question):
        return False
    return len(question.split()) <= _LONGEST


def is_whole(question: str, query: str) -> bool:
    """Whether the query is all that a question speaks of: not "HTTP stand for" of "what does HTTP
    stand for?", nor "sky blue" of "why is the sky blue?"."""
    ends = question.rstrip(" .?!").lower().endswith(query.lower())
    return not (ends and _SAYS_MORE.match(question))


def is_personal(query: str) -> bool:
    """Whether a query is about the user, the agent, or the day."""
    return bool(_PERSON.fullmatch(query))


def is_subject(query: str) -> bool:
    """Whether what is left of a question names a thing, rather than asking still."""
    return not _ASKS_STILL.search(query)


_ASKS_STILL = re.compile(
    r"^(?:who|whom|whose|what|when|where|why|how|which|they|he|she|it|we|you|i|outside|inside|in|on|at|"
    r"there|here)\b|\b(?:of|for|by|with|from|in|at|to|on)$|[\"\u201c\u201d\u00ab\u00bb`]",
    re.IGNORECASE,
)
_SAYS_MORE = re.compile(
    r"(?:what|when|where|how|who)\s(?!does\s(?:the\s)?(?:web|internet|wikipedia|encyclop))(?:does|do|did|can|could|would|will|has|have|had)\b|why\b|"
    r"(?:what|which)\s\w+\s(?:did|does|do)\b|"
    r"(?:when|where|how)(?:\s(?:was|were|is|are)|['\u2019]s)\s.*(?:ed|en|kept|held|sold|worn|found)$",
    re.IGNORECASE,
)
_STATEMENT = re.compile(
    r"(?:i|we|i['\u2019]\w+|we['\u2019]\w+|my\sname)\b(?!\s(?:want|need|would|wonder)).*"
    r"|(?:my|our|it|its|it['\u2019]s|this|that|that['\u2019]s|these|those|the|there|he|she|they|here|here['\u2019]s|"
    r"you|you['\u2019]re|one|two|three|four|five|today|\S+\s\(\d+\))\b(?:\s.*)?\b(?:is|are|was|were|am|has|have|had|"
    r"lives?|needs?|asked|said|likes?|wants?|will|['\u2019]s|here|comes|things|are)\b.*"
    r"|(?:it|that|here|there|he|she)['\u2019]s\b.*|\S+\s\(\d+\)\shere|.*\bhere|(?:best|regards|cheers)\b.{0,30}"
    r"|(?:best|kind|warm|many)\s(?:\w+\s)?(?:regards|wishes|thanks)?.{0,30}|please\shelp.*|help(?:\sme|\sus|\splease)*"
    r"|(?:yes|no|ok|okay|good|great|nice|cool|perfect|wow|well\sdone|sorry|hi|hello|hey|dear|thanks|thank\syou|"
    r"both|too|all|please|never\s?mind|nothing\selse|and|then|also)\b(?:\s\S+){0,3}"
    r"|(?:in|for|to|from|at|on)\s\S.{0,60}|[\W\d_]*|-?[\d.,]+|(?:take|start\swith)\s(?:the\snumber\s)?-?[\d.]+",
    re.IGNORECASE | re.DOTALL,
)


def asks_nothing(clause: str, words: str) -> bool:
    """Whether a clause, and its ``words`` without courtesies, leaves nothing undone."""
    return "?" not in clause and bool(_STATEMENT.fullmatch(words[:400].strip(" .,!")))
