"""The forms in which people ask for a note, as patterns; ``saving`` decides between them.

Prevents one long pattern that nobody can change. Rule: a form is a verb of saving, a place for
notes ("as a note", "in my notes"), what leads to words ("that", a colon), or these put together.
"""

from __future__ import annotations

import re

from mock_claude.model.reading.quotes import QUOTED
from mock_claude.model.reading.scope import LANGUAGE

_VERB = (
    r"(?:save|store|write|note|record|remember|keep|jot|put|add|log|file|enter|memori[sz]e|capture|"
    r"append|stash|pin|set|insert|type|place|mark|scribble|preserve|leave|copy|move|include|post|take|"
    r"summari[sz]e|collect|combine|gather|bundle|turn|chuck|throw|drop|stick|pop)"
)
_ADJECTIVES = (
    r"(?:a|an|my|the|your|our|one|this|that|single|new|short|brief|quick|another|separate|two|three|"
    r"personal|private|secret|important|urgent|little|same|permanent|different|combined|mental|small|following|next|simple|final|"
    r"of\smy|of\sthe|sticky|list\sof|collection\sof)"
)
_NOTE = r"(?:notes?|notebook|notepad|memos?|reminders?|note-?\s?(?:list|file|store|app))"
DEST = (
    rf"(?:as|in|into|to|on|onto|among|inside|under|within|for|with)\s(?:{_ADJECTIVES}\s)*{_NOTE}\b"
)
LITERAL = (
    r"(?:\s?:|,?\s(?:that\s(?:says|reads|states)|which\s(?:says|reads)|saying(?:\sthat)?|reading|stating|"
    r"with\s(?:the\s)?(?:following\s)?(?:text|words?|wording|message)|that|to\s(?:my)?self(?:\s(?:to|saying|that\ssays))?)\b[:,]?)"
)
MAKE = re.compile(
    r"(?:make|take|create|leave|write|add|save|store|keep|record|log|put|jot|have|enter|set)\s"
    r"(?:down\s|me\s|yourself\s|up\s)*"
    rf"(?:{_ADJECTIVES}\s)+(?:note|memo|reminder|record)s?\b"
    rf"(?:\s(?:to|in|into)\s(?:my|the)\s{_NOTE}\b)?(?P<rest>.*)",
    re.IGNORECASE,
)
TO_DEST = re.compile(
    rf"{_VERB}\s(?:down\s|it\sdown\s)?{DEST}(?P<rest>(?:\s|:|,|$).*)", re.IGNORECASE
)
OBJECT_TO_DEST = re.compile(
    rf"{_VERB}\s(?:down\s|away\s)?(?P<object>\S.*?)[\s,]+(?:down\s|away\s)?{DEST}(?P<rest>.*)",
    re.IGNORECASE,
)
THAT = re.compile(
    r"(?:note|remember|record|write|jot|save|store|log|keep\sin\smind|bear\sin\smind|don['\u2019]?t\sforget|"
    r"take\snote|memori[sz]e)(?:\sdown|\sfor\slater|\sfor\sme)*(?:\s?:|\s(?:(?:that|the\sfollowing)\b|this(?:\s(?:for\slater|too|also|as\swell|please|now))*:|it:))[:,]?\s*(?P<words>.+)",
    re.IGNORECASE,
)
DOWN = re.compile(
    r"(?:write|jot|note|take|put|mark|scribble|get|set)\s(?:(?P<object>\S.*?)\sdown|"
    r"down[\s:,]+(?:that\s)?(?P<after>\S.*))(?P<rest>(?:\s(?:for|in|as|to|please|somewhere).*)?)",
    re.IGNORECASE,
)
BARE = re.compile(
    r"(?P<verb>save|store|note|remember|record|keep|log|memori[sz]e|jot|write|file|capture|preserve)"
    r"(?:\s(?:to\s(?!(?-i:[A-Z])|my\b|our\b|his\b|her\b))?(?P<object>\S.*))?",
    re.IGNORECASE,
)
PASSIVE = re.compile(
    r"(?:(?:have|get|with|want|see)\s)?(?P<object>\S.*?)\s(?:(?:should|must|needs?\sto|has\sto|have\sto|"
    r"can|is\sto|are\sto|to|will|shall|may|could)\s(?:all\s|both\s|also\s|then\s)*(?:be\s)?)?"
    r"(?:saved|stored|noted|written|recorded|kept|put|go|added|logged|jotted|remembered|placed|entered)"
    rf"(?:\s(?P<down>down))?(?:\s(?P<to>{DEST}))?(?:\s(?:for\slater|please|too|as\swell))?",
    re.IGNORECASE,
)
ADD_TO_THEM = re.compile(
    rf"(?:add|append|put|write)\s(?P<quoted>{QUOTED})\s(?:to|in|into|onto)\s(?:them|it|those|these)\b.*",
    re.IGNORECASE,
)
DEST_FIRST = re.compile(rf"{DEST}[\s,:]+(?P<rest>{_VERB}\s.+)", re.IGNORECASE)
NOTE_OF = re.compile(
    r"(?:(?:add|save|write|make|create|leave)\s(?:me\s)?(?:one|another)(?:\smore)?(?=\s|:)|"
    r"another(?=\s(?:that|saying|with)\b|\s?:)|"
    r"(?:(?:a|one|another|quick|the|my)\s)*(?:note|memo|reminder)(?:\sto\s(?:self|myself))?"
    r"(?:\s(?:should|must|has\sto|needs\sto|shall)\s(?:say|read|be|contain))?)"
    rf"(?P<link>{LITERAL}|\s(?:with|of|on|about|containing)\s).+",
    re.IGNORECASE,
)
LABEL = re.compile(
    rf"(?:(?:the|this|these|my|following|exact|a|an|text|words?|sentence|line|phrase|message|reminder|"
    rf"title|items?|thought|idea|string|entry|quote|note)[\s:]+)*(?P<quoted>{QUOTED})"
    r"(?:,?\s(?:too|as\swell|also|now|first|next|again|for\sme|for\slater|please))*",
    re.IGNORECASE,
)
CATAPHOR = re.compile(
    r"(?:this|it|the\sfollowing)(?:\s\w+)?|(?:(?:these|the|two|three|four|following)\s){1,4}"
    r"(?:things|items|points|words)",
    re.IGNORECASE,
)
AFTER_DEST = re.compile(
    r"\W*(?:(?:for\s(?:later|me|us|now|reference)|please|too|also|as\swell|again|now|then|first|somewhere|if\s.*|"
    r"and|all|together|each|separately|thanks)\W*)*",
    re.IGNORECASE,
)
"""What may follow "as a note" and asks for no more: neither twice nor on Monday."""
ADDRESSEE = r"to\s(?:(?-i:[A-Z])|(?:my|the|our|your|his|her|him|them|us|mum|mom|dad)\b)"
NOT_THE_WORDS = re.compile(
    rf",?\s(?:{ADDRESSEE}|(?:then|and|but|or)\s|(?:called|titled|named)\b|"
    r"(?!(?:say|read|stat|contain|includ|list|regard|concern)ing\b)\w{3,}ing\b|from\s(?-i:[A-Z])|of$|"
    r"(?:in|as)\s(?!follows\b)|(?:for|to)\s(?!me\b|later\b|(?:my)?self\b)[^:]{1,40}?(?::|\s(?:saying|reading|that\s(?:says|reads)))\s|"
    r"(?:that|which)\s(?:explains|describes|lists|summari[sz]es|compares|contains|includes|tells|"
    r"shows|gives|reminds|greets|thanks)\b)",
    re.IGNORECASE,
)
"""What follows "a note" and would have to be done, or is lost: "for Ann:", "titled"."""
IN_A_FORM = re.compile(
    rf"\s(?:in\s(?:{LANGUAGE}|capitals|capital\sletters|(?:upper|lower)\s?case|bold|italics|(?:an?|the)\s(?:\w+\s)?(?:way|voice|style|tone|font|manner)))\W*$",
    re.IGNORECASE,
)
"""What words to save may end with, and ask to be put otherwise."""
THIS_DOWN = re.compile(
    r"(?:write|jot|note|take|put|get|set)\s(?:this|that|it|the\sfollowing(?:\s\w+)?)\sdown\s?:\s*(?P<words>.+)",
    re.IGNORECASE,
)
AFTER_DOWN = re.compile(
    r"(?:down|too|also|please|for\slater|somewhere|in\smind|safe|well|as\swell)\b\W*"
)
TAKES_WORDS = re.compile(
    rf"(?:{_VERB}|make|create|don['\u2019]?t\sforget)\b.*?"
    r"(?:\bthat\b|:|\b(?:saying|reading|stating)\b|\b(?:note|remember)\sto\b)",
    re.IGNORECASE | re.DOTALL,
)
HAS_DEST = re.compile(rf"\s(?:{DEST}\b|down$)", re.IGNORECASE)
SAVES = re.compile(rf"{_VERB}\b", re.IGNORECASE)
