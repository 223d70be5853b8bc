"""Serve the last good result of a tool that does not answer, with its age.

Prevents the outage of one tool that becomes an outage of the agent, and its opposite: the old value
that is sold as a fresh one. The rule: only what a read-only call returned is ever served again, not
older than `stale_s`, and the model and the user both read how old it is. Where nothing can stand
in, the failure goes on to the model, and the user reads what is missing.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping
from typing import Any, ParamSpec, TypeVar, cast

from reliability.degradation import DegradationSettings, active_notes
from reliability.errors import classify, is_callers_mistake, members, stop_task_of
from reliability.events import ResultMissing, StaleServed, emit
from reliability.loop_guard import canonical_call, cut
from reliability.protect import Policy, naming, predicate, require_async, require_plain

P = ParamSpec("P")
R = TypeVar("R")

# In a note for the user; what is longer ends in an ellipsis.
MAX_ARGUMENT_CHARS = 60
MAX_ARGUMENTS_CHARS = 200  # all of a call's arguments together


def one_scope() -> str:
    return ""


def last_known_good(
    settings: DegradationSettings | None = None,
    *,
    read_only: Callable[..., bool] | bool | None = None,
    excluded: tuple[type[Exception], ...] = (),
    key: Callable[..., str] | None = None,
    scope: Callable[[], str] = one_scope,
    clock: Callable[[], float] = time.monotonic,
) -> Policy:
    """Remember what read-only calls return and serve it when one fails; outermost, please.

    `read_only` says it of a call by its arguments, or of all; what is not read-only is never
    remembered. `excluded` are errors by which the tool works and says no: they pass, as do a
    StopTask and a caller's mistake (`is_callers_mistake`). Every other Exception is an outage. Only
    a str is remembered, and it is served with a last line such as "(42 s old: get_weather does not
    answer now)".

    Calls are the same if `key`, given the arguments, returns the same; without it, if name and
    arguments are. `scope` is a part of every key: a tool whose result depends on who asks needs one
    that names the user or the tenant, because what one user's call returned would otherwise be
    served to another. `clock` is monotonic, in seconds.

    Raises what the call raised; TypeError without `read_only`, on a plain function, and for a
    `read_only`, `key` or `scope` that is async.
    """
    if settings is not None and not isinstance(settings, DegradationSettings):
        raise TypeError(f"write @last_known_good(settings, read_only=...), not ({settings!r})")
    if read_only is None:
        raise TypeError("write @last_known_good(settings, read_only=...): which calls only read?")
    rules, only_reads = settings or DegradationSettings(), predicate(read_only, "read_only")
    require_plain(scope, "scope")
    if key is not None:
        require_plain(key, "key")

    def decorate(function: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        require_async(function, "last_known_good")
        signature, name_of = inspect.signature(function), naming(function)
        known: OrderedDict[Hashable, tuple[str, float]] = OrderedDict()  # text, time; oldest first

        def remember(call_id: Hashable, text: str) -> None:
            known[call_id] = text, clock()
            known.move_to_end(call_id)
            if len(known) > rules.entries:
                known.popitem(last=False)

        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> R:
            # All of this before the call, which may change its arguments.
            dependency = name_of(args, kwargs)
            arguments = _arguments(signature, args, kwargs)
            same = key(*args, **kwargs) if key else canonical_call(dependency, arguments)
            call_id, label = (scope(), dependency, same), _label(dependency, arguments)
            repeatable = only_reads(*args, **kwargs)
            notes = active_notes()
            try:
                result = await function(*args, **kwargs)
            except Exception as error:
                if stop_task_of(error):
                    raise
                if all(isinstance(e, excluded) or is_callers_mistake(e) for e in members(error)):
                    notes.withdraw(call_id)  # it does answer now
                    raise
                text, age_s = "", float("inf")
                if repeatable and call_id in known:
                    text, since = known[call_id]
                    age_s = clock() - since
                if age_s > rules.stale_s:
                    emit(ResultMissing(dependency, classify(error)))
                    notes.missing(call_id, label)
                    raise
                known.move_to_end(call_id)
                emit(StaleServed(dependency, age_s, classify(error)))
                notes.stale(call_id, label, age_s)
                # Below the facts: who reads only the first line of a result still gets them.
                remark = f"({age_s:.0f} s old: {dependency} does not answer now)"
                return cast("R", f"{text}\n{remark}")  # only calls of this function are in `known`
            notes.withdraw(call_id)
            if repeatable and isinstance(result, str):
                remember(call_id, result)
            return result

        return call

    return decorate


def _arguments(
    signature: inspect.Signature, args: tuple[object, ...], kwargs: Mapping[str, object]
) -> dict[str, object]:
    """The call's arguments by name, however they were passed."""
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:  # wrong arguments: the call itself is about to say so
        return {"args": args, **kwargs}
    bound.apply_defaults()
    return dict(bound.arguments)


def _label(dependency: str, arguments: Mapping[str, object]) -> str:
    """The call as a user reads it: `get_weather (city: Oslo)`."""
    shown: list[str] = []
    for name, value in arguments.items():
        if isinstance(value, Mapping):  # a tool's arguments, as the model gave them
            shown += [f"{_line(each)}: {_line(value[each])}" for each in value]
        elif not isinstance(value, str) or value != dependency:  # the tool's name is said already
            shown.append(f"{name}: {_line(value)}")
    together = cut(", ".join(shown), MAX_ARGUMENTS_CHARS)
    return f"{_line(dependency)} ({together})" if shown else _line(dependency)


def _line(value: object) -> str:
    """A value in a line of its own, so that no argument can forge a note."""
    printable = "".join(char if char.isprintable() else " " for char in str(value))
    return cut(" ".join(printable.split()), MAX_ARGUMENT_CHARS)
