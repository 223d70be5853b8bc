"""Runs many trials side by side, each with as much of the machine as its incident asks for.

Prevents figures that measure the neighbours: a trial whose verdict rests on milliseconds runs with
few others or alone, and one whose processes waited too long for a CPU is made again with fewer
beside it. Long ones begin first and lighter ones fill what is free, so that a heavy one holds up
nobody; those that must be alone follow one another at the end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from book.stage import trial as trials
from book.stage.disk import DiskFull
from book.stage.processes import Processes
from book.stage.services.errors import ServiceMissing
from book.stage.simulating import TooBusy, TrialError
from book.stage.trial import Trial
from book.stage.waiting import Waited, too_busy
from book.story.incident import Run

AT_ONCE = 8
ATTEMPTS = 3
PATIENCE = 16  # so many may pass one that needs more places than are free


@dataclass
class _Asks:
    """Somebody who waits for places."""

    who: int
    places: int
    length_s: float
    passed: int = 0


class Line:
    """Who waits for places, and how many are free.

    The longest first; who does not fit is passed, but not without end. Who needs all places comes
    when nobody else waits.
    """

    def __init__(self, places: int = AT_ONCE) -> None:
        self._places = self._free = places
        self._waiting: list[_Asks] = []
        self._changed = threading.Condition()
        self._closed = False

    def ask(self, who: int, places: int, length_s: float) -> None:
        """Wait for so many places, all of them at most."""
        with self._changed:
            self._waiting.append(_Asks(who, min(places, self._places), length_s))
            self._waiting.sort(key=lambda each: (each.places == self._places, -each.length_s))
            self._changed.notify_all()

    def may_begin(self) -> bool:
        """Whether somebody could begin now."""
        with self._changed:
            return self._choose() is not None

    def take(self) -> tuple[int, int] | None:
        """Who begins next, with the places taken; waits for it. None when all is over."""
        with self._changed:
            while not self._closed:
                chosen = self._choose()
                if chosen is not None:
                    self._begin(chosen)
                    return chosen.who, chosen.places
                if not self._waiting and self._free == self._places:
                    break
                self._changed.wait()
            return None

    def give_back(self, places: int) -> None:
        """These places are free again. Who wants to run again asks before."""
        with self._changed:
            self._free += places
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody begins any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _begin(self, chosen: _Asks) -> None:
        place = self._waiting.index(chosen)
        for before in self._waiting[:place]:
            before.passed += 1
        del self._waiting[place]
        self._free -= chosen.places

    def _choose(self) -> _Asks | None:
        for each in self._waiting:
            if each.places <= self._free:
                return each
            if each.passed >= PATIENCE or each.places == self._places:
                return None
        return None


def places_of(trial: Trial, places: int = AT_ONCE) -> int:
    """How many of so many places a trial takes: each attempt leaves fewer to others."""
    first = -(-places // max(1, min(trial.incident.trials_at_once, places)))
    return {1: first, 2: max(first, -(-places // 2))}.get(trial.attempt, places)


def run_all(
    planned: Sequence[Trial],
    processes: Processes,
    on_done: Callable[[Trial, bool], None],
    *,
    keep_errors: bool = False,
    at_once: int = AT_ONCE,
    is_too_busy: Callable[[Waited], bool] = too_busy,
) -> Iterator[tuple[Trial, Run | TrialError]]:
    """Run all trials and yield each with its run, in their order.

    TooBusy stands in for a run that the machine spoiled each time, ServiceMissing for one that
    needs a server which is not installed here. With ``keep_errors`` so does any other TrialError
    but DiskFull; without it the first one is raised, and everything that still runs is ended. So
    it is on Ctrl-C. ``on_done`` meets a repeated trial with its ``attempt``.
    """
    line, attempts = Line(at_once), list(planned)
    results = [Future[Run | TrialError]() for _ in planned]
    for number, trial in enumerate(planned):
        line.ask(number, places_of(trial, at_once), trial.about_s)

    def attempt(number: int) -> Run | TrialError | None:
        """What came of the trial, or None where it has to run again."""
        trial = attempts[number]
        try:
            run, waited = trials.watched(trial, processes, lambda ok: on_done(trial, ok))
        except TrialError as error:
            kept = keep_errors and not isinstance(error, DiskFull)
            if not kept and not isinstance(error, ServiceMissing):
                raise
            return error
        if not is_too_busy(waited):
            return run
        if trial.attempt == ATTEMPTS:
            return TooBusy(f"{trial.name}: the machine was too busy: {waited}")
        attempts[number] = again = replace(trial, attempt=trial.attempt + 1)
        line.ask(number, places_of(again, at_once), again.about_s)
        return None

    def work() -> None:
        while (taken := line.take()) is not None:
            number, places = taken
            try:
                result = attempt(number)
                if result is not None:
                    results[number].set_result(result)
            except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
                results[number].set_exception(error)
            finally:
                line.give_back(places)

    with ThreadPoolExecutor(at_once) as pool:
        for _ in range(min(at_once, len(planned))):
            pool.submit(work)
        with processes.killed_on_error():  # Ctrl-C too: the pool waits for its threads to end
            try:
                for trial, result in zip(planned, results, strict=True):
                    yield trial, _result(result, results)
            finally:
                line.close()


def _result(
    result: Future[Run | TrialError], results: Sequence[Future[Run | TrialError]]
) -> Run | TrialError:
    """The result, or another's error at once. Short waits keep Ctrl-C alive on every system."""
    pending = {each for each in results if not each.done()}
    while not result.done():
        finished, pending = wait(pending, timeout=0.2, return_when="FIRST_COMPLETED")
        for each in finished:
            if each is not result:
                each.result()
    return result.result()
