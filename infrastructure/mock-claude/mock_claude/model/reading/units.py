"""Reads conversions between units that mean the same everywhere: "5 miles in km".

Prevents a search for "seconds in a day". Rule: only units with one meaning; a ton, a cup, a gallon,
a year and all currencies are left to the user.
"""

from __future__ import annotations

import re
from decimal import Decimal
from types import MappingProxyType

from mock_claude.model.reading.numbers import with_digits

_TABLE = {
    "length": "mm millimeter millimetre:0.001|cm centimeter centimetre:0.01|metre meter m:1|"
    "km kilometer kilometre:1000|inch inches in:0.0254|foot feet ft:0.3048|"
    "yard yd:0.9144|mile mi:1609.344",
    "mass": "mg milligram:0.000001|gram g gramme:0.001|kg kilo kilogram:1|lb pound:0.45359237",
    "time": "millisecond ms:0.001|second sec:1|minute min:60|hour hr h:3600|"
    "day:86400|week:604800|fortnight:1209600",
    "volume": "ml millilitre milliliter:0.001|cl centilitre centiliter:0.01|litre liter l:1",
}
_FACTORS = MappingProxyType(
    {
        name: (kind, Decimal(unit.partition(":")[2]), unit.split()[0].partition(":")[0])
        for kind, row in _TABLE.items()
        for unit in row.split("|")
        for name in unit.partition(":")[0].split()
    }
)
_NUMBER = r"(?P<n>-?\d{1,12}(?:\.\d{1,9})?|an?|one)"
_UNIT = r"\u00b0?\s?[a-z]{1,12}"
_ASK = (
    r"(?:what(?:['\u2019]?s|\sis|\sare)\s|how\smuch\s(?:is|are)\s|"
    r"convert\s|change\s|turn\s|express\s)?"
)
_FORMS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_ASK}{_NUMBER}\s?(?:degrees?\s)?(?P<a>{_UNIT})\s(?:to|in|into|as|=)\s(?:degrees?\s)?(?P<b>{_UNIT})",
        rf"how\smany\s(?:degrees?\s)?(?P<b>{_UNIT})\s(?:are\s|is\s)?(?:there\s)?(?:in\s)?{_NUMBER}\s?"
        rf"(?:degrees?\s)?(?P<a>{_UNIT})",
        rf"how\smany\s(?P<b>{_UNIT})\s(?:does|do)\s{_NUMBER}\s(?P<a>{_UNIT})\s(?:have|contain|make)",
    )
)
_WARMTH = {
    ("c", "f"): "{n} * 9 / 5 + 32",
    ("f", "c"): "({n} - 32) * 5 / 9",
    ("c", "k"): "{n} + 273.15",
    ("k", "c"): "{n} - 273.15",
}


def _known(unit: str) -> tuple[str, Decimal, str] | None:
    unit = unit.lower().strip()
    return _FACTORS.get(unit) or _FACTORS.get(unit.removesuffix("s"))


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")


def conversion(clause: str) -> tuple[str, str] | None:
    """The expression that a clause's conversion takes, and the unit of its result, or None."""
    clause = re.sub(r"(?<=\d),(?=\d{3}\b)", "", clause[:100].strip(" ?.!"))
    clause = re.sub(r"\bhalf\san?\s(?=\w)", "0.5 ", clause, flags=re.IGNORECASE)
    text = re.sub(r"\b(?:a|one)\s(?=\w+$)", "1 ", with_digits(clause), flags=re.IGNORECASE)
    for form in _FORMS:
        match = form.fullmatch(text)
        if match is None:
            continue
        number = "1" if match["n"].lower() in ("a", "an", "one") else match["n"]
        number = f"({number})" if number.startswith("-") else number
        a, b = _known(match["a"]), _known(match["b"])
        if a and b and a[0] == b[0] and a != b:
            ratio, inverse = a[1] / b[1], b[1] / a[1]
            whole = ratio == ratio.to_integral_value() or inverse != inverse.to_integral_value()
            sign, factor = ("*", ratio) if whole else ("/", inverse)
            if sign == "*" and len(_plain(factor)) > 14:  # 10 / 3 has no end: keep both factors
                return f"{number} * {_plain(a[1])} / {_plain(b[1])}", match["b"].strip()
            return f"{number} {sign} {_plain(factor)}", match["b"].strip()
        ends = tuple(unit.lower().strip("\u00b0 ")[:1] for unit in (match["a"], match["b"]))
        named = all(
            re.fullmatch(r"\u00b0?\s?(?:c|f|k|celsius|fahrenheit|kelvin)", unit, re.IGNORECASE)
            for unit in (match["a"], match["b"])
        )
        if named and ends in _WARMTH:
            sign = "\u00b0" if ends[1] != "k" else ""
            return _WARMTH[ends].format(n=number), f"{sign}{ends[1].upper()}"
    return None
