"""A trial without a service: the step's agent does the workload in a process of its own.

This prevents a client that has left unnoticed: what the simulator still has is counted at the end.
"""

from __future__ import annotations

import contextlib
import time

from book.stage.around import Around
from book.stage.driving import drive
from book.stage.ports import reserved
from book.stage.seen import Seen
from book.stage.simulating import SILENCE_S, TrialError, ask, receive
from book.stage.waiting import watching

AGENT = "agent"


def drive_agent(around: Around, seen: Seen, starting: contextlib.ExitStack) -> None:
    """Have the agent do all tasks. TrialError if it ends early, falls silent, or cannot be asked
    what only a service can."""
    if any(task.needs_service for task in seen.workload.tasks):
        raise TrialError(
            f"{around.incident.name}: a task's user, body and sent are of a service; "
            "give the incident service=Service() or roles"
        )
    name = around.step.name
    with contextlib.ExitStack() as stack:
        around.metrics[AGENT] = stack.enter_context(reserved())
        around.start_servers()
        around.acting.before()
        work = (around.step.path, around.environment(AGENT), seen.workload, around.events)
        agent = stack.enter_context(around.processes.child("step", drive, *work))
        seen.outputs[AGENT] = agent.stdout, agent.stderr
        simulator, sharers = around.simulator, around.sharers
        declares = receive(agent, name, (simulator,), SILENCE_S, sharers)  # it is ready
        around.scrape({AGENT: bool(declares)})
        starting.close()
        last_s = max(task.at_s for task in seen.workload.tasks)
        patience = seen.workload.limit_s + last_s + SILENCE_S
        assert agent.process.pid is not None
        around.acting.begin({AGENT: agent.process.pid})
        with watching((simulator, agent)) as watch:
            while True:
                received = receive(agent, name, (simulator,), patience, sharers)
                if received is None:
                    break
                assert isinstance(received, tuple)
                seen.add(*received)
        seen.waited = watch.waited
        around.acting.end()
        for _ in range(20):  # a client that left is noticed at the next turn of the other loop
            answer = ask(simulator, "in flight")
            assert isinstance(answer, int)
            seen.in_flight = answer
            if answer == 0:
                break
            time.sleep(0.05)
        around.scrape_now()
        around.acting.measure()
        agent.pipe.send("end")
