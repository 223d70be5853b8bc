"""Runs many trials side by side, each with as much of the machine as its incident asks for.

Prevents figures that measure the neighbours: a trial whose verdict rests on milliseconds runs with
few others or alone, and trials begin in their order, so that a heavy one is never passed by.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

from book.stage import trial as trials
from book.stage.processes import Processes
from book.stage.simulating import TrialError
from book.stage.trial import Trial
from book.story.incident import Run

AT_ONCE = 8


class Slots:
    """So many places; who comes first gets what it needs first, and later ones wait behind it."""

    def __init__(self, places: int = AT_ONCE) -> None:
        self._free = places
        self._turn = self._next = 0
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, places: int) -> Iterator[None]:
        """Hold so many places; waits for its turn. Take the number in the order of beginning."""
        with self._changed:
            number, self._next = self._next, self._next + 1
            self._changed.wait_for(lambda: self._turn == number and self._free >= places)
            self._turn += 1
            self._free -= places
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += places
                self._changed.notify_all()


def places_of(trial: Trial, places: int = AT_ONCE) -> int:
    """How many of so many places a trial takes."""
    return -(-places // max(1, min(trial.incident.trials_at_once, places)))


def run_all(
    planned: Sequence[Trial],
    processes: Processes,
    on_done: Callable[[Trial, bool], None],
    *,
    keep_errors: bool = False,
    at_once: int = AT_ONCE,
) -> Iterator[tuple[Trial, Run | TrialError]]:
    """Run all trials and yield each with its run, in their order.

    With ``keep_errors`` a TrialError stands in for a run that could not be made; without it the
    first one is raised, and everything that still runs is ended. So it is on Ctrl-C.
    """
    slots = Slots(at_once)

    def one(trial: Trial) -> Run | TrialError:
        with slots.taken(places_of(trial, at_once)):
            try:
                return trials.run(trial, processes, lambda ok: on_done(trial, ok))
            except TrialError as error:
                if not keep_errors:
                    raise
                return error

    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(one, trial) for trial in planned]
        with processes.killed_on_error():  # Ctrl-C too: the pool waits for its threads to end
            try:
                for trial, future in zip(planned, futures, strict=True):
                    yield trial, _result(future, futures)
            finally:
                for future in futures:
                    future.cancel()


def _result(
    future: Future[Run | TrialError], futures: Sequence[Future[Run | TrialError]]
) -> Run | TrialError:
    """The result, or another's error at once. Short waits keep Ctrl-C alive on every system."""
    pending = {each for each in futures if not each.done()}
    while not future.done():
        finished, pending = wait(pending, timeout=0.2, return_when="FIRST_COMPLETED")
        for each in finished:
            if each is not future:
                each.result()
    return future.result()
