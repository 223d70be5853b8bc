"""Filler for tasks that ask for prose: "Write 200 words about rain."

Prevents a test of long answers, streams or ``max_tokens`` from needing a real model. Rule: the
text says that it is filler, has as many words, sentences, paragraphs or points as the task asks
for, and is the same for the same words. Verse and code are not written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

from mock_claude.model.reading.numbers import with_digits

_KIND = (
    r"(?:(?P<many>\d{1,7})[\s-]+(?P<unit>words?|sentences?|lines?|paragraphs?|pages?|"
    r"bullet[\s-]points?|"
    r"bullets?|points?)(?![\w:])"
    r"|(?P<form>essay|story|tale|text|article|paragraph|letter|e-?mail|speech|report|description|"
    r"(?:blog\s)?post|review|introduction|biography|page|sentence|prose|message|explanation|"
    "conclusion|"
    r"chapter|novel|bullet\spoints)(?!\w))"
)
_POLITE = (
    r"(?:(?:please|ok|now|hi|hello|hey|can\syou|could\syou|would\syou|i\s(?:want|need)\syou\s"
    r"to|claude)[\s,]+)*"
)
_SIZE = (
    r"(?:(?:a|an|the|exactly|about|around|approximately|at\sleast|at\smost|roughly|"
    r"up\sto|some|only|no\smore\s"
    r"than|under|over|me|us|my)\s)*"
)
_WRITE = re.compile(
    rf"{_POLITE}(?:write|compose|draft|generate|produce|create|make\sup|tell\s(?:me|"
    rf"us)|give\s(?:me|us)|type)\s{_SIZE}"
    rf"(?:(?!down\b|that\b|note\b|memo\b|about\b|in\b|of\b)\w[\w-]*\s){{0,2}}?{_KIND}(?P<after>.*)",
    re.IGNORECASE | re.DOTALL,
)
_EXPLAIN = re.compile(
    rf"{_POLITE}(?:explain|describe|summari[sz]e|discuss|introduce|tell\s(?:me|us))\s(?P<topic>\S.{{0,80}}?)"
    r",?\s"
    rf"(?:in|with|using)\s{_SIZE}{_KIND}(?P<after>.*)",
    re.IGNORECASE | re.DOTALL,
)
_LENGTH_FIRST = re.compile(
    rf"{_POLITE}(?:in|with|using|use)\s{_SIZE}{_KIND}(?:\sor\s(?:less|fewer|more))?,?\s"
    r"(?:to\s)?(?:please\s)?(?:explain|describe|summari[sz]e|discuss|introduce|"
    r"(?:write|tell\s(?:me|us))\sabout)\s"
    r"(?P<topic>[^.!?\n:;]{1,80})(?P<after>.*)",
    re.IGNORECASE | re.DOTALL,
)
_NOT_PROSE = re.compile(
    r"\b(?:poems?|haikus?|limericks?|sonnets?|songs?|lyrics|rhymes?|verses?|code|functions?|"
    "python|sql|regex|jokes?|"
    r"backwards|(?:sav|not)(?:e|ing)|notes?)\b",
    re.IGNORECASE,
)
_ABOUT = tuple(
    re.compile(rf"\b(?:{words})\s(?!\d)(?P<topic>[^.!?\n:;]{{1,80}})", re.IGNORECASE)
    for words in (
        r"on\sthe\s(?:topic|subject)\sof",
        r"about|regarding|concerning|describing|explaining|on",
        r"(?=(?:why|how|what)\s)",
        r"of|for|to",
    )
)
_MORE = re.compile(
    r"(?P<many>\d{1,7})[\s-]+(?P<unit>words?|sentences?|lines?|paragraphs?|bullet[\s-]points?|"
    "bullets?|points?)"
    r"(?!\w)",
    re.IGNORECASE,
)
_TRIM = re.compile(
    r"\s*(?:,|\bin\s\d|\busing\b|\bwith\s\d|\bof\s(?:about\s|exactly\s)?\d|\band\s(?:keep|"
    r"make|use)\b|"
    r"\bplease\b|\bin\s(?:exactly|about|at|around)\b).*$",
    re.IGNORECASE,
)
_MOST = 20_000  # words
_SHORT = 16  # words, too few for the sentence that says what they are
_USUAL = {"essay": 300, "page": 400, "novel": 1_000, "chapter": 600, "sentence": 14}
_MARK = "This is filler by the offline stand-in, not by Claude, about {}."
_SENTENCES = (
    "Much can be said of {}, and little of it is said here.",
    "Some people think of {} every day.",
    "Others come to {} late and stay with it.",
    "A text about {} begins somewhere, goes on for a while, and ends.",
    "The words in between are only there to be counted.",
    "Nothing here is a fact about {}, so nothing needs to be checked.",
    "It is quiet.",
    "One sentence follows another.",
    "Whoever wants to know more about {} asks a model that has read about it.",
    "There is a morning side of {} and an evening side, and both fill a line.",
    "So it goes on.",
    "What was true of {} in the last sentence is still true in this one.",
)


def prose(task: str, *, has_tools: bool) -> str | None:
    """The filler that a task asks for, or None if it asks for none.

    "Explain tea in 3 sentences" is filler only without tools, which could look it up.
    """
    head = re.sub(r"(?<=\d),(?=\d{3}\b)", "", with_digits(task[:600])).strip()
    asked = _WRITE.match(head)
    if asked is None and not has_tools:
        asked = _EXPLAIN.match(head) or _LENGTH_FIRST.match(head)
    if asked is None or _NOT_PROSE.search(head) or not (asked["unit"] or asked["form"]):
        return None
    wanted = {_unit(asked["unit"]): int(asked["many"])} if asked["unit"] else {}
    for more in _MORE.finditer(asked["after"]):
        each = re.search(
            rf"(?:\bof\s(?:about\s)?{re.escape(more[0])}|{re.escape(more[0])}\seach)", head
        )
        parts = wanted.get("paragraph", 1) if each else 1
        wanted.setdefault(_unit(more["unit"]), int(more["many"]) * parts)
    topic = asked.groupdict().get("topic")
    if topic is None:
        found = next(filter(None, (form.search(asked["after"]) for form in _ABOUT)), None)
        topic = found["topic"] if found else ""
    topic = _TRIM.sub("", topic.removeprefix("about ")).strip(" \"'")
    return _written(wanted, (asked["form"] or "").lower(), topic or "nothing in particular")


def _unit(word: str) -> str:
    word = word.lower().rstrip("s")
    return "point" if word.startswith("bullet") or word in ("point", "line") else word


def _written(wanted: dict[str, int], form: str, topic: str) -> str:
    if "page" in wanted:
        wanted["word"] = wanted.pop("page") * _USUAL["page"]
    if form == "bullet points":
        wanted.setdefault("point", 5)
    points, parts = wanted.get("point", 0), wanted.get("paragraph", 1)
    words, sentences = wanted.get("word", 0), wanted.get("sentence", 0)
    if points:
        lines = _sentences(topic, first=1)
        return "\n".join(
            [_MARK.format(topic), *(f"- {next(lines)}" for _ in range(min(points, _MOST // 10)))]
        )
    parts = max(1, min(parts, _MOST // 40))
    if sentences or (parts > 1 and not words):
        each = -(-sentences // parts) if sentences else 4
        made = _sentences(topic)
        texts = [" ".join(next(made) for _ in range(min(each, _MOST // 10))) for _ in range(parts)]
        return "\n\n".join(texts)
    words = min(words or _USUAL.get(form, 120), _MOST)
    return "\n\n".join(_of_words(topic, words, parts))


def _sentences(topic: str, first: int = 0) -> Iterator[str]:
    if first == 0:
        yield _MARK.format(topic)
    for place in count():
        yield _SENTENCES[place % len(_SENTENCES)].format(topic)


def _of_words(topic: str, words: int, parts: int) -> Iterator[str]:
    """Paragraphs with this many words in all, as far as whole sentences give it."""
    pool, left = _sentences(topic), words
    short = sorted((each.format(topic) for each in _SENTENCES), key=lambda each: len(each.split()))
    if words < _SHORT:
        yield f"Filler on {topic}: " + " ".join(
            ("and so on, " * words).split()[: max(words - 3, 1)]
        )
        return
    for part in range(parts):
        room = left // (parts - part)
        kept = list[str]()
        while room > 2:
            one = next(pool)
            if len(one.split()) > room:
                fitting = [each for each in short if len(each.split()) <= room]
                one = fitting[-1] if fitting else "And so on."
            kept.append(one)
            room -= len(one.split())
            left -= len(one.split())
        yield _in_paragraphs(kept, parts)


def _in_paragraphs(kept: list[str], parts: int) -> str:
    if parts > 1:
        return " ".join(kept)
    return "\n\n".join(" ".join(kept[at : at + 6]) for at in range(0, len(kept), 6))
