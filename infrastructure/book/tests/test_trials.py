"""Trials of real steps: what is measured, counted and noted, and from when on."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from throw_away import incident, step

from book.chain.chain import Book
from book.stage import trial as trials
from book.stage.noting import events_in
from book.stage.processes import Processes
from book.stage.simulating import TrialError
from book.stage.trial import Trial
from book.story.incident import Noted, Outcome, Run, Task, Workload
from book.story.wishes import Wishes, at, tagged
from mock_claude import FaultScript

CALL_S, LIMIT_S = 0.6, 1.5  # of a model call and of a user, in the trial with arrivals
LATENCY = f"[latency]\nmessages_s = {CALL_S}\n"
REFUSED_ONCE = """
[[rule]]
name = "refused once"
attempts = 1
fault = "status"
status = 529

[[script]]
name = "for ever"
story = "runaway"
task = "*I ask again*"
"""
HANGS = '[[rule]]\nname = "hangs"\nfault = "hang"\n'


def by_tag(run: Run) -> dict[str, Outcome]:
    return {outcome.task.tag: outcome for outcome in run.outcomes}


@pytest.fixture(scope="module")
def arrivals(book: Book, processes: Processes) -> Run:
    """One place for users who come on time, and one who waits too long for it."""
    wishes = Wishes(7)
    tasks = (
        at(0.01, tagged("first", wishes.echo(1))),
        at(0.21, tagged("second", wishes.echo(2))),
        at(0.22, tagged("third", wishes.echo(3))),
        at(1.91, tagged("fourth", replace(wishes.echo(4), session="ada"))),
        at(1.92, tagged("fifth", replace(wishes.echo(5), session="ada"))),
    )
    told = incident(Workload(tasks, at_once=1, limit_s=LIMIT_S), LATENCY)
    return trials.run(Trial(book.step("reference-agent"), told, 7), processes, lambda ok: None)


def test_tasks_begin_when_they_arrive_whatever_became_of_earlier_ones(arrivals: Run) -> None:
    seen = by_tag(arrivals)
    began = [seen[tag].began_s - seen["first"].began_s for tag in ("second", "third", "fourth")]
    assert began == pytest.approx([0.2, 0.21, 1.9], abs=1e-6)


def test_the_next_task_of_a_session_arrives_when_the_one_before_has_ended(arrivals: Run) -> None:
    fourth, fifth = by_tag(arrivals)["fourth"], by_tag(arrivals)["fifth"]
    assert fourth.ended_s <= fifth.began_s < fourth.ended_s + CALL_S
    assert fifth.latency_s >= CALL_S


def test_times_of_tasks_are_on_the_clock_of_the_requests(arrivals: Run) -> None:
    requests = sorted(arrivals.model_requests, key=lambda each: each.number)
    assert requests[0].at_s == 0
    for outcome, request in zip(arrivals.outcomes, requests, strict=True):
        assert outcome.began_s <= request.at_s <= outcome.ended_s


def test_where_tasks_arrive_latency_takes_in_the_wait_for_a_place(arrivals: Run) -> None:
    seen = by_tag(arrivals)
    assert CALL_S <= seen["first"].latency_s < LIMIT_S
    assert 2 * CALL_S - 0.2 <= seen["second"].latency_s < LIMIT_S
    assert seen["second"].ended_s >= seen["first"].ended_s + CALL_S
    assert CALL_S <= seen["fourth"].latency_s < LIMIT_S


def test_where_tasks_arrive_the_limit_counts_from_the_arrival(arrivals: Run) -> None:
    third = by_tag(arrivals)["third"]
    assert (third.text, third.error) == (None, "too late")
    assert LIMIT_S <= third.latency_s < LIMIT_S + CALL_S
    assert third.ended_s - by_tag(arrivals)["second"].ended_s < LIMIT_S  # it began after that
    assert arrivals.errors == {"too late": 1}
    assert arrivals.done == 4


def test_no_more_tasks_run_at_once_than_are_asked_for(arrivals: Run) -> None:
    requests = sorted(arrivals.model_requests, key=lambda each: each.number)
    assert len(requests) == 5
    for earlier, later in pairwise(requests):
        assert later.at_s >= earlier.at_s + earlier.duration_s


def test_a_request_whose_user_gave_up_is_left_before_the_count_of_those_in_flight(
    arrivals: Run,
) -> None:
    assert [each.status for each in arrivals.requests("/v1/messages")] == [200, 200, 0, 200, 200]
    assert arrivals.hung_up == 1
    assert arrivals.in_flight == 0


def test_a_step_without_policies_has_no_events(arrivals: Run) -> None:
    assert arrivals.events == ()


def test_the_seconds_of_a_run_are_from_its_first_start_to_its_last_end(arrivals: Run) -> None:
    ends = max(outcome.ended_s for outcome in arrivals.outcomes)
    assert arrivals.seconds == pytest.approx(ends - by_tag(arrivals)["first"].began_s, abs=1e-6)
    assert arrivals.seconds < 1.9 + 2 * LIMIT_S


def test_a_run_of_an_agent_knows_no_service(arrivals: Run) -> None:
    assert (arrivals.exit_code, arrivals.served_by, arrivals.signal_s) == (None, None, None)
    assert {(outcome.status, outcome.retry_after_s) for outcome in arrivals.outcomes} == {
        (None, None)
    }


@pytest.fixture(scope="module")
def sessions(book: Book, processes: Processes) -> Run:
    """Two users with sessions of two tasks and one without, on two places; refusals and a loop."""
    tasks = (
        Task("What is 23*19?", ("437",), "ada", tag="ada 1"),
        Task("Save that as a note, then read all notes.", ("437",), "ada", tag="ada 2"),
        Task("I ask again: what is 31*29?", (), "ben", tag="ben 1"),
        Task("What is 17*13?", ("221",), "ben", tag="ben 2"),
        Task("What is 11*7?", ("77",), tag="alone"),
    )
    told = incident(
        Workload(tasks, at_once=2, limit_s=10.0),
        REFUSED_ONCE + "[latency]\nmessages_s = 0.05\n",
        AGENT_RETRY__BASE_S="0.01",
        AGENT_BREAKER__FAILURE_THRESHOLD="100",
        AGENT_NOT_INVENTED_YET="1",
    )
    trial = Trial(book.step("complete"), told, 7)
    return trials.run(trial, processes, lambda ok: None)


def test_tasks_of_a_session_share_its_history_and_each_begins_after_the_one_before(
    sessions: Run,
) -> None:
    seen = by_tag(sessions)
    assert sessions.errors == {}
    assert sessions.done == 5
    for user in ("ada", "ben"):
        assert seen[f"{user} 2"].began_s >= seen[f"{user} 1"].ended_s


def test_where_nobody_arrives_latency_leaves_out_the_wait_for_a_place(sessions: Run) -> None:
    seen = by_tag(sessions)
    first = min(seen["ada 1"].ended_s, seen["ben 1"].ended_s)
    assert seen["alone"].began_s >= first - 0.001


def test_an_outcome_holds_what_the_answer_says_beside_its_text(sessions: Run) -> None:
    answer = by_tag(sessions)["ada 1"].answer
    assert answer["turns"] == 2
    assert answer["stopped"] is None
    assert "text" not in answer
    assert by_tag(sessions)["ben 1"].answer["stopped"] is not None


def test_rules_that_fired_and_scripts_that_played_are_counted_together(sessions: Run) -> None:
    refused = [each for each in sessions.model_requests if each.fault == "refused once"]
    looped = by_tag(sessions)["ben 1"].answer["turns"]
    assert sessions.fired == {"refused once": len(refused), "for ever": looped}
    assert len(refused) > 5


def test_events_of_policies_are_noted_with_their_fields(sessions: Run) -> None:
    waits = sessions.noted("RetryScheduled")
    assert len(waits) == sessions.fired["refused once"] == sessions.repeats
    first = waits[0].fields
    assert first["dependency"] == "claude-sonnet-5-5"
    assert first["attempt"] == 1
    assert first["failure"] == {
        "kind": "overload",
        "retryable": True,
        "retry_after_s": None,
        "reason": "529 overloaded_error",
    }
    stopped = by_tag(sessions)["ben 1"].answer["stopped"]
    assert len(sessions.noted("LoopStopped", limit=stopped)) == 1
    assert len(sessions.noted("BulkheadEntered", dependency="run")) == 5


def test_events_have_times_on_the_clock_of_outcomes_and_requests(sessions: Run) -> None:
    refused = [each for each in sessions.model_requests if each.status == 529]
    ends = sorted(each.at_s + each.duration_s for each in refused)
    repeats = sorted(each.at_s for each in sessions.model_requests if each.attempt == 2)
    waits = [event.at_s for event in sessions.noted("RetryScheduled")]
    for end, wait, repeat in zip(ends, waits, repeats, strict=True):
        assert end <= wait <= repeat
    times = [event.at_s for event in sessions.events]
    assert times == sorted(times)
    assert times[-1] <= max(outcome.ended_s for outcome in sessions.outcomes)


@pytest.fixture(scope="module")
def careless(book: Book, processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A throw-away agent that leaves things behind, takes too long, and fails."""
    folder = tmp_path_factory.mktemp("careless")
    wanted = ("leave a request", "leave two tasks", "cancel what was begun", "swallow", "block")
    tasks = tuple(Task(text, (text,), tag=text) for text in (*wanted, "raise", "nothing"))
    told = incident(Workload(tasks, at_once=1, limit_s=0.8), HANGS)
    return trials.run(Trial(step(book, folder), told, 7), processes, lambda ok: None)


@pytest.mark.parametrize(
    ("task", "left"),
    [
        ("leave two tasks", 2),
        ("cancel what was begun", 0),
        ("swallow", 0),
        ("raise", 0),
        ("nothing", 0),
    ],
)
def test_what_a_task_leaves_running_is_counted_as_its_own(
    careless: Run, task: str, left: int
) -> None:
    assert by_tag(careless)[task].left == left


def test_a_request_that_outlives_its_answer_is_in_flight_after_the_last_one(careless: Run) -> None:
    assert by_tag(careless)["leave a request"].done
    assert by_tag(careless)["leave a request"].left >= 1
    assert careless.in_flight == 1


@pytest.mark.parametrize("late", ["swallow", "block"])
def test_an_answer_after_the_limit_counts_for_nothing(careless: Run, late: str) -> None:
    outcome = by_tag(careless)[late]
    assert (outcome.text, outcome.error, outcome.done) == (None, "too late", False)
    assert outcome.latency_s >= 0.8


def test_where_nobody_arrives_the_limit_counts_from_a_tasks_own_start(careless: Run) -> None:
    nothing = by_tag(careless)["nothing"]
    assert nothing.done
    assert nothing.ended_s - min(outcome.began_s for outcome in careless.outcomes) > 0.8


def test_an_error_is_known_by_its_class(careless: Run) -> None:
    assert careless.errors == {"too late": 2, "KeyError": 1}
    assert by_tag(careless)["raise"].answer == {}


def test_each_task_is_told_of_as_it_ends_and_whether_it_was_done(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    told: list[bool] = []
    tasks = (Task("nothing", ("nothing",)), Task("nothing", ("something",)), Task("raise", ()))
    trial = Trial(step(book, tmp_path), incident(Workload(tasks, 1, 5.0)), 7)
    run = trials.run(trial, processes, told.append)
    assert told == [True, False, False]
    assert [outcome.task for outcome in run.outcomes] == list(tasks)
    assert run.exchanges == ()


def test_an_agent_that_ends_its_process_fails_the_trial_with_what_it_printed(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    gone = step(book, tmp_path, "gone", agent="print('bye'); raise SystemExit(3)")
    told = incident(Workload((Task("nothing", ()),), 1, 5.0))
    with pytest.raises(TrialError, match=r"(?s)gone ended early:\nbye"):
        trials.run(Trial(gone, told, 7), processes, lambda ok: None)


def test_visits_are_by_session_in_the_order_of_the_first_task() -> None:
    one, two = Task("1", (), "ada"), Task("2", ())
    three, four = Task("3", (), "ada"), Task("4", ())
    workload = Workload((one, two, three, four), 2, 1.0)
    assert workload.visits() == [[(0, one), (2, three)], [(1, two)], [(3, four)]]
    assert not workload.is_open
    assert Workload((one, at(0.1, two)), 2, 1.0).is_open


def test_a_torn_last_line_of_events_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    assert events_in(file, 0.0) == ()
    whole = json.dumps({"event": "TimedOut", "at": 12.5, "fields": {"limit_s": 3}})
    file.write_text(f"{whole}\n{whole}\n{whole[:20]}", encoding="utf-8")
    assert events_in(file, 10.0) == (Noted("TimedOut", 2.5, {"limit_s": 3}),) * 2


def test_the_faults_may_be_a_function_of_the_seed_and_a_calm_run_has_none(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    def of(seed: int) -> FaultScript:
        rule = f'[[rule]]\nname = "busy {seed}"\nfault = "status"\nstatus = 529\n'
        return FaultScript.parse(rule, source="test")

    load = Workload((Task("leave a request", ()),), 1, 5.0)
    told = replace(incident(load), faults=of)
    made = step(book, tmp_path)
    for seed in (3, 4):
        seen = trials.run(Trial(made, told, seed), processes, lambda ok: None)
        assert seen.fired == {f"busy {seed}": 1}
        assert told.silent(seen) == []
        assert told.silent(replace(seen, fired={})) == [f"busy {seed}"]
    calm = trials.run(Trial(made, told, 3, calm=True), processes, lambda ok: None)
    assert calm.fired == {}
