"""How the terminal shows a replay: progress while it runs, one table at its end.

Colour and live bars only on a terminal; elsewhere plain lines, so that logs stay readable.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed
from rich.table import Table

from book.chain.chain import Book
from book.replay import narrow as narrow_tables
from book.replay import policies
from book.replay.replay import Replay, Row, Story
from book.stage.trial import Trial

PLAIN_WIDTH = 140
WIDE = 116  # columns that the whole table needs
EVERY_S = 2.0


class _Console(Console):
    """Rich's, but that a closed pipe stays one: the command asks at its end who reads it."""

    def on_broken_pipe(self) -> None:
        raise SystemExit(1)


def console() -> Console:
    """Standard output; wide where it is no terminal, so that tables do not wrap in a log."""
    return _Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False)


def errors() -> Console:
    return Console(stderr=True, highlight=False, soft_wrap=True)


def contents(out: Console, book: Book) -> None:
    """The chain as a tree: chapters, steps, and what each step solves."""
    out.print(f"{book.steps[0].name:<34} {book.steps[0].lesson}")
    for chapter in book.chapters:
        out.print(f"\n[bold]{chapter.name}[/] {chapter.title} · package {chapter.package}")
        for step in chapter.steps:
            out.print(f"  {step.name:<32} {escape(step.lesson)}")
            for incident in step.solves:
                out.print(f"  {'':<32} solves {incident}")


def intro(out: Console, story: Story, seed: int) -> None:
    """What a person saw of it, and the settings that all steps got."""
    incident = story.incident
    out.print(f"\nWhat a person sees: {escape(incident.symptom)}")
    for tag, words in incident.tags.items():
        out.print(f"  {tag}: {escape(words)}")
    out.print("Settings, the same for every step:")
    for name, value in {**incident.settings, **incident.later_settings}.items():
        out.print(f"  {name}={escape(value)}")
    out.print(f"Seed {seed}: {story.before.name} beside {story.solver.name}\n")


@dataclass
class _Plain:
    """A line now and then, with what runs at that moment."""

    out: Console
    totals: dict[str, int]
    done: Counter[str] = field(default_factory=Counter)
    moved: set[str] = field(default_factory=set)  # since the last line
    shown_at: float = field(default_factory=time.monotonic)

    def __call__(self, trial: Trial, ok: bool) -> None:
        self.totals.setdefault(_whole_title(trial), len(trial.workload.tasks))
        self.done[_whole_title(trial)] += 1
        self.moved.add(_whole_title(trial))
        if time.monotonic() - self.shown_at >= EVERY_S:
            self.shown_at = time.monotonic()
            running = {t: n for t, n in self.done.items() if t in self.moved}
            self.moved.clear()
            counts = (f"{t} {n}/{self.totals[t]}" for t, n in running.items())
            self.out.print("  " + " · ".join(counts), soft_wrap=True)


@dataclass
class _Live:
    """A bar for each trial that runs."""

    bars: Progress
    totals: dict[str, int]
    ids: dict[str, TaskID] = field(default_factory=dict)
    failed: Counter[str] = field(default_factory=Counter)

    def __call__(self, trial: Trial, ok: bool) -> None:
        name = _whole_title(trial)
        self.totals.setdefault(name, len(trial.workload.tasks))
        self.failed[name] += not ok
        if name not in self.ids:
            self.ids[name] = self.bars.add_task(name, total=self.totals[name], failed=0)
        bar = self.ids[name]
        self.bars.update(bar, advance=1, failed=self.failed[name])
        if self.bars.tasks[self.bars.task_ids.index(bar)].finished:
            self.bars.remove_task(bar)


@contextmanager
def progress(out: Console, trials: Sequence[Trial]) -> Iterator[_Plain | _Live]:
    """A callable for every finished task, that shows how far each running trial is."""
    totals = {_whole_title(trial): len(trial.workload.tasks) for trial in trials}
    if not out.is_terminal:
        yield _Plain(out, totals)
        return
    columns = (TextColumn("{task.description:<50}"), BarColumn(), MofNCompleteColumn(), Elapsed())
    failed = TextColumn("[red]{task.fields[failed]} failed")
    with Progress(*columns, failed, console=out, transient=True) as bars:
        yield _Live(bars, totals)


def outcome(out: Console, replay: Replay) -> None:
    """All that is shown of a replay: tables, reasons, remarks."""
    if replay.rows:
        out.print(table(replay, out.width))
        out.print(policies_table(replay, out.width))
    reasons(out, replay)
    remarks(out, replay)
    out.print()


def _whole_title(trial: Trial) -> str:
    again = f", attempt {trial.attempt}" if trial.attempt > 1 else ""
    return f"{trial.incident.name} {trial.seed}: {title(trial)}{again}"


def title(trial: Trial) -> str:
    return f"{trial.name}, without faults" if trial.calm else trial.name


def policies_table(replay: Replay, width: int = PLAIN_WIDTH) -> Table:
    """What the policies of each run did, beside what the simulator counted."""
    return policies.table([(title(row.trial), row.run) for row in replay.rows], width)


def table(replay: Replay, width: int = PLAIN_WIDTH) -> Table:
    """The comparison: a row a trial. Where it is narrow, counts of single faults go below it."""
    name = f"{replay.incident.name}, seed {replay.seed}"
    if width < narrow_tables.LESS_THAN:
        rows = [(title(row.trial), _figures(row)) for row in replay.rows]
        return narrow_tables.stacked(name, "step", rows)
    result = Table(title=name, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    narrow = width < WIDE
    result.add_column("step", overflow="fold", min_width=15 if narrow else 24)
    heads = ["tasks\ndone", "success", *(["p50\np95"] if narrow else ["p50", "p95"])]
    heads += ["requests\nper task", *(["tokens\ncost", "faults"] if narrow else ["tokens", "cost"])]
    for head in heads:
        result.add_column(head, justify="right", no_wrap=True)
    if not narrow:
        result.add_column("faults fired", no_wrap=True)
    result.add_column("verdict", no_wrap=True)
    for row in replay.rows:
        result.add_row(*_cells(row, narrow), end_section=True)
    return result


def reasons(out: Console, replay: Replay) -> None:
    """What each verdict rests on: its numbers beside their limits, and why tasks failed."""
    for row in replay.rows:
        shown = "; ".join(str(check) for check in row.checks)
        got = ", ".join(f"{count} {kind}" for kind, count in row.run.kinds.most_common())
        most = ", ".join(f"{name} {count}" for name, count in row.run.errors.most_common(3))
        failed = f" ({most})" if most else ""
        out.print(f"{escape(title(row.trial))} {verdict(row)}: {escape(shown + failed)}")
        headline = replay.incident.headline
        out.print(f"  {escape(headline.words)}: {headline.shown(row.run)}; users got: {got}")
        for tag, words in replay.incident.tags.items():
            theirs = row.run.only(lambda outcome, tag=tag: outcome.task.tag == tag)  # type: ignore[misc]
            figures = f"{theirs.success:.1%} done, p95 {theirs.latency_s(0.95):.2f} s"
            out.print(f"  {escape(words)}: {figures}")
        if out.width < WIDE and row.run.fired:
            out.print(f"  faults fired: {escape('; '.join(_fired(row)))}")
        if row.run.served_by is not None:
            code = row.run.exit_code
            out.print(f"  served by {row.run.served_by}, exit code {code}", style="dim")
        for line in replay.incident.figures(row.run):
            out.print(f"  {escape(line)}")
    for trial, why in replay.unjudged:
        out.print(f"{escape(title(trial))} [yellow]is not judged[/]: {escape(why)}")


def remarks(out: Console, replay: Replay) -> None:
    """What the contrasts show: their success beside that of the step before."""
    before = replay.before
    for contrast in replay.incident.contrasts:
        row = next((each for each in replay.rows if each.trial.label == contrast.label), None)
        if row is not None and before is not None:
            figures = f"{contrast.label} {row.run.success:.1%}, {title(before.trial)} "
            out.print(f"{escape(figures)}{before.run.success:.1%}: {escape(contrast.remark)}")


def _cells(row: Row, narrow: bool) -> list[str]:
    run = row.run
    latencies = [f"{run.latency_s(0.5):.2f}s", f"{run.latency_s(0.95):.2f}s"]
    price = [f"{run.tokens:,}", f"${run.cost_usd:.4f}"]
    if narrow:
        latencies, price = ["\n".join(latencies)], ["\n".join(price)]
    fired = f"{sum(run.fired.values())}" if narrow else "\n".join(_fired(row)) or "none"
    return [
        title(row.trial),
        f"{run.done}/{len(run.outcomes)}",
        f"{run.success:.1%}",
        *latencies,
        f"{run.requests_per_task:.2f}",
        *price,
        fired,
        "[green]keeps[/]" if row.trial.calm and row.holds else verdict(row),
    ]


def _figures(row: Row) -> list[str]:
    """The same figures, a few a line."""
    _, done, success, latency, requests, price, faults, told = _cells(row, narrow=True)
    p50, p95 = latency.split()
    tokens, cost = price.split()
    return [
        f"{done} tasks done, {success}: {told}",
        f"p50 {p50}, p95 {p95}",
        f"{requests} requests per task, {faults} faults",
        f"{tokens} tokens, {cost}",
    ]


def _fired(row: Row) -> list[str]:
    return [f"{name}: {count}" for name, count in sorted(row.run.fired.items())]


def verdict(row: Row) -> str:
    if row.trial.calm and row.holds:
        return "[green]keeps the promise[/]"
    return "[green]holds[/]" if row.holds else "[red]misses[/]"
