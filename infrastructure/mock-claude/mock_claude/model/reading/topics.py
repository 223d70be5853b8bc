"""Reads the subjects of a search: how many there are, and the words to look up for each.

Prevents "Tea and Sympathy" from being two searches, and "it" from being one. Rule: joined subjects
are two only if the words say so: "for A and for B", two quotations, or two names of one form.
"""

from __future__ import annotations

import re

from mock_claude.model.reading.quotes import QUOTED, Quotes
from mock_claude.model.reading.references import refers
from mock_claude.model.reading.subjects import asked_about
from mock_claude.world import places

WHERE = (
    r"(?:on\s|through\s|in\s|using\s|over\s|across\s|with\s|via\s|from\s|at\s|of\s)?(?:the\s|your\s|a\s)?"
    r"(?:world\swide\s)?(?:web(?:\ssearch(?:\stool)?)?|internet|net|online|wikipedia|google|wiki|"
    r"encyclop(?:a?e)dia|search(?:\s(?:engine|tool))|browser)"
)
QUESTION = re.compile(
    r"(?:who|whom|whose|what|when|where|why|how|which|(?:in|since|from|by|for)\s(?:what|which))"
    r"(?:['\u2019]?s|['\u2019]re)?\s+\S",
    re.IGNORECASE,
)
_SOURCE = re.compile(
    r"[\s,]+(?:(?i:(?:on|in|via|through|using|from|over)\s(?:the\s)?(?:world\swide\s)?"
    r"(?:web|internet|net|wikipedia|google|encyclop(?:a?e)dia))|online|for\sme|please|again|as\swell|"
    r"too|now|first|quickly|briefly|if\s(?:you\scan|possible)|(?:and|,)\s(?:summari[sz]e|report)\b.*)"
    r"[\s.,?!]*$"
)
_FOLLOWING = re.compile(
    r"(?:(?:the|these|two|three)\s)*(?:following|things|topics|subjects|this|these|it)"
    r"(?:\s(?!is\b|was\b)\w+){0,2}:\s*",
    re.IGNORECASE,
)
_AND_WHEN = re.compile(
    r",?\s(?:and|or)\s(?:when|where|why|how|who|what\sfor|by\swhom|in\s(?:what|which)\syear)"
    r"(?:\s(?:it|they|he|she|that)\b.*)?$",
    re.IGNORECASE,
)
_PRONOUN = re.compile(
    r"(?:it|its|that|this|them|these|those|they|he|she|him|her|his|hers|their|both|everything|all|"
    r"anything|something|one|there|here|nothing|me|us|you|yourself|up|out|so|yes|no|the\ssame|more|"
    r"the\s(?:answer|result|page|article|web|internet)s?|online)(?:\s(?:all|both|too|as\swell|for\sme|again|"
    r"now|please|is|was|are|were|did|do|does|happened?|opened?|built|made|born|died?))*",
    re.IGNORECASE,
)
_OWN_PRONOUN = re.compile(
    r"(?:who|what|when|where|why|how|which)(?:\s\w+){0,4}?\s(?:it|they|he|she|that|this|him|them|her)\b"
    r"(?:\s\w+){0,4}\W*",
    re.IGNORECASE,
)
_CAPITALS = re.compile(r"(?:the\s)?capital(?:s|\scit(?:y|ies))?\sof\s(?P<of>\S.*)", re.IGNORECASE)
_ARTICLE = re.compile(r"(?:the|an|a)\s(?=\S)|The\s(?=[a-z])")
_LABEL = re.compile(
    r"(?:(?:the|a|an|this|that|these|following|exact|old|famous)\s)*(?:play|film|book|song|novel|movie|"
    r"painting|poem|story|album|opera|phrase|terms?|words?|topics?|subjects?|title|name|article|page|"
    r"keywords?|query|string|text|expression|show|series|musical|game)?[\s:]*"
    rf"(?P<quoted>{QUOTED})",
    re.IGNORECASE,
)
_AGAIN = re.compile(
    r"\s*(?:,\s*)?\band\s+(?:also\s+|then\s+)?(?:for|about|on|up)\s+(?:about\s+|on\s+)?|,\s*(?:for|about)\s+"
    r"|\s+as\swell\sas\s+(?:for\s+|about\s+|on\s+)?|\s+and\salso\s+|\s*;\s*|\s+and\sthen\s+",
    re.IGNORECASE,
)
_COMMA_OR_AND = re.compile(r"\s*,\s*(?:and\s+)?|\s+and\s+|\s+&\s+|\s+or\s+")


_NAMED = re.compile(
    r"(?:the\s)?(?:\S+|[A-Z]\S*(?:\s(?:of|the|and|de|la|[A-Z]\S*))*\s[A-Z]\S*)[\s.?!]*"
)
_NAME = re.compile(r"[A-Z][\w'\u2019-]*(?:\s(?:(?:of|the|de|la)\s)*[A-Z][\w'\u2019-]*)*")


def _form(item: str) -> str:
    """What kind of name an item of a list is; "" for one that may be half of a name."""
    if _LABEL.fullmatch(item):
        return "quoted"
    words = item.split()
    if words and words[0].lower() == "the" and len(words) >= 3 and item[4:].istitle():
        words = words[1:]
    if words and words[0].lower() in ("the", "a", "an") and len(words) >= 3:
        return "the"
    if len(words) >= 2 and all(word[:1].isupper() for word in words):
        return "name"
    return ""


def _subjects(words: str) -> list[str]:
    found: list[str] = []
    for part in _AGAIN.split(words):
        part, both = re.subn(r"^both\s+", "", part, flags=re.IGNORECASE)
        items = [item for item in _COMMA_OR_AND.split(part) if item]
        forms = {_form(item) for item in items}
        if len(items) > 1 and (both or (len(forms) == 1 and "" not in forms)):
            found.extend(items)
        else:
            found.append(part)
    return found


def _clean(subject: str, quotes: Quotes) -> str:
    """The query for a subject; "" if it is a pronoun and names nothing."""
    subject = subject.strip(" \t\n,.;:?!")
    while (cut := _SOURCE.sub("", subject)) != subject:
        subject = cut
    subject = _FOLLOWING.sub("", _AND_WHEN.sub("", subject))
    if match := _LABEL.fullmatch(subject):
        return quotes.bare(match["quoted"])
    if _PRONOUN.fullmatch(subject) or _OWN_PRONOUN.fullmatch(subject):
        return ""
    if QUESTION.match(subject):
        return _clean(asked, quotes) if (asked := asked_about(subject)) != subject else asked
    if subject.startswith(("the ", "your ")) and refers(subject):
        return ""
    subject = _ARTICLE.sub("", subject, count=1) if _ARTICLE.match(subject) else subject
    text = quotes.restore(subject).strip(" ,.;:?!")
    text = text if ")" in text else text.partition(" (")[0]
    return text if any(char.isalnum() for char in text) else ""


def topics(words: str, quotes: Quotes) -> list[str]:
    """What to look up, for words such as "both 'A' and the history of B"."""
    if QUESTION.match(words):
        words = asked_about(_AND_WHEN.sub("", words))
    if capitals := _CAPITALS.fullmatch(words.rstrip(" .?!")):
        countries = _COMMA_OR_AND.split(capitals["of"])
        if len(countries) > 1 and all(map(places.capital_of, countries)):
            return [f"capital of {country}" for country in countries]
        if not places.capital_of(capitals["of"]) and not _NAMED.fullmatch(capitals["of"]):
            return []  # "capital of Germany please and its size"
    found = (_clean(subject, quotes) for subject in _subjects(words))
    return list(dict.fromkeys(query for query in found if query))


def named_in(clause: str, quotes: Quotes) -> str | None:
    """What a clause without a wish speaks of, which "it" may stand for in the next: a quotation,
    or the longest name in capitals."""
    if quoted := re.search(QUOTED, clause):
        return quotes.bare(quoted[0])
    names = [match[0] for match in _NAME.finditer(clause) if match.start() or " " in match[0]]
    return quotes.restore(max(names, key=len)).removeprefix("The ") if names else None
