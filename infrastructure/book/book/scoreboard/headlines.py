"""The headline of a cell: the one figure that its incident is about, in words and as data.

Prevents a figure that nobody measured: where no run came to its end there is none, and one that is
no number is "not measured".
"""

from __future__ import annotations

import math

from book.replay.replay import Story
from book.story.incident import Headline


def figure(story: Story, value: float | None, error: str | None) -> str:
    """The figure of a cell as one says it; empty where no run came to its end."""
    if error is not None:
        return ""
    measured = value if value is not None and math.isfinite(value) else None
    return story.incident.headline.say(measured)


def of_incident(headline: Headline) -> dict[str, object]:
    """What the figure counts, its unit and which way it is better, for JSON and for the page."""
    return {"words": headline.words, "unit": headline.unit, "better": headline.better}


def of_cell(story: Story, value: float | None, error: str | None) -> dict[str, object]:
    """The same with the figure of a cell; ``value`` is None where it was not measured."""
    known = value is not None and math.isfinite(value) and error is None
    told = of_incident(story.incident.headline)
    return told | {"value": value if known else None, "shown": figure(story, value, error)}
