"""The simulator of a trial, in a child process, and how the trial talks with its children.

Prevents a trial that waits for ever: each answer has a time limit, and a child that ends early is
named with the last that it printed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from typing import Protocol

from book.stage.processes import Child
from book.story.incident import Strike
from mock_claude import FaultScript, Simulator

SILENCE_S = 30.0  # beyond the task limit: then the step's process is stuck, not slow


class TrialError(RuntimeError):
    """A trial could not be carried out; what it says is no verdict on the step."""


class TooBusy(TrialError):
    """The trial's processes waited too long for a CPU, however often it was made: not judged."""


class Shared(Protocol):
    """Something that others use, too: what can be read once it has ended, and what to say then."""

    @property
    def sentinels(self) -> list[int]: ...

    def check(self) -> None:
        """Raise a TrialError if it has ended."""
        ...


def ask(simulator: Child, what: object) -> object:
    simulator.pipe.send(what)
    return receive(simulator, "the simulator", (), SILENCE_S)


def receive(
    child: Child,
    who: str,
    others: tuple[Child, ...],
    patience_s: float,
    shared: Sequence[Shared] = (),
) -> object:
    """The next message of ``child``, unless it, one of ``others`` or what is shared ends first."""
    sentinels = [child.process.sentinel, *(other.process.sentinel for other in others)]
    sentinels += [sentinel for each in shared for sentinel in each.sentinels]
    ready = wait([child.pipe, *sentinels], timeout=patience_s)
    for each in shared:
        each.check()
    if not ready:
        raise TrialError(f"{who} gave no sign for {patience_s:.0f} s and was stopped")
    for other in others:
        if other.process.sentinel in ready:
            said = other.printed()
            again = "run the command again" if not said else f"it said:\n{said}"
            name = f"the {other.process.name}"
            raise TrialError(f"{name} ended in the middle of the run; {again}")
    if child.pipe in ready:
        try:
            return child.pipe.recv()
        except (EOFError, ConnectionError):
            child.process.join(1)
    said = child.printed()
    raise TrialError(f"{who} ended early" + (f":\n{said}" if said else " and said nothing"))


def serve(pipe: Connection, seed: int, script: FaultScript, strikes: Sequence[Strike]) -> None:
    """In a child: a simulator until it is asked for its report or our other end is gone.

    ``{process id: name}`` tells it the step's processes, which its requests may bring a signal.
    """
    from book.stage.acting import AtRequests

    at_requests = AtRequests(strikes)
    on_task = at_requests.on_task if at_requests.strikes else None

    async def serving() -> None:
        async with Simulator(seed=seed, faults=script, on_task=on_task) as simulator:
            at_requests.port = simulator.port
            pipe.send(simulator.url)
            try:
                while (asked := await asyncio.to_thread(pipe.recv)) != "report":
                    if isinstance(asked, dict):
                        at_requests.names = asked
                    pipe.send(simulator.in_flight)
            except (EOFError, ConnectionError):
                return
            exchanges = [each.to_json() for each in simulator.log]
            fired = dict(simulator.fired + simulator.played)
            struck = at_requests.done, at_requests.peaks
            pipe.send((exchanges, fired, simulator.first_at, *struck))

    asyncio.run(serving())
