"""Answer with what is left, and say what is missing.

Prevents two failures: the outage of one dependency that becomes an outage of the whole agent, and
the answer that looks complete but is not. The rule: whatever stands in for a failed call is noted
for this run, and the notes go to the user with the answer. A mistake of ours (a misspelt model, an
empty account) is never covered up. `last_known_good` does the same for tools.

    with collect_notes() as notes:
        ...
    return Answer(notes.append_to(text), degraded=notes.degraded)
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from anthropic.types import Message

from reliability.deadlines import refuse_async_generators
from reliability.errors import Failure, FailureKind, classify, members, status_of, stop_task_of
from reliability.events import FallbackUsed, emit
from reliability.protect import Policy, argument, protect, require_async
from reliability.retries import standing_by
from reliability.retry_budget import require_numbers

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class DegradationSettings:
    """What may stand in for a failed call. Raises ValueError."""

    fallback_model: str = ""  # asked when the model asked for is not available; empty: none
    stale_s: float = 3600.0  # an older result of a tool is not served
    entries: int = 1_000  # results that are remembered; the longest unused is forgotten first

    def __post_init__(self) -> None:
        name = self.fallback_model
        if not isinstance(name, str) or name != name.strip():
            raise ValueError(f"fallback_model must be a model's name or empty, not {name!r}")
        require_numbers(self, "stale_s")
        if type(self.entries) is not int or self.entries < 1:
            raise ValueError(f"entries must be a whole number >= 1, not {self.entries!r}")


class Notes:
    """What the user must know of one run: each distinct note once, in order.

    A call is named by any hashable key. Its latest outcome decides: a success withdraws its note.
    """

    def __init__(self) -> None:
        self._by_call: dict[Hashable, str] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(self._by_call.values()))

    def __len__(self) -> int:
        return len(set(self._by_call.values()))

    @property
    def degraded(self) -> bool:
        """Whether the answer rests on anything stale, missing or answered by another model."""
        return len(self) > 0

    def text(self) -> str:
        """One line a note; empty without notes."""
        return "\n".join(self)

    def append_to(self, text: str) -> str:
        """Return `text` with the notes as its last paragraph."""
        return "\n\n".join(part for part in (text, self.text()) if part)

    def stale(self, call: Hashable, label: str, age_s: float) -> None:
        self._by_call[call] = f"Note: {label} does not answer now; this value is {age_s:.0f} s old."

    def missing(self, call: Hashable, label: str) -> None:
        # A value that was served earlier in this run stays in the answer, and so does its age.
        self._by_call.setdefault(call, f"Missing: {label} does not answer now.")

    def answered_by(self, fallback: str, model: str) -> None:
        note = f"Note: answered by {fallback}, because {model} is not available."
        self._by_call["model", model, fallback] = note

    def withdraw(self, call: Hashable) -> None:
        self._by_call.pop(call, None)


# A task begins with a copy of its parent's context: it shares the run's notes, and no other run's.
_notes: ContextVar[Notes | None] = ContextVar("notes", default=None)


@contextmanager
def collect_notes() -> Iterator[Notes]:
    """Gather the notes of one run, those of the tasks that it starts included.

    Not in an async generator, whose consumer would write into them: it raises RuntimeError there.
    """
    refuse_async_generators("collect_notes", sys._getframe(1))
    notes = Notes()
    previous = _notes.set(notes)
    try:
        yield notes
    finally:
        _notes.reset(previous)


def active_notes() -> Notes:
    """Return the notes of this run; outside `collect_notes`, new ones that nobody reads."""
    notes = _notes.get()
    return Notes() if notes is None else notes


def fallback_model(
    settings: DegradationSettings | None = None,
    *,
    classify: Callable[[BaseException], Failure] = classify,
) -> Policy:
    """Ask `settings.fallback_model` when the model of a call is not available; outermost, please.

    For an async function with an argument `model`, whose value it replaces. The policies below see
    the second call as a dependency of its own, named as the fallback model: its circuit and its
    budget are not those of the model that fails. What timed out is not tried again before the
    fallback is asked: each attempt may take all of `model_call_s`, and the request has an end.
    A permanent failure, a spend limit and a StopTask pass, and so do 400 and 404, whatever their
    headers say: a misspelt model must not be hidden.

    Raises what the fallback raised, from the first failure unless it has a cause of its own; and
    TypeError without parentheses, on a plain function, and on one without an argument `model`.
    """
    if settings is not None and not isinstance(settings, DegradationSettings):
        raise TypeError(f"write @fallback_model(settings), not fallback_model({settings!r})")
    fallback = (settings or DegradationSettings()).fallback_model

    def can_help(error: Exception, failure: Failure) -> bool:
        if stop_task_of(error) or any(status_of(each) in (400, 404) for each in members(error)):
            return False
        return failure.kind not in (FailureKind.PERMANENT, FailureKind.SPEND_LIMIT)

    def decorate(function: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        require_async(function, "fallback_model")
        signature = inspect.signature(function)
        if "model" not in signature.parameters:
            raise TypeError(f"fallback_model needs an argument named model: {function!r} has none")
        model_of = argument(function, "model")
        ask_fallback: Callable[..., Awaitable[R]] = protect(function, dependency=fallback)

        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> R:
            model = model_of(args, kwargs)
            if not fallback or model == fallback:
                return await function(*args, **kwargs)
            try:
                with standing_by(function):
                    return await function(*args, **kwargs)
            except Exception as first:
                failure = classify(first)
                if not can_help(first, failure):
                    raise
                asked = signature.bind(*args, **kwargs)
                asked.apply_defaults()
                asked.arguments["model"] = fallback
                emit(FallbackUsed(str(model), fallback, failure))
                try:
                    answer = await ask_fallback(*asked.args, **asked.kwargs)
                except Exception as second:
                    # The SDK's connection errors mean what their cause means: `classify` reads it.
                    if second is first or second.__cause__ is not None:
                        raise
                    raise second from first
                active_notes().answered_by(fallback, str(model))
                return answer

        return call

    return decorate


@dataclass(frozen=True)
class Tokens:
    """What one model was asked and answered, in the units of the API's `usage`."""

    input_tokens: int  # fresh: neither written to the prompt cache nor read from it
    output_tokens: int
    cache_write_tokens: int = 0
    cache_read_tokens: int = 0

    @property
    def all_input_tokens(self) -> int:
        return self.input_tokens + self.cache_write_tokens + self.cache_read_tokens


def tokens_by_model(messages: Sequence[Message]) -> dict[str, Tokens]:
    """Book each answer to the model that gave it, not to the one that was asked: prices differ."""
    booked: dict[str, Tokens] = {}
    for message in messages:
        so_far, usage = booked.get(message.model, Tokens(0, 0)), message.usage
        booked[message.model] = Tokens(
            so_far.input_tokens + usage.input_tokens,
            so_far.output_tokens + usage.output_tokens,
            so_far.cache_write_tokens + (usage.cache_creation_input_tokens or 0),
            so_far.cache_read_tokens + (usage.cache_read_input_tokens or 0),
        )
    return booked
