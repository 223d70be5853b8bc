"""Reads wishes to see the notes again.

Prevents "what is a musical note?" from opening the notebook. Rule: a verb of reading or a question
must reach the word "notes" over words that say nothing else.
"""

from __future__ import annotations

import re

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
        rf"{_READ_VERB}(?:,?\s{_READ_FILLER})*\s(?:notes|notebook|notepad)\b(?!\s(?:of|by)\s(?!today|yesterday|mine|all)|\sin\s(?:an?|the)\b).*",
        rf"{_READ_VERB}(?:,?\s{_READ_FILLER})*\s(?:my|the|that|this|saved|stored|last|latest)\snote\b"
        r"(?!\s(?:that|which)?\s?(?:of|in)\s(?:an?|the)\b).*",
        r"what(?:['\u2019]?s|\sis|\sare|\sdo|\sdoes|\sdid|\shave|\selse|\swas|\swere|\sall)*\b.{0,40}?\b(?:my|the|your|our|"
        r"saved|stored|these|those)\s(?:\w+\s)?(?:notes|notebook|notepad)\b(?!\s(?:of|by)\s(?!today|yesterday|mine|all)|\sin\s(?:an?|the)\b).*",
        r"(?:what|which|how\smany|any)\snotes\b.*",
        r"(?:do|have|did)\s(?:i|we|you)\s(?:have\s|got\s|keep\s|save\s)?(?:any\s)?(?:saved\s)?notes\b.*",
        r"(?:is|are)\sthere\s(?:anything|something|any)?.{0,20}\bnotes\b.*",
        r"what\s(?:all\s)?(?:have|did|do)\s(?:i|we|you)\s(?:\w+\s)?(?:note|noted|save|saved|store|stored|"
        r"written|write|record|recorded|remember|remembered|jot|jotted|kept|keep)\b(?:\s(?:down|so\sfar|"
        r"here|there|until\snow|earlier|for\sme|before|today|already|about\s.*|in\s.*notes?.*))*",
        r"read\s(?:(?:it|that|this|them|both|everything|all|those)\s)*(?:all\s)?(?:back|aloud|out)\b.*",
        r"(?:repeat|recall|show\sme|tell\sme|read|read\sme|list|(?:let\sme\s)?see|check)\s(?:back\s)?(?:everything\s|all\s)?(?:what|that)?"
        r"\s?(?:you|i|we|has\sbeen|was|is)(?:['\u2019]ve|\shave)?\s(?:saved|noted|stored|wrote|written|recorded|"
        r"jotted)\b.*",
        r"read(?:\s(?:out|back|aloud))?",
        r"read\s(?:it|that|this|them|both|everything|all|those)(?:\s(?:to|for)\sme|\sagain)*",
        r"(?:all\s|of\s|my\s|the\s|saved\s)*notes(?:\s(?:back|again|too|so\sfar|as\swell))*",
    )
)


_PLAIN = re.compile(
    rf"(?:{_READ_VERB}|{_READ_FILLER}|notes?|notebook|notepad|so|far|too|as|well|aloud|then|also|"
    r"got|anything|something|am|be|been|can|could|would|like|want|would|earlier|before|already|today|"
    r"until|after|that|this|it|them|back|yes|ok|with|make|made|took|taken|store|save|write|record|did|else|note|jotted|remember)",
    re.IGNORECASE,
)


def asks_more(clause: str) -> bool:
    """Whether a clause asks for more than all notes: "how many", "about milk", "the second"."""
    words = re.findall(r"[\w'\u2019-]+", clause)
    return not all(_PLAIN.fullmatch(word) for word in words)


def reads(clause: str) -> bool:
    """Whether a clause asks for the notes."""
    return any(pattern.fullmatch(clause) for pattern in _READS)
