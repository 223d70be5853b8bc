"""The numbers of a scoreboard for people: bars beside their limits, and small figures.

Prevents a picture that says other than its numbers: a bar's length is its value over its own
limit, the limit stands at one place in every bar, and a bar that is cut off says so. What was not
measured is a dash, never a zero.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from html import escape
from typing import Any, TypeAlias

Plain: TypeAlias = Mapping[str, Any]
Side: TypeAlias = tuple[str, Plain | None]  # a step's name and its cell, None where it was not run

DASH = "\N{EN DASH}"
CAP = 2.5  # times the limit; where a bar is cut off
WORDS = {
    "holds": ("✓", "holds"),
    "misses": ("✗", "misses"),
    "crashed": ("✗", "crashed"),
    "unjudged": ("?", "not judged"),
    "skipped": (DASH, "skipped"),
    "missing": (DASH, "not run"),
}


def state(cell: Plain | None) -> str:
    """The key of what became of a trial in WORDS. A crash is told from a miss by its error."""
    if cell is None:
        return "missing"
    if cell.get("skipped"):
        return "skipped"
    if cell.get("unjudged"):
        return "unjudged"
    if cell.get("error"):
        return "crashed"
    return "holds" if cell.get("holds") is True else "misses"


def verdict(cell: Plain | None) -> str:
    """Its mark and its word, so that colour never speaks alone."""
    return " ".join(WORDS[state(cell)])


def amount(value: Any, unit: str = "", extra: int = 0) -> str:
    """A number with its unit, to three digits or all before the point, and ``extra`` more.

    ``unit`` is "%" for a share of 1, "$", any other word, or nothing. A dash for what is no number.
    """
    found = _number(value)
    if found is None:
        return DASH
    if math.isinf(found):
        shown = "∞" if found > 0 else "-∞"
    elif unit == "%":
        return f"{Decimal(found):,.{1 + extra}%}"  # a float overflows
    elif unit == "$":
        return f"${found:,.{(4 if abs(found) < 1 else 2) + extra}f}"
    else:
        digits = max(3, len(str(int(abs(found))))) + extra
        shown = f"{Decimal(f'{found:.{digits}g}'):,f}"
    return f"{shown} {unit}".strip()


def _number(value: Any) -> float | None:
    try:
        found = float(value)  # a cost is a decimal string
    except (TypeError, ValueError, OverflowError):
        return None
    return None if math.isnan(found) else found


def reach(value: Any, limit: Any, *, at_most: bool) -> float | None:
    """Where a bar ends, in limits: 1 is the limit, inf is beyond any scale. None without numbers.

    Beside a limit of 0 nothing can be scaled: "at most 0" is no bar or one that is cut off.
    """
    found, bound = _number(value), _number(limit)
    if found is None or bound is None:
        return None
    if bound > 0 and found != bound:
        return max(0.0, found / bound)
    if found == bound:
        return 0.0 if at_most and bound == 0 else 1.0
    return math.inf if found > bound else 0.0


def chart(sides: Sequence[Side]) -> str:
    """One entry a check, and in it a bar for each side. Nothing where no side was judged."""
    found = [_checks(cell) for _, cell in sides]
    # The last side's order counts; what only an earlier one was judged by comes after it.
    keys = dict.fromkeys(key for checks in reversed(found) for key in checks)
    rows = (_check(key[0], sides, [checks.get(key) for checks in found]) for key in keys)
    return f'<ul class="checks">{"".join(rows)}</ul>\n' if keys else ""


def _checks(cell: Plain | None) -> dict[tuple[str, int], Plain]:
    """By name, and by place among those of one name: a name may come twice."""
    checks: dict[tuple[str, int], Plain] = {}
    for check in (cell or {}).get("checks") or ():
        name, place = str(check["name"]), 0
        while (name, place) in checks:
            place += 1
        checks[name, place] = check
    return checks


def _check(name: str, sides: Sequence[Side], checks: Sequence[Plain | None]) -> str:
    limits = {step: _limit(each) for (step, _), each in zip(sides, checks, strict=True) if each}
    if len(set(limits.values())) == 1:
        told = next(iter(limits.values()))
    else:
        told = "; ".join(f"{limit} on {step}" for step, limit in limits.items())
    bars = "".join(_bar(name, *side, each) for side, each in zip(sides, checks, strict=True))
    return f'<li><p class="check">{escape(name)} <small>{escape(told)}</small></p>{bars}</li>\n'


def _value(check: Plain) -> str:
    """With as many digits as it takes to see that it is not its limit: no "99.0% misses 99%"."""
    value, limit, unit = check.get("value"), check.get("limit"), str(check.get("unit") or "")
    more = (e for e in range(12) if amount(value, unit, e) != amount(limit, unit, e))
    return amount(value, unit, 0 if value == limit else next(more, 0))


def _limit(check: Plain) -> str:
    """Nothing of it is rounded away: 99.95% is no 100%."""
    unit = str(check.get("unit") or "")
    shown = amount(check.get("limit"), unit, 0 if unit == "$" else 3)
    shown = re.sub(r"(?<=\.)(\d*?)0+%$", r"\1%", shown).replace(".%", "%")
    return f"at {'most' if check.get('at_most') else 'least'} {shown}"


def _bar(name: str, step: str, cell: Plain | None, check: Plain | None) -> str:
    if check is None:
        word = "not judged by this" if state(cell) in ("holds", "misses") else verdict(cell)
        return f'<div class="pair"><span>{escape(step)}</span><b>{word}</b></div>'
    if check.get("applies") is False:
        return f'<div class="pair"><span>{escape(step)}</span><b>does not apply</b></div>'
    kind = "holds" if check.get("ok") else "misses"
    shown = "not measured" if check.get("value") is None else _value(check)
    says = f"{name} on {step}: {shown}, limit {_limit(check)}, {kind}"
    at_most = bool(check.get("at_most"))
    picture = _picture(reach(check.get("value"), check.get("limit"), at_most=at_most), at_most)
    return (
        f'<div class="pair"><span>{escape(step)}</span>'
        f'<b class="{kind}">{escape(shown)} {" ".join(WORDS[kind])}</b>'
        f'<svg class="{kind}" role="img" aria-label="{escape(says)}" width="100%" height="18">'
        f"{picture}</svg></div>"
    )


def _picture(reached: float | None, at_most: bool) -> str:
    """Lengths are shares of the width, so that nothing is squeezed on a phone."""
    line = f"{100 / CAP:.0f}%"
    good = f'x="0" width="{line}"' if at_most else f'x="{line}" width="{100 - 100 / CAP:.0f}%"'
    parts = [
        f'<rect class="rail" width="100%" height="18"/><rect class="good" {good} height="18"/>'
    ]
    if reached is not None:
        share = f"{min(reached, CAP) / CAP:.2%}"
        parts.append('<rect class="bar" y="4" width="2" height="10"/>')  # a zero is seen, too
        parts.append(f'<rect class="bar" y="4" width="{share}" height="10"/>')
        if reached > CAP:
            cut = '<path class="cut" d="M-16 2l6 7-6 7M-9 2l6 7-6 7"/>'
            parts.append(f'<svg x="100%" overflow="visible">{cut}</svg>')
    parts.append(f'<line class="limit" x1="{line}" x2="{line}" y1="0" y2="18"/>')
    return "".join(parts)


def figures(sides: Sequence[Side]) -> str:
    """A small table: a column a side, a row a figure."""
    heads = "".join(f'<th scope="col">{escape(step)}</th>' for step, _ in sides)
    columns = [_figures(cell or {}) for _, cell in sides]
    rows = _headline([(cell or {}).get("headline") or {} for _, cell in sides])
    for name in columns[0]:
        shown = [column[name] for column in columns]
        if any(text != DASH for text in shown):
            cells = "".join(f"<td>{escape(text)}</td>" for text in shown)
            rows += f'<tr><th scope="row">{name}</th>{cells}</tr>\n'
    head = f'<thead><tr><th scope="col">figure</th>{heads}</tr></thead>\n'
    told = "".join(f"<td>{verdict(cell)}</td>" for _, cell in sides)
    body = f'<tbody><tr><th scope="row">verdict</th>{told}</tr>\n{rows}</tbody>'
    return f'<table class="figures">{head}{body}</table>\n' if rows else ""


def _headline(told: Sequence[Plain]) -> str:
    """A row of its own, named by what it counts."""
    words = next((str(each["words"]) for each in told if each.get("words")), "")
    cells = "".join(f"<td>{escape(str(each.get('shown') or DASH))}</td>" for each in told)
    return f'<tr><th scope="row">{escape(words)}</th>{cells}</tr>\n' if words else ""


def _figures(cell: Plain) -> dict[str, str]:
    tasks, requests = amount(cell.get("tasks")), amount(cell.get("model_requests"))
    return {
        "success": amount(cell.get("success"), "%"),
        "tasks done": f"{amount(cell.get('done'))} of {tasks}" if tasks != DASH else DASH,
        "p50": amount(cell.get("p50_s"), "s"),
        "p95": amount(cell.get("p95_s"), "s"),
        "model requests": requests,
        "cost": amount(cell.get("cost_usd"), "$"),
        "cost an hour": amount(cell.get("dollars_per_hour"), "$"),
        "duration": amount(cell.get("seconds"), "s"),
        "served by": str(cell.get("served_by") or DASH),
        "exit code": amount(cell.get("exit_code")),
    }
