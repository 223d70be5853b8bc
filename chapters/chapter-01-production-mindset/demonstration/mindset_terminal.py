"""How chapter 1's demonstration looks in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from book.story.incident import Run
from readiness.checklist import Score
from readiness.cost_projection import (
    another_model,
    downtime_usd,
    project,
    prompt_caching,
    shorter_answers,
    what_if,
)
from readiness.slo import WORKBOOK_ALERTS

from mindset import DAYS, Told, Won, budget, ranked, tasks_of
from mindset_known import Seen

REQUESTS_A_DAY = (1_000, 1_000_000)
SMALLER_MODEL = "claude-haiku-4-5"


def days(out: Console, calm: Run, told: Sequence[Told]) -> None:
    """The friendly day, then the baseline in each incident."""
    out.print("[bold]A friendly day on the reference agent[/]")
    out.print(f"{calm.done} of {len(calm.outcomes)} tasks done, p95 {calm.latency_s(0.95):.2f} s\n")
    result = _table("A bad day: every incident of this book", "incident")
    for head in ("tasks done", "success", "p95", "cost", "verdict"):
        result.add_column(head, justify="right", no_wrap=True)
    for each in told:
        run = each.baseline
        result.add_row(
            each.story.incident.name,
            f"{run.done}/{len(run.outcomes)}",
            f"{run.success:.1%}",
            f"{run.latency_s(0.95):.2f}s",
            f"${run.cost_usd:.4f}",
            "[green]holds[/]" if each.holds else "[red]misses[/]",
        )
    out.print(result)


def earlier(out: Console, seen: Sequence[Seen]) -> None:
    """Since when figures are known that this command did not measure."""
    dates = sorted(each.measured for each in seen if each.measured)
    if dates:
        since = f"{dates[0][:16].replace('T', ' ')} UTC"
        out.print(
            f"{len(dates)} of {len(seen)} runs were measured earlier, from {since} on; "
            "FRESH=1 (--fresh) measures anew\n"
        )


def checklist(out: Console, scored: Score) -> None:
    """The readiness checklist of the reference agent."""
    result = _table(f"Readiness of the reference agent: {scored}", "item")
    result.add_column("points", justify="right")
    result.add_column("verdict", no_wrap=True)
    result.add_column("proof", overflow="fold")
    for row in scored.rows:
        colour = "green" if row.proven else "red"
        result.add_row(row.title, str(row.points), f"[{colour}]{row.verdict}[/]", escape(row.proof))
    out.print(result)


def error_budget(out: Console, calm: Run, told: Sequence[Told], revenue_usd: Decimal) -> None:
    """What one bad day leaves of a month's error budget, and what the budget costs as downtime."""
    slo, sli, spent = budget(calm, told)
    tasks = sli.valid // DAYS
    out.print(f"[bold]Error budget[/] of {DAYS} days at an SLO of {float(slo.target):.1%}")
    out.print(
        f"{tasks} tasks a day, as on the bad one: {float(spent.allowed):.0f} may fail in "
        f"{DAYS} days, {spent.spent} did on one bad day: {_left(spent.left)}"
    )
    bad_day = 1 - sum(each.baseline.done for each in told) / tasks
    rate = slo.burn_rate(bad_day)
    page = WORKBOOK_ALERTS[0]
    out.print(
        f"The bad day burned it at {float(rate or 0):.1f} times the allowed rate; the SRE workbook "
        f"pages from {page.rate:g} times over an hour (chapter 5, table 5-8)"
    )
    minutes = slo.budget_minutes
    lost = f"${downtime_usd(minutes, revenue_usd):,.2f} at ${revenue_usd} a minute"
    cost = lost if revenue_usd else "REVENUE=12.50 says what it costs at $12.50 a minute"
    out.print(f"As downtime it is {float(minutes):.1f} minutes: {cost}\n")


def costs(out: Console, calm: Run) -> None:
    """What the friendly day's tasks cost at scale, and what three changes would save."""
    tasks = tasks_of(calm)
    shortest = min(call.input_tokens for task in tasks for call in task)
    result = _table("Cost, from the usage of the friendly day", "requests a day")
    for head in ("a task, mean", "a day", "a month of 30 days"):
        result.add_column(head, justify="right", no_wrap=True)
    for number in REQUESTS_A_DAY:
        found = project(tasks, number)
        prices = f"${found.mean_usd:.6f}", f"${found.per_day_usd:,.2f}"
        result.add_row(f"{number:,}", *prices, f"${found.per_month_usd:,.2f}")
    out.print(result)
    changes = {
        f"{SMALLER_MODEL} for every call": another_model(SMALLER_MODEL),
        "answers half as long": shorter_answers(Decimal("0.5")),
        f"the first {shortest} tokens read from the cache in 9 of 10 calls, were they long "
        "enough to be cached": prompt_caching(Decimal("0.9"), prefix_tokens=shortest),
    }
    for name, change in changes.items():
        saved = what_if(tasks, REQUESTS_A_DAY[-1], change).saving.per_month_usd
        out.print(f"  {name}: ${saved:,.2f} less a month at {REQUESTS_A_DAY[-1]:,} a day")
    out.print()


def changes(out: Console, told: Sequence[Told], by: str) -> None:
    """The three steps that won most in this run."""
    what = "dollars" if by == "usd" else "failed tasks"
    result = _table(f"The three changes that help most, by {what} won in this run", "change")
    for head in ("failed before", "after", "won", "dollars before", "after"):
        result.add_column(head, justify="right", no_wrap=True)
    for won in ranked(told, by=by)[:3]:
        result.add_row(f"{won.step.short}: {won.step.lesson}", *_figures(won))
    out.print(result)


def _figures(won: Won) -> list[str]:
    return [
        f"{won.failed_before} of {won.tasks}",
        str(won.failed_after),
        str(won.tasks_won),
        f"${won.usd_before:.4f}",
        f"${won.usd_after:.4f}",
    ]


def _left(left: object) -> str:
    number = round(float(str(float(left))))  # type: ignore[arg-type]  # a Fraction
    return f"{number} left" if number >= 0 else f"overspent by {-number}"


def _table(title: str, first: str) -> Table:
    result = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    result.add_column(first, overflow="fold", min_width=18)
    return result
