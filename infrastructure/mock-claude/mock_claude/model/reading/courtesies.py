"""Takes courtesies and ordering words from both ends of a clause.

Prevents "First, could you please look up X for me?" from being read otherwise than "look up X".
Rule: only the ends are touched, and only by words that no wish needs.
"""

from __future__ import annotations

import re

from mock_claude.model.reading.quotes import QUOTED

_GERUNDS = {
    "saving": "save", "storing": "store", "writing": "write", "noting": "note", "making": "make",
    "recording": "record", "keeping": "keep", "jotting": "jot", "putting": "put", "taking": "take",
    "adding": "add", "logging": "log", "remembering": "remember", "reading": "read",
    "showing": "show", "listing": "list", "displaying": "display", "searching": "search",
    "looking": "look", "finding": "find", "googling": "google", "researching": "research",
    "checking": "check", "calculating": "calculate", "computing": "compute", "telling": "tell",
    "giving": "give", "getting": "get", "working": "work", "multiplying": "multiply",
    "dividing": "divide", "subtracting": "subtract", "reporting": "report", "opening": "open",
    "printing": "print", "recalling": "recall", "fetching": "fetch", "evaluating": "evaluate",
}  # fmt: skip
_PARTICIPLES = {
    "found": "find", "computed": "compute", "calculated": "calculate", "looked": "look",
    "checked": "check", "searched": "search", "saved": "save", "read": "read", "got": "get",
    "gotten": "get", "worked": "work", "noted": "note", "stored": "store", "fetched": "fetch",
}  # fmt: skip
_AMBIGUOUS = ("saved", "read", "noted", "stored", "got", "gotten", "worked")
_LEAD = re.compile(
    r"""(?:
      please|pls|kindly|possibly|maybe|perhaps|simply|briefly|yo|just|also|then|next|now
    | first(?:ly)?(?:\ of\ all|\ off)?|second(?:ly)?
    | third(?:ly)?|fourth(?:ly)?|fifth(?:ly)?|finally|lastly|last(?:\ of\ all|\ but\ not\ least)?
    | after(?:ward)?s?\ (?:that|this|which)|afterwards?|subsequently|additionally|furthermore
    | moreover|besides|meanwhile|and|but|so|plus|ok|okay|well|right|sure|alright|great|thanks
    | thank\ you|(?:hey|hi|hello)(?:\ there)?|greetings|good\ (?:morning|afternoon|evening|day)
    | dear|claude|assistant|agent|again|to\ (?:start|begin|finish|end)(?:\ with)?|in\ addition
    | on\ top\ of\ that|while\ you(?:['\u2019]re|\ are)\ at\ it|for\ starters|if\ possible
    | (?:when|once|as\ soon\ as|after)\ (?:you(?:['\u2019](?:re|ve)|\ are|\ have)?\ )?(?:all\ )?
      (?:done|finished|ready|(?:got\ |have\ |found\ |know\ )?(?:that|this|both|it|them|all|those|
      everything|the\ (?:answers?|results?|facts|numbers?))(?:\ (?:done|is\ done|are\ done|ready))?)
    | (?:when|once|as\ soon\ as|after)\ you(?:['\u2019]ve|\ have)(?=\ \w+(?:ed|d|t)\b)
    | you(?:['\u2019]ve|\ have)(?=\ \w+(?:ed|d|t)\b) | having(?=\ \w+(?:ed|d|t)\b)
    | with\ that(?:\ done)?|that\ done|as\ (?:a|the|your)\ (?:first|second|third|last|final|next)
      \ (?:step|task|thing)|(?:in|at)\ the\ (?:very\ )?end|if\ you\ (?:can|could|would|please)
    | if\ you\ don['\u2019]?t\ mind|one\ (?:more|last)\ (?:thing|question)|by\ the\ way|quickly
    | go\ (?:ahead|on)(?:\ and)?|(?:can|could|would|will|can['\u2019]t)\ (?:you|u|ya)
    | (?:would|do)\ you\ mind|are\ you\ able\ to|is\ it\ possible\ to
    | i(?:['\u2019]d|\ would)\ (?:also\ )?(?:like|love|want|need|appreciate\ it\ if)
      (?:\ (?:you|to|if\ you\ (?:could|would))\b)*
    | (?:i|we)(?:['\u2019]ll|\ will)?\ (?:also\ )?(?:want|need|wish|wanna|have)(?:\ (?:you|to)\b)*
    | you\ (?:should|must|need\ to|have\ to|can|could|may)|let['\u2019]?s|let\ us
    | (?:before|after|while|by)(?=\ \w+ing\b) | before\ (?:you|we|i)
    | (?:after|once|when|as\ soon\ as)\ (?:you|we|i)(?=\ (?:look|search|find|check|calculate|compute
      |read|save|store|get|know|work|do)\b)
    | (?:your|my)\ (?:\w+\ )?(?:task|job|question|request)\ (?:is|for\ you\ is)(?:\ to)?
    | be\ so\ (?:kind|good)(?:\ (?:as\ to|and|to))?|do\ me\ a\ favou?r(?:\ and)?|help\ me(?:\ to)?
    | (?:make|be)\ sure\ (?:to|you|that\ you)
    | don['\u2019]?t\ forget\ to(?=\ (?:save|store|write|note|record|jot|put|add|log|make|read|show
      |list|search|look|check|tell|calculate|compute)\b)
    | (?:start|begin|continue|proceed|carry\ on|follow|finish|end|conclude|wrap\ up)
      (?:\ off|\ up)?\ (?:by|with) | followed\ by
    | (?:step|task|question|part|item)\ *(?:\d{1,2}|one|two|three|four)
    | (?:task|question|request|quick\ question|todo|to\ do|(?:my|the)\ (?:task|question)s?)(?=\ *:)
    )(?![\w'\u2019])(?:[\s,:;!\u2013\u2014]|[-.](?=\s))*
    | [-*\u2022\u2013\u2014>]+\s+ | \(?\d{1,2}[.)]\s+ | \(?[a-h][.)]\s+ | \#+\s+
    | (?:[\s,:;!?]|\.(?!\d))+
    """,
    re.IGNORECASE | re.VERBOSE,
)
_TAIL = re.compile(
    r"""[\s,]*(?:(?<![^\s,.!?;])(?:please|pls|thanks(?:\ a\ lot|\ so\ much|\ in\ advance)?|thx
    | cheers|thank\ you(?:\ (?:very|so)\ much)?
    | if\ you\ (?:can|could|would|please|don['\u2019]?t\ mind)
    | if\ possible|will\ you|would\ you|could\ you|can\ you|asap|claude))?
    (?:(?<!\.[A-Z])\.|[\s,;!?])*$""",  # not the full stop of "D.C."
    re.IGNORECASE | re.VERBOSE,
)
_LOOSE_TAIL = re.compile(
    r"""[\s,]+(?:for\ me|right\ away|as\ well|too|now|first|next|then|afterwards?|again|once\ more
    | ok|okay|and|and\ then|quickly|also|if\ you\ have\ (?:it|them)|in\ the\ end|at\ the\ end)$""",
    re.VERBOSE,  # "now" is a courtesy, "Now" may end a title
)
_OBJECT = re.compile(
    rf"(?:it|that|this|them|both|all|everything|the|my|your|an?|what)\b|{QUOTED}|\d", re.IGNORECASE
)
_PERFECT = re.compile(r"(?:have|ve|having)\s$", re.IGNORECASE)


def without_lead(clause: str) -> str:
    """The clause from its first word that is not polite, ordering or a list mark.

    A first verb gets its base form, so that "by saving it" and "once you have saved it" both
    begin with "save".
    """
    at = 0
    while (match := _LEAD.match(clause, at)) and match.end() > at:
        at = match.end()
    lead, clause = clause[:at], clause[at:]
    first, space, rest = clause.partition(" ")
    is_order = bool(lead.strip() or _OBJECT.match(rest))  # unlike "saving money is hard"
    base = _GERUNDS.get(first.lower()) if is_order else None
    if base is None and (first.lower() not in _AMBIGUOUS or _PERFECT.search(lead)):
        base = _PARTICIPLES.get(first.lower())
    return f"{base}{space}{rest}" if base else clause


def without_tail(clause: str) -> str:
    """The clause up to its last word that is not a courtesy."""
    while True:
        shorter = clause[: _tail_start(clause)]
        if shorter == clause:
            return clause
        clause = shorter


def _tail_start(clause: str) -> int:
    # Only the end can match: searching a long text from its start would cost its length squared.
    start = max(0, len(clause) - 60)
    match = _TAIL.search(clause, start)
    return match.start() if match else len(clause)


def core(clause: str) -> str:
    """The clause without courtesies and without loose words such as "too" and "for me"."""
    clause = without_tail(without_lead(clause))
    while match := _LOOSE_TAIL.search(clause, max(0, len(clause) - 60)):
        clause = without_tail(clause[: match.start()])
    return clause
