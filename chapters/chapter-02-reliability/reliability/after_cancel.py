"""Let go of a blocking call at once, and of clean-up only when it is done: both outlive a cancel.

Prevents three failures: a blocking tool that stops the event loop and with it every request, the
thread that hangs and keeps the process from ever ending, and the connection that stays open since
the task that should close it was cancelled a second time. The rule: what a cancellation cannot stop
is bounded in number, and what it must not stop is bounded in time.

    search = timeout(seconds=10)(in_thread(search_index))
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar, cast

from reliability.deadlines import current_deadline, require_seconds

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger(__name__)


def in_thread(
    function: Callable[P, R], *, at_most: int = 16
) -> Callable[P, Coroutine[Any, Any, R]]:
    """Return an async function that runs the blocking `function` in a thread of its own.

    Abandoned, not stopped: nothing can stop a thread, so a timeout or a cancellation ends the wait
    at once, and the thread goes on to its end; its result is lost, what it does is not. Until then
    it counts as one of `at_most`, and a call above them waits for its turn, the first come first.
    The thread sees the caller's ContextVars, `remaining_s()` included.
    Raises ValueError for `at_most` below 1, TypeError for an async function.

    anyio's threads do not serve: `to_thread.run_sync(abandon_on_cancel=True)` stops counting a
    thread it abandons, and the interpreter waits for it at exit. These are daemons: it does not.
    """
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"in_thread needs a blocking function, not the async {function!r}")
    if type(at_most) is not int or at_most < 1:
        raise ValueError(f"at_most must be a whole number >= 1, not {at_most!r}")
    lock = threading.Lock()  # a thread may end after the event loop that began it
    running = 0
    queue: deque[Future[None]] = deque()

    def begin() -> Future[None] | None:
        """Take a place, or return the turn to wait for."""
        nonlocal running
        with lock:
            if running < at_most:
                running += 1
                return None
            turn: Future[None] = Future()
            queue.append(turn)
            return turn

    def end() -> None:
        """Give a place back, or straight on to the first in the queue: nobody overtakes it."""
        nonlocal running
        with lock:
            while queue:
                turn = queue.popleft()
                if turn.set_running_or_notify_cancel():
                    break
            else:
                running -= 1
                return
        turn.set_result(None)

    def leave(turn: Future[None]) -> None:
        with lock:
            if turn in queue:
                queue.remove(turn)
                return
        if not turn.cancelled():  # the turn came as the caller left
            end()

    def work(function: Callable[[], R], done: Future[tuple[R | None, Exception | None]]) -> None:
        outcome: tuple[R | None, Exception | None] = (
            None,
            RuntimeError("no result: the thread was ended"),
        )
        try:
            outcome = function(), None
        except Exception as error:  # noqa: BLE001 - raised again where the caller waits
            outcome = None, error
        except SystemExit:
            outcome = None, RuntimeError("sys.exit() ends no process from a thread")
        finally:
            end()
            done.set_result(outcome)

    @functools.wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if (turn := begin()) is not None:
            came = False
            try:
                await asyncio.wrap_future(turn)
                came = True
            finally:
                if not came:
                    leave(turn)
        done: Future[tuple[R | None, Exception | None]] = Future()
        done.set_running_or_notify_cancel()  # from here on nobody can cancel it
        run = functools.partial(contextvars.copy_context().run, function, *args, **kwargs)
        try:
            threading.Thread(target=work, args=(run, done), daemon=True).start()
        except RuntimeError:  # the machine has no thread left
            end()
            raise
        result, error = await asyncio.wrap_future(done)
        if error is not None:
            raise error
        return cast(R, result)

    return call


async def cleanup(work: Awaitable[object], *, limit_s: float) -> None:
    """Await `work` for at most `limit_s` seconds, even if the task is cancelled: for a `finally`.

    A cancellation waits until `work` has ended and is raised then. `work` runs in a task of its
    own, free of the deadline: what has to be closed has to be closed after it too. Work that does
    not end is cancelled and logged; an error of the work is raised. Raises ValueError.
    """
    require_seconds(limit_s=limit_s)

    async def run() -> None:
        current_deadline.set(None)
        await work

    task = asyncio.create_task(run())
    clock = asyncio.get_running_loop().time
    end = clock() + limit_s
    cancelled: asyncio.CancelledError | None = None
    while not task.done() and (left_s := end - clock()) > 0:
        try:
            await asyncio.wait([task], timeout=left_s)
        except asyncio.CancelledError as error:
            cancelled = error
    failure: BaseException | None = None
    if not task.done():
        task.cancel()
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        logger.warning("a clean-up did not end within %g s and was cancelled", limit_s)
    elif not task.cancelled():  # work that was itself cancelled has ended, as it should
        failure = task.exception()
    if cancelled is not None:
        raise cancelled from failure
    if failure is not None:
        raise failure
