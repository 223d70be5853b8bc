"""Takes out of a task what it makes depend on something, forbids, or takes back.

Prevents "save it if it rains" from saving it. Rule: a sentence with a condition is not read, and a
task that holds one saves nothing; what comes after "don't" is not read, and what it names is not
done anywhere in the task. Words of a note ("note that if it rains ...") and quotations are free.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from mock_claude.model.reading import arithmetic
from mock_claude.model.reading.courtesies import core
from mock_claude.model.reading.quotes import QUOTED, Quotes
from mock_claude.model.wishes import (
    Calculate,
    CapitalWeather,
    Read,
    Save,
    Search,
    Unable,
    Weather,
    Wish,
)

_SENTENCE_END = re.compile(r"(?<=[.?!\u2026])(?<!St\.)(?<!Mt\.)(?<!Dr\.)(?<!Mr\.)\s+|\s*\n\s*")
_POLITE = re.compile(
    r"\bif\s(?:you\s(?:can|could|would|please|may|will|like(?!\sit|\sthe|\sthat)|want|wish|don['\u2019]?t\smind|have\s(?:it|them|"
    r"time|any)|know)|possible|needed|necessary|any\b|at\sall|(?:that|it)(?:['\u2019]?s|\sis)\s(?:ok|okay|"
    r"fine|possible))"
    r"|\b(?:tell\s(?:me|us)|check|see|know|wonder(?:ing)?|ask|find\sout|say|look|verify|idea)\s(?:if|when)\b"
    r"|\bdon['\u2019]?t\s(?:forget|worry|you\b)|\bdo\snot\sforget|\buntil\snow",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"\b(?:if|unless|otherwise|whenever|in\s(?:case|that\scase)|provid(?:ed|ing)|as\slong\sas|depending|"
    r"depends|assuming|supposing|suppose|or\selse|only\swhen)\b|^else\b",
    re.IGNORECASE,
)
_CONDITION_OF_A_SAVE = re.compile(
    r"\b(?:when|once|as\ssoon\sas|should|while)\s(?:it|the|its|that|there|temperature)\s(?!is\sdone|has\sbeen)"
    r"|\b(?:when|once|as\ssoon\sas|after|until|till|while)\s(?!(?:you|we|i|this|all|both|everything)\b)(?:[\w*+/-]+\s){1,4}?"
    r"(?:is|are|gets?|becomes?|turns?|hits?|sets?|starts?|ends|stops?|drops?|falls?|rises|reaches|exceeds|goes|has|comes|cools|"
    r"warms|freezes|opens|closes|passes|arrives|improves|changes|clears|melts|thaws|shines|rains|snows)\b(?!\s(?:\w+ed|done|found|known|ready)\b)|^should\s(?!i\b|we\b|you\b)"
    r"|\b(?:when|once|as\ssoon\sas|after)\s.{1,60}?\s(?:over|above|below|under|at\sleast|(?:more|less|\w+er)\sthan)\s"
    r"|\bonly\s(?:once|after|while|during|on|in|at|for|with)\b|\b(?:ask|check\swith)\s(?:me|us)\b|\bconfirm"
    rf"|{QUOTED}\sor\s|\bor\s{QUOTED}|\bwhichever\b|\buntil\b|\bevery\s(?:day|hour|minute|week|morning|evening|time)\b|\beither\b|\bwhether\b",
    re.IGNORECASE,
)
_SAVES = re.compile(r"\b(?:save|store|note|write|record|remember|jot|log|add|put)\b", re.IGNORECASE)
_YES_NO = re.compile(r"(?:is|are|was|were|does|do|did|has|have|will|can)\b.*\?$", re.IGNORECASE)
_THEN = re.compile(r"(?:if\s)?(?:then|so|yes|no)\b", re.IGNORECASE)
_WORDS_OF_A_NOTE = re.compile(
    r"\b(?:(?:note|remember|reminder|memo|save|write|jot|record)(?:\sdown|\sfor\slater)?\sthat\s(?!down\b|as\b|in\b|if\b)|"
    r"(?:save|store|note|notes|write|down|memo|reminder|record|remember)(?:\sthis|\sit)?:|saying\s|"
    r"(?:note|reminder|remember|memo)\sto\s)",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"(?:^|(?<=[,;:(.\u2014-])|\b(?:and|but|please|so|then|also|or|now|just|you\smust|you\sshould))\s*"
    r"(?:please\s|also\s|just\s|then\s)*(?:do\snot|don['\u2019]?t|never|no\sneed\sto|must\snot|avoid|refrain\sfrom|skip|omit|leave\sout)[\s,]"
    r"|\bnot\s(?:to\s)?(?:save|store|write|note|read|look|search|use|calculate|tell|show|keep|record)\b"
    r"|\bwithout\s(?:\w+ing)\b|\b(?:instead\sof|rather\sthan)\s|\bno\s(?:saving|notes?|searching|tools?)\b"
    r"|\bbut\snot\b|\b(?:under|on|in)\sno\s(?:circumstances?|account|way|case)\b"
    r"|\b(?:i|we)\s(?:do\snot|don['\u2019]?t|never)\s(?:want|need|wish|like)\b",
    re.IGNORECASE,
)
_GOES_ON = re.compile(
    r",\sand\s(?=what|who|how|tell|calc|comp|(?:the\s)?weather|-?[\d(])|"
    r"[,;:\u2014]?\s(?:but|just|only)\s|[,;\u2014]\s(?!and\b|or\b|nor\b)|;\s",
    re.IGNORECASE,
)
_ALL_BUT = re.compile(r"but\snot|instead\sof|rather\sthan", re.IGNORECASE)
_TAKEN_BACK = re.compile(
    r"\b(?:never\s?mind|scratch\sthat|cancel\s(?:that|it)|forget\s(?:it|that|about)|actually,?\s(?:no|don|save|store|note|write|make|put)|"
    r"no,?\swait|wait,?\sno|second\sthoughts?|changed\smy\smind|undo|take\s(?:that|it)\sback|kidding|i\smeant?|"
    r"save\snothing|\binstead\b(?!\sof)|don['\u2019]?t[.!]?$)",
    re.IGNORECASE,
)
_KINDS = {
    "save": re.compile(
        r"\b(?:sav|stor|not(?:e|ing)\b|no\snotes?\b|writ|record|remember|keep|log)", re.IGNORECASE
    ),
    "read": re.compile(r"\b(?:read|show|list)", re.IGNORECASE),
    "search": re.compile(r"\b(?:look|search|googl|web\b|internet|online)", re.IGNORECASE),
    "calculate": re.compile(r"\b(?:calculat|comput|work)", re.IGNORECASE),
    "weather": re.compile(r"\b(?:weather|forecast|temperature)", re.IGNORECASE),
}
_ALL_TOOLS = re.compile(r"\btools?\b", re.IGNORECASE)
_LONGEST = 300  # characters of a sentence that can be a calculation
_MOST = 300  # sentences that are looked at; a text of more is a document


@dataclass(frozen=True)
class Limited:
    """The task without what is not to be read; the kinds of wishes that are not to be granted."""

    text: str
    banned: frozenset[str] = frozenset()
    said: tuple[Unable, ...] = ()


def _masked(sentence: str) -> str:
    """The sentence with courtesies ("if you can") blank, up to where a note's words begin."""
    sentence = _POLITE.sub(lambda match: " " * len(match[0]), sentence)
    note = _WORDS_OF_A_NOTE.search(sentence)
    return sentence[: note.end()] if note else sentence


def _is_condition(sentence: str, masked: str, before: str) -> bool:
    if _CONDITION.search(masked):
        return not arithmetic.calculations(
            core(sentence[:_LONGEST])
        )  # "what do I get if I add 3 and 4?"
    if not _SAVES.search(masked):
        return False
    return bool(_CONDITION_OF_A_SAVE.search(masked)) or bool(
        _THEN.match(masked) and _YES_NO.match(before)
    )


def limit(text: str, quotes: Quotes) -> Limited:
    """The task's text, prepared as by ``quotes``, without conditions and negations."""
    pieces: list[str] = []
    banned: set[str] = set()
    said: list[Unable] = []
    at, before, rest_is_barred = 0, "", False
    ends = [*_SENTENCE_END.finditer(text)][:_MOST]
    for end in [*ends, None]:
        whole = text[at : end.end() if end else len(text)]
        at = end.end() if end else at
        sentence = whole.strip()
        masked = _masked(sentence)
        if rest_is_barred or _is_condition(sentence, masked, before):
            banned.add("save")
            if not rest_is_barred:
                words = quotes.restore(sentence)
                said.append(Unable(f"I cannot do conditions, so I left this out: {words}"))
            rest_is_barred = rest_is_barred or sentence.endswith((":", ","))
        else:
            if _TAKEN_BACK.search(masked):
                banned.add("save")
            pieces.append(_without_negation(whole, masked, quotes, banned, said))
        before = sentence
    return Limited("".join(pieces), frozenset(banned), tuple(said))


def _without_negation(
    whole: str, masked: str, quotes: Quotes, banned: set[str], said: list[Unable]
) -> str:
    match = _NEGATION.search(masked)
    if match is None:
        return whole
    start = whole.index(masked[:1]) if masked[:1].strip() else 0
    tail = masked[match.end() :]
    on = _GOES_ON.search(tail)
    negated = masked[match.start() : match.end()] + (tail[: on.start()] if on else tail)
    kinds = {kind for kind, pattern in _KINDS.items() if pattern.search(negated)}
    if not kinds and _KINDS["save"].search(tail):
        kinds, negated, on = {"save"}, "", None  # "do not, ever, save it": the whole sentence
    if _ALL_TOOLS.search(negated):
        kinds |= set(_KINDS)
    if _ALL_BUT.match(negated.strip()) and _SAVES.search(masked):
        banned.add("save")  # "save it, but not the sum"
        kinds = set()
    if not kinds:
        words = quotes.restore(negated).strip(" ,;:")
        said.append(Unable(f'I did not understand "{words}", and left it out.'))
    if not re.search(QUOTED, negated):
        banned |= kinds
    left = whole[: start + match.start()].rstrip(" ,;:")
    right = tail[on.end() :] if on else whole[start + len(masked) :]
    return f"{left}. {right}" if left.strip() else right


def _tools(wish: Wish) -> frozenset[str]:
    """The kinds of ban that keep a wish from being granted."""
    match wish:
        case Calculate():
            return frozenset({"calculate"})
        case Weather():
            return frozenset({"weather"})
        case CapitalWeather():
            return frozenset({"search", "weather"})
        case Search():
            return frozenset({"search"})
        case Save(of=of):
            return frozenset({"save"}).union(*map(_tools, of))
        case Read():
            return frozenset({"read"})
        case Unable():
            return frozenset()


def granted(wishes: tuple[Wish, ...], limited: Limited) -> tuple[Wish, ...]:
    """The wishes without those that are banned, and what is to be said of them."""
    banned = [wish for wish in wishes if _tools(wish) & limited.banned]
    left = [wish for wish in wishes if wish not in banned]
    kept = [
        replace(wish, after=tuple(save for save in wish.after if save not in banned))
        if isinstance(wish, Read)
        else wish
        for wish in left
    ]
    kinds = sorted({kind for wish in banned for kind in _tools(wish) & limited.banned})
    return (*kept, *limited.said, *(Unable(_LEFT_OUT[kind]) for kind in kinds))


_LEFT_OUT = {
    "save": "I saved nothing, as the task holds a condition, or words against it.",
    "read": "I did not read the notes, as you said.",
    "search": "I looked nothing up, as you said.",
    "calculate": "I calculated nothing, as you said.",
    "weather": "I did not ask for the weather, as you said.",
}
