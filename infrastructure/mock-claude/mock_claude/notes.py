"""Reads wishes about notes: what to save, word for word or by reference, and when to read them.

Prevents "save it" from storing the word "it". Rule: what is quoted or follows "that" or a colon is
kept word for word; what points at results ("both", "the answer") is a reference; what names a fact
("the weather in Lisbon") is a wish of its own, whose result is saved; the rest is kept as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mock_claude.quotes import QUOTED, Quotes


@dataclass(frozen=True)
class Saving:
    """What a clause wants saved: ``words`` as they are, or what ``about`` names, or results.

    With neither it refers to results. ``kinds`` narrows them, if not empty: "weather",
    "calculation" and "search"; "first" to "third" and "last"; "all" for the whole task so far.
    """

    words: tuple[str, ...] = ()
    about: str = ""
    kinds: frozenset[str] = frozenset()


_VERB = (
    r"(?:save|store|write|note|record|remember|keep|jot|put|add|log|file|enter|memori[sz]e|capture|"
    r"append|stash|pin|set|insert|type|place|mark|scribble|preserve|leave|copy|move|include|post|take|"
    r"summari[sz]e|collect|combine|gather|bundle|turn)"
)
_ADJECTIVES = (
    r"(?:a|an|my|the|your|our|one|this|that|single|new|short|brief|quick|another|separate|two|three|"
    r"personal|little|same|permanent|different|combined|mental|small|following|next|simple|final|"
    r"of\smy|of\sthe|sticky)"
)
_NOTE = r"(?:notes?|notebook|notepad|memos?|reminders?|note-?\s?(?:list|file|store|s\sfile|taking\sapp|app))"
_DEST = rf"(?:as|in|into|to|on|onto|among|inside|under|within|for|with)\s(?:{_ADJECTIVES}\s)*{_NOTE}\b"
_LITERAL = (
    r"(?:\s?:|,?\s(?:that\s(?:says|reads|states)|which\s(?:says|reads)|saying(?:\sthat)?|reading|stating|"
    r"with\s(?:the\s)?(?:following\s)?(?:text|words?|wording|message)|that|to\smyself(?:\sto)?)\b[:,]?)"
)
_MAKE = re.compile(
    r"(?:make|take|create|leave|write|add|save|store|keep|record|log|put|jot|have|enter)\s"
    r"(?:down\s|me\s|yourself\s|up\s)*"
    rf"(?:{_ADJECTIVES}\s)+(?:note|memo|reminder|record)s?\b"
    rf"(?:\s(?:to|in|into)\s(?:my|the)\s{_NOTE}\b)?(?P<rest>.*)",
    re.IGNORECASE,
)
_TO_DEST = re.compile(
    rf"{_VERB}\s(?:down\s|it\sdown\s)?{_DEST}(?P<rest>(?:\s|:|,|$).*)", re.IGNORECASE
)
_OBJECT_TO_DEST = re.compile(
    rf"{_VERB}\s(?:down\s|away\s)?(?P<object>\S.*?)[\s,]+(?:down\s|away\s)?{_DEST}(?P<rest>.*)",
    re.IGNORECASE,
)
_THAT = re.compile(
    r"(?:note|remember|record|write|jot|save|store|log|keep\sin\smind|bear\sin\smind|don['\u2019]?t\sforget|"
    r"take\snote|memori[sz]e)(?:\sdown)?(?:\s?:|\s(?:(?:that|the\sfollowing)\b|this:|it:))[:,]?\s*(?P<words>.+)",
    re.IGNORECASE,
)
_DOWN = re.compile(
    r"(?:write|jot|note|take|put|mark|scribble|get|set)\s(?:(?P<object>\S.*?)\sdown|"
    r"down[\s:,]+(?P<after>\S.*))(?P<rest>(?:\s(?:for|in|as|to|please|somewhere).*)?)",
    re.IGNORECASE,
)
_BARE = re.compile(
    r"(?P<verb>save|store|note|remember|record|keep|log|memori[sz]e|jot|write|file|capture|preserve)"
    r"(?:\s(?:to\s)?(?P<object>\S.*))?",
    re.IGNORECASE,
)
_PASSIVE = re.compile(
    r"(?:(?:have|get|with|want|see)\s)?(?P<object>\S.*?)\s(?:(?:should|must|needs?\sto|has\sto|have\sto|"
    r"can|is\sto|are\sto|to|will|shall|may|could)\s(?:all\s|both\s|also\s|then\s)*(?:be\s)?)?"
    r"(?:saved|stored|noted|written|recorded|kept|put|go|added|logged|jotted|remembered|placed|entered)"
    rf"(?:\s(?P<down>down))?(?:\s(?P<to>{_DEST}))?(?:\s(?:for\slater|please|too|as\swell))?",
    re.IGNORECASE,
)
_ADD_TO_THEM = re.compile(
    rf"(?:add|append|put|write)\s(?P<quoted>{QUOTED})\s(?:to|in|into|onto)\s(?:them|it|those|these)\b.*",
    re.IGNORECASE,
)
_DEST_FIRST = re.compile(rf"{_DEST}[\s,:]+(?P<rest>{_VERB}\s.+)", re.IGNORECASE)
_NOTE_OF = re.compile(
    rf"(?:(?:a|one|another|quick)\s)*(?:note|memo)(?:\sto\s(?:self|myself))?"
    rf"(?P<link>{_LITERAL}|\s(?:with|of|on|about|containing)\s).+",
    re.IGNORECASE,
)

_REF_NOUN = (
    r"(?:results?|answers?|outcomes?|findings?|outputs?|numbers?|values?|figures?|facts?|info|"
    r"information|details?|repl(?:y|ies)|responses?|summary|summaries|data|totals?|sums?|products?|"
    r"differences?|quotients?|solutions?|conclusions?|text|things?|lot|rest|weather|forecasts?|"
    r"temperatures?|calculations?|computations?|lookups?|reports?|search(?:es)?|discover(?:y|ies)|"
    r"pieces?|items?|bits?|knowledge|content|insights?|readings?|arithmetic|maths?|extracts?|articles?|"
    r"research|ones|conditions|weather\sreports?|searches|statements?|two|three|four|above|first|"
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
    r"looked|gathered|collected|turned|obtained|dug|out|up)\b.*",
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
_NTH = re.compile(r"\bthe\s(first|second|third|last|former|latter)(?:\s(?:one|\w+))?\b", re.IGNORECASE)
_ALL = re.compile(r"\b(?:everything|all)\b", re.IGNORECASE)
_LABEL = re.compile(
    rf"(?:(?:the|this|these|my|following|exact|a|an|text|words?|sentence|line|phrase|message|reminder|"
    rf"title|items?|thought|idea|string|entry|quote|note)[\s:]+)*(?P<quoted>{QUOTED})",
    re.IGNORECASE,
)
_CATAPHOR = re.compile(r"(?:this|it|the\sfollowing)(?:\s\w+)?", re.IGNORECASE)
_AFTER_DOWN = re.compile(
    r"(?:down|too|also|please|for\slater|somewhere|in\smind|safe|well|as\swell)\b\W*"
)


def refers(words: str) -> bool:
    """Whether words point at results ("both", "the answer", "what you found")."""
    words = re.sub(r"^(?:only|just)\s|\s(?:only|alone)$", "", words.strip(" ,.;:?!"))
    return bool(_REFERS.fullmatch(words))


def _kinds(words: str) -> frozenset[str]:
    if _ALL.search(words):
        return frozenset({"all"})
    if _EVERY_KIND.search(words):
        return frozenset()
    if match := _NTH.search(words):
        return frozenset({match[1].lower().replace("former", "first").replace("latter", "last")})
    return frozenset(kind for kind, pattern in _KIND_WORDS if pattern.search(words))


def _tidy(words: str, quotes: Quotes) -> str:
    words = words.strip(" ,;:\u2013\u2014")
    if match := _LABEL.fullmatch(words.rstrip(".!")):
        return quotes.bare(match["quoted"])
    words = words if words.endswith("...") else words.rstrip(".")
    return quotes.restore(words).strip()


def _exactly(words: str, quotes: Quotes) -> Saving | None:
    words = re.sub(rf"(?<=\S)\s(?:down\s)?{_DEST}$", "", words, flags=re.IGNORECASE)
    text = _tidy(words, quotes)
    return Saving(words=(text,)) if text else None


def _about(words: str, quotes: Quotes, *, several: bool = False) -> Saving | None:
    """A reference, a quotation, or words that may name a fact."""
    words = words.strip(" ,;:\u2013\u2014-")
    if not words or refers(words):
        return Saving(kinds=_kinds(words))
    items = re.split(r"\s*,\s*(?:and\s)?|\s(?:and|&)\s", words.rstrip(".!"))
    if len(items) > 1 and all(_LABEL.fullmatch(item) for item in items):
        texts = [_tidy(item, quotes) for item in items]
        return Saving(words=tuple(texts) if several else (" and ".join(texts),))
    if _LABEL.fullmatch(words.rstrip(".!")):
        return _exactly(words, quotes)
    return Saving(about=words)


def _made(rest: str, quotes: Quotes, *, several: bool = False) -> Saving | None:
    """What follows "make a note"."""
    rest = re.sub(r"^\s(?:called|titled|named)\s\S+", "", rest).rstrip()
    literal = re.match(_LITERAL, rest, re.IGNORECASE)
    if literal and not (several and rest.lstrip().startswith(":")):
        words = rest[literal.end() :]
        if refers(words) or _LABEL.fullmatch(words.strip(" .")):
            return _about(words, quotes)
        return _exactly(words, quotes)
    if todo := re.match(r"\sto\s(?=\S)", rest, re.IGNORECASE):
        return _exactly(rest[todo.end() :], quotes)
    if listed := re.match(r"\s?:\s*(?=\S)", rest):
        return _about(rest[listed.end() :], quotes, several=True)
    linked = re.match(
        r"\s(?:of|about|on|for|with|regarding|containing|including|from|listing|for\s(?:me|later):?)\s",
        rest,
        re.IGNORECASE,
    )
    return _about(rest[linked.end() :] if linked else rest, quotes)


def saving(clause: str, quotes: Quotes, *, surely: bool = False) -> Saving | None:
    """What a clause wants saved, or None. ``surely``: only what names notes or points at results."""
    if match := _DEST_FIRST.fullmatch(clause):
        clause = match["rest"]
        found = saving(clause, quotes)
        return found or None
    if match := _MAKE.fullmatch(clause):
        several = clause[: match.start("rest")].endswith("notes")
        return _made(match["rest"], quotes, several=several)
    if match := _TO_DEST.fullmatch(clause):
        return _made(match["rest"], quotes)
    that = _THAT.fullmatch(clause)
    if match := _OBJECT_TO_DEST.fullmatch(clause):
        thing, rest = match["object"], match["rest"].strip()
        if rest.startswith(":") and _CATAPHOR.fullmatch(thing):
            return _exactly(rest[1:], quotes)
        if not that or refers(thing):
            several = bool(re.search(r"notes$", clause[: match.end() - len(match["rest"])]))
            return _about(thing, quotes, several=several and "my notes" not in clause)
    if match := _ADD_TO_THEM.fullmatch(clause):
        return _exactly(match["quoted"], quotes)
    if match := _DOWN.fullmatch(clause):
        thing = match["object"] or match["after"]
        if thing and refers(thing):
            return _about(thing, quotes)
        if match["object"] and not that:
            return _about(thing, quotes)
    if that:
        words = that["words"]
        if _AFTER_DOWN.fullmatch(words):
            return Saving()
        if refers(re.sub(r"^\w+\s", "", clause)):
            return _about(re.sub(r"^\w+\s", "", clause), quotes)
        return _exactly(words, quotes)
    if match := _DOWN.fullmatch(clause):
        return _about(match["object"] or match["after"], quotes)
    if match := _PASSIVE.fullmatch(clause):
        thing = match["object"]
        if match["to"] or refers(thing):
            return _about(thing, quotes)
    if match := _NOTE_OF.fullmatch(clause):
        return _made(clause[match.start("link") :], quotes)
    return _bare(clause, quotes, surely=surely)


def _bare(clause: str, quotes: Quotes, *, surely: bool) -> Saving | None:
    """ "Save it", "remember to call Ana": a verb that can only mean notes, and its object."""
    match = _BARE.fullmatch(clause)
    if match is None:
        return None
    thing = (match["object"] or "").strip()
    thing = re.sub(r"\s(?:for\slater|for\sme|somewhere|safely?)$", "", thing)
    verb = match["verb"].lower()
    if not thing:
        return Saving() if verb in ("save", "store", "record") else None
    found = _about(thing, quotes)
    if found is None or not found.about:
        return found
    if verb in ("keep", "write", "file", "jot", "preserve"):
        return None
    if surely and not re.match(r"note\s|(?:remember|memori[sz]e)\s(?:to|my|the)\s", clause, re.IGNORECASE):
        return None
    return found


_READ_VERB = (
    r"(?:read|reread|re-read|show|list|display|tell|give|get|fetch|print|recall|open|check|look|see|view|"
    r"retrieve|review|remind|recite|repeat|output|load|pull|consult|go|search|find|return|summari[sz]e|access|"
    r"present|share|bring|hear|have\sa\slook|take\sa\slook|let|scan|quote|say|report|dump|browse|echo)"
)
_READ_FILLER = (
    r"(?:me|us|back|up|out|aloud|loud|through|at|in|into|over|again|to|for|the|all|of|my|your|our|list|"
    r"contents?|everything|every|each|any|complete|full|saved|stored|existing|current|previous|what|"
    r"whats|what['\u2019]s|which|is|are|whatever|have|has|you|i|we|ve|written|recorded|there|inside|on|from|"
    r"and|once|more|please|now|that|these|those|latest|last|recent|see|hear|know|whole|do|does|did|say|"
    r"says|said|down|entire|first|just|anything|something|kept|noted|whether|if|it|both|a\slook)"
)
_READS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_READ_VERB}(?:,?\s{_READ_FILLER})*\s(?:notes|notebook|notepad)\b(?!\s(?:of|in)\s(?:an?|the)\b).*",
        rf"{_READ_VERB}(?:,?\s{_READ_FILLER})*\s(?:my|the|that|this|saved|stored|last|latest)\snote\b"
        r"(?!\s(?:that|which)?\s?(?:of|in)\s(?:an?|the)\b).*",
        r"what(?:['\u2019]?s|\sis|\sare|\sdo|\sdoes|\sdid|\shave|\selse|\swas|\swere|\sall)*\b.{0,40}?\b(?:my|the|your|our|"
        r"saved|stored|these|those)\s(?:\w+\s)?(?:notes|notebook|notepad)\b(?!\s(?:of|in)\s(?:an?|the)\b).*",
        r"(?:what|which|how\smany|any)\snotes\b.*",
        r"(?:do|have|did)\s(?:i|we|you)\s(?:have\s|got\s|keep\s|save\s)?(?:any\s)?(?:saved\s)?notes\b.*",
        r"(?:is|are)\sthere\s(?:anything|something|any)?.{0,20}\bnotes\b.*",
        r"what\s(?:all\s)?(?:have|did|do)\s(?:i|we|you)\s(?:\w+\s)?(?:note|noted|save|saved|store|stored|"
        r"written|write|record|recorded|remember|remembered|jot|jotted|kept|keep)\b(?:\s(?:down|so\sfar|"
        r"here|there|until\snow|earlier|for\sme|before|today|already|about\s.*|in\s.*notes?.*))*",
        r"read\s(?:(?:it|that|this|them|both|everything|all|those)\s)*(?:all\s)?(?:back|aloud|out)\b.*",
        r"(?:repeat|recall|show\sme|tell\sme|read|read\sme|list)\s(?:back\s)?(?:everything\s|all\s)?(?:what|that)?"
        r"\s?(?:you|i|we|has\sbeen|was|is)(?:['\u2019]ve|\shave)?\s(?:saved|noted|stored|wrote|written|recorded|"
        r"jotted)\b.*",
        r"read(?:\s(?:out|back|aloud))?",
        r"read\s(?:it|that|this|them|both|everything|all|those)(?:\s(?:to|for)\sme|\sagain)*",
        r"(?:all\s|of\s|my\s|the\s|saved\s)*notes(?:\s(?:back|again|too|so\sfar|as\swell))*",
    )
)


def reads(clause: str) -> bool:
    """Whether a clause asks for the notes."""
    return any(pattern.fullmatch(clause) for pattern in _READS)


_TAKES_WORDS = re.compile(
    rf"(?:{_VERB}|make|create|don['\u2019]?t\sforget)\b.*?(?:\bthat\b|:|\b(?:saying|reading|stating)\b|\bnote\sto\b)",
    re.IGNORECASE | re.DOTALL,
)
_HAS_DEST = re.compile(rf"\s(?:{_DEST}|down)\b", re.IGNORECASE)
_SAVES = re.compile(rf"{_VERB}\b", re.IGNORECASE)


def takes_words(clause: str) -> bool:
    """Whether what follows the clause belongs to a note's words."""
    head = clause[:200]
    if not _TAKES_WORDS.match(head):
        return False
    thing = re.sub(rf"\s(?:down\s)?{_DEST}\W*$", "", head, flags=re.IGNORECASE)
    thing = re.sub(r"^\w+\s", "", thing).strip(" :")
    return bool(_CATAPHOR.fullmatch(thing)) or not refers(thing)


def has_destination(clause: str) -> bool:
    """Whether the clause says "as a note", "in my notes" or "down"."""
    return bool(_HAS_DEST.search(clause))


def begins_saving(text: str) -> bool:
    """Whether a piece of text begins with a verb of saving."""
    return bool(_SAVES.match(text))
