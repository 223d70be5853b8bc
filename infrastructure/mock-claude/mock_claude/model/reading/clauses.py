"""Cuts a task into clauses: one for each thing the user asks.

Prevents "save milk and eggs as a note" from being cut in two, and "look it up and save it" from
being read as one. Rule: a sentence ends a clause; "and", a comma, a colon or a dash does so only if
what follows begins a wish of its own.
"""

from __future__ import annotations

import re
from enum import IntEnum
from itertools import pairwise

from mock_claude.model.reading import (
    arithmetic,
    forecasts,
    questions,
    recall,
    saving,
    spots,
    topics,
)
from mock_claude.model.reading.courtesies import core, without_lead
from mock_claude.model.reading.quotes import Quotes

_BOUNDARY = re.compile(
    r"""(?P<line>\s*\n\s*(?P<mark>[-*\u2022\u2013>]\s+|\(?\d{1,2}[.)]\s+|\(?[a-h][.)]\s+|\#+\s+
        |(?:step|task|part|item|question)\s?\d+\s*[:.)]\s*)?)
    | (?P<stop>[.?!\u2026]+[)\]]*(?=\s(?!\s?[-+*/^]\s?\d)|$))[^\S\n]*
    | (?P<semi>\s*;\s*)
    | (?P<after>\s+after\s+(?=\w+ing\s|you\s|you['\u2019]ve\s))
    | (?P<colon>:\s+)
    | (?P<dash>\s+[-\u2013\u2014]+\s+ | \u2014 | \s*(?:->|=>|\u2192)\s* | \s+[|+]\s+)
    | (?P<soft>(?:(?:\s*,)?\s+(?:and|then|but|plus(?!\s+[-(\d])|as\s+well\s+as|before|while|&
        |(?:together|along)\s+with|followed\s+by)\s+ | \s*,\s+)(?=\S)
        (?:(?:and|then|also|next|finally|lastly|afterwards|after\s+(?:that|this)|please)(?:\s*,\s*|\s+))*)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:St|Mt|Ft|Mr|Mrs|Ms|Dr|Prof|Jr|Sr|vs|etc|e\.g|i\.e|approx|Inc|Ltd|Co|No|Nos|Fig|ca|"
    r"[A-Za-z]|(?:[A-Z]\.)+[A-Z])$"
)
_NEW_WISH = re.compile(r"\b(?:then|also|please|plus|next|finally|lastly|after)\b", re.IGNORECASE)
_SAVES_IT = re.compile(
    r"(?:save|store|note|record|remember|put|add|keep)\s(?:it|that|this|them|both|everything)\b",
    re.IGNORECASE,
)
_TAKES_SUBJECT = re.compile(r"(?:web\s)?search|look\sup|find\sout|google", re.IGNORECASE)
_LONGEST, _SHORT = 400, 80  # characters that tell how a clause begins, and how it ends
_NUMBER = re.compile(r"(?<!\S)\(?(\d{1,2})[.)]\s")
_BEFORE = re.compile(r"before\s+\w+ing\s|before\s+(?:you|that|we|i)\s", re.IGNORECASE)


class _Start(IntEnum):
    """How a piece of text begins."""

    NOTHING = 0
    NOUN = 1
    VERB = 2


def _start(piece: str, quotes: Quotes) -> _Start:
    text = core(piece)
    if not text:
        return _Start.NOTHING
    if recall.reads(text) or saving.to_save(text, quotes, surely=True):
        return _Start.VERB
    if _SAVES_IT.match(text) or questions.begins_verb(text) or questions.begins_question(text):
        return _Start.VERB
    if arithmetic.begins_verb(text) or forecasts.begins_verb(text):
        return _Start.VERB
    if forecasts.begins(text) or arithmetic.begins(text) or questions.begins_noun(text):
        return _Start.NOUN
    return _Start.NOTHING


def _ends_sentence(left: str, right: str, mark: str, quotes: Quotes) -> bool:
    """Whether a full stop ends a sentence, rather than an abbreviation."""
    if mark.startswith(".") and not mark.startswith("..") and _ABBREVIATION.search(left):
        return _start(right, quotes) > _Start.NOTHING or not right
    return True


def _ends_line(left: str, right: str, mark: str | None, quotes: Quotes) -> bool:
    """Whether a line break ends a clause: before a list's item, after a sentence, or before a
    wish. The lines of a list that follows "make a note:" belong to the note."""
    if _start(right, quotes) > _Start.NOTHING:
        return True
    if re.search(r":(?:\n|$)", left) and saving.takes_words(without_lead(left)):
        return False
    return mark is not None or left.endswith((":", ".", "?", "!"))


def _joins(left: str, tail: str, right: str, bound: re.Match[str], quotes: Quotes) -> bool:
    """Whether the piece on the right belongs to the clause on the left, whose end is ``tail``."""
    start = _start(right, quotes)
    if start == _Start.NOTHING:
        return not (saving.ends_with_quotation(tail) and questions.begins_order(core(right)))
    kind, joint = bound.lastgroup, bound[0].strip()
    is_noun = start == _Start.NOUN
    if joint == "plus" and arithmetic.begins(core(right)):
        return True
    if kind == "dash" and tail[-1:] in "0123456789)" and right[:1] in "0123456789(":
        return True
    if kind == "soft" and re.search(r"\b(?:hundred|thousand|million)$", tail, re.IGNORECASE):
        return True
    if is_noun and re.search(r"['\u2019]s$", tail):
        return True  # "Rome's and Milan's temperatures"
    if is_noun and spots.names_capital(core(right)) and forecasts.weather_spots(core(left), quotes):
        return True  # "the weather in Rome and the capital of Peru"
    if is_noun and (arithmetic.waits_for_operand(tail) or questions.awaits_subject(tail)):
        return True
    said = without_lead(left)
    if kind == "colon" and (forecasts.begins(said) or _TAKES_SUBJECT.fullmatch(said)):
        return True
    complete = saving.ends_with_quotation(tail)
    if saving.takes_words(said + (":" if kind == "colon" else "")):
        return kind == "colon" or (is_noun and not complete and not _NEW_WISH.search(joint))
    if is_noun and saving.begins_saving(said) and not arithmetic.calculations(said):
        return not (complete or saving.has_destination(said))
    if joint == "," and questions.may_be_relative(right) and questions.begins_verb(said):
        # "a mathematician, who was..." goes on; "..., who was Ada Lovelace" is another question
        return topics.named_in(right, quotes) is None
    # "look up Search and Rescue": a verb in capitals after a name is a part of the name
    name_goes_on = core(right)[:1].isupper() and re.search(r"[A-Z]\w*$", tail)
    if is_noun or "then" in joint or questions.begins_question(right):
        return False
    return bool(kind == "soft" and name_goes_on)


def _listed(text: str) -> str:
    """The text with a list inside a line, "1) this 2) that", spread over lines."""
    marks: list[int] = []
    for match in _NUMBER.finditer(text):
        if int(match[1]) != len(marks) + 1:
            continue
        before = text[: match.start()].rstrip()
        inside = before.count("(") > before.count(")") or before.endswith(("-", "+", "*", "/", "="))
        if not inside:
            marks.append(match.start())
    if len(marks) < 2:
        return text
    edges = [0, *marks, len(text)]
    return "\n".join(text[start:end].strip() for start, end in pairwise(edges)).strip()


def split(text: str, quotes: Quotes) -> list[str]:
    """The clauses of a prepared text, in the order in which they are to be done."""
    text = _listed(text)
    bounds = list(_BOUNDARY.finditer(text))
    clauses: list[str] = []
    start = 0
    late = 0  # how many clauses at the end wait for the rest of the sentence: "save it after ..."

    def close(end: int) -> None:
        clause = " ".join(text[start:end].split())
        if clause:
            clauses.insert(len(clauses) - late, clause)

    for index, bound in enumerate(bounds):
        following = bounds[index + 1].start() if index + 1 < len(bounds) else len(text)
        right = text[bound.end() : min(following, bound.end() + _LONGEST)]
        left = text[start : min(bound.start(), start + _LONGEST)].strip()
        tail = text[max(start, bound.start() - _SHORT) : bound.start()].rstrip()
        kind = bound.lastgroup or ""
        end = bound.start() + len(":") if kind == "colon" else bound.start()
        end = bound.end() if kind == "stop" else end
        if kind == "stop":
            divides = _ends_sentence(tail, right, bound[0], quotes)
        elif kind == "line":
            divides = _ends_line(left, right, bound["mark"], quotes)
        else:
            divides = not _joins(left, tail, right, bound, quotes)
            if kind == "semi" and not saving.takes_words(without_lead(left)):
                divides = True
        if divides:
            close(end)
            start = bound.end()
            if kind in ("stop", "semi", "line"):
                late = 0
            elif not late and (kind == "after" or _BEFORE.match(left)):
                late = 1
    close(len(text))
    return clauses
