"""A task's text made ready for reading: what is quoted stays whole, what is polite goes away.

Prevents "search for 'Tea and Sympathy'" from being two wishes. Rule: each quoted span, and each
place name that holds an "and", becomes one private-use character, which no pattern takes apart;
:class:`Quotes` turns it back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mock_claude.world import places

QUOTED = "[\ue000-\uf8ff]"
"""Pattern of one quoted span."""

_FIRST, _LAST = 0xE000, 0xF8FF
_PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010fffd]")
_SPANS = re.compile(
    r'"[^"]+"|\u201c[^\u201d]+\u201d|\u00ab[^\u00bb]+\u00bb|`[^`]+`'
    r"|(?<![^\s(:,])'(?=\S)[^'\n]*(?:'(?=\w)[^'\n]*)*(?<=\S)'(?!\w)"
    r"|(?<![^\s(:,])\u2018(?=\S)[^\u2018\n]*?(?<=\S)\u2019(?!\w)"
)
_SENTENCE_FOLLOWS = re.compile(r"\s+[A-Z]")
_SPELT = {"w": "weather", "t": "temperature", "f": "forecast"}
_MISSPELT = re.compile(
    r"\b(?:w(?!hether\b|etter\b)[aehtr]{4,6}r|wethr|weathe|whether(?=\s(?:like|in|at)\b)|"
    r"temprature|temperture|tempreature|temperatur|tempature|tempereture|forcast|forecst|forcaste)\b",
    re.IGNORECASE,
)
_NAMES = re.compile(
    "|".join(rf"\b{re.escape(name)}\b" for name in places.names_with_and()), re.IGNORECASE
)


@dataclass(frozen=True)
class Quotes:
    """What the private-use characters of a prepared text stand for."""

    spans: tuple[str, ...] = ()

    def restore(self, text: str) -> str:
        """The text as the user wrote it."""
        return re.sub(QUOTED, lambda match: self._span(match[0]), text)

    def bare(self, text: str) -> str:
        """The text as the user wrote it, without the quotation marks around all of it."""
        text = text.strip()
        if re.fullmatch(QUOTED, text) and self.is_quotation(text):
            return self._span(text)[1:-1].strip()
        return self.restore(text)

    def is_quotation(self, char: str) -> bool:
        """Whether the character stands for a quotation, rather than for a name with "and"."""
        return self._span(char)[:1] in "\"'`\u201c\u2018\u00ab"

    def _span(self, char: str) -> str:
        index = ord(char) - _FIRST
        return self.spans[index] if index < len(self.spans) else ""


def prepare(text: str) -> tuple[str, Quotes]:
    """The text with one character per quoted span, and what they stand for."""
    text = _PRIVATE.sub("", text).replace("\r\n", "\n").replace("\r", "\n").strip()
    if len(text) > 2 and _SPANS.fullmatch(text):
        text = text[1:-1].strip()  # the whole task is quoted
    spans: list[str] = []

    def hide(match: re.Match[str]) -> str:
        if _FIRST + len(spans) > _LAST:
            return match[0]
        spans.append(match[0])
        ends = match[0][-2:-1] in (".", "!", "?") and _SENTENCE_FOLLOWS.match(
            match.string, match.end()
        )
        return chr(_FIRST + len(spans) - 1) + ("." if ends else "")

    text = re.sub(r"[^\S\n]+", " ", _SPANS.sub(hide, text))
    text = _MISSPELT.sub(lambda match: _SPELT[match[0][0].lower()], text)
    return _NAMES.sub(hide, text), Quotes(tuple(spans))
