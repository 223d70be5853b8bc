"""The balancer of roles: turns, readiness that comes back, turns of a session, faults by seed."""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from throw_away import incident, step

from book.chain.chain import Book
from book.stage import trial as trials
from book.stage.balancing import NOBODY
from book.stage.processes import Processes
from book.stage.trial import Trial
from book.story.incident import Role, Run, Service, Task, Workload
from mock_claude import FaultScript

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGTERM is a POSIX matter")

# A process that is not ready for a moment after it was told so.
SERVICE = """
import asyncio
import os
import time

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

well_at = 0.0


async def ready(request):
    return JSONResponse({}, 200 if time.monotonic() >= well_at else 503)


async def do(request):
    global well_at
    task = (await request.json())["task"]
    if task == "sick":
        well_at = time.monotonic() + 0.6
    if task == "slow":
        await asyncio.sleep(0.5)
    return JSONResponse({"text": task, "pid": os.getpid()})


def main():
    routes = [Route("/health/ready", ready), Route("/v1/tasks", do, methods=["POST"])]
    port = int(os.environ["AGENT_LISTEN__PORT"])
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="warning")
"""


def every(seconds: float, count: int, *more: Task) -> tuple[Task, ...]:
    """Plain tasks at a pace, with others among them."""
    plain = [Task("plain", ("plain",), at_s=0.01 + n * seconds) for n in range(count)]
    return tuple(sorted((*plain, *more), key=lambda task: task.at_s))


@pytest.fixture
def run(book: Book, processes: Processes, tmp_path: Path) -> Callable[..., Run]:
    def made(tasks: tuple[Task, ...], apis: int, **changes: object) -> Run:
        overlap = bool(changes.pop("overlap", False))
        load = Workload(tasks, 50, 5.0, overlap=overlap)
        told = incident(load, service=Service(poll_s=0.05))
        told = replace(told, roles=(Role("api", apis),) if apis else (), **changes)  # type: ignore[arg-type]
        trial = Trial(step(book, tmp_path, service=SERVICE), told, 7)
        return trials.run(trial, processes, lambda ok: None)

    return made


def test_each_process_that_is_ready_has_its_turn(run: Callable[..., Run]) -> None:
    seen = run(every(0.05, 12), 3)
    assert seen.done == 12
    assert sorted(Counter(o.answer["pid"] for o in seen.outcomes).values()) == [4, 4, 4]
    assert set(seen.exit_codes) == {"api-1", "api-2", "api-3"}


def test_who_is_not_ready_gets_nothing_until_it_is_again(run: Callable[..., Run]) -> None:
    sick = Task("sick", ("sick",), at_s=0.105)
    seen = run(every(0.05, 40, sick), 2)
    assert seen.done == 41
    (fell,) = [outcome for outcome in seen.outcomes if outcome.task is sick]
    theirs = [o.began_s for o in seen.outcomes if o.answer["pid"] == fell.answer["pid"]]
    meanwhile = [at_s for at_s in theirs if 0.3 < at_s - fell.ended_s < 0.5]
    afterwards = [at_s for at_s in theirs if at_s - fell.ended_s > 0.8]
    assert meanwhile == []
    assert len(afterwards) >= 5


def test_where_nobody_is_ready_a_task_fails_and_a_later_one_is_done(
    run: Callable[..., Run],
) -> None:
    seen = run(every(0.05, 40, Task("sick", ("sick",), at_s=0.105)), 1)
    failed = [outcome for outcome in seen.outcomes if not outcome.done]
    assert {outcome.error for outcome in failed} == {NOBODY}
    assert max(o.began_s for o in seen.outcomes if o.done) > max(o.began_s for o in failed)


@pytest.mark.parametrize("overlap", [False, True])
def test_turns_of_a_session_overlap_where_the_workload_says_so(
    run: Callable[..., Run], overlap: bool
) -> None:
    turns = tuple(Task("slow", ("slow",), "ada", at_s=0.01 * n) for n in range(1, 4))
    seen = run(turns, 0, overlap=overlap)
    assert seen.done == 3
    assert (seen.seconds > 1.4) is not overlap


def test_faults_may_be_a_function_of_the_seed(book: Book, processes: Processes) -> None:
    def faults(seed: int) -> FaultScript:
        rule = f'[[rule]]\nname = "r{seed}"\nfault = "status"\nstatus = 400\ntask = "*23*"\n'
        return FaultScript.parse(rule, source="test")

    tasks = (Task("What is 23*19?", ("437",)), Task("What is 17*13?", ("221",)))
    told = replace(incident(Workload(tasks, 2, 10.0)), faults=faults)
    seen = trials.run(Trial(book.step("reference-agent"), told, 8), processes, lambda ok: None)
    assert seen.fired == {"r8": 1}
    assert [outcome.task.text for outcome in seen.outcomes if outcome.done] == ["What is 17*13?"]
    assert told.silent(seen) == []
    assert told.silent(replace(seen, seed=9)) == ["r9"]
    assert told.calmed().script(8).rules == ()
