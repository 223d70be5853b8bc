"""Rule 3 of the chain: an incident is missed before its step, and holds there and ever after.

Prevents two lies: an incident that everybody passes, and a cure that a later chapter broke. A pair
is run again only when something that decides its result has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from book.chain.chain import Book, Step
from book.check import verdicts
from book.check.draw import Draw, Shard
from book.check.finding import Finding
from book.replay.cells import Cell, Seen, all_stories, fill, must_hold, trials_of
from book.replay.known import Known, incident_file
from book.replay.replay import Story
from book.scoreboard import board
from book.stage.processes import Processes

SEED = 7
Pair: TypeAlias = tuple[Story, Step]


def pairs(book: Book, *, every: bool = False) -> Iterator[Pair]:
    """The step before, the solving one, and each chapter's end; with ``every`` all that follow."""
    steps = book.steps
    for story in all_stories(book):
        place = steps.index(story.solver)
        later = steps if every else board.ends(book)
        after = [step for step in later if steps.index(step) > place]
        yield from ((story, step) for step in (story.before, story.solver, *after))


@dataclass
class Asked:
    """What became of the pairs: findings, how many were known, run and left out."""

    findings: list[Finding] = field(default_factory=list)
    known: int = 0
    ran: int = 0
    skipped: int = 0  # pairs that need a server which is missing here
    unjudged: list[Cell] = field(default_factory=list)  # on which a busy machine allows no verdict
    lines: list[str] = field(default_factory=list)  # what was drawn, and what was left out


def ask(
    book: Book,
    processes: Processes,
    known: Known,
    on_job: Callable[[str], None],
    *,
    every: bool = False,
    shard: Shard | None = None,
    draw: Draw | None = None,
) -> Asked:
    """Run the pairs whose result is not known, side by side; what is not as steps.toml says.

    A ``shard`` asks its share of the incidents. A ``draw`` asks each on the step before and on its
    solver, and of the later ones as many as its time allows.
    """
    wanted = list(pairs(book, every=every))
    if shard is not None:
        names = shard.of(list(dict.fromkeys(story.incident.name for story, _ in wanted)))
        wanted = [pair for pair in wanted if pair[0].incident.name in names]
    result, seen = Asked(), Seen()
    missing = unknown(known, wanted)
    result.known = len(wanted) - len(missing)
    core = [p for p in missing if draw is None or p[1] in (p[0].before, p[0].solver)]
    _run(book, processes, known, on_job, core, result, seen)
    if draw is not None:
        later = [pair for pair in missing if pair not in core]
        drawn = draw.taken(later, name)
        for part in drawn:
            _run(book, processes, known, on_job, part, result, seen)
        result.lines += drawn.told(name)
    return result


def too_many(asked: Asked, share: float) -> Iterator[Finding]:
    """A finding where more than this share of the pairs has no verdict: then little is proven."""
    number = asked.ran + asked.known
    if len(asked.unjudged) > share * number:
        what = f"{len(asked.unjudged)} of {number} pairs are not judged: the machine was too busy"
        yield Finding(what, "incidents", "run it again when less runs beside it")


def unknown(known: Known, wanted: Sequence[Pair]) -> list[Pair]:
    """The pairs that have to run."""
    return [pair for pair in wanted if known.when(*pair, SEED) is None]


def _run(
    book: Book,
    processes: Processes,
    known: Known,
    on_job: Callable[[str], None],
    wanted: Sequence[Pair],
    result: Asked,
    seen: Seen,
) -> None:
    if not wanted:
        return

    def judge(cell: Cell) -> None:
        if cell.skipped:
            result.skipped += 1
            result.lines.append(f"skipped {name((cell.story, cell.step))}: {cell.why}")
            return
        if cell.unjudged:
            result.unjudged.append(cell)
            return
        known.keep(cell, SEED)
        before = known.disproved.get((cell.story.incident.name, cell.step.name))
        result.findings += judged(book, cell, before)
        if cell.step == cell.story.before:
            open_still.append(cell)
        on_job(name((cell.story, cell.step)))

    trials = trials_of(wanted, SEED)
    on_job(f"{len(trials)} trials of incidents begin; they take a minute or two")
    open_still: list[Cell] = []
    skipped = result.skipped
    fill(wanted, SEED, processes, lambda trial, ok: None, judge, seen)
    for cell in open_still:  # when all have ended: it may run contrasts
        file = incident_file(book, cell.story)
        result.findings += verdicts.nobody_misses(book, cell, file, processes)
    result.ran += len(wanted) - (result.skipped - skipped)


def name(pair: Pair) -> str:
    """``hung-api on chapter-02/complete``."""
    return f"{pair[0].incident.name} on {pair[1].name}"


def judged(book: Book, cell: Cell, kept: str | None = None) -> Iterator[Finding]:
    """What is wrong with a cell, if it is not what the order of the steps says.

    ``kept`` is when another run had found it to be so.
    """
    told, incident = name((cell.story, cell.step)), cell.story.incident.name
    where = incident_file(book, cell.story).relative_to(book.root).as_posix()
    again = f"make chapter-{cell.story.solver.name[8:10]} INCIDENT={incident} shows it"
    other = f"; the result kept from {kept} said otherwise" if kept else ""
    if cell.error is not None or cell.silent:
        yield Finding(f"{told}: {cell.why}{other}", where, again)
    elif cell.holds and not must_hold(book, cell.story, cell.step):
        what = f"{incident} must be missed on {cell.step.name}, the step before, but holds"
        yield Finding(f"{what}{other}", where, f"the trouble or the verdict shows nothing; {again}")
    elif not cell.holds and must_hold(book, cell.story, cell.step):
        what = f"{incident} must hold on {cell.step.name}, but {cell.why}"
        yield Finding(f"{what}{other}", where, again)
    elif not cell.better:
        what = f"the headline of {incident} is not better on {cell.step.name}, which solves it"
        yield Finding(f"{what}{other}", where, again)
