"""Cuts a task into clauses: one for each thing the user asks.

Prevents "save milk and eggs as a note" from being cut in two, and "look it up and save it" from
being read as one. Rule: a sentence ends a clause; "and", a comma, a colon or a dash does so only if
what follows begins a wish of its own.
"""

from __future__ import annotations

import re
from enum import IntEnum
from itertools import pairwise

from mock_claude import arithmetic, forecasts, notes, questions
from mock_claude.courtesies import core, without_lead
from mock_claude.quotes import Quotes

_BOUNDARY = re.compile(
    r"""(?P<line>\s*\n\s*(?P<mark>[-*\u2022\u2013>]\s+|\(?\d{1,2}[.)]\s+|\(?[a-h][.)]\s+|\#+\s+
        |(?:step|task|part|item|question)\s?\d+\s*[:.)]\s*)?)
    | (?P<stop>[.?!\u2026]+[)\]]*(?=\s|$))[^\S\n]*
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
    if notes.reads(text) or notes.saving(text, quotes, surely=True):
        return _Start.VERB
    if questions.begins_verb(text) or questions.begins_question(text):
        return _Start.VERB
    if arithmetic.begins_verb(text):
        return _Start.VERB
    if forecasts.begins(text) or arithmetic.begins(text) or questions.begins_noun(text):
        return _Start.NOUN
    return _Start.NOTHING


def _ends_sentence(left: str, right: str, mark: str, quotes: Quotes) -> bool:
    if not mark.startswith(".") or mark.startswith("..") or not right:
        return True
    if _ABBREVIATION.search(left[-12:]):
        return _start(right, quotes) > _Start.NOTHING
    return True


def _joins(left: str, right: str, bound: re.Match[str], quotes: Quotes) -> bool:
    """Whether the piece on the right belongs to the clause on the left."""
    start = _start(right, quotes)
    kind = bound.lastgroup
    if start == _Start.NOTHING:
        return True
    if bound[0].strip() == "plus" and arithmetic.begins(core(right)):
        return True
    if kind == "dash" and left[-1:] in "0123456789)" and right[:1] in "0123456789(":
        return True
    if re.search(r"\b(?:hundred|thousand|million)$", left, re.IGNORECASE) and kind == "soft":
        return True
    if arithmetic.waits_for_operand(left) and start == _Start.NOUN:
        return True
    said = without_lead(left)
    if kind == "colon" and (
        forecasts.begins(said)
        or re.fullmatch(r"(?:web\s)?search|look up|find out|google", said, re.I)
    ):
        return True
    if questions.awaits_subject(left) and start == _Start.NOUN:
        return True
    if notes.takes_words(said + (":" if kind == "colon" else "")):
        return (start < _Start.VERB and "then" not in bound[0]) or kind == "colon"
    if start == _Start.NOUN and notes.begins_saving(said) and not arithmetic.calculations(said):
        return not notes.has_destination(said)
    if questions.may_be_relative(right) and bound[0].strip() == "," and questions.begins_verb(said):
        return True
    if start == _Start.VERB and core(right)[:1].isupper() and re.search(r"[A-Z]\w*$", left[-20:]):
        return not questions.begins_question(right) and kind == "soft"
    return False


def _listed(text: str) -> str:
    """The text with a list inside a line, "1) this 2) that", spread over lines."""
    marks: list[int] = []
    for match in _NUMBER.finditer(text):
        if int(match[1]) != len(marks) + 1:
            continue
        before = text[: match.start()].rstrip()
        inside = before.count("(") > before.count(")") or before[-1:] in ("-", "+", "*", "/", "=")
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
        left, right = text[start : bound.start()], text[bound.end() : following]
        kind = bound.lastgroup or ""
        end = bound.start()
        if kind == "stop":
            end = bound.end()
            divides = _ends_sentence(left, right, bound[0], quotes)
        elif kind == "semi":
            divides = True
        elif kind == "line":
            taken = notes.takes_words(without_lead(left)) and left.rstrip().endswith(":")
            marked = bound["mark"] or left.rstrip()[-1:] in (
                ":",
                ".",
                "?",
                "!",
            )
            divides = _start(right, quotes) > _Start.NOTHING or bool(marked and not taken)
        else:
            divides = not _joins(left.strip(), right, bound, quotes)
        if divides:
            close(end)
            start = bound.end()
            if kind in ("stop", "semi", "line"):
                late = 0
            elif not late and (kind == "after" or _BEFORE.match(left.strip())):
                late = 1
    close(len(text))
    return clauses
