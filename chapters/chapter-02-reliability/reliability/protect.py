"""Stack policies around one async function and name what they protect.

Prevents two failures: layers in the wrong order (a timeout around the retry instead of inside it)
that nobody can see because each layer was added somewhere else, and layers that report the same
dependency under different names. The rule: one call lists the policies, outermost first, and sets
one name that every layer and event below reads.

    self._ask = protect(ask_claude, retry(settings.retry), dependency="claude")
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import ContextVar
from typing import Any, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

# A ContextVar belongs to one task, so concurrent calls never see each other's name.
_dependency: ContextVar[str | None] = ContextVar("dependency", default=None)


class Policy(Protocol):
    """What `retry(...)` and its siblings return: a decorator that keeps the function's signature.

    Raises TypeError at decoration when the function is not async.
    """

    def __call__(
        self, function: Callable[P, Awaitable[R]], /
    ) -> Callable[P, Coroutine[Any, Any, R]]: ...


def protect(
    function: Callable[P, Awaitable[R]],
    *policies: Policy,
    dependency: str | Callable[P, str] | None = None,
) -> Callable[P, Coroutine[Any, Any, R]]:
    """Return `function` inside `policies`, the first one outermost, with its signature unchanged.

    `dependency` names what the call depends on: a str, or a function of the call's arguments
    (`lambda name, arguments: name`). Without it the call is named as `dependency_of` says, from its
    own arguments: a protected call inside another never takes over the outer name.
    Raises TypeError when `function` is not async.
    """
    require_async(function, "protect")
    layers: Callable[P, Awaitable[R]] = function
    for policy in reversed(policies):
        layers = policy(layers)

    @functools.wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if dependency is None:
            name = _name_of_call(function, args, kwargs)
        else:
            name = dependency if isinstance(dependency, str) else dependency(*args, **kwargs)
        previous = _dependency.set(name)
        try:
            return await layers(*args, **kwargs)
        finally:
            _dependency.reset(previous)

    return call


def dependency_of(
    function: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object]
) -> str:
    """Return the name of the dependency that this call goes to; every policy asks here.

    Inside `protect` it is the name set there. Elsewhere it is the call's argument `tool_name` when
    that is a non-empty str, else the function's `__name__`.
    """
    return _dependency.get() or _name_of_call(function, args, kwargs)


def require_async(function: Callable[..., object], policy: str) -> None:
    """Raise TypeError unless `function` is async, seen through bound methods and partials.

    A policy around a plain function would judge the coroutine or value it returns, not the work.
    """
    if inspect.iscoroutinefunction(function) or (
        callable(function) and inspect.iscoroutinefunction(type(function).__call__)
    ):
        return
    raise TypeError(f"{policy} needs an async function, not {function!r}")


def _name_of_call(
    function: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object]
) -> str:
    while not inspect.ismethod(function):
        if isinstance(function, functools.partial):
            args, kwargs = (*function.args, *args), {**function.keywords, **kwargs}
            function = function.func
        elif hasattr(function, "__wrapped__"):  # the layers between: what counts is below them
            function = function.__wrapped__
        else:
            break
    try:
        call = inspect.signature(function).bind(*args, **kwargs)
    except TypeError:  # wrong arguments: the call itself is about to say so, better than a name can
        arguments = dict(kwargs)
    else:
        call.apply_defaults()
        arguments = {**kwargs, **call.arguments}
    tool_name = arguments.get("tool_name")
    if isinstance(tool_name, str) and tool_name:
        return tool_name
    return str(getattr(function, "__name__", type(function).__name__))
