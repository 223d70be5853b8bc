r"""A text that matches a regular expression, for the patterns that tool schemas use.

This prevents an identifier such as ``^ORD-\d{4}$`` from being filled with a word that its tool
refuses. The rule: the pattern is read from left to right, the first of several alternatives is
taken, and repeats are as few as allowed, plus ``extra``. Look-around and back-references are not
read; whoever asks must check the text (``patterns``), because look-ahead, ``\b`` and a flag can
still refuse it.
"""

from __future__ import annotations

import re
from string import printable

from mock_claude.api.patterns import LONGEST, compiled

_COUNT = re.compile(r"\{(\d*)(?:(,)(\d*))?\}")
_NAMED = re.compile(r"\?(?::|P<\w+>|<\w+>)")
_ESCAPES = {"d": "1", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a", "n": "\n", "t": "\t"}
_NOTHING = "bBAZz"
_BRACED = re.compile(r"\\[pPux]\{[^{}]{1,40}\}")
_CODED = re.compile(r"x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}")
_CHARACTERS = f"aA1-_ {printable}\u00e9\u00df\u0436\u4e2d\u3042\u20ac"
_MOST = 1_000  # repeats, and characters of the whole, so that a{1000000} stays cheap


def example(pattern: str, extra: int = 0) -> str | None:
    """A text for the pattern; None if it has something that is not read here."""
    if len(pattern) > LONGEST:
        return None
    try:
        return _Reader(pattern, extra).choice()
    except (ValueError, IndexError, RecursionError):
        return None


class _Reader:
    def __init__(self, pattern: str, extra: int) -> None:
        self.pattern = pattern
        self.extra = extra
        self.at = 0

    def choice(self) -> str:
        """The first of the alternatives up to the end, or to a closing parenthesis."""
        first = self.sequence()
        while self.pattern[self.at : self.at + 1] == "|":
            self.at += 1
            self.sequence()
        return first

    def sequence(self) -> str:
        text = ""
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            atom, times = self.atom(), self.times()
            if len(text) + len(atom) * times > _MOST:
                raise ValueError("too long")
            text += atom * times
        return text

    def atom(self) -> str:
        letter = self.pattern[self.at]
        self.at += 1
        if letter in "^$":
            return ""
        if letter == "\\":
            return self.escape()
        if letter == "[":
            return self.one_of()
        if letter == "(":
            return self.group()
        return "a" if letter == "." else letter

    def escape(self) -> str:
        letter = self.pattern[self.at]
        self.at += 1
        if letter in _NOTHING:
            return ""
        if braced := _BRACED.match(self.pattern, self.at - 2):
            self.at = braced.end()
            return self.member(braced[0])
        if coded := _CODED.match(self.pattern, self.at - 1):
            self.at = coded.end()
            return self.coded(int(coded[0][1:], 16))
        if letter in "123456789pPuxkG":
            raise ValueError(letter)
        return _ESCAPES.get(letter, letter)

    def coded(self, number: int) -> str:
        """The character of this number; half a character has no UTF-8."""
        if 0xD800 <= number <= 0xDFFF:
            raise ValueError(number)
        return chr(number)

    def one_of(self) -> str:
        start = self.at - 1
        self.at += self.pattern[self.at] == "^"
        self.at += self.pattern[self.at] == "]"  # a bracket in the first place is a character
        while self.pattern[self.at] != "]":
            self.at += 2 if self.pattern[self.at] == "\\" else 1
        self.at += 1
        return self.member(self.pattern[start : self.at])

    def member(self, chars: str) -> str:
        """The first character of a set."""
        members = compiled(chars)
        if members is None:
            raise ValueError("a broken set")
        return next((each for each in _CHARACTERS if members.is_in(each)), "")

    def group(self) -> str:
        if named := _NAMED.match(self.pattern, self.at):
            self.at = named.end()
        elif self.pattern[self.at] == "?":
            raise ValueError("look-around or a flag")
        text = self.choice()
        if self.pattern[self.at] != ")":
            raise ValueError("an open group")
        self.at += 1
        return text

    def times(self) -> int:
        """How often the atom before is repeated."""
        sign = self.pattern[self.at : self.at + 1]
        counted = _COUNT.match(self.pattern, self.at)
        if sign and sign in "*+?":
            self.at += 1
            least, most = int(sign == "+"), 1 if sign == "?" else _MOST
        elif counted is not None:
            self.at = counted.end()
            least = int(counted[1] or 0)
            most = _MOST if counted[2] and not counted[3] else int(counted[3] or least)
        else:
            return 1
        if self.pattern[self.at : self.at + 1] in ("?", "+"):
            self.at += 1  # lazy or possessive: the same texts
        return min(least + self.extra, most, _MOST)
