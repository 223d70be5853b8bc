"""What chapter 1 knows from earlier commands, and what it leaves to later ones.

Prevents a minute of waiting for what was measured already, and figures of a crowded machine among
those that verdicts rest on: this demonstration runs more trials at once than an incident allows, so
what it keeps is for itself. Cells that `check` or the scoreboard measured serve it as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from book.chain.chain import Book, Chapter, Step
from book.chain.contents import digest
from book.replay.cells import all_stories
from book.replay.known import Key, Known, incident_file
from book.replay.replay import Story
from book.story.incident import Evidence, Run, load

FRIENDLY = "happy-path"
HERE = Path(__file__).resolve().parent
# How these runs are made and judged; no other command takes their results.
CROWDED = digest((HERE / name).read_text("utf-8") for name in ("mindset.py", "mindset_known.py"))


@dataclass(frozen=True)
class Seen:
    """A run, whether the verdict holds on it, and when it was measured, if not just now."""

    run: Run
    holds: bool = False
    measured: str | None = None


Name = tuple[str, str, bool]  # incident, step, and whether it was calm


def seen(book: Book, chapter: Chapter, seed: int, known: Known) -> dict[Name, Seen]:
    """What need not be run: cells with their figures, or what this chapter kept."""
    found: dict[Name, Seen] = {}
    first = book.steps[0]
    for story in all_stories(book):
        for step in (first, story.solver):
            if (cell := known.cell(story, step, seed)) is not None and cell.run is not None:
                name = story.incident.name, step.name, False
                found[name] = Seen(cell.run, cell.holds, cell.measured)
    for name, make in _keys(book, chapter, seed):
        if name not in found and (kept := known.observed(make)) is not None:
            found[name] = Seen(kept.run, kept.holds, kept.measured)
    return found


def judged(
    book: Book, chapter: Chapter, seed: int, known: Known, runs: Mapping[Name, Run]
) -> dict[Name, Seen]:
    """Judge what was run now, and keep what is as it must be.

    The baseline must miss its verdict, a solving step and the friendly day must keep the promise.
    A ratio to the step before is a ratio to the baseline itself here: that step was not run.
    """
    found: dict[Name, Seen] = {}
    first = book.steps[0].name
    stories = {story.incident.name: story for story in all_stories(book)}
    for name, make in _keys(book, chapter, seed):
        if (run := runs.get(name)) is None:
            continue
        story, is_first = stories.get(name[0]), name[1] == first
        if story is None:
            friendly = load(chapter.incident_file(FRIENDLY))
            ok = holds = all(check.ok for check in friendly.promise(run))
        elif is_first:
            holds = _holds(story, run, runs.get((name[0], first, True)))
            ok = not holds
        else:
            ok = holds = all(check.ok for check in story.incident.promise(run))
        known.keep_observed(make, name[0], run, holds=holds, ok=ok)
        found[name] = Seen(run, holds)
    return found


def _holds(story: Story, run: Run, calm: Run | None) -> bool:
    evidence = Evidence(run, run, calm)
    checks = (*story.incident.promise(run), *story.incident.cure(evidence))
    return all(check.ok for check in checks)


def _keys(book: Book, chapter: Chapter, seed: int) -> Iterator[tuple[Name, Key]]:
    """Every run of this chapter under trouble, with what makes its key."""
    first = book.steps[0]

    def key(incident: Path, step: Step) -> Key:
        return lambda deciding: deciding.pair(incident, first, step, seed, CROWDED)

    yield (FRIENDLY, first.name, False), key(chapter.incident_file(FRIENDLY), first)
    for story in all_stories(book):
        for step in (first, story.solver):
            name = story.incident.name, step.name, False
            yield name, key(incident_file(book, story), step)
