"""A rule on the README's picture: states and names, no figures, and the states that the chain has.

Prevents a drawing that was true of another commit. Figures belong to a run, with its seed and
machine; the picture says only which incidents each step survives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

from book.chain.chain import Book, Step
from book.chain.sources import sources
from book.check.finding import Finding
from book.scoreboard.picture import label

FILE = "scoreboard.svg"
NEAR = 10.0  # of a cell's word and its row's name, up or down
STATES = {"holds", "misses"}
TEXT = re.compile(r"<text(?P<attributes>[^>]*)>(?P<said>[^<]*)</text>")
ELSE = re.compile(r"<(?P<tag>title|desc|tspan|textPath|foreignObject|image|use|script)\b")
MEND = f"make scoreboard ALL_STEPS=1 PICTURE={FILE}"


def picture(book: Book) -> Iterator[Finding]:
    """The picture shows the incidents and steps that there are, and each cell's state in a word."""
    svg = sources(book).text(FILE)
    if svg is None:
        return  # whether a link leads anywhere is another rule's
    solved = {name: step for step in book.steps for name in step.solves}
    names = {step.short for step in book.steps}
    waiting = list(book.steps)  # two chapters' last steps have one name: columns are in order
    columns: dict[float, Step] = {}
    rows: dict[float, str] = {}
    cells: dict[tuple[float, float], tuple[str, int]] = {}
    for found in TEXT.finditer(svg):
        said, line = unescape(found["said"]), svg.count("\n", 0, found.start()) + 1
        x, y = _number(found["attributes"], "x"), _number(found["attributes"], "y")
        if said in STATES:
            cells[x, y] = said, line
        elif said in solved:
            rows[y] = said
        elif said in names:
            step = next((each for each in waiting if each.short == said), None)
            if step is None:
                yield Finding(f"the picture shows {said} twice", f"{FILE}:{line}", MEND)
            else:
                columns[x] = step
                del waiting[: waiting.index(step) + 1]
        else:
            what = "holds states and names" if re.search(r"\d", said) else "knows no such name"
            yield Finding(f"the picture {what}, not {said!r}", f"{FILE}:{line}", MEND)
    for other in ELSE.finditer(svg):
        where = f"{FILE}:{svg.count(chr(10), 0, other.start()) + 1}"
        yield Finding(f"the picture has a <{other['tag']}>, which nobody drew", where, MEND)
    if missing := [name for name in solved if name not in rows.values()]:
        yield Finding(f"the picture lacks {', '.join(missing)}", FILE, MEND)
    held: dict[str, list[str]] = {step.name: [] for step in columns.values()}
    for (x, y), (state, line) in sorted(cells.items()):
        name = next((row for place, row in rows.items() if abs(place - y) <= NEAR), "")
        if not name or x not in columns:
            yield Finding(f"{state!r} belongs to no incident and step", f"{FILE}:{line}", MEND)
            continue
        step = columns[x]
        held[step.name] += [name] if state == "holds" else []
        before = book.before(solved[name]) == step
        if (before and state == "holds") or (step == solved[name] and state == "misses"):
            yield Finding(f"the picture says: {step.name} {state} {name}", f"{FILE}:{line}", MEND)
    told = label(held, len(rows))
    spoken = re.search(r'aria-label="([^"]*)"', svg)
    if spoken is None or unescape(spoken[1]) != told:
        line = svg.count("\n", 0, spoken.start()) + 1 if spoken else 1
        yield Finding("the picture's label does not say what it shows", f"{FILE}:{line}", MEND)


def _number(attributes: str, name: str) -> float:
    found = re.search(rf'\b{name}="([\d.]+)"', attributes)
    return float(found[1]) if found else -1.0
