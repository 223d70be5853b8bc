"""The staircase of the scoreboard's page: each cell leads with its incident's headline.

Prevents a wall of red and green that says nothing: the figure stands in every cell, what it counts
above the row. Where the columns are many, the reasons of the red ones are told below, not here.
"""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import Any, TypeAlias
from urllib.parse import quote

from book.pages.board_charts import DASH, WORDS, Plain, state

FEW = 3  # so many columns have room for reasons, on a phone, too
UNITS = {"%": "%", "s": "seconds", "$": "dollars"}
NOT_COUNTED = ("missing", "unjudged", "skipped")
Cells: TypeAlias = dict[tuple[Any, Any], Plain]  # by the names of incident and step


def table(board: Plain, cells: Cells) -> str:
    """Each incident is a row of cells under a line with its name and what its headline counts."""
    steps = [step["name"] for step in board["steps"]]
    many = len(steps) > FEW
    groups, columns = "", ""
    for title, of in groupby(board["steps"], key=lambda step: str(step.get("title") or "")):
        span = len(list(of))
        head = f'<th scope="colgroup" colspan="{span}" class="group">'
        groups += f"{head}{escape(title)}</th>"
        columns += f'<colgroup span="{span}"></colgroup>'
    heads = "".join(_head(number, step, many) for number, step in enumerate(steps, 1))
    rows = ""
    for incident in board["incidents"]:
        found = [cells.get((incident["name"], step)) for step in steps]
        rows += _row(incident, "".join(_cell(cell, many) for cell in found), len(steps))
    foot = "".join(f"<td>{held(board, cells, step)}</td>" for step in steps)
    return f"""{_legend(board) if many else ""}
<div class="box" role="region" aria-labelledby="staircase" tabindex="0">
<table class="stairs{" many" if many else ""}">
<caption>Whether each incident's verdict holds on each step, and its headline</caption>
{columns}
<thead><tr>{groups}</tr>
<tr>{heads}</tr></thead>
{rows}<tfoot><tr>{_across("holds", len(steps))}</tr><tr>{foot}</tr></tfoot></table></div>
"""


def held(board: Plain, cells: Cells, step: str) -> str:
    """How many of the incidents hold that were run on a step and judged."""
    found = [cells.get((incident["name"], step)) for incident in board["incidents"]]
    judged = [state(cell) for cell in found if state(cell) not in NOT_COUNTED]
    return f"{judged.count('holds')} of {len(judged)}"


def id_of(incident: str) -> str:
    """What the section of an incident is linked by."""
    return "incident-" + "-".join(incident.split())


def figure(cell: Plain | None) -> str:
    """The headline of a cell in words; empty where no run came to its end."""
    return str(((cell or {}).get("headline") or {}).get("shown") or "")


def reason(cell: Plain | None) -> str:
    """Why it does not hold, in a line; empty where it does."""
    kind = state(cell)
    if cell is None or kind == "holds":
        return ""
    if kind == "misses":
        return str(cell.get("why") or "no reason was given")
    return next(iter(str(cell.get("error") or "").splitlines()), "")  # the whole is told below


def measured(cell: Plain | None) -> str:
    """When, to the minute, where that is told."""
    when = str((cell or {}).get("measured") or "")[:16].replace("T", " ")
    return f"measured {when} UTC" if when else ""


def _head(number: int, step: str, many: bool) -> str:
    shown = escape(step)
    if many:
        shown = f'{number} <span class="wide">{shown}</span>'
    return f'<th scope="col" class="step">{shown}</th>'


def _row(incident: Plain, cells: str, span: int) -> str:
    name, headline = incident["name"], incident.get("headline") or {}
    about = [UNITS.get(str(headline.get("unit") or ""), "")]
    about += [f"{headline['better']} is better"] if headline.get("better") else []
    words = str(headline.get("words") or "")
    told = ", ".join(filter(None, about))
    small = f"<small>{escape(words)}{f' ({escape(told)})' if told else ''}</small>" if words else ""
    link = f'<a href="#{quote(id_of(name))}">{escape(name)}</a>'
    return f"<tbody><tr>{_across(f'{link} {small}', span)}</tr>\n<tr>{cells}</tr></tbody>\n"


def _across(shown: str, span: int) -> str:
    return f'<th scope="rowgroup" colspan="{max(span, 1)}"><div>{shown}</div></th>'


def _cell(cell: Plain | None, many: bool) -> str:
    kind = state(cell)
    mark, word = WORDS[kind]
    shown = f'<b>{mark} <span class="wide">{word}</span></b>{_figure(cell)}'
    if not many:
        why, when = reason(cell), measured(cell)
        shown += f' <span class="why">{escape(why)}</span>' if why else ""
        shown += f" <small>{escape(when)}</small>" if when else ""
    return f'<td class="{kind}">{shown}</td>'


def _figure(cell: Plain | None) -> str:
    """The unit apart: where columns are narrow, the line above the row tells it alone."""
    shown = figure(cell)
    if not shown:
        return ""
    if ((cell or {}).get("headline") or {}).get("value") is None:
        made = f'{DASH} <span class="wide">{escape(shown)}</span>'
    else:
        number = shown.strip("%s$ ")
        before, _, after = (escape(part) for part in shown.partition(number))
        units = [f'<span class="wide">{unit}</span>' if unit else "" for unit in (before, after)]
        made = escape(number).join(units)
    return f' <b class="figure">{made}</b>'


def _legend(board: Plain) -> str:
    """What is hidden where the columns are narrow: names of steps, words of marks."""
    shown = ""
    for step in board["steps"]:
        title = f" <small>{escape(str(step['title']))}</small>" if step.get("title") else ""
        shown += f"<li>{escape(step['name'])}{title}</li>"
    marks = ", ".join(" ".join(WORDS[each]) for each in WORDS if each != "crashed")
    crashed = f"{WORDS['crashed'][0]} without a figure: crashed."
    told = f"<summary>The columns by their numbers</summary><ol>{shown}</ol>"
    return f'<div class="legend"><p>{marks}. {crashed}</p><details>{told}</details></div>'
