"""What a step's policies did, counted from their events, beside what the simulator counted.

Prevents a policy that reports more than it does: each count of the agent's stands beside the
number at the other end that it must fit to.
"""

from __future__ import annotations

from collections import Counter

from rich import box
from rich.table import Table

from book.replay import narrow
from book.story.observed import Run

HEADS = (
    ("retries\nevents", "retries"),
    ("repeated\nsimulator", "repeated_requests"),
    ("breaker\nopened/closed", "breaker"),
    ("timeouts\nevents", "timeouts"),
    ("unanswered\nsimulator", "unanswered_requests"),
    ("fallbacks\nmodel/stale", "fallbacks"),
    ("refused\nfull/open", "refused"),
)


def counts(run: Run) -> dict[str, int]:
    """The counts by name, for scripts; those of the policies are 0 where a step has none."""
    opened = run.noted("CircuitChanged", after="open")
    return {
        "retries": len(run.noted("RetryScheduled")),
        "repeated_requests": run.repeats,
        "breaker_opened": len(opened),
        "breaker_closed": len(run.noted("CircuitChanged", after="closed")),
        "timeouts": len(run.noted("TimedOut")),
        "unanswered_requests": run.hung_up,
        "fallbacks_model": len(run.noted("FallbackUsed")),
        "fallbacks_stale": len(run.noted("StaleServed")),
        "refused_full": len(run.noted("BulkheadRefused")),
        "refused_open": len(run.noted("CircuitRefused")),
        "loops_stopped": len(run.noted("LoopStopped")),
    }


def by_model(run: Run) -> dict[str, int]:
    """Answered model requests by model, as the simulator saw them."""
    return dict(Counter(each.model or "?" for each in run.model_requests if each.status == 200))


def table(runs: list[tuple[str, Run]], width: int) -> Table:
    """A row a run, with its title."""
    if width < narrow.LESS_THAN:
        rows = [(title, _figures(run)) for title, run in runs]
        return narrow.stacked(None, "what the policies did", rows)
    result = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    result.add_column("what the policies did", overflow="fold", min_width=15)
    for head, _ in HEADS:
        result.add_column(head, justify="right", no_wrap=True)
    for title, run in runs:
        result.add_row(title, *_cells(run))
    return result


def _figures(run: Run) -> list[str]:
    """The same counts, one a line."""
    heads = [" ".join(head.split()) for head, _ in HEADS]
    return [f"{head} {cell}" for head, cell in zip(heads, _cells(run), strict=True)]


def _cells(run: Run) -> list[str]:
    found = counts(run)
    pairs = {
        "breaker": f"{found['breaker_opened']}/{found['breaker_closed']}",
        "fallbacks": f"{found['fallbacks_model']}/{found['fallbacks_stale']}",
        "refused": f"{found['refused_full']}/{found['refused_open']}",
    }
    return [pairs.get(name) or str(found[name]) for _, name in HEADS]
