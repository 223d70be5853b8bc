"""Trials of many parts: servers, an API and workers, telemetry, strikes and deeds."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from many_parts import (
    MEMBERS,
    ROLES,
    assert_struck_by,
    began,
    environment,
    step_of_parts,
    struck_by,
    tasks,
)
from throw_away import incident, on_any_machine, step

from book.chain.chain import Book, ChainError
from book.replay import held
from book.replay.replay import Replay, Row, played
from book.stage import trial as trials
from book.stage.processes import Processes
from book.stage.schedule import run_all
from book.stage.services.errors import ServiceMissing
from book.stage.services.servers import missing
from book.stage.simulating import TrialError
from book.stage.trial import Trial
from book.story.incident import Deed, RedisSettings, Role, Run, Task, Workload

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="servers need Linux, macOS or WSL"),
    pytest.mark.skipif(
        bool(missing(["redis", "postgres"])), reason="no program of this server here"
    ),
]


def run(trial: Trial, processes: Processes) -> Run:
    return trials.run(trial, processes, lambda ok: None)


def test_what_a_process_finds_is_the_trials(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    told = replace(
        incident(Workload((Task("one", ("one: 200",)),), 1, 10.0), AGENT_KEY_FILE="{folder}/key"),
        services=("redis",),
        roles=(Role("api"), Role("worker")),
        deeds=(Deed("a key", lambda folder: write(folder, "first")),),
    )
    parts = step_of_parts(book, tmp_path)
    seen = run(Trial(parts, told, 7), processes)
    assert seen.done == 1
    found = began(seen, "worker-1")
    assert not [name for name in found if name.startswith(("OTEL_", "DATABASE_"))]
    assert found["AGENT_KEY_FILE"].endswith("/key")
    assert "AGENT_LISTEN__PORT" not in found
    assert seen.files["key"] == b"first"
    assert [each.name for each in seen.done_to_it] == ["a key"]
    assert not seen.spans
    assert not seen.samples


ENTER = """
import json, os, sys
from pathlib import Path
from book.stage.driving import enter
declares = enter(Path(sys.argv[1]), json.loads(sys.argv[2]))
print(json.dumps([declares, dict(os.environ)]))
"""


def test_nothing_of_a_users_own_servers_collector_or_settings_reaches_a_step(
    book: Book, tmp_path: Path
) -> None:
    users = {"OTEL_SERVICE_NAME": "mine", "OTEL_FOO": "x", "DATABASE_URL": "postgresql://me/own"}
    users |= {"REDIS_URL": "redis://mine", "AGENT_KEY_FILE": "mine", "ANTHROPIC_API_KEY": "mine"}
    given = {"REDIS_URL": "redis://trial", "AGENT_METRICS__PORT": "1", "AGENT_UNKNOWN": "1"}
    step_of_parts(book, tmp_path)
    ran = subprocess.run(
        [sys.executable, "-c", ENTER, str(tmp_path), json.dumps(given)],
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **users},
        capture_output=True,
        text=True,
        check=True,
    )
    declares, found = json.loads(ran.stdout)
    assert declares
    ours = {"REDIS_URL": "redis://trial", "AGENT_METRICS__PORT": "1"}
    assert {k: v for k, v in found.items() if k in {*users, *given}} == ours
    assert found["LANG"] == "C.UTF-8"


def write(folder: Path, text: str) -> None:
    (folder / "key").write_text(text, encoding="utf-8")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_nth_request_of_a_task_kills_who_sent_it(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    # Other signals are among the slow tests.
    assert_struck_by(137, run(struck_by("SIGKILL", book, tmp_path), processes))


def test_a_task_brings_its_user_and_its_own_body_and_is_sent_twice(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    body = json.dumps({"task": "raw", "more": 1}).encode()
    each = (
        Task("not sent", ("raw: 200",), body=body),
        Task("of ada", ("of ada: 200",), user="ada-1", at_s=0.1),
        Task("again", ("again: 200",), sent=2, at_s=0.2),
    )
    told = replace(
        incident(Workload(each, 9, 10.0)), services=("redis",), roles=(Role("api"), Role("worker"))
    )
    seen = run(Trial(step_of_parts(book, tmp_path), told, 7), processes)
    assert [outcome.task.text for outcome in seen.outcomes if outcome.done] == [
        *("not sent", "of ada", "again", "again")
    ]
    users = {
        str(line.fields["task"]): line.fields["user"]
        for line in seen.logs
        if line.fields and line.fields["event"] == "done"
    }
    assert users == {"raw": None, "of ada": "Bearer ada-1", "again": None}


def test_an_agent_without_a_service_cannot_be_asked_what_only_a_service_can(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    told = incident(Workload((Task("one", (), user="ada"),), 1, 5.0))
    with pytest.raises(TrialError, match=r"a-storm: a task's user.* give the incident service="):
        run(Trial(step(book, tmp_path), told, 7), processes)


def test_a_deed_that_fails_ends_the_trial_with_its_name(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    broken = Deed("a key", lambda folder: write(folder / "nowhere", ""), at_s=0.0)
    told = replace(incident(Workload((Task("sign: a", ()),), 1, 5.0)), deeds=(broken,))
    with pytest.raises(TrialError, match="the deed 'a key' failed: FileNotFoundError"):
        run(Trial(step(book, tmp_path), told, 7), processes)


def test_a_step_before_that_has_no_worker_runs_without_and_is_served_plainly(
    book: Book, processes: Processes
) -> None:
    each = (Task("What is 23*19?", ("437",)),)
    told = replace(incident(Workload(each, 1, 10.0)), roles=ROLES)
    seen = run(Trial(book.step("reference-agent"), told, 7), processes)
    assert seen.done == 1
    assert seen.exit_codes.keys() == {"api-1", "api-2"}
    assert seen.served_by == "plain_service.py"


def test_a_worker_that_cannot_start_fails_the_trial_with_what_it_said(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    told = replace(incident(tasks("a", 1, 1.0)), services=("redis",), roles=ROLES)
    broken = step_of_parts(book, tmp_path, worker="raise RuntimeError('no such luck')")
    with pytest.raises(TrialError, match=r"(?s)worker-. ended .*no such luck"):
        run(Trial(broken, told, 7), processes)


def test_what_needs_a_server_that_is_not_there_is_left_out_with_the_line_that_installs_it(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    load = Workload((Task("sign: a", ("sign: a",)),), 1, 5.0)
    told = replace(incident(load), services=("alertmanager",))
    parts = step(book, tmp_path)
    planned = [Trial(parts, told, 7), Trial(parts, incident(load), 7)]
    with environment(PATH=""):
        ran = run_all(planned, processes, lambda *done: None, is_too_busy=on_any_machine)
        (_, absent), (_, seen) = list(ran)
    assert isinstance(absent, ServiceMissing)
    assert "apt-get install prometheus-alertmanager" in str(absent)
    assert isinstance(seen, Run)
    assert seen.done == 1


def test_what_the_processes_said_lies_in_a_folder(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    told = replace(incident(tasks("a", 3, 1.0)), services=("redis",), roles=ROLES, telemetry=True)
    parts = step_of_parts(book, tmp_path)
    trial = Trial(parts, told, 7)
    row = Row(trial, run(trial, processes), (), None)
    folder = held.hold(tmp_path / "root", Replay(told, 7, (row,)))
    (one,) = folder.iterdir()
    names = {each.name for each in one.iterdir()}
    assert {f"{member}.{end}" for member in MEMBERS for end in ("stdout", "stderr")} <= names
    assert {"samples.jsonl", "spans.jsonl", "trial.json"} <= names
    said = (one / "worker-1.stdout").read_text(encoding="utf-8").splitlines()
    assert json.loads(said[0])["event"] == "begins"
    spans = (one / "spans.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(each)["name"] for each in spans} == {"begins"}
    told_of = json.loads((one / "trial.json").read_text(encoding="utf-8"))
    assert told_of["exit_codes"].keys() == MEMBERS


def test_a_role_that_the_solving_step_has_no_file_for_is_named_before_anything_runs(
    book: Book, tmp_path: Path
) -> None:
    file = tmp_path / "a_storm.py"
    file.write_text(
        "from dataclasses import replace\nfrom throw_away import *\n"
        "from book.story.incident import Role\n"
        "INCIDENT = replace(incident(Workload((), 1, 1.0)), roles=(Role('api'), Role('wroker')))",
        encoding="utf-8",
    )
    parts = step_of_parts(book, tmp_path)
    with pytest.raises(ChainError, match=r"role 'wroker' runs wroker.py, which thrown-away has"):
        played(file, parts)


def test_a_set_up_of_a_redis_that_the_solving_step_does_not_use_is_named_before_anything_runs(
    book: Book, tmp_path: Path
) -> None:
    file = tmp_path / "a_storm.py"
    head = (
        "from dataclasses import replace\nfrom throw_away import *\n"
        "from book.story.incident import RedisSettings\n"
        "INCIDENT = replace(incident(Workload((), 1, 1.0)), redis=RedisSettings()"
    )
    parts = step_of_parts(book, tmp_path)
    file.write_text(f"{head})", encoding="utf-8")
    with pytest.raises(ChainError, match=r"a server that thrown-away does not use; add services="):
        played(file, parts)
    played(file, replace(parts, services=("redis",)))
    file.write_text(f"{head}, own=('redis',))", encoding="utf-8")
    assert played(file, parts).redis == RedisSettings()
