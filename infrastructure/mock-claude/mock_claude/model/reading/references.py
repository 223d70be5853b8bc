"""Recognises words that point at results: "both", "the answer", "what you found".

Prevents a note that says "the answer". Rule: words point at results only if each of them does, so
"the weather" is a reference and "the weather in Lisbon" is a fact.
"""

from __future__ import annotations

import re

_REF_NOUN = (
    r"(?:results?|answers?|outcomes?|findings?|outputs?|numbers?|values?|figures?|facts?|info|"
    r"information|details?|repl(?:y|ies)|responses?|summary|summaries|data|totals?|sums?|products?|"
    r"differences?|quotients?|solutions?|conclusions?|text|things?|lot|rest|weather|forecasts?|"
    r"temperatures?|calculations?|computations?|lookups?|reports?|search(?:es)?|discover(?:y|ies)|"
    r"pieces?|items?|bits?|knowledge|content|insights?|readings?|arithmetic|maths?|extracts?|articles?|"
    r"comparisons?|research|ones|conditions|weather\sreports?|searches|statements?|two|three|four|above|first|"
    r"second|third|last|former|latter)"
)
_REF_WORD = (
    r"(?:the|your|my|all|both|these|those|that|this|each|every|of|two|three|four|2|3|4|final|last|"
    r"first|second|third|previous|above|combined|whole|entire|full|complete|short|brief|a|an|one|"
    r"weather|search|calculation|web|same|resulting|current|key|main|any|other|latest|computed|"
    r"numeric(?:al)?|exact|relevant|important|collected|gathered)"
)
_POINTED = (
    r"(?:it|that|this|them|these|those|both|all|everything|the\sabove|what\s\w+\s(?:found|find)|"
    r"(?:(?:the|both|all|these|those|your|two|three|that|this|every)\s)+(?:search(?:es)?|calculations?|"
    r"questions?|lookups?|tasks?|steps?|above|tools?|calls?|things?|results?|answers?|findings?|"
    r"forecasts?|sum|multiplication|addition|division|subtraction|computation|weather|two|three|four|"
    r"cities|places|parts?|first|second|last))"
)
_REFERENCE = (
    rf"(?:(?:it|that|this|them|these|those|both|all|everything|each|the\slot|such)(?:\s(?:all|both|of\s"
    rf"{_POINTED}|two|together|above|that|this|these|those|it))*|(?:{_REF_WORD}\s)*{_REF_NOUN}(?:\s(?:above|together|so\sfar|too|"
    rf"(?:that\s)?(?:you|we|i)(?:['\u2019]ve|\shave)?\s(?:just\s)?(?:found|got|get|find|calculated|computed|"
    rf"gathered|collected|learned|learnt|retrieved|looked\sup|obtained)(?:\s(?:out|so\sfar))?|"
    rf"(?:of|from|for|in)\s{_POINTED}))*)"
)
_REFERS = re.compile(
    rf"{_REFERENCE}(?:(?:\s(?:and|plus|with|as\swell\sas|along\swith|together\swith|&)|,|,\sand)\s"
    rf"{_REFERENCE})*"
    r"|(?:all\s|everything\s|all\sof\s)?(?:(?:what(?:ever)?|that)\s)?(?:you|we|i|it|was|is|has\sbeen|comes?|"
    r"they)(?:['\u2019]?(?:ve|s|re)|\s(?:have|has|was|were|just|did|is))*\s(?:find|found|learn|learned|learnt|"
    r"get|got|discover|discovered|calculated|computed|said|told|say|says|came|come|comes|figured|look|"
    r"looked|gathered|collected|turned|obtained|dug|out|up)\b"
    r"(?!.*\b(?:about|on|regarding)\s(?!it\b|that\b|this\b|them\b|him\b|her\b|both\b)).*",
    re.IGNORECASE,
)
_KIND_WORDS = (
    ("weather", re.compile(r"\b(?:weather|forecasts?|temperatures?|conditions)\b", re.IGNORECASE)),
    (
        "calculation",
        re.compile(
            r"\b(?:sums?|products?|differences?|quotients?|totals?|calculations?|computations?|maths?|"
            r"arithmetic|numbers?)\b",
            re.IGNORECASE,
        ),
    ),
    (
        "search",
        re.compile(r"\b(?:search(?:es)?|articles?|research|lookups?|extracts?)\b", re.IGNORECASE),
    ),
)
_EVERY_KIND = re.compile(r"\b(?:both|them|these|those|lot|two|three)\b", re.IGNORECASE)
_NTH = re.compile(
    r"\bthe\s(first|second|third|last|former|latter)(?:\s(?:one|\w+))?\b", re.IGNORECASE
)
_ALL = re.compile(r"\b(?:everything|all)\b", re.IGNORECASE)


def refers(words: str) -> bool:
    """Whether words point at results ("both", "the answer", "what you found")."""
    words = re.sub(r"^(?:only|just)\s|\s(?:only|alone)$", "", words.strip(" ,.;:?!"))
    return bool(_REFERS.fullmatch(words))


def kinds(words: str) -> frozenset[str]:
    """Which results a reference means: "weather", "calculation" and "search"; "first" to "third"
    and "last"; "all" for the whole task so far, "both" for several, with "three" for that many;
    or any, if empty."""
    if _ALL.search(words) and "three" not in words.lower():
        return frozenset({"all"})
    if _EVERY_KIND.search(words):
        return frozenset({"both", "three"} if "three" in words.lower() else {"both"})
    if match := _NTH.search(words):
        return frozenset({match[1].lower().replace("former", "first").replace("latter", "last")})
    return frozenset(kind for kind, pattern in _KIND_WORDS if pattern.search(words))
