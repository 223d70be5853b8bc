"""Rule 3 of the chain: an incident is missed before its step, and holds there and ever after.

Prevents two lies: an incident that everybody passes, and a cure that a later chapter broke. A pair
is run again only when something that decides its result has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from book.chain.chain import Book, Step
from book.chain.kept import Kept, digest, folder_key, shared
from book.check.finding import Finding
from book.replay.replay import Story
from book.scoreboard import board
from book.scoreboard.board import Cell
from book.stage.processes import Processes

SEED = 7


def pairs(book: Book, *, every: bool = False) -> Iterator[tuple[Story, Step]]:
    """The step before, the solving one, and each chapter's end; with ``every`` all that follow."""
    steps = book.steps
    for story in board.all_stories(book):
        place = steps.index(story.solver)
        later = steps if every else board.ends(book)
        after = [step for step in later if steps.index(step) > place]
        yield from ((story, step) for step in (story.before, story.solver, *after))


def findings(
    book: Book,
    processes: Processes,
    kept: Kept,
    on_job: Callable[[str], None],
    *,
    every: bool = False,
    on_unjudged: Callable[[Cell], None] = lambda cell: None,
) -> list[Finding]:
    """Run the pairs whose result is not known, side by side; what is not as steps.toml says.

    ``on_unjudged`` gets those on which a busy machine allows no verdict; of them nothing is kept.
    """
    asked = list(pairs(book, every=every))
    known = keys(book, asked)
    wanted = [(s, t) for s, t in asked if kept.get(known[s.incident.name, t.name]) is None]
    if wanted:
        trials = board.trials_of(wanted, SEED)
        on_job(f"{len(trials)} trials of incidents begin; they take a minute or two")
    for cell in board.fill(wanted, SEED, processes, lambda trial, ok: None):
        name = cell.story.incident.name
        if cell.unjudged:
            on_unjudged(cell)
            continue
        kept.put(known[name, cell.step.name], [asdict(each) for each in judged(book, cell)])
        on_job(f"{name} on {cell.step.name}")
    return [Finding(**each) for key in known.values() for each in kept.get(key) or []]


def too_many(
    book: Book, unjudged: Sequence[Cell], share: float, *, every: bool = False
) -> Iterator[Finding]:
    """A finding where more than this share of the pairs has no verdict: then little is proven."""
    number = sum(1 for _ in pairs(book, every=every)) if unjudged else 0
    if len(unjudged) > share * number:
        what = f"{len(unjudged)} of {number} pairs are not judged: the machine was too busy"
        yield Finding(what, "incidents", "run it again when less runs beside it")


def keys(book: Book, asked: Sequence[tuple[Story, Step]]) -> dict[tuple[str, str], str]:
    """What decides the result of each pair, as one text, by incident and step."""
    world = digest(path.read_bytes() for path in shared(book))
    return {(s.incident.name, step.name): _key(book, world, s, step) for s, step in asked}


def judged(book: Book, cell: Cell) -> Iterator[Finding]:
    """What is wrong with a cell, if it is not what the order of the steps says."""
    name, step = cell.story.incident.name, cell.step
    where = _file(book, cell.story).relative_to(book.root).as_posix()
    again = f"make chapter-{cell.story.solver.name[8:10]} INCIDENT={name} shows it"
    if cell.error is not None or cell.silent:
        yield Finding(f"{name} on {step.name}: {cell.why}", where, again)
    elif step == cell.story.before and cell.holds:
        what = f"{name} must be missed on {step.name}, the step before, but holds"
        yield Finding(what, where, f"the trouble or the verdict shows nothing; {again}")
    elif step != cell.story.before and not cell.holds:
        yield Finding(f"{name} must hold on {step.name}, but {cell.why}", where, again)


def _file(book: Book, story: Story) -> Path:
    chapter = book.chapter(story.solver.name.partition("/")[0])
    return chapter.incident_file(story.incident.name)


def _key(book: Book, world: str, story: Story, step: Step) -> str:
    file = _file(book, story)
    texts = [each.read_bytes() for each in sorted(file.parent.glob(f"{file.stem}.*"))]
    folders = [folder_key(step), folder_key(story.before)]
    name = f"incident {story.incident.name} {step.name}"
    return f"{name} {digest([world.encode(), *texts, *folders])}"
