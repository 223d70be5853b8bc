"""Reads wishes to look something up: searches, and questions whose answer is on a page.

Prevents a request about the answer itself ("tell me the result") from becoming a search. Rule: the
forms below say what a search is; each gives its subject.
"""

from __future__ import annotations

import re

from mock_claude.model.reading.quotes import QUOTED, Quotes
from mock_claude.model.reading.topics import QUESTION, WHERE, topics

_KNOWLEDGE = (
    r"(?:(?:some|any|more|all|the|key|basic|main|latest|general|further|a\sfew|few|detailed|useful|"
    r"background|quick|short|interesting|relevant|important|additional|good|bit\sof|a\sbit\sof|"
    r"a\slittle|lots?\sof|essential|an?|brief|little|as\smuch|wikipedia)\s)*"
    r"(?:info|information|facts?|something|anything|everything|more|details?|background|data|things|"
    r"material|knowledge|articles?|pages?|overview|summary|bit|stuff|intel|low-?down|specifics|"
    r"run-?down|briefing|description|account|profile|primer|explanation|"
    r"particulars|entry|(?:search\s)?results?|introduction|what\syou\s(?:can|know))"
)
_ABOUT = r"(?:about|on|for|regarding|concerning|of|related\sto|behind|into|around)"
_ME = r"(?:(?:to|for|with|me|us)\s)*"
_IMPERATIVES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # search (the web) (for) X; do a quick web search on X
        r"(?:(?:do|run|make|perform|carry\sout|conduct|start|try|use|launch)\s)?"
        r"(?:(?:an?|some|the|your|another|one)\s)?"
        r"(?:(?:quick|short|brief|web|online|internet|wikipedia|google|little|simple|new)\s)*"
        r"(?:search(?:es)?|research|look-?up|query|web-search)"
        rf"(?:\s{WHERE}(?=:|\s(?:for|about|on|to|and|regarding|{QUOTED})))*(?:\s(?:to\sfind(?:\sout)?|and\sfind(?:\sout)?))?"
        rf"(?:\s(?:for|on|about|into|up|of))?(?:\s(?:about|{_KNOWLEDGE}\s{_ABOUT}))?(?:\s|:\s?)(?P<o>\S.*)",
        # look up X; look X up; look online for X
        rf"look\s(?:(?:me|us)\s)?(?:up|into|for|at)(?:\s(?:on|in)\s(?:the\s)?(?:web|internet|wikipedia)"
        rf"(?:\sfor)?|\sonline\sfor)?(?:\s{_KNOWLEDGE}\s{_ABOUT})?(?:\s|:\s?)(?P<o>\S.*)",
        rf"look\s(?P<o>\S.*?)\sup(?:\s{WHERE})?",
        rf"look\s(?:up\s)?{WHERE}\s(?:for|about|on|up)\s(?:{_KNOWLEDGE}\s{_ABOUT}\s)?(?P<o>\S.*)",
        rf"(?:have|take)\sa\s(?:quick\s)?look\s(?:(?:at\s)?{WHERE}\s)?(?:at|for|into|about)\s(?P<o>\S.*)",
        r"(?:google|wikipedia|wiki)(?:\sfor)?(?:\s|:\s?)(?P<o>\S.*)",
        # find (out) (something) (about) X
        rf"find\s(?:out\s)?{_ME}{_KNOWLEDGE}(?:\s{WHERE})?(?:\s(?:that|which)\sis\sknown)?\s{_ABOUT}\s"
        r"(?P<o>\S.*)",
        rf"find\sout\s(?:{WHERE}\s)?(?:about\s|on\s)?(?P<o>\S.*)",
        rf"find\s{_ME}(?:about\s)?(?P<o>\S.*)",
        r"(?:read|brush|study|catch)\sup\s(?:on|about)\s(?P<o>\S.*)",
        rf"(?:read|learn|hear)\s(?:{_KNOWLEDGE}\s)?about\s(?P<o>\S.*)",
        rf"dig\s(?:up|out|into|for)\s(?:{_KNOWLEDGE}\s{_ABOUT}\s)?(?P<o>\S.*)",
        rf"(?:check|consult|ask|browse|query|see|use|go\sto)\s{WHERE}\s"
        rf"(?:for|about|on|to\s(?:find(?:\sout)?|learn|look\sup|see))\s(?:about\s)?"
        rf"(?:{_KNOWLEDGE}\s{_ABOUT}\s)?(?P<o>\S.*)",
        rf"(?:see|check|find\sout|know|tell\sme)\swhat\s{WHERE}\s(?:says?|has|knows?|tells?)\s"
        r"(?:to\ssay\s|us\s|me\s)?(?:about|on)\s(?P<o>\S.*)",
        rf"what\sdoes\s{WHERE}\s(?:say|have|know|tell)\s(?:to\ssay\s|us\s|me\s)?(?:about|on)\s(?P<o>\S.*)",
        # tell me about X; give me the facts on X
        rf"(?:tell|teach|inform|educate)\s(?:me|us)\s(?:{_KNOWLEDGE}\s)?(?:about|on|of)\s(?P<o>\S.*)",
        rf"(?:tell|give|get|show|share|send|bring|fetch|provide|gather|collect|offer|pull\sup|retrieve|"
        rf"obtain|see|list)\s{_ME}(?:with\s)?{_KNOWLEDGE}\s{_ABOUT}\s(?P<o>\S.*)",
        r"(?:brief|update|fill)\s(?:me|us)\s(?:in\s)?(?:on|about)\s(?P<o>\S.*)",
        rf"(?:know|knowing)\s(?:(?:{_KNOWLEDGE}|a\s(?:bit|little)(?:\smore)?)\s)?(?:about|on)\s(?P<o>\S.*)",
        r"(?:what|anything|everything)\s(?:do|can)\syou\s(?:know|find|tell\s(?:me|us)|say|dig\sup|discover|"
        r"learn)(?:\sout)?\s(?:about|on)\s(?P<o>\S.*)",
        r"do\syou\sknow\s(?:anything|something|more)?\s?(?:about|of)\s(?P<o>\S.*)",
        r"(?:what|how)\sabout\s(?P<o>\S.*)",
        r"(?:i(?:['\u2019]m|\sam)\s)?(?:also\s|really\s|quite\s|very\s)*(?:curious|wondering|interested|"
        rf"keen)\s(?:about|in|to\s(?:learn|know|hear|read)\s(?:{_KNOWLEDGE}\s)?about)\s(?:(?:learning|knowing|reading|hearing)\s(?:more\s)?about\s)?"
        r"(?P<o>\S.*)",
        r"(?:explain|describe|define|investigate|explore|identify|introduce|discuss|summari[sz]e|outline)\s"
        rf"{_ME}(?P<o>\S.*)",
        r"(?:what(?:ever)?|everything|anything|all)\s(?:you\s|there\sis\sto\s|can\s|could\s|be\s)*(?:find|"
        r"found|know|known|learn|discover|dig\sup)(?:\sout)?\s(?:about|on)\s(?P<o>\S.*)",
        # noun phrases: facts about X
        r"(?:(?:write|give|make|prepare|draft)\s(?:me\s|us\s)?)?(?:an?\s|the\s)?(?:(?:short|brief|quick)\s)*"
        r"(?:summary|overview|description|account|profile|outline|run-?down)\sof\s(?P<o>\S.*)",
        r"(?:about|regarding|concerning)\s(?P<o>\S.*)",
        rf"{_KNOWLEDGE}\s(?:about|on|regarding|concerning|for)\s(?P<o>\S.*)",
    )
)  # fmt: skip
_TELLING = re.compile(
    r"(?:tell|show|give|let|teach)\s(?:me|us)(?:\sknow)?\s(?:please\s)?(?P<o>\S.*)"
    r"|(?:know|see|learn|understand|figure\sout|check|wonder|i\s(?:wonder|am\swondering|ask\smyself)|"
    r"i['\u2019]m\swondering|do\syou\s(?:happen\sto\s)?know|any\sidea|say|answer|find\sout|determine|"
    r"(?:please\s)?get|fetch)\s(?:me\s|us\s)?(?P<p>\S.*)",
    re.IGNORECASE,
)
_ATTRIBUTE = (
    r"(?:history|origins?|story|background|biography|architects?|designers?|founders?|inventors?|"
    r"builders?|length|height|width|opening\s(?:year|date)|age|author|population|construction)"
)
_NOUN = re.compile(
    rf"(?:[Tt]he\s)?(?:capital(?:\scity)?|meaning|definition|{_ATTRIBUTE})(?:\s(?:and|or)\s(?:[Tt]he\s)?\w+)?"
    r"\s(?:of|behind)\s\S.*"
    rf"|(?:[Tt]he\s)?[A-Z][\w\s-]{{1,40}}['\u2019]s\s(?:{_ATTRIBUTE}|capital(?:\scity)?)",
)
_ORDERS = re.compile(
    r"(?:(?:do|run|make|perform|carry|conduct|launch|use|have|take|start)\s(?:\w+\s){1,4}?)?"
    r"(?:search|research|google|wikipedia|wiki|web|online|look|read|study|brush|catch|dig|consult|browse|"
    r"query|check)\b"
    r"|(?:tell|teach|give|get|show|send|bring|find|fetch|gather|collect|know|learn|hear|brief|update|fill|"
    r"i['\u2019]m|i\sam|anything|everything)\b(?:\s\w+){0,6}?\s(?:about|on)\s"
    r"|what(?:ever)?\s(?:(?:can|do|could)\s)?you\s(?:\w+\s){1,5}?(?:about|on)\s"
    r"|(?:curious|interested|background|information|facts?|details?)\b",
    re.IGNORECASE,
)
_PERSONAL = re.compile(
    r"(?:who|what|how|where|which|why|when)(?:\s(?:are|do|can|could|would|will|did|have|were|tools|else|is|"
    r"am|should|shall|kind\sof\s\w+|sort\sof\s\w+|time|day|date|languages?)|['\u2019]?s|['\u2019]re)*\s"
    r"(?:you|your|yours|u|i|we|my|our|me|it|up|going\son|new|wrong|the\s(?:time|date|day))\b.*",
    re.IGNORECASE,
)


_VERB_COLON = re.compile(
    r"^(find(?:\sout)?|explain|define|describe|wiki|research|investigate|tell\sme\sabout):\s",
    re.IGNORECASE,
)


def queries(clause: str, quotes: Quotes, *, is_reference: bool = False) -> list[str] | None:
    """What a clause asks to look up; [] if only a pronoun, None if it asks for no search."""
    if is_reference:
        return None
    clause = _VERB_COLON.sub(r"\1 ", clause)
    for pattern in _IMPERATIVES:
        if match := pattern.fullmatch(clause):
            return topics(match["o"], quotes)
    if _PERSONAL.fullmatch(clause):
        return None
    if _NOUN.fullmatch(clause):
        return None if re.search(rf"\blength\sof\s{QUOTED}", clause) else topics(clause, quotes)
    if QUESTION.match(clause):
        return topics(clause, quotes)
    if match := _TELLING.fullmatch(clause):
        told = match["o"] or match["p"]
        if QUESTION.match(told) or _NOUN.match(told):
            return queries(told, quotes)
        return None
    return None


def is_question(clause: str) -> bool:
    """Whether a clause that ``queries`` reads is a question, rather than an order to look up."""
    return not _ORDERS.match(clause) and not _NOUN.fullmatch(clause)


_BEGINS_VERB = re.compile(
    r"(?:search|look\s(?:\S+\s){0,6}?up\b|look\s(?:for|into|online|at|on)|google\s|find\s|research\s|"
    r"tell\s(?:me|us)|give\s(?:me|us)|get\s(?:me|us|the)|show\s(?:me|us)|(?:read|brush|study|catch)\sup|"
    r"read\sabout|dig\s(?:up|out|into|for)|investigate\s|check\s|explain\s|describe\s|define\s|learn\s|"
    r"let\s(?:me|us)\sknow|brief\s(?:me|us)|fill\s(?:me|us)|update\s(?:me|us)|know\s|hear\sabout|see\swhat|"
    r"(?:do|run|make|perform)\s(?:an?|some)\s(?:\w+\s){0,2}(?:search|research|look-?up)|use\s|answer\s|"
    r"(?:have|take)\sa\s(?:quick\s)?look\s|"
    r"(?:say|reply|respond|repeat|report|summari[sz]e|compare|fetch|consult|browse|ask)\b|"
    r"(?:e-?mail|send|text|tweet|post|translate|convert|delete|remove|book|order|remind|print|forward|share|draw|"
    r"sing|count|sort|rank)\s(?:it|that|this|them|me|us|him|her|the|my|a|an|to)\b|"
    r"(?:i['\u2019]?m|i\sam)\s(?:also\s|really\s|quite\s|very\s)*(?:curious|interested|wondering)|do\syou\sknow)",
    re.IGNORECASE,
)
_BEGINS_ORDER = re.compile(
    r"(?:delete|remove|erase|clear|e-?mail|send|translate|convert|count|sort|rename|replace|edit|change|print|"
    r"forward|share|draw|sing|cancel|play|open|call|text|set|turn|book|order|remind|write|tell|make)\s\S",
    re.IGNORECASE,
)
_BEGINS_NOUN = re.compile(
    rf"(?:{_KNOWLEDGE}\s(?:about|on|regarding)\s|(?:the\s)?capital(?:\scity)?\sof\s|"
    rf"(?:the\s)?{_ATTRIBUTE}\s(?:of|behind)\s|(?:the\s)?[A-Z][\w\s-]{{1,40}}['\u2019]s\s{_ATTRIBUTE}$)",
    re.IGNORECASE,
)
_AWAITS_SUBJECT = re.compile(rf"\b(?:the|its)\s{_ATTRIBUTE}$", re.IGNORECASE)
_ASKS = re.compile(
    r"(?:what|who|whom|when|where|why|how|which|whose|(?:in|since)\s(?:what|which))(?:['\u2019]?s|['\u2019]re)?\s"
    r"|(?:is|will|does|did|are|was|were|has|should|do)\s(?:it|there|[iI]|we|the|[A-Z]\w+)\b"
)
_RELATIVE = re.compile(r"(?:which|who|whose|where|whom)\b", re.IGNORECASE)


def begins_verb(text: str) -> bool:
    """Whether a piece of text begins with a request in the imperative."""
    return bool(_BEGINS_VERB.match(text))


def begins_order(text: str) -> bool:
    """Whether a piece of text begins with an order that no note's words need explain."""
    return bool(_BEGINS_ORDER.match(text))


def begins_noun(text: str) -> bool:
    """Whether a piece of text begins with something to look up, named without a verb."""
    return bool(_BEGINS_NOUN.match(text))


def awaits_subject(text: str) -> bool:
    """Whether the subject must follow, as in "look up the architect" before "and the age of X"."""
    return bool(_AWAITS_SUBJECT.search(text[-40:]))


def begins_question(text: str) -> bool:
    """Whether a piece of text begins with a question."""
    return bool(_ASKS.match(text[:1].lower() + text[1:]))


def may_be_relative(text: str) -> bool:
    """Whether a question word may belong to the words before it ("a bridge, which was...")."""
    return bool(_RELATIVE.match(text))
