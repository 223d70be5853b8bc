"""Scripts: a model that misbehaves in a told way, on top of the one that works.

This prevents a story about a bad model from needing a bad model. A script has a name, a story
(``stories``), and the models and tasks it is about; the first in order that has something to say
for a request decides, and where none has, the ordinary model speaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

Story = Literal["runaway", "cycle", "obedient", "leaky", "refusal", "quality", "shape"]


@dataclass(frozen=True)
class Call:
    """A tool call of a script; without ``input``, what the ordinary model would give it."""

    tool: str
    input: Mapping[str, object] | None = field(default=None, hash=False)


@dataclass(frozen=True)
class Script:
    """Which story, for which models and tasks; globs as in a shell, without regard to case."""

    name: str
    story: Story
    model: str | None = None
    task: str | None = None
    calls: tuple[Call, ...] = ()
    """Of runaway (one) and cycle (two); empty: the script takes tools that the request offers."""
    text: str = ""
    """What comes with the calls, or with a refusal."""
    category: str | None = None
    explanation: str | None = None
    right: float = 1.0
    """The share of tasks, 0 to 1, that quality answers rightly."""
    turn: int | None = None
    """The turn of a task that shape decides, from 1; None: each."""
    message: Mapping[str, object] | None = field(default=None, hash=False)
    """Fields of the message that shape replaces."""
    body: str | None = None
    """What shape sends instead of a message."""
    content_type: str = "application/json"

    def is_about(self, model: object, task: str) -> bool:
        """Whether the script is for this model and this task."""
        return _matches(model, self.model) and _matches(task, self.task)


def _matches(text: object, glob: str | None) -> bool:
    return glob is None or fnmatchcase(str(text).lower(), glob.lower())
