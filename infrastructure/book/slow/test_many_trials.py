"""Whole trials of many processes: eight at once, a server of their own, alerts, a sudden end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import many_parts
import pytest
from many_parts import (
    BOTH,
    MEMBERS,
    ROLES,
    assert_struck_by,
    began,
    step_of_parts,
    struck_by,
    tasks,
)
from throw_away import incident, on_any_machine

from book.chain.chain import Book
from book.stage import trial as trials
from book.stage.around import servers_of
from book.stage.processes import Processes
from book.stage.schedule import run_all
from book.stage.services.servers import missing
from book.stage.trial import Trial
from book.story.incident import Deed, Role, Run, Strike, Workload
from book.story.parts import Act

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="servers need Linux, macOS or WSL"),
    pytest.mark.skipif(
        bool(missing(["redis", "postgres"])), reason="no program of this server here"
    ),
]
GONE_S = 5.0
HELPERS = Path(many_parts.__file__).parent


def test_eight_trials_of_five_processes_on_two_servers_are_blind_to_each_other(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    parts = step_of_parts(book, tmp_path)
    told = replace(
        incident(Workload((), 1, 1.0)),
        workload=lambda seed: tasks(f"of {seed}", 20, 3.0),
        services=BOTH,
        roles=ROLES,
        telemetry=True,
        strikes=(Strike("a worker dies", "SIGKILL", to="worker-2", at_s=1.0),),
    )
    planned = [Trial(parts, told, seed) for seed in range(8)]
    found = list(run_all(planned, processes, lambda *done: None, is_too_busy=on_any_machine))
    assert processes.once(servers_of).used.keys() == {*BOTH}
    databases = {began(seen, "api-1")["DATABASE_URL"] for _, seen in found}
    stores = {began(seen, "worker-3")["REDIS_URL"] for _, seen in found}
    assert (len(databases), len(stores)) == (8, 8)
    for trial, seen in found:
        assert isinstance(seen, Run)
        mine = f"of {trial.seed} "
        assert seen.done >= 18, (seen.errors, seen.exit_codes)
        answers = [outcome.text for outcome in seen.outcomes if outcome.text]
        assert all(text.startswith(mine) for text in answers)
        said = [line for line in seen.logs if line.fields and line.fields["event"] == "done"]
        assert said
        assert all(str(line.fields["task"]).startswith(mine) for line in said if line.fields)
        assert {line.source for line in seen.logs} == MEMBERS
        assert {line.source for line in seen.logs if line.stream == "stderr"} == MEMBERS
        assert {s.source for s in seen.samples if s.name == "tasks_done_total"} == MEMBERS
        assert {span.source for span in seen.spans} == MEMBERS
        assert seen.exit_codes.keys() == MEMBERS
        assert seen.exit_codes["worker-2"] == 137
        assert [(each.name, each.to) for each in seen.done_to_it] == [("a worker dies", "worker-2")]
        assert {outcome.answer["from"] for outcome in seen.outcomes if outcome.text} == {
            "api-1",
            "api-2",
        }
        if sys.platform == "linux":
            assert seen.peak_mb.keys() == MEMBERS
            assert all(1 < peak < 2000 for peak in seen.peak_mb.values())


def run(trial: Trial, processes: Processes) -> Run:
    return trials.run(trial, processes, lambda ok: None)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("act", "code"), [("SIGSTOP", 137), ("SIGTERM", 143)])
def test_the_nth_request_of_a_task_brings_a_signal_to_who_sent_it(
    act: Act, code: int, book: Book, processes: Processes, tmp_path: Path
) -> None:
    seen = trials.run(struck_by(act, book, tmp_path), processes, lambda ok: None)
    assert_struck_by(code, seen)


def test_an_own_server_can_be_flushed_killed_and_started_again(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    told = replace(
        incident(tasks("a", 8, 2.0)),
        own=("redis",),
        roles=(Role("api"), Role("worker")),
        strikes=(
            Strike("it forgets", "flush", to="redis", at_s=0.5),
            Strike("it dies", "SIGKILL", to="redis", at_s=0.9),
            Strike("it is back", "restart", to="redis", at_s=1.3),
        ),
        deeds=(Deed("a key", lambda folder: write(folder, "later"), at_s=0.2, trouble=True),),
    )
    seen = run(Trial(step_of_parts(book, tmp_path), told, 7), processes)
    names = ["a key", "it forgets", "it dies", "it is back"]
    assert [each.name for each in seen.done_to_it] == names
    assert seen.files["key"] == b"later"
    assert 0 < seen.done < 8
    assert seen.exit_codes["worker-1"] == 1  # it does not survive its store
    calm = run(Trial(step_of_parts(book, tmp_path), told, 7, calm=True), processes)
    assert (calm.done, calm.done_to_it) == (8, ())


@pytest.mark.skipif(
    bool(missing(["prometheus", "alertmanager"])),
    reason="no Prometheus or no Alertmanager here",
)
def test_a_rule_that_fires_on_a_process_is_delivered_as_an_alert(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yml"
    rule = {"alert": "SomethingDone", "expr": "tasks_done_total > 0"}
    rules.write_text(json.dumps({"groups": [{"name": "g", "rules": [rule]}]}), encoding="utf-8")
    told = replace(
        incident(tasks("a", 20, 8.0)),
        services=("redis", "prometheus", "alertmanager"),
        roles=(Role("api"), Role("worker")),
        telemetry=True,
        alert_rules=(rules,),
    )
    seen = run(Trial(step_of_parts(book, tmp_path), told, 7), processes)
    assert seen.done == 20
    assert {(each.name, each.status) for each in seen.alerts} == {("SomethingDone", "firing")}
    assert all(0 < each.at_s < 15 for each in seen.alerts)
    assert {each.labels["job"] for each in seen.alerts} <= {"api-1", "worker-1"}


def write(folder: Path, text: str) -> None:
    (folder / "key").write_text(text, encoding="utf-8")


COMMAND = """
import signal, sys, tempfile

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from many_parts import BOTH, ROLES, step_of_parts, tasks
from throw_away import incident
from book.chain.chain import Book
from book.stage import trial as trials
from book.stage.around import servers_of
from book.stage.processes import Processes
from book.stage.trial import Trial
from book.story.incident import Deed

folder = Path(sys.argv[3])
with (
    tempfile.TemporaryDirectory(dir=sys.argv[2]) as scratch,
    Processes(trials.IMPORTS, Path(scratch)) as processes,
):
    def tell(_):
        servers = processes.once(servers_of)
        pids = [server.process.pid for server in servers._open]
        print(*pids, *processes.live(), flush=True)
    told = replace(
        incident(tasks("a", 100, 60.0)), services=BOTH, roles=ROLES, telemetry=True,
        deeds=(Deed("it is told", tell, at_s=0.3),),
    )
    trials.run(Trial(step_of_parts(Book.find(), folder), told, 7), processes, lambda ok: None)
"""


@pytest.mark.parametrize("end", ["SIGINT", "SIGKILL", "a server dies"])
def test_nothing_is_left_of_a_trial_that_is_ended_in_the_middle(end: str, tmp_path: Path) -> None:
    scratch, folder = tmp_path / "scratch", tmp_path / "step"
    for each in (scratch, folder):
        each.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(HELPERS), str(scratch), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        pids = [int(each) for each in command.stdout.readline().split()]
        try:
            assert len(pids) >= 2 + 5 + 3, pids or command.stderr.read()
            if end == "a server dies":
                os.kill(pids[0], signal.SIGKILL)
            else:
                command.send_signal(signal.Signals[end])
            assert within(GONE_S, lambda: command.poll() is not None)
            assert within(GONE_S, lambda: not any(map(is_alive, pids)))
            assert within(GONE_S, lambda: list(scratch.iterdir()) == [])
            if end == "a server dies":
                assert "ended in the middle of the run" in command.stderr.read()
        finally:
            command.kill()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
