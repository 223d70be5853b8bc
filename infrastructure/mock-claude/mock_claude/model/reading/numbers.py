"""Number words as digits: "twenty-three times four" holds the numbers 23 and 4.

Prevents a calculation from being missed because it is spelled out. Rule: only whole number
phrases are replaced; every other word stays where it is.
"""

from __future__ import annotations

import re

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_TEN = "twenty thirty forty fifty sixty seventy eighty ninety"
_VALUES = {word: value for value, word in enumerate(_SMALL.split())}
_TENS = {word: 10 * value for value, word in enumerate(_TEN.split(), start=2)}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
_ORDINALS = {
    "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10,
}  # fmt: skip

_UNIT = "(?:" + "|".join(_SMALL.split()) + ")"
_BELOW_100 = rf"(?:(?:{'|'.join(_TENS)})(?:[\s-]{_UNIT})?|{_UNIT})"
_BELOW_1000 = rf"(?:(?:{_BELOW_100}|a)\shundred(?:\s(?:and\s)?{_BELOW_100})?|{_BELOW_100})"
_SCALE = "(?:thousand|million|billion)"
_NUMBER = re.compile(
    rf"(?<![\w-])(?:(?:{_BELOW_1000}|a)\s{_SCALE}(?:[\s,]+(?:and\s)?{_BELOW_1000}(?:\s{_SCALE})?)*"
    rf"|{_BELOW_1000})(?:\spoint(?:\s{_UNIT})+)?(?![\w-])",
    re.IGNORECASE,
)
_DIGITS_AND_SCALE = re.compile(
    r"(?<![\w.,])(\d{1,9}(?:\.\d{1,6})?)\s(dozen|hundred|thousand|million|billion)\b", re.IGNORECASE
)
_DOZEN = re.compile(r"\b(?:(?P<half>half\sa)|an?|one)\sdozen\b", re.IGNORECASE)
_ORDINAL = re.compile(rf"\bto the ({'|'.join(_ORDINALS)})\b(?:\spower)?(?!\s+of)", re.IGNORECASE)


def _value(words: list[str]) -> int:
    total = part = 0
    for word in words:
        if word in _SCALES:
            total += max(part, 1) * _SCALES[word]
            part = 0
        elif word == "hundred":
            part = max(part, 1) * 100
        else:
            part += _VALUES.get(word, 0) + _TENS.get(word, 0)
    return total + part


def _digits(match: re.Match[str]) -> str:
    whole, _, fraction = match[0].lower().partition(" point ")
    value = str(_value(re.findall(r"[a-z]+", whole)))
    decimals = "".join(str(_VALUES[word]) for word in fraction.split())
    return f"{value}.{decimals}" if decimals else value


def _scaled(match: re.Match[str]) -> str:
    scale = {"dozen": 12, "hundred": 100, **_SCALES}[match[2].lower()]
    whole, _, fraction = match[1].partition(".")
    value = int(whole + fraction) * scale
    if not fraction:
        return str(value)
    return str(value // 10 ** len(fraction)) if value % 10 ** len(fraction) == 0 else match[0]


def with_digits(text: str) -> str:
    """The text with its number words replaced by digits."""
    text = _DOZEN.sub(lambda match: "6" if match["half"] else "12", text)
    text = _NUMBER.sub(_digits, text)
    text = _ORDINAL.sub(lambda match: f"to the power of {_ORDINALS[match[1].lower()]}", text)
    return _DIGITS_AND_SCALE.sub(_scaled, text)
