"""Time that jumps to the next timer, so that a test of limits is exact and nobody waits."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

P = ParamSpec("P")


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer: nothing sleeps, and time is exact."""

    def __init__(self) -> None:
        self.now = 1_000.0
        super().__init__(JumpingSelector(self))

    def time(self) -> float:
        return self.now


class JumpingSelector(selectors.SelectSelector):
    def __init__(self, loop: JumpingLoop) -> None:
        super().__init__()
        self.loop = loop

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "every task waits for something that no timer will bring"
        ready = super().select(0)
        if not ready:
            self.loop.now += max(timeout, 0.0)
        return ready


def in_jumping_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=JumpingLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


def now() -> float:
    return asyncio.get_running_loop().time()
