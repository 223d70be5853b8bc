"""Texts and numbers that fit a JSON Schema: the leaves of what ``schema_fit`` builds.

This prevents a placeholder that its schema's length, format, pattern or range refuses. The rule:
likely values are tried in a fixed order, and the first that fits is taken.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

from mock_claude.api.pattern_text import example
from mock_claude.api.patterns import without_ahead
from mock_claude.api.schema_parts import SMALLEST_STEP, Schema, count, number

_FORMATS = {
    "date": "2026-11-20",
    "date-time": "2026-11-20T09:30:00Z",
    "time": "09:30:00Z",
    "duration": "P1D",
    "email": "user@example.com",
    "idn-email": "user@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uri-reference": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000001",
    "json-pointer": "/a",
    "regex": "a",
    "byte": "dGV4dA==",
}
_MOST_EXTRA = 30  # repeats more than a pattern needs, to reach a minimal length
_MOST_READ = 2_000  # characters of the task in which an identifier is looked for
_MOST_WORDS = 50
_MIXED = "Aa1!Aa1!Aa1!"  # what patterns of passwords ask for


Fits = Callable[[object, object], bool]


def text(schema: Schema, words: str, fits: Fits) -> str:
    """A text that fits: the words if they do, else of the named format, else a plain one."""
    schema = {**schema, "type": "string"}
    return next((each for each in _texts(schema, words) if fits(schema, each)), "text")


def whole_number(schema: Schema, fits: Fits) -> int:
    """A whole number that fits; 1 if it does."""
    low, high = number(schema, "minimum"), number(schema, "maximum")
    above, below = number(schema, "exclusiveMinimum"), number(schema, "exclusiveMaximum")
    tries = [1]
    tries += [math.ceil(each) for each in (low,) if each is not None]
    tries += [math.floor(each) for each in (high,) if each is not None]
    tries += [math.floor(each) + 1 for each in (above,) if each is not None]
    tries += [math.ceil(each) - 1 for each in (below,) if each is not None]
    step = number(schema, "multipleOf") or 0
    if step >= SMALLEST_STEP:
        tries = [int((each // step + by) * step) for each in tries for by in range(-2, 4)]
    return next((each for each in tries if fits(schema, each)), 1)


def any_number(schema: Schema, fits: Fits) -> float:
    """A number that fits; 1 if it does, a whole one if one does."""
    whole = whole_number(schema, fits)
    if fits(schema, whole):
        return whole
    names = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
    bounds = [each for each in (number(schema, name) for name in names) if each is not None]
    step = number(schema, "multipleOf") or 0
    if step >= SMALLEST_STEP:
        tries = [(each // step + by) * step for each in bounds for by in (0, 1, -1)]
    else:
        tries = [*bounds, sum(bounds) / max(len(bounds), 1)]
    return next((each for each in tries if fits(schema, each)), whole)


def _texts(schema: Schema, words: str) -> Iterator[str]:
    """Texts to try, the best first."""
    name = schema.get("format")
    if isinstance(name, str) and name in _FORMATS:
        yield _FORMATS[name]
        return
    most, least = number(schema, "maxLength"), count(schema, "minLength")
    for each in (words, "text"):
        cut = each if most is None else each[: max(int(most), 0)]
        if each:
            yield cut
            yield cut.ljust(least, ".")
    pattern = schema.get("pattern")
    if isinstance(pattern, str):
        yield from re.findall(r"[\w.:/@-]+", words[:_MOST_READ])[:_MOST_WORDS]
        plain = without_ahead(pattern)
        examples = (example(plain, extra) for extra in range(_MOST_EXTRA))
        yield from (each for each in examples if each is not None)
        yield from _FORMATS.values()
        for mixed in (_MIXED, _MIXED.replace("!", ""), _MIXED.replace("!", "").lower()):
            yield from (mixed[:size] for size in range(1, len(mixed) + 1))
