"""What a question or a search is about.

Prevents two wordings of one question from being two subjects: "When was the Aldwyn Viaduct
opened?" and "aldwyn viaduct" are the same article. Rule: both the simulated encyclopedia and the
reader of tasks ask :func:`subject_of`.
"""

from __future__ import annotations

import re

_EDGES = " \t\r\n.,;:!?\"'`\u201c\u201d\u2018\u2019\u00ab\u00bb()[]{}"
_BE = r"(?:is|was|are|were|be|been)"
_DO = r"(?:is|was|are|were|did|does|do|has|have|had|will|can|could)"
_ENDINGS = (
    "built|opened|open|founded|born|located|situated|made|finished|completed|started|start|begun|"
    "begin|began|created|established|designed|constructed|invented|discovered|written|published|"
    "named|used|lived|live|died|die|closed|close|happen|stand|come from|long|tall|high|old|wide|"
    "deep|big|heavy|inaugurated|launched|painted|composed|formed|first|originally|exactly|end|"
    "ended|take place|weigh|work|have|has|contain|cost|carry|hold|serve|mean|begins|starts|opens|"
    "called"
)
_SIZES = "long|tall|old|high|big|deep|wide|heavy|large|fast"
_QUESTIONS = (
    re.compile(rf"(?:who|what|when|where|why|how)(?:['\u2019]?s|\s+{_BE}|\s+{_DO})\s+(.+)"),
    re.compile(
        rf"how\s+(?:{_SIZES}|far|many\s+\w+|much)\s+"
        rf"(?:ago\s+)?{_DO}\s+(.+)"
    ),
    re.compile(rf"(?:(?:in|since|from|by|for|to|on)\s+)?(?:what|which)\s+\w+\s+{_DO}\s+(.+)"),
    re.compile(r"what\s+(?:happened|happens|took\s+place)\s+(?:at|in|during|to|on)\s+(.+)"),
    re.compile(rf"whose\s+\w+\s+{_BE}\s+(.+)"),
    re.compile(
        rf"(?:what|who|when|where|why|how(?:\s+(?:{_SIZES}))?)\s+(.+?)\s+{_BE}(?:\s+\w+){{0,2}}"
    ),
    re.compile(r"who\s+(?:first\s+)?\w+\s+(.+)"),
    re.compile(
        r"(?:what|which)\s+\w+\s+(?:first\s+)?(?:\w+ed|built|wrote|made|won|drew|sang|ran|led|found)"
        r"\s+(.+)"
    ),
    re.compile(r"(?:when|where|why)\s+(.+)"),
)
_TRAILING = re.compile(rf"\s+(?:{_ENDINGS})$")
_PARTS = (
    r"(?:(?:opening|founding|construction|completion)\s+(?:year|date)|year|date|length|height|width|"
    r"depth|history|architects?|designers?|founders?|builders?|inventors?|engineers?|opening|"
    r"construction|origins?)"
)
_ATTRIBUTE = re.compile(
    rf"(?:(?:full|exact|total|early|brief|short)\s+)?{_PARTS}(?:\s*(?:,|and)\s+(?:the\s+)?{_PARTS})*"
    r"\s+(?:of|behind|about)\s+(.+)"
)
_POSSESSIVE = re.compile(rf"(.+?)['\u2019]s\s+{_PARTS}$")
_ARTICLE = re.compile(r"(?:the|an|a)\s+(.+)")


def _once(text: str) -> str:
    """One layer of wording less."""
    text = text.strip(_EDGES)
    text += ")" * ("(" in text and ")" not in text)
    low = text.lower()
    if len(low) != len(text):  # a letter whose lower case is longer: offsets would not agree
        return text
    for question in _QUESTIONS:
        if match := question.fullmatch(low):
            inner = text[match.start(1) : match.end(1)].rstrip(_EDGES)
            while (end := _TRAILING.search(inner.lower())) and len(inner.lower()) == len(inner):
                inner = inner[: end.start()].rstrip(_EDGES)
            return inner
    for wrapping in (_ATTRIBUTE, _POSSESSIVE, _ARTICLE):
        if match := wrapping.fullmatch(low):
            return text[match.start(1) : match.end(1)]
    return text


def asked_about(question: str) -> str:
    """The subject of a question ("Who built the Aldwyn Viaduct?"), or the words themselves."""
    text = " ".join(question.split()).strip(_EDGES)
    for _ in range(4):
        low = text.lower()
        match = next(filter(None, (form.fullmatch(low) for form in _QUESTIONS)), None)
        if match is None or len(low) != len(text):
            break
        does = re.search(r"^(?:when|where|why|how)\b.{0,12}\b(?:did|does|do|will)\s", low)
        text = _once(text)
        if does:  # "the Marlow Clock start ticking": the name ends at its last capital
            words = text.split(" ")
            names = [index for index, word in enumerate(words) if word[:1].isupper()]
            text = " ".join(words[: names[-1] + 1]) if names else text
    return text


def subject_of(query: str) -> str:
    """The subject of a query as the user spells it, or the query if nothing is left of it."""
    text = " ".join(query.split())
    for _ in range(12):
        inner = _once(text)
        if inner == text:
            break
        if not any(char.isalnum() for char in inner):
            break
        text = inner
    return text
