"""A trial over HTTP: processes of the step in their roles, and a balancer that sends the workload.

This prevents a process that outlives its trial, and an end that is taken for the step's: who was
stopped by a strike is killed, everybody else is asked to end and has time for it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from book.stage.acting import send
from book.stage.around import Around
from book.stage.balancing import send_load
from book.stage.looking import is_stopped
from book.stage.ports import reserved
from book.stage.processes import Child
from book.stage.seen import Seen
from book.stage.serving import PLAIN, START_S, serve_step, serves
from book.stage.simulating import SILENCE_S, TrialError, ask, receive
from book.stage.waiting import watching
from book.story.parts import API, Role

EXIT_S = 35.0  # a service may take its grace period of 30 s to end
ALONE = "service"  # the one process of an incident without roles


def serve_roles(around: Around, seen: Seen, starting: contextlib.ExitStack) -> None:
    """Have the step's processes do all tasks. TrialError if one cannot start, or the one that
    nobody signals ends in the middle."""
    service, name = around.incident.served, around.step.name
    assert service is not None
    with contextlib.ExitStack() as stack:
        planned = _planned(around)
        for source, _ in planned:
            around.metrics[source] = stack.enter_context(reserved())
        around.start_servers()
        around.acting.before()
        children: dict[str, Child] = {}
        upstreams: list[tuple[str, int]] = []
        for source, file in planned:
            port = stack.enter_context(reserved())
            environment = around.environment(source)
            if source == ALONE or source.startswith(f"{API}-"):
                environment |= {"AGENT_LISTEN__PORT": str(port), "AGENT_LISTEN__HOST": "127.0.0.1"}
            work = (around.step.path, environment, port, around.events, file)
            child = stack.enter_context(around.processes.child(source, serve_step, *work))
            children[source], seen.outputs[source] = child, (child.stdout, child.stderr)
            assert child.process.pid is not None
            if "AGENT_LISTEN__PORT" in environment:
                upstreams.append((f"http://127.0.0.1:{port}", child.process.pid))
        pids = {source: child.process.pid or 0 for source, child in children.items()}
        ask(around.simulator, {pid: source for source, pid in pids.items()})
        returns = bool(around.incident.roles)
        load = (tuple(upstreams), seen.workload, service, returns)
        with around.processes.child("load", send_load, *load) as balancer:
            who, others = f"{name}'s load", (around.simulator, *children.values())
            sharers = around.sharers
            receive(balancer, who, others, START_S + SILENCE_S, sharers)  # all are ready
            around.scrape(
                {
                    source: bool(receive(child, f"{name}'s {source}", (), SILENCE_S, sharers))
                    for source, child in children.items()
                }
            )
            starting.close()
            balancer.pipe.send("begin")
            last_s = max(task.at_s for task in seen.workload.tasks)
            patience = seen.workload.limit_s + last_s + SILENCE_S
            if returns or service.sigterm_at_s is not None:
                others = (around.simulator,)
            around.acting.begin(pids)
            # Latencies are taken in the balancer: what it waits would count as the step's.
            with watching((around.simulator, *children.values(), balancer)) as watch:
                while True:
                    received = receive(balancer, who, others, patience, sharers)
                    assert isinstance(received, tuple)
                    place, what = received
                    if place is None:
                        seen.signal_at = what
                        break
                    seen.add(place, what)
            seen.waited = watch.waited
            around.acting.end()
        around.scrape_now()
        around.acting.measure()
        _end(children, seen, spared=pids[planned[0][0]] if seen.signal_at is not None else None)
    first = planned[0][0]
    seen.exit_code = seen.exit_codes.get(first)
    if not returns and seen.exit_code == 1:
        raise TrialError(f"{name}'s service failed:\n{children[first].printed()}")


def _planned(around: Around) -> list[tuple[str, str]]:
    """The processes, the balanced ones first, each with the file that it runs."""
    step, roles = around.step, around.incident.roles
    if not roles:
        return [(ALONE, serves(step.path))]
    found: list[tuple[str, str]] = []
    for role in sorted(roles, key=lambda role: role.name != API):
        file = _file(step.path.joinpath(role.runs).is_file(), role)
        found += [(member, file) for member in role.members if file]
    return found


def _file(is_there: bool, role: Role) -> str:
    """What a role runs on this step; empty where a step before the solving one has no such part."""
    return role.runs if is_there else PLAIN if role.name == API else ""


def _end(children: dict[str, Child], seen: Seen, spared: int | None) -> None:
    """Ask all to end but the one that was asked before, and wait for it."""
    for child in children.values():
        pid = child.process.pid
        if pid is not None and child.process.exitcode is None:
            if is_stopped(pid):
                send(pid, "SIGKILL")
            elif pid != spared:
                send(pid, "SIGTERM")
    until = time.monotonic() + EXIT_S
    for source, child in children.items():
        child.process.join(max(until - time.monotonic(), 0.0))
        code = child.process.exitcode
        if code is not None:
            seen.exit_codes[source] = 128 - code if code < 0 else code


def roles_without_file(roles: Sequence[Role], files: Sequence[str]) -> list[Role]:
    """The roles that a step with these files cannot play."""
    return [role for role in roles if role.name != API and role.runs not in files]
