"""``book run``: a chapter's incidents, replayed and shown as each is complete."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from book.chain.chain import Book, ChainError, Chapter
from book.replay import closing, held, present, results, screen
from book.replay import known as knowing
from book.replay.cells import of_replay
from book.replay.known import Known
from book.replay.replay import Replay, Story, plan, replay, stories, with_settings
from book.stage import trial
from book.stage.processes import Processes


def run(
    book: Book,
    chapter: Chapter,
    incident: str | None,
    seeds: Sequence[int],
    settings: Sequence[str],
    save: Path | None,
    out: Console,
    *,
    details: bool = False,
) -> int:
    """Replay the chapter's incidents, or one, under each seed: the exit code of what was found.

    ``settings`` are the reader's own (``NAME=VALUE``); ``save`` also takes the figures, as JSON.
    With ``details`` everything that was observed is shown, not only the headline.
    """
    began = time.monotonic()
    told = [with_settings(story, settings) for story in stories(book, chapter, incident)]
    wanted = [(story, seed) for story in told for seed in seeds]
    names = [s.incident.name + (f" {seed}" if len(seeds) > 1 else "") for s, seed in wanted]
    screen.opening(out, chapter, len(told), seeds)
    progress = present.progress if details else screen.progress
    replays = []
    with (
        knowing.opened(book) as known,
        tempfile.TemporaryDirectory(prefix="book-") as scratch,
        Processes(trial.IMPORTS, Path(scratch)) as processes,
        progress(out, [planned for each in wanted for planned, _ in plan(*each)]) as on_done,
    ):
        played = zip(wanted, names, replay(wanted, processes, on_done), strict=True)
        for (story, seed), name, done in played:
            screen.block(out, chapter, done, name, max(map(len, names)))
            if details and done.skipped is None:
                present.intro(out, story, seed)
                present.outcome(out, done)
                where = held.hold(book.root, done).relative_to(book.root).as_posix()
                out.print(f"what its processes said: {where}", style="dim", soft_wrap=True)
            replays.append(done)
            _keep(known, story, seed, done, as_told=not settings)
    if save is not None:
        save.write_text(json.dumps(results.figures(replays), indent=2) + "\n", encoding="utf-8")
    if len(replays) > 1 and details:
        closing.summary(out, replays)
    code = closing.conclusion(out, replays)
    screen.closing(out, began, details=details)
    return code


def _keep(known: Known, story: Story, seed: int, done: Replay, *, as_told: bool) -> None:
    """A replay is always run, and leaves what it found to others, if its settings are its own."""
    cells = of_replay(story, done) if as_told else []
    for cell in cells:
        known.keep(cell, seed)
    told = {id(cell.run) for cell in cells}
    for row in done.rows:
        if id(row.run) not in told:
            known.note(row.run, done.incident.name)


def seeds_of(text: str) -> list[int]:
    """``0-19`` or ``1,5,9`` as numbers. Raises ChainError for anything else."""
    numbers: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.strip().partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            raise ChainError(f"seeds are written like 0-19 or 1,5,9, not {text!r}")
        numbers += range(int(first), int(last or first) + 1)
    return numbers
