"""How a replay looks to a reader: three lines an incident, so that a chapter fits one screen.

Prevents the table at whose end the cure seems to lose: each incident shows the one figure that it
is about. Everything else comes with the details (``present``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from book.chain.chain import Chapter
from book.replay.replay import Replay
from book.stage.trial import Trial

SURE_AT = 0.05  # of all tasks done: before that a time left would be a guess
GAP = "   "
GAP_WIDTH = len(GAP)


def opening(out: Console, chapter: Chapter, incidents: int, seeds: Sequence[int]) -> None:
    """What comes: how many incidents, under which seeds."""
    count = f"{incidents} incident{'s' * (incidents != 1)}"
    title = f"[bold]Chapter {chapter.number} · {escape(chapter.title)}[/]"
    out.print(f"{title}{GAP}{count}, {_seeds(seeds)}\n")


def block(out: Console, chapter: Chapter, replay: Replay, name: str, width: int) -> None:
    """The incident in three lines beside its ``name``; ``width`` is that of the longest name."""
    if replay.skipped is not None:
        out.print(f"[bold]{name}[/]{GAP}[yellow]skipped:[/] {escape(replay.skipped)}")
        return
    headline = replay.incident.headline
    rows = replay.before, replay.solver
    before, after = map(replay.shown, rows)
    figures = f"{escape(headline.words)}{GAP}[bold]{before} -> {after}[/]"
    shown = [f"{row.trial.name} {_verdict(row.holds)}" for row in rows if row is not None]
    shown = shown if len(shown) == len(rows) else [*shown, "[yellow]not judged: busy machine[/]"]
    see = f"[dim]see: make diff-{chapter.number:02}[/]"
    indent, lead = width + GAP_WIDTH, f"[bold]{name}[/]{' ' * (width - len(name) + GAP_WIDTH)}"
    if out.width < 3 * indent:
        out.print(f"[bold]{name}[/]")
        indent, lead = 2, "  "
    for line in (escape(replay.incident.story), figures, f"{' · '.join(shown)}{GAP}{see}"):
        for part in Text.from_markup(line).wrap(out, out.width - indent):
            out.print(Text.from_markup(lead) + part)
            lead = " " * indent


def _verdict(holds: bool) -> str:
    return "[green]holds[/]" if holds else "[red]misses[/]"


def _seeds(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    return f"{len(seeds)} seeds, {seeds[0]} to {seeds[-1]}"


class _TimeLeft(ProgressColumn):
    """An honest guess from the tasks done so far; nothing while it would be none."""

    def render(self, task: Task) -> Text:
        left = left_s(task.completed, task.total or 0, task.elapsed or 0.0)
        return Text("" if left is None else f"about {left:.0f} s left", style="dim")


def left_s(done: float, of: float, elapsed_s: float) -> float | None:
    """Seconds until all are done at the pace so far, in steps of five; None before it is known."""
    if of <= 0 or done / of < SURE_AT:
        return None
    return 5 * round(elapsed_s * (of - done) / done / 5)


@contextmanager
def progress(out: Console, trials: Sequence[Trial]) -> Iterator[Callable[[Trial, bool], None]]:
    """A callable for each finished task; on a terminal a bar with the time left moves in place.

    Elsewhere nothing is shown: the finished incidents are the progress.
    """
    total = sum(len(trial.workload.tasks) for trial in trials)
    if not out.is_terminal:
        yield lambda trial, ok: None
        return
    columns = (BarColumn(30), TextColumn("{task.percentage:>3.0f}%"), _TimeLeft())
    with Progress(*columns, console=out, transient=True) as bars:
        bar = bars.add_task("", total=total)
        yield lambda trial, ok: bars.update(bar, advance=1)


def closing(out: Console, seconds_since: float, *, details: bool) -> None:
    """How long it took, and where the rest is."""
    took = f"{time.monotonic() - seconds_since:.0f} s"
    more = "" if details else " DETAILS=1 shows settings, checks, calm runs and policies."
    out.print(f"[dim]{took}.{more}[/]")
