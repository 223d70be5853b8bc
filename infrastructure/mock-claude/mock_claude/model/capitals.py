"""Reads the city from a search result that names a capital, in any wording.

Prevents the weather in "the capital of Peru" from being asked for by that name.
"""

from __future__ import annotations

import re

_IS_CAPITAL = re.compile(r"\s+is\s+(?:also\s+)?the\s+(?:[\w-]+\s+){0,3}?capital\b")
_NAME_BEFORE = re.compile(r"[^\W\d_](?:[^\s:;,()<>\[\]\".]|(?<=St)\.|\s(?=[^\W\d_]))*$")
_CAPITAL_IS = re.compile(
    r"\bcapital\b[^\n.:;]{0,60}?\s+is\s+(?:the\s+city\s+of\s+)?(?P<city>[^\n.:;,()<>\[\]\"]{1,60})"
)


def capital_in(result: str) -> str | None:
    """The city that a search result names as a capital."""
    result = result[:4000]
    named = [
        before[0]
        for match in _IS_CAPITAL.finditer(result)
        if (before := _NAME_BEFORE.search(result[max(0, match.start() - 60) : match.start()]))
    ]
    named += [match["city"] for match in _CAPITAL_IS.finditer(result)]
    named.append(result.strip().partition(":")[0] if ":" in result else "")
    for name in named:
        city = re.sub(r"^(?:The\s+)?(?:[Cc]ity\s+of\s+)?", "", name).strip()
        if city[:1].isupper() and len(city) <= 40:
            return city
    return None
