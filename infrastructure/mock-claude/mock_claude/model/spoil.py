"""A right answer made wrong.

This prevents a "wrong" answer that a check still accepts. The rule: every number and every name
that the task did not give is another one; an answer without either becomes "I do not know."
"""

from __future__ import annotations

import re
from decimal import Decimal

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}\b)")
_NAME = re.compile(r"(?<=[\w,;:)\u2019'] )(?:[A-Z\u00c0-\u00de][\w\u2019'-]+)")
_NOBODY = "Atlantis"
_LONGEST = 18  # digits
NOTHING = "I do not know."


def spoiled(text: str, task: str) -> str:
    """The text with other numbers and names than it had, except those of the task."""
    given = set(_NUMBER.findall(task)) | set(re.findall(r"[\w\u2019'-]+", task))

    def number(match: re.Match[str]) -> str:
        return match[0] if match[0] in given else _another(match[0])

    def name(match: re.Match[str]) -> str:
        return match[0] if match[0] in given else _NOBODY

    changed = _NAME.sub(name, _NUMBER.sub(number, _GROUPED.sub("", text)))
    return NOTHING if changed == text and text else changed


def _another(number: str) -> str:
    """A tenth more, and at least one more in the last place."""
    if len(number) > _LONGEST:  # more than a Decimal computes exactly
        return ("1" if number[0] != "1" else "2") + number[1:]
    value = Decimal(number)
    step = Decimal(1).scaleb(-len(number.partition(".")[2]))
    return str(value + max((value / 10).quantize(step), step))
