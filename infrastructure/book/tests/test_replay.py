"""A replay runs real steps against a real simulator and demands what steps.toml says."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from forking import IMPORTS
from throw_away import on_any_machine

from book.chain.chain import Book, ChainError
from book.replay.replay import Replay, Story, judge, plan, replay, with_settings
from book.stage import trial as trials
from book.stage.processes import Processes
from book.stage.simulating import TrialError
from book.stage.trial import Trial
from book.story.incident import (
    Check,
    Evidence,
    Headline,
    Incident,
    Run,
    Task,
    Workload,
    at_least,
    at_most,
)
from mock_claude import FaultScript

REFUSED = """
[[rule]]
name = "refused"
attempts = 3
fault = "status"
status = 529
"""
SLOW = "[latency]\nmessages_s = 30"
POSIX = pytest.mark.skipif(os.name != "posix", reason="process groups are a POSIX matter")


def workload(seed: int) -> Workload:
    asked = range(seed + 10, seed + 16)
    return Workload(tuple(Task(f"What is {n}*7?", (str(n * 7),)) for n in asked), 3, 20.0)


def promise(run: Run) -> list[Check]:
    return [at_least("success", run.success, 1.0, "%")]


def cure(seen: Evidence) -> list[Check]:
    ratio = len(seen.run.model_requests) / len(seen.calm.model_requests)
    return [at_most("requests over a calm run", ratio, 4.0)]


INCIDENT = Incident(
    name="refusals",
    story="Every call is refused three times.",
    faults=FaultScript.parse(REFUSED, source="test"),
    workload=workload,
    settings={"AGENT_RETRY__MAX_ATTEMPTS": "4", "AGENT_RETRY__BASE_S": "0.01"},
    promise=promise,
    symptom="something is slow",
    headline=Headline("tasks done", "%", "higher", lambda run: run.success),
    cure=cure,
)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(IMPORTS, tmp_path) as started:
        yield started


def story(book: Book, incident: Incident = INCIDENT) -> Story:
    return Story(incident, book.step("reference-agent"), book.step("with-retries"))


def ignore(trial: Trial, ok: bool) -> None:
    pass


@pytest.fixture(scope="module")
def replayed(book: Book, tmp_path_factory: pytest.TempPathFactory) -> Replay:
    with Processes(IMPORTS, tmp_path_factory.mktemp("scratch")) as processes:
        return next(replay([(story(book), 1)], processes, ignore, is_too_busy=on_any_machine))


def test_the_step_before_misses_the_solver_holds_and_both_keep_the_promise_when_calm(
    replayed: Replay,
) -> None:
    assert replayed.problems == []
    before, solver, solver_calm, before_calm = replayed.rows
    assert before.run.done == 0
    assert before.run.errors == {"OverloadedError": 6}
    assert before.run.sdk_retries > 0
    assert solver.run.done == 6
    assert solver.run.sdk_retries == 0
    assert len(solver.run.model_requests) == 4 * len(solver_calm.run.model_requests)
    assert before_calm.run.done == 6
    assert solver.run.fired == {"refused": 36}
    assert solver.run.cost_usd == solver_calm.run.cost_usd > 0


def judged(book: Book, replayed: Replay, incident: Incident, *places: int) -> str:
    """The problems found where the runs of ``replayed``, in this order, are ``incident``'s."""
    runs = [replayed.rows[place].run for place in places]
    return " | ".join(judge(incident, 1, plan(story(book, incident), 1), runs).problems)


def test_a_verdict_that_the_step_before_passes_is_a_problem(book: Book, replayed: Replay) -> None:
    weak = replace(INCIDENT, promise=lambda run: [], cure=lambda seen: [])
    assert "reference-agent: must miss" in judged(book, replayed, weak, 0, 1, 2, 3)


def test_a_rule_that_fires_on_no_request_is_a_problem(book: Book, replayed: Replay) -> None:
    silent = FaultScript.parse(
        REFUSED + '[[rule]]\nname = "never"\nafter_s = 900\nfault = "reset"\n', source="test"
    )
    found = judged(book, replayed, replace(INCIDENT, faults=silent), 0, 1, 2, 3)
    assert "with-retries: no request met the fault never" in found


def test_a_solver_that_misses_is_a_problem_with_the_number_and_the_limit(
    book: Book, replayed: Replay
) -> None:
    found = judged(book, replayed, INCIDENT, 0, 0, 2, 3)
    assert "with-retries: must hold, but success 0.0% < 100.0%" in found


def test_a_promise_broken_without_trouble_is_a_problem(book: Book, replayed: Replay) -> None:
    found = judged(book, replayed, INCIDENT, 0, 1, 2, 0)
    assert "reference-agent, calm: must hold, but success 0.0%" in found


def test_a_step_gets_only_the_settings_it_declares(book: Book, processes: Processes) -> None:
    wild = replace(INCIDENT, settings={"AGENT_NOT_INVENTED_YET": "1"})
    run = trials.run(
        Trial(book.step("reference-agent"), wild, 1, calm=True), processes, lambda done: None
    )
    assert run.done == 6


def test_a_readers_own_setting_takes_the_place_of_the_incidents(book: Book) -> None:
    told = with_settings(story(book), ["AGENT_RETRY__MAX_ATTEMPTS=3"])
    assert told.incident.settings == {**INCIDENT.settings, "AGENT_RETRY__MAX_ATTEMPTS": "3"}
    assert with_settings(story(book), []) == story(book)


@pytest.mark.parametrize("wrong", ["AGENT_RETRY__MAX_ATEMPTS=3", "AGENT_RETRY__MAX_ATTEMPTS", "x"])
def test_a_setting_that_does_not_exist_is_answered_with_those_that_do(
    book: Book, wrong: str
) -> None:
    with pytest.raises(ChainError, match="AGENT_RETRY__MAX_ATTEMPTS"):
        with_settings(story(book), [wrong])


def test_a_persons_own_key_and_settings_stay_out_of_a_run(
    book: Book, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_MODEL", "claude-unheard-of")
    monkeypatch.setenv("AGENT_NOT_INVENTED_YET", "1")
    trial = Trial(book.step("reference-agent"), INCIDENT, 1, calm=True)
    assert trials.run(trial, processes, lambda done: None).done == 6


def test_a_step_that_cannot_start_says_why(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    (tmp_path / "config.py").write_text("raise RuntimeError('no such luck')", encoding="utf-8")
    broken = replace(book.step("reference-agent"), name="broken", path=tmp_path)
    with pytest.raises(TrialError, match=r"(?s)broken ended early.*no such luck"):
        trials.run(Trial(broken, INCIDENT, 1), processes, lambda done: None)


@POSIX
def test_a_simulator_that_is_killed_ends_the_run_clearly(book: Book, processes: Processes) -> None:
    slow = replace(INCIDENT, faults=FaultScript.parse(SLOW, source="test"))

    def kill_the_simulator() -> None:
        while "step" not in processes.live().values():
            time.sleep(0.05)
        for pid, name in processes.live().items():
            if name == "simulator":
                os.kill(pid, signal.SIGKILL)

    threading.Thread(target=kill_the_simulator).start()
    with pytest.raises(TrialError, match="simulator ended in the middle"):
        trials.run(Trial(book.step("reference-agent"), slow, 1), processes, lambda done: None)
    assert processes.live() == {}
