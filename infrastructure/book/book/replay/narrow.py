"""Tables where a terminal is narrow: the name on the left, its figures below one another.

Prevents a table that gives up the names of steps first, and is then about nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table

LESS_THAN = 92  # columns, for tables whose figures take about seventy


def stacked(
    title: str | None, head: str, rows: Sequence[tuple[str, Sequence[str]]], heads: str = ""
) -> Table:
    """A row a name: no word of a name is cut, and its figures wrap beside it."""
    result = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    longest = max((len(word) for name, _ in rows for word in name.split()), default=0)
    result.add_column(head, min_width=longest, overflow="fold")
    result.add_column(heads, overflow="fold", ratio=1)
    for name, figures in rows:
        result.add_row(name, "\n".join(figures), end_section=True)
    return result
