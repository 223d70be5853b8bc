"""The scoreboard: incidents against steps, and why each step misses what it misses.

Prevents a picture that is drawn instead of measured: each cell is a run under trouble, judged by
the incident's own verdict. A trial that crashes makes its cell red, with the reason; the board is
whole all the same. Where the machine was too busy to tell, the cell is not judged.
"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console

from book.chain.chain import Book, ChainError, Step
from book.replay import known as knowing
from book.replay import present
from book.replay.cells import Cell, all_stories, fill, trials_of
from book.replay.replay import Story
from book.scoreboard import headlines
from book.stage import trial as trials
from book.stage.processes import Processes

PACKAGES = ("anthropic", "httpx", "uvicorn", "fastapi", "tenacity")


def ends(book: Book) -> list[Step]:
    """The states that readers meet: the baseline, and each chapter's last step."""
    return [book.steps[0], *(chapter.steps[-1] for chapter in book.chapters if chapter.steps)]


def measure(
    book: Book,
    seed: int,
    out: Console,
    *,
    incident: str | None,
    all_steps: bool,
    fresh: bool = False,
) -> list[Cell]:
    """What a person asked for: what is known from earlier, or run and judged now with progress.

    With ``fresh`` everything is run. Raises ChainError for an incident that the book does not have.
    """
    steps = list(book.steps) if all_steps else ends(book)
    told = all_stories(book)
    names = [story.incident.name for story in told]
    if incident is not None and incident not in names:
        raise ChainError(f"there is no incident {incident!r}. Valid: {', '.join(names)}")
    wanted = [(s, step) for s in told if incident in (None, s.incident.name) for step in steps]
    return asked(book, wanted, seed, out, fresh=fresh)


def asked(
    book: Book,
    wanted: Sequence[tuple[Story, Step]],
    seed: int,
    out: Console,
    *,
    fresh: bool = False,
) -> list[Cell]:
    """The cells of these pairs, in their order: known from earlier, or run now with progress."""
    with knowing.opened(book, fresh=fresh) as known:
        cells = [known.cell(*pair, seed) for pair in wanted]
        missing = [pair for pair, cell in zip(wanted, cells, strict=True) if cell is None]
        if missing:
            with (
                tempfile.TemporaryDirectory(prefix="book-") as scratch,
                Processes(trials.IMPORTS, Path(scratch)) as processes,
                present.progress(out, trials_of(missing, seed)) as on_done,
            ):
                made = fill(missing, seed, processes, on_done, partial(known.keep, seed=seed))
            measured = iter(made)
            cells = [next(measured) if cell is None else cell for cell in cells]
    return [cell for cell in cells if cell is not None]


def board(book: Book, cells: Sequence[Cell], seed: int) -> dict[str, object]:
    """The board as plain data, for JSON and for the page."""
    steps = list(dict.fromkeys(cell.step for cell in cells))
    told = list({cell.story.incident.name: cell.story for cell in cells}.values())
    return {
        "seed": seed,
        "versions": versions(),
        "machine": {"system": platform.system(), "processors": os.cpu_count() or 1},
        "steps": [{"name": step.name, "title": _title(book, step)} for step in steps],
        "incidents": [
            {
                "name": story.incident.name,
                "story": story.incident.story,
                "chapter": story.solver.name.partition("/")[0],
                "solved_by": story.solver.name,
                "before": story.before.name,
                "headline": headlines.of_incident(story.incident.headline),
            }
            for story in told
        ],
        "cells": [_entry(cell) for cell in cells],
    }


def _title(book: Book, step: Step) -> str:
    """The chapter that a step belongs to; the baseline is chapter 1's."""
    chapter = next((each for each in book.chapters if step in each.steps), book.chapters[0])
    return f"Chapter {chapter.number}: {chapter.title}"


def _entry(cell: Cell) -> dict[str, object]:
    entry: dict[str, object] = {
        "incident": cell.story.incident.name,
        "step": cell.step.name,
        "holds": cell.holds,
        "why": cell.why,
        "error": cell.error,
        "measured": cell.measured,
        "unjudged": cell.unjudged,
        "skipped": cell.skipped,
        "headline": headlines.of_cell(cell.story, cell.figure, cell.error),
    }
    run = cell.run
    if run is not None:
        entry |= {
            "success": run.success,
            "p50_s": run.latency_s(0.5),
            "p95_s": run.latency_s(0.95),
            "model_requests": len(run.model_requests),
            "cost_usd": str(run.cost_usd),
            "dollars_per_hour": run.dollars_per_hour,
            "tasks": len(run.outcomes),
            "done": run.done,
            "seconds": run.seconds,
            "served_by": run.served_by,
            "exit_code": run.exit_code,
        }
    entry["checks"] = [
        {
            "name": check.name,
            "value": check.value,
            "limit": check.limit,
            "at_most": check.at_most,
            "unit": check.unit,
            "ok": check.ok,
            "applies": check.applies,
        }
        for check in cell.checks
    ]
    return entry


def versions() -> dict[str, str]:
    """Python and the packages whose behaviour the figures depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
