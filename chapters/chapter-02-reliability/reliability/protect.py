"""Stack policies around one async function and name what they protect.

Prevents two failures: layers in the wrong order (a timeout around the retry instead of inside it)
that nobody can see because each layer was added somewhere else, and layers that report the same
dependency under different names. The rule: one call lists the policies, outermost first, and sets
one name that every layer around the function reads, and nothing that the function calls.

    self._ask = protect(ask_claude, retry(settings.retry), dependency="claude")
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import ContextVar
from typing import Any, ParamSpec, Protocol, TypeAlias, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")
Args: TypeAlias = tuple[object, ...]
Kwargs: TypeAlias = Mapping[str, object]

# What runs below all layers: a function, and whose method it is.
Bottom: TypeAlias = tuple[object, object]
# The name, and what it was set for. A ContextVar belongs to one task, so concurrent calls never see
# each other's name; what the function calls in turn is another function, with a name of its own.
_dependency: ContextVar[tuple[str, Bottom] | None] = ContextVar("dependency", default=None)
# The layer that `protect` gives to a policy, and what is below: a layer may hide what it wraps.
_stacking: ContextVar[tuple[object, Bottom] | None] = ContextVar("stacking", default=None)


class Policy(Protocol):
    """What `retry(...)` and its siblings return: a decorator that keeps the function's signature.

    Raises TypeError at decoration when the function is not async. One of your own uses
    functools.wraps, so that the layers around it find the function's name.
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
    Raises TypeError when `function` is not async, or `dependency` neither a str nor a function.
    """
    require_async(function, "protect")
    (own, always), bottom = own_name(function), bottom_of(function)
    if dependency is not None and not isinstance(dependency, str):
        require_plain(dependency, "dependency")
    layers: Callable[P, Awaitable[R]] = function
    for policy in reversed(policies):
        before = _stacking.set((layers, bottom))
        try:
            layers = policy(layers)
        finally:
            _stacking.reset(before)

    @functools.wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if dependency is None:
            name = always if always and not kwargs else own(args, kwargs)
        else:
            name = dependency if isinstance(dependency, str) else dependency(*args, **kwargs)
        previous = _dependency.set((name, bottom))
        try:
            return await layers(*args, **kwargs)
        finally:
            _dependency.reset(previous)

    return call


def dependency_of(function: Callable[..., object], args: Args, kwargs: Kwargs) -> str:
    """Return the name of the dependency that this call goes to.

    In the layers of `protect` it is the name set there. Elsewhere, in what those layers call too,
    it is the call's argument `tool_name` when that is a non-empty str, else the function's
    `__name__`. A policy that is called often asks `naming` once, when it decorates.
    """
    return naming(function)(args, kwargs)


def naming(function: Callable[..., object]) -> Callable[[Args, Kwargs], str]:
    """Return `dependency_of` for calls of `function`, its signature read once."""
    (own, _), bottom = own_name(function), bottom_of(function)

    def name(args: Args, kwargs: Kwargs) -> str:
        held = _dependency.get()
        return (
            held[0] if held is not None and leads_to(bottom, held[1], args) else own(args, kwargs)
        )

    return name


def own_name(function: Callable[..., object]) -> tuple[Callable[[Args, Kwargs], str], str | None]:
    """Return what names a call by itself, outside `protect`; and what names all without keywords.

    The latter is None if their arguments have a say. It spares most calls a question.
    """
    place, default = _place_of(function, "tool_name")
    bottom = _down(function)[-1]
    fallback = str(getattr(bottom, "__name__", type(bottom).__name__))
    if default and isinstance(default, str):
        fallback = default

    def name(args: Args, kwargs: Kwargs) -> str:
        found = args[place] if 0 <= place < len(args) else kwargs.get("tool_name")
        return found if found and isinstance(found, str) else fallback

    return name, None if place >= 0 else fallback


def argument(function: Callable[..., object], name: str) -> Callable[[Args, Kwargs], object]:
    """Return what finds the argument `name` in a call of `function`, or None without one.

    It reads the signature once, through layers, partials and bound methods.
    """
    place, default = _place_of(function, name)

    def find(args: Args, kwargs: Kwargs) -> object:
        if 0 <= place < len(args):
            return args[place]
        return kwargs.get(name, default) if kwargs else default

    return find


def _place_of(function: Callable[..., object], name: str) -> tuple[int, object]:
    """Where `name` stands among a call's positional arguments, below 0: nowhere; its default."""
    given: Args = ()  # by partials
    named: dict[str, object] = {}
    layers = _down(function)
    for layer in layers:
        if isinstance(layer, functools.partial):
            given, named = (*layer.args, *given), {**layer.keywords, **named}
    parameters = inspect.signature(cast("Callable[..., object]", layers[-1])).parameters
    found = parameters.get(name)
    default = None if found is None or found.default is found.empty else found.default
    default = named.get(name, default)
    if found is None or found.kind not in (found.POSITIONAL_ONLY, found.POSITIONAL_OR_KEYWORD):
        return -1, default
    place = list(parameters).index(name)
    return place - len(given), given[place] if place < len(given) else default


def require_async(function: Callable[..., object], policy: str) -> None:
    """Raise TypeError unless `function` is async, seen through bound methods and partials.

    A policy around a plain function would judge the coroutine or value it returns, not the work.
    """
    if not is_async(function):
        raise TypeError(f"{policy} needs an async function, not {function!r}")


def require_plain(function: object, argument: str) -> None:
    """Raise TypeError unless `function` can be called and is not async: nobody would await it.

    The coroutine of an async predicate counts as true, whatever it would have said.
    """
    if not callable(function) or is_async(function):
        raise TypeError(f"{argument} must be a function that is not async, not {function!r}")


def predicate(asked: Callable[..., bool] | bool, argument: str) -> Callable[..., bool]:
    """Return a function of a call's arguments that says `asked`; raises TypeError as it is made.

    What only its call betrays as async is refused there, before anything is done.
    """
    if isinstance(asked, bool):
        return lambda *args, **kwargs: asked
    require_plain(asked, argument)

    def says(*args: object, **kwargs: object) -> bool:
        answer: object = asked(*args, **kwargs)
        if inspect.isawaitable(answer):
            if inspect.iscoroutine(answer):
                answer.close()
            raise TypeError(f"{argument} must answer at once, and {asked!r} returns an awaitable")
        return bool(answer)

    return says


def is_async(function: object) -> bool:
    """Say whether a call of `function` must be awaited, through partials and objects too."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or (
        callable(function) and inspect.iscoroutinefunction(type(function).__call__)
    )


def _down(function: object) -> list[object]:
    """`function` and what its layers and partials lead to; the last is what runs in the end."""
    layers = [function]
    while not inspect.ismethod(layer := layers[-1]):
        if isinstance(layer, functools.partial):
            layers.append(layer.func)
        elif hasattr(layer, "__wrapped__"):  # the layers between: what counts is below them
            layers.append(layer.__wrapped__)
        else:
            break
    return layers


def bottom_of(function: object) -> Bottom:
    """Return what runs below all layers of `function`, and the object whose method it is."""
    stacked = _stacking.get()
    if stacked and stacked[0] is function:
        return stacked[1]
    last = _down(function)[-1]
    if not inspect.ismethod(last):
        return last, None
    return _down(last.__func__)[-1], last.__self__


def leads_to(bottom: Bottom, other: Bottom, args: Args) -> bool:
    """Say whether a call with `args` of a layer above `bottom` runs `other`.

    A layer written in a class knows whose method it is only from the call.
    """
    if bottom[0] is not other[0]:
        return False
    return bottom[1] is other[1] or (bottom[1] is None and bool(args) and args[0] is other[1])
