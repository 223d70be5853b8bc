"""Reads calculations, written in symbols or in words, as expressions for the calculator.

Prevents a date, a phone number or a version from being calculated. Rule: a clause is a calculation
only if nothing but courtesy is left of it beside its expressions.
"""

from __future__ import annotations

import re

from mock_claude.model.reading.symbols import FOLDED, Folds, in_symbols

_TOKEN = re.compile(
    rf"\s*(?:(?P<num>\d+(?:\.\d+)?|\.\d+)|(?P<fold>{FOLDED})|(?P<op>\*\*|//|[-+*/%])"
    r"|(?P<open>\()|(?P<close>\)))"
)
_START = re.compile(rf"(?<![\w.)/:#@&+*%]){FOLDED}|(?<![\w.)/:#@&+*%-])-?(?:\(|\.?\d)")
_MAX_DEPTH = 30
_FILLER = re.compile(
    r"\b(?:what|whats|is|are|be|was|would|will|how|much|many|does|do|make|makes|give|gives|equal|"
    r"equals|to|the|results?|answers?|values?|outcome|of|and|or|also|please|an|a|calculations?|"
    r"following|problems?|sums?|tell|me|us|get|show|i|you|we|want|need|like|know|can|could|for|it|"
    r"that|this|these|comes?|out|up|then|if|find|quick|maths?|mathematics|mathematical|arithmetic|"
    r"expressions?|equations?|check|s|in|total|altogether|exactly|"
    r"calculate|compute|evaluate|work|solve|figure|determine|number|got|let|with|on|my|your|"
    r"calculator|wondering|remember|forgot|both|two|three|help|say|know|by|hand|mental|result)\b"
    r"|['\u2019]s\b|[\s,;:.?!=]",
    re.IGNORECASE,
)
_EARLIER = re.compile(
    r"\b(?:it|that|this|(?:the|that|this)\s(?:result|answer|sum|product|total|number|difference|"
    r"quotient|outcome|value|figure))\b",
    re.IGNORECASE,
)
_GOES_ON = re.compile(
    r"(?:what(?:['\u2019]?s|\sis|\sabout|\sif)?\s|how\sabout\s)?(?:(?:that|it)\s)?(?P<rest>(?:times|plus|minus|"
    r"divided\sby|over|multiplied\sby|squared|cubed|modulo|mod|to\sthe\spower\sof|[*/]\s?(?=\d)).*)",
    re.IGNORECASE,
)
_REPORTED = re.compile(r"^[^?]{1,40}\basked\s(?:me|us)\s(?=what\b|how\b)", re.IGNORECASE)
_BARE_PERCENT = re.compile(r"[\d.,]+\s?(?:%|percent|per\scent)\W*", re.IGNORECASE)
_FACTORIAL = re.compile(r"[\d)]!\s*[-+*/^)=\d]")
_OF_ITSELF = re.compile(
    r"(?:[-+]|\bplus|\bminus|\bless|\badd)\s?\S+(?:\s\w+)?\s?(?:%|\bpercent\b|\bper\scent\b)(?!\s?(?:of\b|\d))",
    re.IGNORECASE,
)


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


def _found(text: str, folds: Folds) -> tuple[list[str], str]:
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
    if _FACTORIAL.search(clause) or _OF_ITSELF.search(clause) or _BARE_PERCENT.fullmatch(clause):
        return []  # 50 + 10% is 55 to some and 50.1 to others
    clause = _REPORTED.sub("", clause)
    folds = Folds()
    if previous and (goes_on := _GOES_ON.fullmatch(clause[:120])):
        clause = f"{folds.fold(previous)} {goes_on['rest']}"
    expressions, rest = _found(in_symbols(clause, folds), folds)
    if not expressions and previous and len(clause) < 120:
        folds = Folds()
        words, count = _EARLIER.subn(lambda _: folds.fold(previous), clause)
        bare = clause.strip(" .")
        if not count and re.fullmatch(r"(?:add|subtract)\s-?[\d.]+", bare):
            link = "to" if bare[0] in "aA" else "from"
            words = f"{bare} {link} {folds.fold(previous)}"
        elif not count and (match := re.fullmatch(r"(multiply|divide)\s(by\s-?[\d.]+)", bare)):
            words = f"{match[1]} {folds.fold(previous)} {match[2]}"
        elif re.fullmatch(rf"(?:{FOLDED}|\W)*", words):
            return []
        expressions, rest = _found(in_symbols(words, folds), folds)
        expressions = [found for found in expressions if found != previous]
    if expressions and not _FILLER.sub("", rest):
        return list(dict.fromkeys(expressions))
    return []


_NOUN = re.compile(
    r"(?:the\s)?(?:(?:result|answer|value|outcome)\s(?:of|to|for)\s(?:the\s)?(?=[-(\d])|"
    r"(?:sum|product|calculation|expression)\s(?=[-(\d])|(?:sum|product|difference|quotient|ratio|average|mean|square\sroot|square|cube|"
    r"remainder|total)\s(?:of|between|when)\s\(?-?(?:\d|"
    "zero|one|two|three|four|five|six|seven|"
    "eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|a hundred))",
    re.IGNORECASE,
)
_BEGINS_VERB = re.compile(
    r"(?:calculate|compute|evaluate|work\sout|solve|sum\sup|add\sup)\s|"
    r"(?:figure\sout|multiply|divide|subtract|add|double|triple|halve|square|cube)\s"
    r"(?:by\s)?(?:\(?-?[\d.]|it\b|that\b|this\b|the\s(?:result|answer|sum|product|total|number)|"
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
    folds = Folds()
    symbols = in_symbols(text[:160], folds)
    if not _START.match(symbols):
        return False
    found = _expression(symbols, 0)
    return bool(found and found[1] and not re.match(r"\w|[.:/-]\d|-\w", symbols[found[0] :]))


def goes_on(clause: str) -> str | None:
    """The clause without its first "and", if it goes on with a result: "and times 2"."""
    words = re.sub(
        r"^(?:(?:and|then|now|ok|okay|so)[\s,]+)+", "", clause, flags=re.IGNORECASE
    ).strip(" ?.!")
    return words if _GOES_ON.fullmatch(words[:120]) else None


_LACKS_OPERAND = re.compile(
    r"(?:(?:sum|product|difference|quotient|ratio|average|mean|total)\s(?:of|between)|\badd|"
    r"\bmultiply|\bdivide|\bsubtract)\s[-\d.,*/+()% ]+$",
    re.IGNORECASE,
)


def waits_for_operand(text: str) -> bool:
    """Whether a number must follow, as after "the difference between 10"."""
    return bool(_LACKS_OPERAND.search(text[-80:]))
