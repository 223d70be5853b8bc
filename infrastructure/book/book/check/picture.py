"""A rule on the README's picture: states and names, no figures, and the states that the chain has.

Prevents a drawing that was true of another commit. Figures belong to a run, with its seed and
machine; the picture says only which incidents each step survives. The rule reads each stripe's
incident, steps and state, and draws the picture anew: whatever differs, somebody drew by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

from book.chain.chain import Book
from book.chain.sources import sources
from book.check.finding import Finding
from book.scoreboard.picture import HOLDS, MISSES, Mark, draw

FILE = "scoreboard.svg"
COLUMNS = re.compile(r'data-steps="([^"]*)"')
STRIPE = re.compile(
    r'<rect class="(?P<state>[a-z-]+)" data-incident="(?P<incident>[^"]*)" '
    r'data-from="(?P<first>[^"]*)" data-to="(?P<last>[^"]*)"'
)
MEND = f"make scoreboard ALL_STEPS=1 PICTURE={FILE}"


def picture(book: Book) -> Iterator[Finding]:
    """The picture is what the command draws, and its states are those of steps.toml."""
    svg = sources(book).text(FILE)
    if svg is None:
        return  # whether a link leads anywhere is another rule's
    steps = {step.name: step for step in book.steps}
    solved = {name: step for step in book.steps for name in step.solves}
    told = COLUMNS.search(svg)
    named = unescape(told[1]).split() if told else []
    shown = [name for name in steps if name in named]
    states: dict[tuple[str, str], str] = {}
    for found in STRIPE.finditer(svg):
        where = f"{FILE}:{svg.count(chr(10), 0, found.start()) + 1}"
        incident, first, last = (unescape(found[k]) for k in ("incident", "first", "last"))
        state = found["state"].replace("-", " ")
        if incident not in solved or first not in shown or last not in shown:
            what = f"the picture shows {incident} from {first} to {last}"
            yield Finding(f"{what}, which the chain does not have", where, MEND)
            continue
        if state not in (HOLDS, MISSES):
            yield Finding(f"the picture says: {incident} is {state}", where, MEND)
        for name in shown[shown.index(first) : shown.index(last) + 1]:
            states[incident, name] = state
            before = book.before(solved[incident]) == steps[name] and state == HOLDS
            if before or (steps[name] == solved[incident] and state == MISSES):
                yield Finding(f"the picture says: {name} {state} {incident}", where, MEND)
    if lacking := [n for n in solved if not shown or any((n, s) not in states for s in shown)]:
        yield Finding(f"the picture lacks {', '.join(lacking)}", FILE, MEND)
    marks = [
        Mark(solver.name.partition("/")[0], incident, step, states[incident, step])
        for incident, solver in solved.items()
        for step in shown
        if (incident, step) in states
    ]
    drawn, lines = draw(marks).splitlines(), svg.splitlines()
    if drawn != lines:
        pairs = zip(drawn, lines, strict=False)
        same = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(drawn), len(lines)))
        yield Finding("the picture is not what the command draws", f"{FILE}:{same + 1}", MEND)
