"""Turns calculations in words into symbols: "the sum of 3 and 4, squared" becomes (3 + 4) ** 2.

Prevents an order of operations that the words do not have. Rule: each phrase is folded into one
private-use character, innermost first, which the phrases around it take as a number.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

from mock_claude.model.reading.numbers import with_digits

_FOLD = 0xF0000
_MAX_FOLDS = 200
FOLDED = "[\U000f0000-\U000f00ff]"
_NUM = r"(?<![\w.])-?(?:\d+(?:\.\d+)?|\.\d+)(?![\w]|\.\d)"
_ITEM = rf"(?:{_NUM}(?:\s?(?:\*\*|[*/%])\s?{_NUM})*|{FOLDED}|\([^()]{{1,80}}\))"
_AND_LIST = rf"{_ITEM}(?:\s?,?\s?(?:,|and|&)\s{_ITEM})+"
_LIST = rf"{_ITEM}(?:(?:\s?,?\s?(?:,|and|&)|\s(?:plus|to|with))\s{_ITEM})+"
_THE = r"(?:the\s)?"
_MASKED = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}|\d{1,2}-\d{1,2}-\d{4}|\d{1,2}/\d{1,2}/\d{4}|\d{4}/\d{1,2}/\d{1,2}"
    r"|\b\d{3}-\d{3}-\d{4}\b|\+\d{1,3}[\s-]\d[\d\s-]{5,}\d|\(\d{3}\)\s\d{3}-\d{4}"
    r"|\bv?\d+\.\d+\.\d+[\w.-]*|\b\d{1,2}:\d{2}\b"
)
_SYMBOLS = str.maketrans(
    {"\u00d7": "*", "\u2715": "*", "\u2217": "*", "\u22c5": "*", "\u00b7": "*", "\u00f7": "/"}
    | {"\u2212": "-", "\u2044": "/", "^": "\ue0ff"}
)


def _items(text: str) -> list[str]:
    return re.findall(_ITEM, text)


def _difference(match: re.Match[str]) -> str:
    """The larger less the smaller, as people mean it, where both are plain numbers."""
    a, b = match[1], match[2]
    plain = all(re.fullmatch(r"\d+(?:\.\d+)?", each) for each in (a, b))
    return f"{b} - {a}" if plain and Decimal(a) < Decimal(b) else f"{a} - {b}"


def _mean(match: re.Match[str]) -> str:
    items = _items(match[1])
    return f"({' + '.join(items)}) / {len(items)}"


# Phrases, innermost first: each match becomes one expression.
_PHRASES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), template)
    for pattern, template in (
        (
            rf"(?:what\s)?percent(?:age)?\sof\s({_ITEM})\sis\s({_ITEM})",
            r"\2 / \1 * 100",
        ),
        (rf"({_ITEM})\sis\swhat\spercent(?:age)?\sof\s({_ITEM})", r"\1 / \2 * 100"),
        (rf"({_ITEM})\s?\u00b2|({_ITEM})\ssquared", r"\1\2 ** 2"),
        (rf"({_ITEM})\s?\u00b3|({_ITEM})\scubed", r"\1\2 ** 3"),
        (
            rf"({_ITEM})\s?(?:%|percent|per cent)\s(?:tip\s|tax\s|discount\s)?(?:of|on)\s({_ITEM})",
            r"\1 * \2 / 100",
        ),
        (rf"({_ITEM})\s?(?:%|percent|per cent)\soff\s(?:of\s)?({_ITEM})", r"\2 * (100 - \1) / 100"),
        (
            rf"(?:increase|raise)\s({_ITEM})\sby\s({_ITEM})\s?(?:%|percent\b|per cent\b)",
            r"\1 * (100 + \2) / 100",
        ),
        (
            rf"(?:decrease|reduce)\s({_ITEM})\sby\s({_ITEM})\s?(?:%|percent\b|per cent\b)",
            r"\1 * (100 - \2) / 100",
        ),
        (rf"({_ITEM})\s?(?:percent|per cent)\b|({_NUM})\s?%(?!\s?[\d(\U000f0000])", r"\1\2 / 100"),
        (rf"{_THE}square\sroot\sof\s({_ITEM})", r"\1 ** 0.5"),
        (rf"{_THE}cube\sroot\sof\s({_ITEM})", r"\1 ** (1 / 3)"),
        (rf"(?:\u221a|\bsqrt)\s?({_ITEM})", r"\1 ** 0.5"),
        (rf"(?:{_THE}square\sof|square)\s({_ITEM})", r"\1 ** 2"),
        (rf"(?:{_THE}cube\sof|cube)\s({_ITEM})", r"\1 ** 3"),
        (rf"(?:{_THE}double(?:\sof)?|twice)\s({_ITEM})", r"2 * \1"),
        (rf"(?:{_THE}triple(?:\sof)?|thrice)\s({_ITEM})", r"3 * \1"),
        (rf"(?:(?:one\s|a\s|1\s)?half(?:\sof)?|halve)\s({_ITEM})", r"\1 / 2"),
        (rf"(?:one\s|a\s|1\s)third\sof\s({_ITEM})", r"\1 / 3"),
        (rf"(?:one\s|a\s|1\s)(?:quarter|fourth)\sof\s({_ITEM})", r"\1 / 4"),
        (rf"({_NUM}\s?/\s?{_NUM})\sof\s({_ITEM})", r"\1 * \2"),
        (
            rf"{_THE}remainder\s(?:of|when|if)\s({_ITEM})\s(?:is\s)?"
            rf"(?:divided\sby|over|by|mod|/)\s({_ITEM})",
            r"\1 % \2",
        ),
        (
            rf"{_THE}(?:quotient|ratio)\s(?:of|between)\s({_ITEM})\s(?:and|to)\s({_ITEM})",
            r"\1 / \2",
        ),
        (rf"subtract\s({_ITEM})\sfrom\s({_ITEM})", r"\2 - \1"),
        (rf"({_ITEM})\s(?:subtracted|taken\s(?:away)?)\sfrom\s({_ITEM})", r"\2 - \1"),
        (rf"take\s({_ITEM})\s(?:away\s)?from\s({_ITEM})", r"\2 - \1"),
        (rf"take\s({_ITEM})\s(?:and\s)?(?:times|multiply\s(?:it\s)?by)\s({_ITEM})", r"\1 * \2"),
        (rf"multiply\s({_ITEM})\s(?:by|with|and|times|to)\s({_ITEM})", r"\1 * \2"),
        (rf"divide\s({_ITEM})\s(?:by|with|through|over|between|among)\s({_ITEM})", r"\1 / \2"),
        (rf"divide\s({_ITEM})\sinto\s({_ITEM})(?:\s(?:equal\s)?parts)?", r"\1 / \2"),
        (rf"raise\s({_ITEM})\sto\s(?:{_THE}power\s(?:of\s)?)?({_ITEM})", r"\1 ** \2"),
    )
)
_LISTS = (
    (
        re.compile(
            rf"{_THE}(?:sum|total)\sof\s({_ITEM}(?:(?:\s?,?\s?(?:,|and|&)|\splus)\s{_ITEM})+)",
            re.IGNORECASE,
        ),
        "+",
    ),
    (re.compile(rf"{_THE}product\sof\s({_AND_LIST})", re.IGNORECASE), "*"),
    (re.compile(rf"(?:add(?:\s(?:up|together))?|sum(?:\sup)?)\s({_LIST})", re.IGNORECASE), "+"),
    (re.compile(rf"multiply\s({_LIST})", re.IGNORECASE), "*"),
)
_DIFFERENCE = re.compile(
    rf"{_THE}difference\s(?:between|of)\s({_ITEM})\s(?:and|to)\s({_ITEM})", re.IGNORECASE
)
_MEAN = re.compile(rf"{_THE}(?:average|mean)\sof\s({_AND_LIST})", re.IGNORECASE)
_LEFT, _RIGHT = r"(?<=[\d)\U000f0000-\U000f00ff])\s+", r"\s+(?=[-(.\d\U000f0000-\U000f00ff])"
# Words between two numbers; what they join keeps the usual order of operations.
_BETWEEN = tuple(
    (re.compile(f"{_LEFT}{words}{_RIGHT}", re.IGNORECASE), sign)
    for words, sign in (
        (r"(?:raised\s)?to\s(?:the\s)?power(?:\sof)?|\braised\sto", " ** "),
        (r"(?:multiplied\s(?:by|with)|times)", " * "),
        (r"(?:divided\sby|over)", " / "),
        (r"(?:modulo|modulus|mod)", " % "),
        (r"(?:plus|added\sto|and\sadd)", " + "),
        (r"(?:minus|less)", " - "),
    )
)
_TO_THE_NTH = re.compile(
    r"(?<=[\d)])\s(?:raised\s)?to\sthe\s(\d+)(?:st|nd|rd|th)\b(?:\spower)?", re.IGNORECASE
)
_NEGATIVE = re.compile(
    r"(?<![\w)])(?<![\d)\U000f0000-\U000f00ff]\s)(?:negative|minus)\s(?=\d)", re.IGNORECASE
)
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_X = re.compile(r"(?<=\d)(\s?)[xX](\s?)(?=[\d(.])(?!(?<=0x)[\da-f])")
_CURRENCY = re.compile(r"[$\u20ac\u00a3]\s?(?=\d)|(?<=\d)\s?[$\u20ac\u00a3]")


_SCIENTIFIC = re.compile(r"(?<![\w.])\d{1,12}(?:\.\d{1,12})?e[+-]?\d{1,2}(?![\w.])", re.IGNORECASE)
_FACTORIAL = re.compile(
    r"(?<![\w.])(\d{1,2})\sfactorial\b|\b(?:the\s)?factorial\s(?:of\s)?(\d{1,2})(?![\w.])",
    re.IGNORECASE,
)
_LARGEST_FACTORIAL = 20


class Folds:
    """The expressions that single characters stand for."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    def fold(self, expression: str) -> str:
        """A character for the expression; the expression itself if there are too many."""
        if len(self.kept) >= _MAX_FOLDS:
            return expression
        self.kept.append(expression)
        return chr(_FOLD + len(self.kept) - 1)

    def unfold(self, text: str) -> str:
        """The text with every folded expression in parentheses, except one that is all of it."""
        text = text.strip()
        if re.fullmatch(FOLDED, text):
            return self.unfold(self.kept[ord(text) - _FOLD])

        def nested(match: re.Match[str]) -> str:
            inner = self.unfold(match[0])
            return inner if re.fullmatch(r"[\d.]+", inner) else f"({inner})"

        return re.sub(FOLDED, nested, text)


_NEGATIVE_BASE = re.compile(r"^(-[\d.]+)( \*\* )")


def _fold_phrase(text: str, pattern: re.Pattern[str], template: str, folds: Folds) -> str:
    def folded(match: re.Match[str]) -> str:
        # "the square root of -4" is (-4) ** 0.5
        return folds.fold(_NEGATIVE_BASE.sub(r"(\1)\2", match.expand(template)))

    return pattern.sub(folded, text)


def _fold_list(text: str, pattern: re.Pattern[str], sign: str, folds: Folds) -> str:
    return pattern.sub(lambda match: folds.fold(f" {sign} ".join(_items(match[1]))), text)


def _factorial(match: re.Match[str], folds: Folds) -> str:
    number = int(match[1] or match[2])
    if number > _LARGEST_FACTORIAL:
        return match[0]
    return folds.fold(" * ".join(str(factor) for factor in range(1, number + 1)) or "1 * 1")


def in_symbols(text: str, folds: Folds) -> str:
    """The text with its calculations in symbols; dates, times and versions are masked."""
    text = "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in text)
    text = _MASKED.sub("\u00a7", text)
    text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
    text = _SCIENTIFIC.sub(lambda match: format(Decimal(match[0]), "f"), text)
    text = _CURRENCY.sub("", with_digits(text).translate(_SYMBOLS)).replace("\ue0ff", "**")
    text = _NEGATIVE.sub("-", _TO_THE_NTH.sub(r" ** \1", _X.sub(r"\1*\2", text)))
    text = re.sub(r"(\bpower(?:\sof)?\s)(\d+\s?/\s?\d+)", r"\1(\2)", text, flags=re.IGNORECASE)
    text = _FACTORIAL.sub(lambda match: _factorial(match, folds), text)
    for _ in range(6):
        before = text
        for pattern, template in _PHRASES:
            text = _fold_phrase(text, pattern, template, folds)
        for pattern, sign in _LISTS:
            text = _fold_list(text, pattern, sign, folds)
        text = _MEAN.sub(lambda match: folds.fold(_mean(match)), text)
        text = _DIFFERENCE.sub(lambda match: folds.fold(_difference(match)), text)
        for pattern, sign in _BETWEEN:
            text = pattern.sub(sign, text)
        if text == before:
            break
    return text
