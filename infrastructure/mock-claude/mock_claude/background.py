"""A simulator in a thread with an event loop of its own, for code that has no loop to lend.

This prevents a test's event loop, or its policy, from deciding whether the server runs.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from mock_claude.server import Simulator


@contextmanager
def in_background(simulator: Simulator) -> Iterator[Simulator]:
    """Run the simulator for the length of a ``with`` block; a failure to start is raised here."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        try:
            async with simulator:
                stop = asyncio.Event()
                started.set_result((asyncio.get_running_loop(), stop))
                await stop.wait()
        except Exception as failure:
            if started.done():
                raise
            started.set_exception(failure)  # else whoever waits for the start waits for ever

    def run() -> None:
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="mock-claude", daemon=True)
    thread.start()
    try:
        loop, stop = started.result()
        try:
            yield simulator
        finally:
            loop.call_soon_threadsafe(stop.set)
    finally:
        thread.join()
