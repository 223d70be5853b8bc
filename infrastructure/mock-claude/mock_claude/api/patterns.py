r"""Whether a text matches a regular expression that came in a request, in bounded time.

This prevents a pattern such as ``^(a+)+$`` from stopping the server for everybody: Python's own
engine backtracks, for ever on some texts. The rule: no text of a request reaches ``re``. Patterns
run on the engine that pydantic brings (Rust's ``regex``), whose time is linear in text and
pattern; a pattern that would compile to much, or a text too long for it, is not tried at all.

The dialect is that of JSON Schema (ECMA-262): ``\d`` and ``\w`` are ASCII. Look-ahead is read
where it stands right after the first ``^``; other look-around and back-references are not read
by any engine of linear time, and a pattern that has them refuses nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, core_schema

LONGEST = 2_000  # characters of a pattern
HEAVIEST = 30_000  # steps of the compiled pattern, about
MOST_WORK = 50_000_000  # steps times characters of a text: a tenth of a second

_COUNT = re.compile(r"\{(\d{0,9})(?:(,)(\d{0,9}))?\}")
_BRACED = re.compile(r"\\[pPux]\{[^{}]{1,40}\}")
_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_"}
_ELSEWHERE = {"b": r"(?-u:\b)", "B": r"(?-u:\B)", "Z": r"\z", "/": "/"}
_WEIGHTS = {"p": 1_500, "P": 1_500, "D": 10, "W": 20, "S": 30, "s": 20}
_ANY = 10  # weight of what takes nearly any character


@dataclass(frozen=True)
class Pattern:
    """A compiled pattern: all of ``wanted`` must be found in a text, none of ``unwanted``."""

    wanted: tuple[SchemaValidator, ...]
    unwanted: tuple[SchemaValidator, ...]
    weight: int

    def work(self, text: str) -> int:
        """How much work a try is, at most."""
        work = self.weight * len(text)
        return work if work <= MOST_WORK else 0

    def is_in(self, text: str) -> bool:
        """Whether the text has a match; a text too long to be tried has none."""
        if self.weight * len(text) > MOST_WORK:
            return False
        return all(each.isinstance_python(text) for each in self.wanted) and not any(
            each.isinstance_python(text) for each in self.unwanted
        )


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Pattern | None:
    """The pattern, ready to be matched; None if it is not read here."""
    if len(pattern) > LONGEST:
        return None
    try:
        ahead, rest = _ahead(pattern)
        parts = [(is_wanted, *translated(f"^(?:{part})")) for is_wanted, part in ahead]
        parts.append((True, *translated(rest)))
        weight = sum(each for _, _, each in parts)
        if weight > HEAVIEST:
            return None
        ready = [(is_wanted, _engine(text)) for is_wanted, text, _ in parts]
    except (ValueError, IndexError, SchemaError):
        return None
    wanted = tuple(each for is_wanted, each in ready if is_wanted)
    return Pattern(wanted, tuple(each for is_wanted, each in ready if not is_wanted), weight)


def _engine(text: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=text, regex_engine="rust-regex"))


def _ahead(pattern: str) -> tuple[list[tuple[bool, str]], str]:
    """The look-aheads right after the first ``^``, each with whether it is wanted, and the rest."""
    found = list[tuple[bool, str]]()
    at = 1
    while pattern[:1] == "^" and pattern[at : at + 3] in ("(?=", "(?!"):
        end = _group_end(pattern, at)
        found.append((pattern[at + 2] == "=", pattern[at + 3 : end]))
        at = end + 1
    return found, "^" + pattern[at:] if found else pattern


def without_ahead(pattern: str) -> str:
    """The pattern without the look-aheads that ``compiled`` reads."""
    try:
        return _ahead(pattern)[1]
    except IndexError:  # one that is not closed
        return pattern


def _group_end(pattern: str, at: int) -> int:
    """Where the parenthesis that opens at ``at`` closes; IndexError if it does not."""
    depth, in_class = 0, False
    while True:
        letter = pattern[at]
        at += letter == "\\"
        if in_class:
            in_class = letter != "]"
        elif letter == "[":
            in_class = True
        else:
            depth += (letter == "(") - (letter == ")")
        if depth == 0 and letter == ")" and not in_class:
            return at
        at += 1


def translated(pattern: str) -> tuple[str, int]:
    """The pattern in the engine's dialect, and about how many steps it compiles to.

    ValueError or IndexError for what is not read. The weight counts each repeat, so that
    ``(a{1000}){1000}`` is known to be heavy before anybody compiles it.
    """
    out = list[str]()
    sums, last, at = [0], 0, 0
    while at < len(pattern):
        letter = pattern[at]
        counted = _COUNT.match(pattern, at) if letter == "{" else None
        if counted is not None and counted[1]:
            least, most = int(counted[1]), int(counted[3] or 0)
            last *= max(least, most, 1)
            out.append(counted[0])
            at = counted.end()
            continue
        sums[-1] += last
        last = 1
        if letter == "\\":
            text, last, at = _escape(pattern, at)
            out.append(text)
        elif letter == "[":
            text, last, at = _class(pattern, at)
            out.append(text)
        else:
            if letter == "(":
                sums.append(0)
                last = 0
            elif letter == ")" and len(sums) > 1:
                last = sums.pop() + 1
            elif letter == ".":
                last = _ANY
            out.append("\\" + letter if letter in "{}" else letter)
            at += 1
        if max(last, sums[-1]) > HEAVIEST:
            raise ValueError("too heavy")
    return "".join(out), sum(sums) + last + 1


def _escape(pattern: str, at: int) -> tuple[str, int, int]:
    """An escape outside a set: its text, its weight, and where it ends."""
    letter = pattern[at + 1]
    if letter in "123456789kK":
        raise ValueError("a back-reference")
    if braced := _BRACED.match(pattern, at):
        return braced[0], _WEIGHTS.get(letter, 1), braced.end()
    if letter.lower() in _CLASSES:
        sign = "^" if letter.isupper() else ""
        return f"[{sign}{_CLASSES[letter.lower()]}]", _WEIGHTS.get(letter, 2), at + 2
    return _ELSEWHERE.get(letter, "\\" + letter), _WEIGHTS.get(letter, 1), at + 2


def _class(pattern: str, at: int) -> tuple[str, int, int]:
    """A set from its bracket on: its text, its weight, and where it ends."""
    out, weight = ["["], 1
    at += 1
    if pattern[at] == "^":
        out.append("^")
        weight, at = _ANY, at + 1
    if pattern[at] == "]":  # a bracket in the first place is a character
        out.append("\\]")
        at += 1
    while pattern[at] != "]":
        letter = pattern[at]
        if letter == "\\":
            inner = pattern[at + 1]
            known = _CLASSES.get(inner.lower())
            if braced := _BRACED.match(pattern, at):
                out.append(braced[0])
                at = braced.end() - 2
            elif known is None:
                out.append({"/": "/", "b": r"\x08"}.get(inner, "\\" + inner))
            else:
                out.append(known if inner.islower() else f"[^{known}]")
                if pattern[at + 2 : at + 3] == "-" and pattern[at + 3] != "]":
                    out.append("\\-")  # [\w-.] has a hyphen, no range
                    at += 1
            weight += _WEIGHTS.get(inner, 2 if inner != "u" else 20)
            at += 2
        else:
            weight += 1 if letter.isascii() else 20
            out.append("\\" + letter if letter in "[&~" else letter)
            at += 1
    return "".join(out) + "]", weight, at + 1
