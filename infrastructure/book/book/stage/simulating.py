"""The simulator of a trial, in a child process, and how the trial talks with its children.

Prevents a trial that waits for ever: each answer has a time limit, and a child that ends early is
named with the last that it printed.
"""

from __future__ import annotations

import asyncio
from multiprocessing.connection import Connection, wait

from book.stage.processes import Child
from mock_claude import FaultScript, Simulator

SILENCE_S = 30.0  # beyond the task limit: then the step's process is stuck, not slow


class TrialError(RuntimeError):
    """A trial could not be carried out; what it says is no verdict on the step."""


class TooBusy(TrialError):
    """The trial's processes waited too long for a CPU, however often it was made: not judged."""


def ask(simulator: Child, what: str) -> object:
    simulator.pipe.send(what)
    return receive(simulator, "the simulator", (), SILENCE_S)


def receive(child: Child, who: str, others: tuple[Child, ...], patience_s: float) -> object:
    """The next message of ``child``, unless it or one of ``others`` ends first."""
    sentinels = [child.process.sentinel, *(other.process.sentinel for other in others)]
    ready = wait([child.pipe, *sentinels], timeout=patience_s)
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


def serve(pipe: Connection, seed: int, script: FaultScript) -> None:
    """In a child: a simulator until it is asked for its report or our other end is gone."""

    async def serving() -> None:
        async with Simulator(seed=seed, faults=script) as simulator:
            pipe.send(simulator.url)
            try:
                while await asyncio.to_thread(pipe.recv) != "report":
                    pipe.send(simulator.in_flight)
            except (EOFError, ConnectionError):
                return
            exchanges = [each.to_json() for each in simulator.log]
            pipe.send((exchanges, dict(simulator.fired + simulator.played), simulator.first_at))

    asyncio.run(serving())
