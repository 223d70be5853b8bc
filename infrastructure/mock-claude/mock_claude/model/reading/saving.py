"""Reads wishes to save a note: word for word, by reference, or a fact yet to be found.

Prevents "save it" from storing the word "it". Rule: what is quoted or follows "that" or a colon is
kept word for word; what points at results ("both", "the answer") is a reference; what names a fact
("the weather in Lisbon") is a wish of its own, whose result is saved; the rest is kept as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from mock_claude.model.reading import note_forms as forms
from mock_claude.model.reading.quotes import QUOTED, Quotes
from mock_claude.model.reading.references import kinds, refers


@dataclass(frozen=True)
class Saving:
    """What a clause wants saved: ``words`` as they are, or what ``about`` names, or results.

    With neither it refers to results. ``kinds`` narrows them, if not empty: "weather",
    "calculation" and "search"; "first" to "third" and "last"; "all" for the whole task so far.
    """

    words: tuple[str, ...] = ()
    about: str = ""
    kinds: frozenset[str] = frozenset()
    apart: bool = False
    """Whether each fact is to have a note of its own."""
    is_subject: bool = False
    """Whether ``about`` only says what the note is about."""


_APART = re.compile(
    r"\b(?:separate|individual|own|each|every)(?:\s\w+){0,3}?\snotes?\b|"
    r"\b(?:two|three|four|five|several|\d+)\s(?:\w+\s)?notes\b|\b(?:separately|individually|each)\b",
    re.IGNORECASE,
)
_ONE = re.compile(
    r"\b(?:an?|one|single|this|my)\s(?:\w+\s)?(?:note|memo|reminder)\b", re.IGNORECASE
)


def _tidy(words: str, quotes: Quotes) -> str:
    words = words.strip(" ,;:\u2013\u2014")
    if match := forms.LABEL.fullmatch(words.rstrip(".!")):
        return quotes.bare(match["quoted"])
    if not re.search(r"\.\.$|\.[A-Z]\.$", words):
        words = words.rstrip(".")
    return quotes.restore(words).strip()


def _exactly(words: str, quotes: Quotes) -> Saving | None:
    words = re.sub(rf"(?<=\S)\s(?:down\s)?{forms.DEST}$", "", words.strip(), flags=re.IGNORECASE)
    text = _tidy(words, quotes)
    quoted = re.match(rf"({QUOTED})\s(?!(?:is|are|was|were|has|have|needs?|by)\b)", words)
    is_whole = forms.LABEL.fullmatch(words.strip(" ,;:.!"))
    changed = quoted and quotes.is_quotation(quoted[1]) and not is_whole
    if changed or (forms.IN_A_FORM.search(words) and not _SAYS.search(words)):
        return Saving(about=f"a note: {words}")  # "'hi' twice", "hello in Spanish"
    return Saving(words=(text,)) if text else None


def _about(words: str, quotes: Quotes, *, several: bool = False) -> Saving | None:
    """A reference, a quotation, or words that may name a fact."""
    words = words.strip(" ,;:\u2013\u2014-")
    if label := _LABEL_OF_WORDS.match(words):
        return _exactly(words[label.end() :], quotes)
    if not words or refers(words):
        return Saving(kinds=kinds(words))
    if several and len(parts := re.split(r"\s*;\s*(?:and\s)?", words.rstrip(".!;"))) > 1:
        return Saving(words=tuple(_tidy(part, quotes) for part in parts))
    items = re.split(r"\s*,\s*(?:and\s)?|\s(?:and|&)\s", words.rstrip(".!"))
    if len(items) > 1 and all(forms.LABEL.fullmatch(item) for item in items):
        return Saving(words=tuple(_tidy(item, quotes) for item in items))
    if forms.LABEL.fullmatch(words.rstrip(".!")):
        return _exactly(words, quotes)
    return Saving(about=words)


def _made(rest: str, quotes: Quotes, *, several: bool = False) -> Saving | None:
    """What follows "make a note"."""
    rest = rest.rstrip()
    if forms.NOT_THE_WORDS.match(rest):
        return Saving(about=f"a note{rest}")
    literal = re.match(forms.LITERAL, rest, re.IGNORECASE)
    if literal and not (several and rest.lstrip().startswith(":")):
        words = rest[literal.end() :]
        if refers(words) or forms.LABEL.fullmatch(words.strip(" .")):
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
    found = _about(rest[linked.end() :] if linked else rest, quotes)
    is_subject = linked is not None and linked[0].split()[0] in ("about", "on", "regarding")
    return replace(found, is_subject=True) if found and is_subject else found


_ASKS = re.compile(
    r"(?:is|are|was|were|did|does|do|has|had|why|how|who|what|when|where|which|have\s(?:you|i|we))\b"
    r"(?!\s(?:you|was|it|i|we)\s(?:find|found|said|told|got|learn))",
    re.IGNORECASE,
)
_SAYS = re.compile(
    r"\b(?:is|are|was|were|has|have|needs?|leaves|starts|begins|at|on|=)\b", re.IGNORECASE
)
_TO_BE_FOUND = re.compile(
    r"(?:(?:the|an?|some|any|every|(?:every|any|some)thing|all|each|no|nothing|none|both|today['\u2019]?s|my|your|our|his|her|its|their|"
    r"how|what|who|why|when|where|which|whether|if|result|answer|notes?|me|you|us|one|two|three)\b|\d)",
    re.IGNORECASE,
)


def is_literal(clause: str, about: str) -> bool:
    """Whether words without quotation marks are a note themselves.

    "Buy milk and eggs" and "the train leaves at 9" are; "a haiku", "the capital of Peru" and
    "'x' in capitals" would have to be made first. Without "note" in the clause, only a statement
    is.
    """
    if re.search(QUOTED, about) or _NOT_WORDS.match(about):
        return False
    if _SAYS.search(about) and not re.match(
        r"(?:what|who|how|when|where|which|why|whether)\b", about, re.IGNORECASE
    ):
        return True
    if _CODE.fullmatch(about):
        return True
    return not _TO_BE_FOUND.match(about) and bool(_NAMES_NOTES.search(clause))


_LABEL_OF_WORDS = re.compile(
    r"(?:this|the\sfollowing):\s(?=\S)|(?:the|this|these|following|my)\s(?:text|words?|note|sentence|phrase|line|message)s?:\s(?=\S)",
    re.IGNORECASE,
)
_IN_A_MANNER = r"(?:in|as|with|using|without)\s[^:]{1,40}:\s"
_NOT_WORDS = re.compile(  # to somebody, in some manner, or about what is not said
    rf"{forms.ADDRESSEE}|"
    r"(?:an?|the|my)\s(?:[\w-]+\s){0,2}notes?\b|(?:the|this)\s(?:text|words?|sentence|phrase|line|message)\s|"
    rf"{_IN_A_MANNER}",
    re.IGNORECASE,
)
_MANNER = re.compile(_IN_A_MANNER, re.IGNORECASE)
_CODE = re.compile(  # "the door code 4711"
    r"(?:the|my|our)\s(?:(?!of\b|first\b|next\b|last\b|top\b|text\b|words?\b|sum\b|result\b|answer\b)[a-z]+\s){1,3}\S*\d\S*",
    re.IGNORECASE,
)
_NAMES_NOTES = re.compile(
    r"\b(?:notes?|notebook|notepad|memos?|reminders?|down|remember|memori[sz]e)\b", re.IGNORECASE
)


def to_save(clause: str, quotes: Quotes, *, surely: bool = False) -> Saving | None:
    """What a clause wants saved, or None; ``surely`` if it names notes or points at results."""
    if _ASKS.match(clause):
        return None  # "is it saved?" saves nothing
    found = _to_save(clause, quotes, surely=surely)
    if found and len(found.words) > 1 and _ONE.search(clause):
        *most, last = found.words
        return replace(found, words=(f"{', '.join(most)} and {last}",))
    apart = bool(_APART.search(clause)) and found is not None and not found.words
    return replace(found, apart=True) if apart and found else found


def _to_save(clause: str, quotes: Quotes, *, surely: bool) -> Saving | None:
    if match := forms.DEST_FIRST.fullmatch(clause):
        return _to_save(match["rest"], quotes, surely=surely)
    if match := forms.MAKE.fullmatch(clause):
        several = clause[: match.start("rest")].endswith("notes")
        return _made(match["rest"], quotes, several=several)
    if match := forms.TO_DEST.fullmatch(clause):
        return _made(match["rest"], quotes)
    that = forms.THAT.fullmatch(clause)
    if match := forms.OBJECT_TO_DEST.fullmatch(clause):
        thing, rest = match["object"], match["rest"].strip()
        if rest.startswith(":") and forms.CATAPHOR.fullmatch(thing):
            return _exactly(rest[1:], quotes)
        if not forms.AFTER_DEST.fullmatch(rest):
            return Saving(about=f"{thing} {rest}")  # neither twice nor on Monday
        if not that or refers(thing):
            several = bool(re.search(r"notes$", clause[: match.end() - len(match["rest"])]))
            return _about(thing, quotes, several=several and "my notes" not in clause)
    if match := forms.ADD_TO_THEM.fullmatch(clause):
        return _exactly(match["quoted"], quotes)
    if match := forms.THIS_DOWN.fullmatch(clause):
        return _exactly(match["words"], quotes)
    if match := forms.DOWN.fullmatch(clause):
        thing = match["object"] or match["after"]
        if thing and refers(thing):
            return _about(thing, quotes)
        if match["object"] and not that:
            rest = re.sub(rf"\s{forms.DEST}$", "", match["rest"], flags=re.IGNORECASE)
            return _about(thing + ("" if forms.AFTER_DEST.fullmatch(rest) else rest), quotes)
    if that:
        words = that["words"]
        if re.match(r"(?:and|or|but|also|plus)\b", words, re.IGNORECASE):
            return Saving(about=f"that {words}")
        if " " not in words.strip() and ":" not in clause and not re.search(QUOTED, words):
            return Saving()  # "save that one", "note that too"
        if _MANNER.match(words):
            return Saving(about=words)
        if forms.AFTER_DOWN.fullmatch(words):
            return Saving()
        if refers(words):
            return _about(words, quotes)
        if refers(re.sub(r"^\w+\s", "", clause)):
            return _about(re.sub(r"^\w+\s", "", clause), quotes)
        return _exactly(words, quotes)
    if match := forms.DOWN.fullmatch(clause):
        return _about(match["object"] or match["after"], quotes)
    if match := forms.PASSIVE.fullmatch(clause):
        thing = match["object"]
        if match["to"] or refers(thing):
            return _about(thing, quotes)
    if match := forms.NOTE_OF.fullmatch(clause):
        return _made(clause[match.start("link") :], quotes)
    return _bare(clause, quotes, surely=surely)


def _bare(clause: str, quotes: Quotes, *, surely: bool) -> Saving | None:
    """A verb that can only mean notes, and its object: "save it", "remember to call Ana"."""
    match = forms.BARE.fullmatch(clause)
    if match is None:
        return None
    thing = (match["object"] or "").strip()
    thing = re.sub(r"\s(?:for\slater|for\sme|somewhere|safely?)$", "", thing)
    verb = match["verb"].lower()
    if not thing:
        return Saving() if verb in ("save", "store", "record") else None
    found = _about(thing, quotes)
    if (
        verb in ("keep", "write", "file", "jot", "preserve")
        and found
        and (found.words or found.about)
    ):
        return None
    if found is None or not found.about:
        return found
    if surely and not re.match(
        r"note\s|(?:remember|memori[sz]e)\s(?:to|my|the)\s", clause, re.IGNORECASE
    ):
        return None
    return found


def takes_words(clause: str) -> bool:
    """Whether what follows the clause belongs to a note's words."""
    head = clause[:200]
    if not forms.TAKES_WORDS.match(head):
        return False
    thing = re.sub(rf"\s(?:(?:down\s)?{forms.DEST}|down)\W*$", "", head, flags=re.IGNORECASE)
    thing = re.sub(r"^\w+\s", "", thing).strip(" :")
    return bool(forms.CATAPHOR.fullmatch(thing)) or not refers(thing)


def has_destination(clause: str) -> bool:
    """Whether the clause says "as a note", "in my notes" or "down"."""
    return bool(forms.HAS_DEST.search(clause))


def ends_with_quotation(clause: str) -> bool:
    """Whether the clause's words to save are a quotation, which is complete."""
    return bool(re.search(rf"\s{QUOTED}$", clause))


def begins_saving(text: str) -> bool:
    """Whether a piece of text begins with a verb of saving."""
    return bool(forms.SAVES.match(text) or forms.MAKE.match(text))
