"""How a replay ends: all incidents in one table, and whether they are as steps.toml says.

Prevents a run that the machine spoiled from counting: it is told, and has an exit code of its own.
"""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from book.replay import narrow
from book.replay.present import verdict
from book.replay.replay import Replay

FAILED, UNJUDGED = 1, 3  # exit codes; 2 is a person's mistake


def summary(out: Console, replays: list[Replay]) -> None:
    """All headlines in one table: the step before and the solving one, under trouble."""
    told = [replay for replay in replays if replay.skipped is None]
    if out.width < narrow.LESS_THAN:
        rows = [(replay.incident.name, _figures(replay)) for replay in told]
        out.print(narrow.stacked("Before and after", "incident", rows))
        return
    result = Table(title="Before and after", title_justify="left", box=box.SIMPLE_HEAD)
    for head in ("incident", "seed", "figure"):
        result.add_column(head, overflow="fold")
    for head in ("step before", "", "solving step", ""):
        result.add_column(head, no_wrap=True)
    for replay in told:
        cells = [replay.incident.name, str(replay.seed), escape(replay.incident.headline.words)]
        for row in (replay.before, replay.solver):
            cells += [f"{row.trial.name} {verdict(row)}" if row else "", replay.shown(row)]
        result.add_row(*cells)
    out.print(result)


def _figures(replay: Replay) -> list[str]:
    """The seed with the headline, then each step's."""
    lines = [f"seed {replay.seed}: {escape(replay.incident.headline.words)}"]
    for row in (replay.before, replay.solver):
        if row is not None:
            lines.append(f"{row.trial.name} {verdict(row)} {replay.shown(row)}")
    return lines


def conclusion(out: Console, replays: list[Replay]) -> int:
    """Say whether every step behaved as steps.toml says: 0, FAILED, or UNJUDGED where the machine
    was too busy to tell and nothing else is wrong."""
    problems = [(each, problem) for each in replays for problem in each.problems]
    for replay, problem in problems:
        out.print(f"[red]{replay.incident.name}, seed {replay.seed}: {escape(problem)}")
    seeds = sorted({each.seed for each in replays})
    names = sorted({each.incident.name for each in replays if each.skipped is None})
    skipped = sorted({each.incident.name for each in replays if each.skipped is not None})
    if skipped:
        out.print(f"[yellow]Skipped, and not counted:[/] {', '.join(skipped)}")
    unjudged = sum(len(each.unjudged) for each in replays)
    if unjudged:
        trials = unjudged + sum(len(each.rows) for each in replays)
        out.print(
            f"[yellow]{unjudged} of {trials} runs are not judged:[/] the machine was too busy"
        )
    elif names and not problems:
        shown = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
        out.print(f"[green]As steps.toml says:[/] {', '.join(names)}, seed {shown}.")
    return FAILED if problems else UNJUDGED if unjudged else 0
