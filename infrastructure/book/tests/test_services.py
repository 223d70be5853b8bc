"""Trials of services: what the load balancer sends, counts and stops, and how a service ends."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from throw_away import incident, step

from book.chain.chain import Book
from book.stage import trial as trials
from book.stage.processes import Processes
from book.stage.serving import serves
from book.stage.simulating import TrialError
from book.stage.trial import Trial
from book.story.incident import Outcome, Run, Service, Task, Workload
from book.story.wishes import Wishes, at, tagged

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGTERM is a POSIX matter")

# A service whose readiness is good until the first task.
SERVICE = """
import os
import signal
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

asked = []


async def ready(request):
    return JSONResponse({}, 503 if asked else 200)


async def do(request):
    task = (await request.json())["task"]
    asked.append(task)
    if task == "no JSON":
        return PlainTextResponse("oh")
    wait = {"retry-after": "2.5"} if task == "busy" else {}
    return JSONResponse({"type": "busy"}, 503, wait)


def main():
    signal.signal(signal.SIGTERM, lambda *args: None)  # else uvicorn lets the signal kill
    routes = [Route("/health/ready", ready), Route("/v1/tasks", do, methods=["POST"])]
    port = int(os.environ["AGENT_LISTEN__PORT"])
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="warning")
    print("torn")
    sys.exit(int(os.environ["AGENT_EXIT_CODE"]))
"""


def run(trial: Trial, processes: Processes) -> Run:
    return trials.run(trial, processes, lambda ok: None)


def by_tag(seen: Run) -> dict[str, Outcome]:
    return {outcome.task.tag: outcome for outcome in seen.outcomes if outcome.task.tag}


def every(seconds: float, until_s: float, wishes: Wishes) -> tuple[Task, ...]:
    """A single model call every so many seconds, by a user of its own."""
    count = round(until_s / seconds)
    return tuple(at((user + 1) * seconds, wishes.echo(user)) for user in range(count))


def assert_nothing_was_sent_after_the_stop(seen: Run, sent: tuple[Task, ...]) -> None:
    """Those that were not sent are the last ones; the last requests came after the signal."""
    arrived = {outcome.task.at_s for outcome in seen.outcomes}
    unsent = {task.at_s for task in sent} - arrived
    assert unsent
    assert max(arrived) < min(unsent)
    assert seen.signal_s is not None
    assert max(outcome.began_s for outcome in seen.outcomes) > seen.signal_s


PLAIN_LOAD = (Task("   ", (), tag="blank"), *every(0.02, 2.0, Wishes(7)))


@pytest.fixture(scope="module")
def plain(book: Book, processes: Processes) -> Run:
    """The first step under fifty requests a second, and a SIGTERM in the middle."""
    load = Workload(PLAIN_LOAD, at_once=200, limit_s=5.0)
    service = Service(poll_s=0.4, sigterm_at_s=0.2)
    told = incident(load, "[latency]\nmessages_s = 0.1\n", service=service)
    return run(Trial(book.step("reference-agent"), told, 7), processes)


def test_a_step_without_a_service_is_served_plainly_and_dies_by_the_signal(plain: Run) -> None:
    assert plain.served_by == "plain_service.py"
    assert plain.exit_code == 143


def test_a_plain_service_answers_a_failed_task_with_a_500_and_its_class(plain: Run) -> None:
    blank = by_tag(plain)["blank"]
    assert (blank.text, blank.error, blank.status) == (None, "500 ValueError", 500)
    assert blank.answer == {"type": "ValueError"}
    assert blank.retry_after_s is None


def test_an_answer_of_a_service_is_judged_by_its_text_like_any_other(plain: Run) -> None:
    served = [outcome for outcome in plain.outcomes if outcome.status == 200]
    assert len(served) >= 5
    assert all(outcome.done for outcome in served)
    assert {outcome.answer["turns"] for outcome in served} == {1}
    assert all(outcome.latency_s >= 0.1 for outcome in served)


def test_the_signal_comes_when_it_is_due_and_the_failing_poll_stops_the_load(plain: Run) -> None:
    first = min(outcome.began_s for outcome in plain.outcomes)
    assert plain.signal_s is not None
    assert plain.signal_s - first > 0.2 - 0.01
    assert_nothing_was_sent_after_the_stop(plain, PLAIN_LOAD)


def test_requests_that_find_no_service_are_lost_and_only_those(plain: Run) -> None:
    lost = [outcome for outcome in plain.outcomes if outcome.status is None]
    assert lost
    assert plain.signal_s is not None
    for outcome in lost:
        assert outcome.error in ("ConnectError", "RemoteProtocolError", "ReadError")
        assert outcome.ended_s > plain.signal_s
        assert (outcome.text, outcome.done, outcome.retry_after_s) == (None, False, None)


OWN_LOAD = (
    *(at(0.01, tagged("crowd", Wishes(user).echo(user))) for user in range(100, 106)),
    *every(0.1, 4.0, Wishes(7)),
)


@pytest.fixture(scope="module")
def own(book: Book, processes: Processes) -> Run:
    """The last step of chapter 2, which takes two tasks at once and leaves in order."""
    told = incident(
        Workload(OWN_LOAD, at_once=200, limit_s=5.0),
        "[latency]\nmessages_s = 0.3\n",
        service=Service(poll_s=0.1, sigterm_at_s=0.6),
        AGENT_BULKHEAD__LIMIT="2",
        AGENT_BULKHEAD__QUEUE="0",
        AGENT_DRAIN__PAUSE_S="2",
    )
    return run(Trial(book.step("complete"), told, 7), processes)


def test_a_step_with_a_service_is_served_by_it_and_ends_with_its_exit_code(own: Run) -> None:
    assert own.served_by == "service.py"
    assert own.exit_code == 0


def test_a_refusal_has_its_status_its_type_and_the_wait_it_asks_for(own: Run) -> None:
    refused = [outcome for outcome in own.outcomes if outcome.status == 503]
    assert len([o for o in own.outcomes if o.task.tag == "crowd" and o.status == 503]) >= 2
    for outcome in refused:
        assert (outcome.text, outcome.error) == (None, "503 overloaded")
        assert outcome.answer["retryable"] is True
        assert outcome.retry_after_s is not None
        assert outcome.retry_after_s >= 1.0
    assert len(refused) == len(own.noted("BulkheadRefused", dependency="run"))


def test_who_is_let_in_is_answered_and_asks_for_no_wait(own: Run) -> None:
    served = [outcome for outcome in own.outcomes if outcome.status == 200]
    assert len(served) == len(own.model_requests) >= 2
    assert all(outcome.done and outcome.retry_after_s is None for outcome in served)


def test_a_service_that_says_so_before_it_leaves_loses_nothing(own: Run) -> None:
    assert {outcome.status for outcome in own.outcomes} == {200, 503}
    assert_nothing_was_sent_after_the_stop(own, OWN_LOAD)


def test_in_a_calm_run_a_service_is_ended_after_the_last_task_and_sessions_are_in_order(
    book: Book, processes: Processes
) -> None:
    tasks = (
        Task("What is 23*19?", ("437",), "ada", tag="one"),
        Task("Save that as a note, then read all notes.", ("437",), "ada", tag="two"),
        Task("What is 17*13?", ("221",), "ben", tag="three"),
    )
    told = incident(Workload((), 1, 1.0), service=Service(sigterm_at_s=0.0))
    told = replace(told, calm_workload=lambda seed: Workload(tasks, 2, 10.0))
    seen = run(Trial(book.step("reference-agent"), told, 7, calm=True), processes)
    assert seen.done == 3
    assert seen.calm
    assert (seen.signal_s, seen.exit_code) == (None, 143)
    assert by_tag(seen)["two"].began_s >= by_tag(seen)["one"].ended_s
    assert seen.seconds < sum(outcome.latency_s for outcome in seen.outcomes) + 0.5


def test_a_bad_poll_stops_the_load_and_no_signal_follows_it(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    tasks = (
        at(0.1, Task("busy", (), tag="busy")),
        at(0.1, Task("out of order", (), tag="out of order")),
        at(0.1, Task("no JSON", (), tag="no JSON")),
        at(1.0, Task("busy", (), tag="too late to be sent")),
    )
    service = Service(poll_s=0.5, sigterm_at_s=0.2)
    told = incident(Workload(tasks, 9, 5.0), service=service, AGENT_EXIT_CODE="5")
    # The second poll is the first that the signal waits for, and it is bad.
    seen = run(Trial(step(book, tmp_path, service=SERVICE), told, 7), processes)
    assert (seen.signal_s, seen.exit_code) == (None, 5)
    found = by_tag(seen)
    assert set(found) == {"busy", "out of order", "no JSON"}
    assert (found["busy"].error, found["busy"].retry_after_s) == ("503 busy", 2.5)
    wait_s = found["out of order"].retry_after_s
    assert (found["out of order"].error, wait_s) == ("503 busy", None)
    assert (found["no JSON"].error, found["no JSON"].status) == ("JSONDecodeError", 200)


def test_a_service_that_fails_as_it_ends_fails_the_trial_with_what_it_said(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    tasks = (Task("busy", ()),)
    told = incident(Workload(tasks, 1, 5.0), service=Service(), AGENT_EXIT_CODE="1")
    failing = step(book, tmp_path, "failing", service=SERVICE)
    with pytest.raises(TrialError, match=r"(?s)failing's service failed:\n.*torn"):
        run(Trial(failing, told, 7), processes)


@pytest.mark.parametrize("sigterm_at_s", [None, 0.5])
def test_a_service_that_cannot_start_fails_the_trial_at_once_with_what_it_said(
    book: Book, processes: Processes, tmp_path: Path, sigterm_at_s: float | None
) -> None:
    broken = step(book, tmp_path, config="raise RuntimeError('no such luck')")
    service = Service(sigterm_at_s=sigterm_at_s)
    told = incident(Workload((Task("nothing", ()),), 1, 5.0), service=service)
    said = r"(?s)the service ended in the middle of the run; it said:\n.*no such luck"
    with pytest.raises(TrialError, match=said):
        run(Trial(broken, told, 7), processes)


def test_the_file_that_serves_is_the_steps_own_where_it_has_one(book: Book, tmp_path: Path) -> None:
    assert serves(step(book, tmp_path).path) == "plain_service.py"
    assert serves(step(book, tmp_path, service=SERVICE).path) == "service.py"


def test_a_signal_that_is_due_after_the_last_answer_is_waited_for(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    service = Service(poll_s=0.1, sigterm_at_s=0.3)
    told = incident(Workload((Task("nothing", ("nothing",)),), 1, 5.0), service=service)
    seen = run(Trial(step(book, tmp_path), told, 7), processes)
    assert (seen.done, seen.exit_code) == (1, 143)
    assert seen.signal_s is not None
