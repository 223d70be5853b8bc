"""Reads calculations, written in symbols or in words, as expressions for the calculator.

Prevents a date, a phone number or a version from being calculated. Rule: a clause is a calculation
if nothing but courtesy is left of it beside its expressions, or if it says "calculate". Words
become symbols step by step: each phrase ("the sum of 3 and 4") is folded into one private-use
character, which the phrases around it take as a number.
"""

from __future__ import annotations

import re

from mock_claude.numbers import with_digits

_FOLD = 0xF0000
_MAX_FOLDS = 200
_FOLDED = "[\U000f0000-\U000f00ff]"
_NUM = r"(?<![\w.])-?(?:\d+(?:\.\d+)?|\.\d+)(?![\w]|\.\d)"
_ITEM = rf"(?:{_NUM}(?:\s?(?:\*\*|[*/%])\s?{_NUM})*|{_FOLDED}|\([^()]{{1,80}}\))"
_LIST = rf"{_ITEM}(?:\s?,?\s?(?:,|and|to|with|plus|&)\s{_ITEM})+"
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


def _join(operator: str) -> str:
    return f"\\1 {operator} \\2"


def _items(text: str) -> list[str]:
    return re.findall(_ITEM, text)


def _folded_list(operator: str, match: re.Match[str]) -> str:
    return f" {operator} ".join(_items(match[1]))


def _mean(match: re.Match[str]) -> str:
    items = _items(match[1])
    return f"({' + '.join(items)}) / {len(items)}"


# Phrases, innermost first: each match becomes one expression.
_PHRASES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), template)
    for pattern, template in (
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
        (rf"\u221a\s?({_ITEM})", r"\1 ** 0.5"),
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
        (rf"{_THE}difference\s(?:between|of)\s({_ITEM})\s(?:and|to)\s({_ITEM})", r"\1 - \2"),
        (
            rf"{_THE}(?:quotient|ratio)\s(?:of|between)\s({_ITEM})\s(?:and|to)\s({_ITEM})",
            r"\1 / \2",
        ),
        (rf"subtract\s({_ITEM})\sfrom\s({_ITEM})", r"\2 - \1"),
        (rf"({_ITEM})\s(?:subtracted|taken\s(?:away)?)\sfrom\s({_ITEM})", r"\2 - \1"),
        (rf"take\s({_ITEM})\s(?:away\s)?from\s({_ITEM})", r"\2 - \1"),
        (rf"take\s({_ITEM})\s(?:and\s)?(?:times|multiply\s(?:it\s)?by)\s({_ITEM})", r"\1 * \2"),
        (rf"multiply\s({_ITEM})\s(?:by|with|and|times|to)\s({_ITEM})", r"\1 * \2"),
        (rf"divide\s({_ITEM})\s(?:by|with|through|over)\s({_ITEM})", r"\1 / \2"),
        (rf"divide\s({_ITEM})\sinto\s({_ITEM})(?:\s(?:equal\s)?parts)?", r"\1 / \2"),
        (rf"raise\s({_ITEM})\sto\s(?:{_THE}power\s(?:of\s)?)?({_ITEM})", r"\1 ** \2"),
    )
)
_LISTS = (
    (re.compile(rf"{_THE}(?:sum|total)\sof\s({_LIST})", re.IGNORECASE), "+"),
    (re.compile(rf"{_THE}product\sof\s({_LIST})", re.IGNORECASE), "*"),
    (re.compile(rf"(?:add(?:\s(?:up|together))?|sum(?:\sup)?)\s({_LIST})", re.IGNORECASE), "+"),
    (re.compile(rf"multiply\s({_LIST})", re.IGNORECASE), "*"),
)
_MEAN = re.compile(rf"{_THE}(?:average|mean)\sof\s({_LIST})", re.IGNORECASE)
# Words between two numbers; what they join keeps the usual order of operations.
_BETWEEN = tuple(
    (re.compile(rf"(?<=[\d)\U000f0000-\U000f00ff])\s+{words}\s+(?=[-(.\d\U000f0000-\U000f00ff])", re.I), sign)
    for words, sign in (
        (r"(?:raised\s)?to\s(?:the\s)?power(?:\sof)?|\braised\sto", " ** "),
        (r"(?:multiplied\s(?:by|with)|times)", " * "),
        (r"(?:divided\sby|over)", " / "),
        (r"(?:modulo|modulus|mod)", " % "),
        (r"(?:plus|added\sto|and\sadd)", " + "),
        (r"(?:minus|less)", " - "),
    )
)  # fmt: skip
_TO_THE_NTH = re.compile(
    r"(?<=[\d)])\s(?:raised\s)?to\sthe\s(\d+)(?:st|nd|rd|th)\b(?:\spower)?", re.I
)
_NEGATIVE = re.compile(
    r"(?<![\w)])(?<![\d)\U000f0000-\U000f00ff]\s)(?:negative|minus)\s(?=\d)", re.IGNORECASE
)
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_X = re.compile(r"(?<=\d)(\s?)[xX](\s?)(?=[\d(.])(?!(?<=0x)[\da-f])")
_CURRENCY = re.compile(r"[$\u20ac\u00a3]\s?(?=\d)|(?<=\d)\s?[$\u20ac\u00a3]")

_TOKEN = re.compile(
    rf"\s*(?:(?P<num>\d+(?:\.\d+)?|\.\d+)|(?P<fold>{_FOLDED})|(?P<op>\*\*|//|[-+*/%])"
    r"|(?P<open>\()|(?P<close>\)))"
)
_START = re.compile(rf"(?<![\w.)/:#@&+*%]){_FOLDED}|(?<![\w.)/:#@&+*%-])-?(?:\(|\.?\d)")
_MAX_DEPTH = 30

_FILLER = re.compile(
    r"\b(?:what|whats|is|are|be|was|would|will|how|much|many|does|do|make|makes|give|gives|equal|"
    r"equals|to|the|results?|answers?|values?|outcome|of|and|or|also|please|an|a|calculations?|"
    r"following|problems?|sums?|tell|me|us|get|show|i|you|we|want|need|like|know|can|could|for|it|"
    r"that|this|these|comes?|out|up|then|if|find|quick|maths?|mathematics|mathematical|arithmetic|"
    r"expressions?|equations?|check|s|dollars?|euros?|pounds?|usd|eur|in|total|altogether|exactly|"
    r"calculate|compute|evaluate|work|solve|figure|determine|number|got|let|with|on|my|your|"
    r"calculator|wondering|remember|forgot|both|two|three|help|say|know|by|hand|mental|result)\b"
    r"|['\u2019]s\b|[\s,;:.?!=]",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"(?:calculate|compute|evaluate|work\sout|solve|figure\sout|multiply|divide|subtract|halve|"
    r"how\smuch\s(?:is|are|does|do)|do\sthe\smaths?|use\sthe\scalculator|sum\sup|add\sup|add\s\d)",
    re.IGNORECASE,
)
_EARLIER = re.compile(
    r"\b(?:it|that|this|(?:the|that|this)\s(?:result|answer|sum|product|total|number|difference|"
    r"quotient|outcome|value|figure))\b",
    re.IGNORECASE,
)


class _Folds:
    """The expressions that single characters stand for."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    def fold(self, expression: str) -> str:
        if len(self.kept) >= _MAX_FOLDS:
            return expression
        self.kept.append(expression)
        return chr(_FOLD + len(self.kept) - 1)

    def unfold(self, text: str) -> str:
        text = text.strip()
        if re.fullmatch(_FOLDED, text):
            return self.unfold(self.kept[ord(text) - _FOLD])
        return re.sub(_FOLDED, lambda m: f"({self.unfold(m[0])})", text)


def _in_symbols(text: str, folds: _Folds) -> str:
    text = _MASKED.sub("\u00a7", text)
    text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
    text = _CURRENCY.sub("", with_digits(text).translate(_SYMBOLS)).replace("\ue0ff", "**")
    text = _NEGATIVE.sub("-", _TO_THE_NTH.sub(r" ** \1", _X.sub(r"\1*\2", text)))
    for _ in range(6):
        before = text
        for pattern, template in _PHRASES:
            text = pattern.sub(lambda m, t=template: folds.fold(m.expand(t)), text)  # type: ignore[misc]
        for pattern, sign in _LISTS:
            text = pattern.sub(lambda m, s=sign: folds.fold(_folded_list(s, m)), text)  # type: ignore[misc]
        text = _MEAN.sub(lambda m: folds.fold(_mean(m)), text)
        for pattern, sign in _BETWEEN:
            text = pattern.sub(sign, text)
        if text == before:
            break
    return text


def _operand(text: str, at: int, depth: int) -> tuple[int, int] | None:
    """Where an operand ends and how many operators it holds, or None."""
    token = _TOKEN.match(text, at)
    if token and token["op"] in ("-", "+"):
        if not text[token.end() : token.end() + 1].strip():
            return None
        at = token.end()
        token = _TOKEN.match(text, at)
    if token is None or depth > _MAX_DEPTH:
        return None
    if token["num"]:
        return token.end(), 0
    if token["fold"]:
        return token.end(), 1
    if token["open"] and (inner := _expression(text, token.end(), depth + 1)):
        close = _TOKEN.match(text, inner[0])
        if close and close["close"]:
            return close.end(), inner[1]
    return None


def _expression(text: str, at: int, depth: int = 0) -> tuple[int, int] | None:
    """The longest expression from here: its end and how many operators it holds."""
    done = _operand(text, at, depth)
    while done:
        operator = _TOKEN.match(text, done[0])
        if operator is None or not operator["op"]:
            return done
        more = _operand(text, operator.end(), depth)
        if more is None:
            return done
        done = (more[0], done[1] + more[1] + 1)
    return None


def _found(text: str, folds: _Folds) -> tuple[list[str], str]:
    """The expressions of a text in symbols, and the text without them."""
    expressions: list[str] = []
    rest: list[str] = []
    at = 0
    while start := _START.search(text, at):
        rest.append(text[at : start.start()])
        found = _expression(text, start.start())
        end = found[0] if found else start.end()
        if found and found[1] and not re.match(r"\w|[.:/-]\d|-\w|%", text[end:]):
            expressions.append(" ".join(folds.unfold(text[start.start() : end]).split()))
        else:
            rest.append(text[start.start() : end])
        at = end
    return expressions, "".join(rest) + text[at:]


def calculations(clause: str, previous: str | None = None) -> list[str]:
    """The expressions of a clause that is a calculation and nothing else; [] for any other.

    ``previous`` is the expression that "it" or "the result" stands for, if there is one.
    """
    folds = _Folds()
    expressions, rest = _found(_in_symbols(clause, folds), folds)
    if not expressions and previous and len(clause) < 120:
        folds = _Folds()
        words, count = _EARLIER.subn(lambda _: folds.fold(previous), clause)
        if not count and re.fullmatch(r"(?:add|subtract)\s-?[\d.]+", clause.strip(" .")):
            words = f"{clause.strip(' .')} {'to' if clause[0] in 'aA' else 'from'} {folds.fold(previous)}"
        elif re.fullmatch(rf"(?:{_FOLDED}|\W)*", words):
            return []
        expressions, rest = _found(_in_symbols(words, folds), folds)
        expressions = [found for found in expressions if found != previous]
    if expressions and (_VERB.match(clause) or not _FILLER.sub("", rest)):
        return list(dict.fromkeys(expressions))
    return []


def unmistakable(clause: str) -> list[str]:
    """The expressions of a clause that says something else too, if no other reading is likely."""
    folds = _Folds()
    expressions, _ = _found(_in_symbols(clause, folds), folds)
    return [found for found in expressions if re.search(r"[*+]|\s[-/%]\s", found)]


_NOUN = re.compile(
    r"(?:the\s)?(?:(?:result|answer|value|outcome)\s(?:of|to|for)\s(?:the\s)?(?=[-(\d])|"
    r"(?:sum|product|difference|quotient|ratio|average|mean|square\sroot|square|cube|"
    r"remainder|total)\s(?:of|between|when)\s\(?-?(?:\d|"
    + "zero|one|two|three|four|five|six|seven|"
    "eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|a hundred))",
    re.IGNORECASE,
)


_BEGINS_VERB = re.compile(
    r"(?:calculate|compute|evaluate|work\sout|solve|sum\sup|add\sup)\s|"
    r"(?:figure\sout|multiply|divide|subtract|add|double|triple|halve|square|cube)\s"
    r"(?:\(?-?[\d.]|it\b|that\b|this\b|the\s(?:result|answer|sum|product|total|number)|"
    r"(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty)\b)",
    re.IGNORECASE,
)


def begins_verb(text: str) -> bool:
    """Whether a piece of text begins with an order to calculate."""
    return bool(_BEGINS_VERB.match(text))


def begins(text: str) -> bool:
    """Whether a piece of text begins with a calculation, so that a new clause begins there."""
    if _NOUN.match(text):
        return True
    folds = _Folds()
    symbols = _in_symbols(text[:160], folds)
    if not _START.match(symbols):
        return False
    found = _expression(symbols, 0)
    return bool(found and found[1] and not re.match(r"\w|[.:/-]\d|-\w", symbols[found[0] :]))


_LACKS_OPERAND = re.compile(
    r"(?:(?:sum|product|difference|quotient|ratio|average|mean|total)\s(?:of|between)|\badd|"
    r"\bmultiply|\bdivide|\bsubtract)\s[-\d.*/+()% ]+$",
    re.IGNORECASE,
)


def waits_for_operand(text: str) -> bool:
    """Whether a number must follow, as after "the difference between 10"."""
    return bool(_LACKS_OPERAND.search(text[-80:]))
