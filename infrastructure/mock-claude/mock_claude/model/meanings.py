"""What a property's name says about its value: tables for ``filling``.

Prevents one long function that nobody can change. Rule: each word of a name stands for patterns,
tried in their order; a group named v, w, q, r or s is the value, else the whole match.
"""

from __future__ import annotations

import re

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
CAPITAL = r"[A-Z][\w'\u2019-]*(?:\s(?:(?:de|da|of|the|van|von)\s)?[A-Z][\w'\u2019-]*)*"
SAID = r"(?:\"(?P<q>[^\"]+)\"|\u201c(?P<r>[^\u201d]+)\u201d|(?<!\w)'(?P<s>[^']+)'(?!\w))"
END = (
    r"(?=$|[.!?;\n](?:\s|$)|,?\s(?:and|with|saying|that\ssays|at|on|from|about|body|"
    r"subject|to|in|for|titled|called|tomorrow)\b|,\s)"
)
FORMATS = {
    "email": r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    "uri": r"https?://[^\s\"'<>]+[^\s\"'<>.,;:!?)]",
    "date": r"\d{4}-\d{2}-\d{2}",
    "date-time": r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:\d{2})?",
    "time": r"\d{1,2}:\d{2}(?::\d{2})?",
    "uuid": r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "ipv4": r"\d{1,3}(?:\.\d{1,3}){3}",
}
_DAY = (
    rf"(?:\d{{4}}-\d{{2}}-\d{{2}}|\d{{1,2}}[./]\d{{1,2}}[./]\d{{2,4}}|{_MONTH}\s\d{{1,2}}(?:st|"
    rf"nd|rd|th)?(?:,?\s\d{{4}})?"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?\s(?:of\s)?{_MONTH}(?:\s\d{{4}})?|(?:(?:next|this)\s)?{_WEEKDAY}|"
    "today|tomorrow|tonight"
    r"|next\s(?:week|month|year))"
)
_CLOCK = r"(?:\d{1,2}:\d{2}(?:\s?[ap]m)?|\d{1,2}\s?[ap]m|noon|midnight)"
_PLACE = (
    rf"\b(?:in|at|for|from|of|around|near|to|visit(?:ing)?|lives?\sin)\s(?:the\s)?(?P<v>{CAPITAL})"
)
_PERSON = (
    rf"\b(?:(?i:name\sis|named|called|i\sam|i['\u2019]m|by|with|for|dear|from|to|and)\s)(?P<v>{CAPITAL})"
    rf"|(?:^|[.,:;!?]\s)(?P<w>{CAPITAL})(?=\s(?:is|was|has|lives|works|wants|bought|"
    r"ordered|turned|\()|,\s(?:aged?\s)?\d)"
)
_REST = r":?\s(?P<v>[^\n]+?)(?=[.!?]*\s*$)"
_SAYING = (
    rf"\b(?:saying|that\ssays|which\ssays|to\ssay|with\sthe\swords|tell(?:ing)?\s\w+\sthat){_REST}"
)
_SAYS = rf"\b(?:body|message|text|content)\b{_REST}"
_BECAUSE = r"\bbecause\s(?P<v>[^.!?\n]+)"
_TOLD = (
    r"\b(?i:tell|text|ask|invite|message|call|e-?mail|ping)\s(?!the\b|a\b|an\b|it\b|me\b|that\b|this\b)"
    r"(?P<v>\w+)(?=[:,]|\s(?:that|to|saying|about|and)\b|[.!?]?$)"
)
_CALLED = rf"\b(?i:event|meeting|task|ticket|appointment)\s(?P<v>{CAPITAL})"
_AFTER_COLON = r":\s(?P<v>\S[^\n]*)"
_OBJECT = (
    r"\b(?:put|add|schedule|translate|play|remind\sme\sto|open|buy|pay|book|order|find|"
    r"watch|read)\s(?:an?\s|the\s|my\s|some\s)?"
    r"(?!(?:new\s|high|low|support\s)?\s?(?:event|meeting|appointment|ticket|reminder|"
    r"task|flight|table|it|that|me)\b)"
    r"(?P<v>\S.*?)(?=\s(?:on|to|into|in|for|at|as|from|tomorrow|today)\b|[.!?:]|$)"
)
_ABOUT = (
    r"\b(?:subject|titled|title|called|named|about|regarding|on\sthe\stopic\sof)\b:?\s(?P<v>\S.*?)"
    rf"{END}"
)
_SOUGHT = (
    r"\b(?i:search(?:\s(?:the\s)?\w+)??\s(?:for|about)|search|look(?:ing)?\s(?:up|for)|"
    r"find(?:\sme|\sout\sabout)?|google|about|what(?:\sis|['\u2019]s|\sare)|who(?:\sis|"
    r"\swas))\s(?P<v>\S[^\n]*?)(?=[.!?]*\s*$)"
)
# What the words of a property's name mean, as patterns in the order in which they are tried.
MEANINGS: tuple[tuple[frozenset[str], tuple[str, ...]], ...] = tuple(
    (frozenset(words.split()), patterns)
    for words, patterns in (
        ("email mail recipient recipients contact", (FORMATS["email"], _TOLD)),
        ("channel handle username room", (r"[#@][\w-]+",)),
        ("path file filename document", (r"(?<!\S)[\w./~\\-]+\.\w{1,5}\b",)),
        ("url uri link website", (FORMATS["uri"],)),
        ("phone telephone mobile", (r"\+?\d[\d ()/-]{5,}\d",)),
        ("to", (FORMATS["email"], rf"\bto\s(?P<v>{CAPITAL})", _TOLD, r"\bto\s(?P<v>@?\w+)")),
        ("language lang", (r"\b(?:in|into|to)\s(?P<v>(?-i:[A-Z][a-z]+))",)),
        (
            "origin source departure from start",
            (
                rf"\bfrom\s(?:the\s)?(?P<v>{CAPITAL})",
                r"\d\s(?P<v>[A-Z]{3})\b",
                r"\bfrom\s(?P<v>\w+)",
            ),
        ),
        ("destination arrival target", (rf"\bto\s(?:the\s)?(?P<v>{CAPITAL})", _PLACE)),
        ("city location place town country region venue area restaurant hotel", (_PLACE,)),
        ("date day deadline due when", (_DAY,)),
        ("datetime start end", (rf"{_DAY}(?:\sat\s{_CLOCK})?", _CLOCK)),
        ("time hour", (_CLOCK,)),
        ("currency", (r"\b(?:USD|EUR|GBP|JPY|CHF|CAD|AUD|INR|CNY|dollars?|euros?|pounds|yen)\b",)),
        ("symbol ticker", (r"\b(?-i:[A-Z]{2,5})\b",)),
        ("id number code sku reference key isbn zip postcode", (r"#?\b(?=[\w-]*\d)[\w-]{2,}\b",)),
        (
            "subject title topic event summary heading",
            (_ABOUT, SAID, _AFTER_COLON, _OBJECT, _CALLED),
        ),
        ("body message text content note", (_SAYING, SAID, _SAYS, _AFTER_COLON, _OBJECT)),
        ("description comment reason details", (_BECAUSE, _SAYING, SAID, _AFTER_COLON)),
        ("genre song artist item product task todo", (SAID, _OBJECT)),
        ("query q search keywords keyword term question prompt", (SAID, _SOUGHT)),
        ("name person customer author user guest contact attendee company", (_PERSON,)),
        ("vendor supplier seller owner manager sender", (_PERSON,)),
    )
)  # fmt: skip
UNTOLD = frozenset().union(*(key for key, _ in MEANINGS)) - frozenset(
    [
        "subject",
        "title",
        "topic",
        "summary",
        "body",
        "message",
        "text",
        "content",
        "note",
        "description",
        "comment",
        "question",
    ]
)
SPOKEN = {
    "celsius": r"celsius|\u00b0c|centigrade|metric",
    "fahrenheit": r"fahrenheit|\u00b0f|imperial",
    "positive": (
        r"positive|love\w*|like[sd]?|great|good|excellent|amazing|happy|wonderful|best|"
        "perfect|fantastic"
    ),
    "negative": (
        r"negative|hate\w*|bad|terrible|awful|worst|disappoint\w*|poor|broken|angry|slow|"
        "horrible"
    ),
}
"""Other words for the members of common enumerations."""
_STATES_WORDS = "on enabled active state status power"
STATES = frozenset(_STATES_WORDS.split())
_REPLIES_WORDS = "answer response reply output result message text"
REPLIES = frozenset(_REPLIES_WORDS.split())
_RESULTS_WORDS = "result answer value sum product total difference"
RESULTS = frozenset(_RESULTS_WORDS.split())
_VAGUE_WORDS = "is has was wants want needs needed requested required should include with the a"
VAGUE = frozenset(_VAGUE_WORDS.split())
_AMOUNTS_WORDS = "price cost amount total budget fee sum salary"
AMOUNTS = frozenset(_AMOUNTS_WORDS.split())
NUMBER = r"(?<![\w.-])-?\d+(?:,\d{3})*(?:\.\d+)?(?![\w-]|\.\d)"


def of_number(words: list[str]) -> list[str]:
    """Patterns for a number whose name has these words, the surest first."""
    key = "|".join(re.escape(word) for word in words if len(word) > 2) or "\0"
    unit = re.escape(words[-1].rstrip("s")) if words else "\0"
    value = rf"(?P<v>{NUMBER})"
    patterns = [rf"=\s*{value}"] if RESULTS & set(words) else []
    patterns += [rf"\b(?:{key})\b\s*(?:is|of|:|=|to|are|was)?\s*{value}", rf"{value}\s*(?:{unit})"]
    if "age" in words:
        patterns += [rf"{value}[\s-]years?[\s-]old", rf"\baged?\s{value}"]
    if AMOUNTS & set(words):
        money = r"(?:[$\u20ac\u00a3]|dollars|euros|usd|eur)"
        patterns += [rf"[$\u20ac\u00a3]\s?{value}", rf"{value}\s?{money}"]
    if "year" in words:
        patterns += [r"\b(?P<v>[12]\d{3})\b"]
    return [*patterns, rf"{value}(?!\s?(?::|[ap]m\b))"]


def of_text(words: list[str]) -> list[str]:
    """Patterns for a text whose name has these words, the surest first."""
    label = r"[\s_-]".join(map(re.escape, words)) or "\0"
    meant = [
        each for word in reversed(words) for key, given in MEANINGS if word in key for each in given
    ]
    before = [rf"\b(?P<v>{CAPITAL})\s(?i:{re.escape(word)})\b" for word in words if len(word) > 3]
    return [
        rf"(?<!\w){label}\s*(?::|=|\bis\b)\s*(?:{SAID}|(?P<v>\S.*?){END})",
        *meant,
        *before,
        *([] if meant else [rf"\b{label}\s(?P<v>\S.*?){END}"]),
    ]


def of_list(words: list[str]) -> tuple[str, ...]:
    """Patterns for the items of a list whose name has these words."""
    label = re.escape(words[-1].rstrip("s")) if words else "\0"
    return (
        rf"\b{label}(?:e?s)?\b\s*(?::|are|=|like)?\s(?P<v>[^.!?;\n]+)",
        r":\s(?P<v>[^.!?;\n]+)",
        r"\b(?:add|buy|order|invite|get|list|with)\s(?P<v>[^.!?;\n]+?)"
        r"(?=\s(?:to|on|in|for|at)\s|[.!?;\n]|$)",
    )
