"""``book run``: a chapter's incidents, replayed and shown as each is complete."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from book.chain.chain import Book, ChainError, Chapter
from book.replay import closing, present, results
from book.replay.replay import plan, replay, stories, with_settings
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
) -> int:
    """Replay the chapter's incidents, or one, under each seed: the exit code of what was found.

    ``settings`` are the reader's own (``NAME=VALUE``); ``save`` also takes the figures, as JSON.
    """
    told = [with_settings(story, settings) for story in stories(book, chapter, incident)]
    wanted = [(story, seed) for story in told for seed in seeds]
    replays = []
    with (
        tempfile.TemporaryDirectory(prefix="book-") as scratch,
        Processes(trial.IMPORTS, Path(scratch)) as processes,
        present.progress(
            out, [planned for each in wanted for planned, _ in plan(*each)]
        ) as on_done,
    ):
        for (story, seed), done in zip(wanted, replay(wanted, processes, on_done), strict=True):
            present.intro(out, chapter, story, seed)
            present.outcome(out, done)
            replays.append(done)
    if save is not None:
        save.write_text(json.dumps(results.figures(replays), indent=2) + "\n", encoding="utf-8")
    if len(replays) > 1:
        closing.summary(out, replays)
    return closing.conclusion(out, replays)


def seeds_of(text: str) -> list[int]:
    """``0-19`` or ``1,5,9`` as numbers. Raises ChainError for anything else."""
    numbers: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.strip().partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            raise ChainError(f"seeds are written like 0-19 or 1,5,9, not {text!r}")
        numbers += range(int(first), int(last or first) + 1)
    return numbers
