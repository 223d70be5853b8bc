"""Trials of many parts: servers, an API and workers, telemetry, strikes and deeds."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from many_parts import step_of_parts
from throw_away import incident, on_any_machine, step

from book.chain.chain import Book, ChainError
from book.replay import held
from book.replay.replay import Replay, Row, played
from book.stage import trial as trials
from book.stage.around import servers_of
from book.stage.processes import Processes
from book.stage.schedule import run_all
from book.stage.services import redis as redis_kind
from book.stage.services.errors import ServiceMissing
from book.stage.services.servers import Servers, missing
from book.stage.simulating import TrialError
from book.stage.trial import Trial
from book.story.incident import Deed, RedisSettings, Role, Run, Strike, Task, Workload

BOTH = ("redis", "postgres")
pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="servers need Linux, macOS or WSL"),
    pytest.mark.skipif(
        bool(missing(["redis", "postgres"])), reason="no program of this server here"
    ),
]
GONE_S = 5.0
ROLES = (Role("api", 2), Role("worker", 3))
MEMBERS = {"api-1", "api-2", "worker-1", "worker-2", "worker-3"}


@pytest.fixture(scope="module")
def book() -> Book:
    return Book.find()


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with Processes(trials.IMPORTS, tmp_path_factory.mktemp("scratch")) as started:
        yield started


def run(trial: Trial, processes: Processes) -> Run:
    return trials.run(trial, processes, lambda ok: None)


def tasks(marks: str, count: int, seconds: float) -> Workload:
    """Tasks that come one after the other within so many seconds."""
    each = [
        Task(f"{marks} {n}", (f"{marks} {n}: 200",), at_s=0.01 + n * seconds / count)
        for n in range(count)
    ]
    return Workload(tuple(each), at_once=50, limit_s=10.0)


def began(seen: Run | TrialError, source: str) -> dict[str, str]:
    """What a process said when it began: the variables that it found."""
    assert isinstance(seen, Run), seen
    lines = [line.fields for line in seen.logs if line.source == source and line.fields]
    return {name: str(value) for name, value in lines[0].items()}


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


@contextlib.contextmanager
def environment(**variables: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def test_tenants_of_a_trial_are_made_on_a_users_servers_and_dropped_after(
    book: Book, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    theirs = tmp_path_factory.mktemp("theirs")
    ours = tmp_path_factory.mktemp("ours")
    told = replace(incident(tasks("a", 4, 1.0)), services=BOTH, roles=(Role("api"), Role("worker")))
    parts = step_of_parts(book, tmp_path)
    with Processes([], theirs) as others, Servers(others, theirs, {}) as servers:
        lent: dict[str, str] = {}
        for name in BOTH:
            lent |= servers.tenant(name, own=True).environment
        with environment(**lent), Processes(trials.IMPORTS, ours) as processes:
            seen = run(Trial(parts, told, 7), processes)
            assert processes.once(servers_of)._open == []
        with redis_kind.asking(lent["REDIS_URL"]) as store:
            assert store.dbsize() == 0
    assert seen.done == 4
    found = began(seen, "worker-1")
    assert found["REDIS_URL"] == lent["REDIS_URL"]
    server, _, database = lent["DATABASE_URL"].rpartition("/")
    given, _, made = found["DATABASE_URL"].rpartition("/")
    assert given == server
    assert made != database
    assert made.startswith("book_trial_")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("act", ["SIGKILL", "SIGSTOP", "SIGTERM"])
def test_the_nth_request_of_a_task_brings_a_signal_to_who_sent_it(
    act: str, book: Book, processes: Processes, tmp_path: Path
) -> None:
    each = [Task(f"{'marked' if n in (3, 5) else 'plain'} {n}", (), at_s=0.1 * n) for n in range(8)]
    told = replace(
        incident(Workload(tuple(each), 50, 3.0), "[latency]\nmessages_s = 0.05\n"),
        services=("redis",),
        roles=ROLES,
        strikes=(Strike("in the middle", act, to="worker", request=2, task="MARKED*"),),  # type: ignore[arg-type]
    )
    seen = run(Trial(step_of_parts(book, tmp_path), told, 7), processes)
    (met,) = seen.done_to_it
    assert met.to in ("worker-1", "worker-2", "worker-3")
    code = {"SIGKILL": 137, "SIGSTOP": 137, "SIGTERM": 143}[act]
    assert seen.exit_codes[met.to] == code
    lost = [outcome.task.text for outcome in seen.outcomes if outcome.text is None]
    assert lost == ["marked 5"]
    said = [line for line in seen.logs if line.source == met.to and line.fields]
    assert all(line.fields is None or line.fields.get("task") != "marked 5" for line in said)
    assert seen.fired == {"in the middle": 1}
    assert seen.peak_mb.keys() == MEMBERS


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


SET_UP = """
import os

import redis

import common


def main():
    common.begin()
    store = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
    try:
        for place in range(20):
            store.set(f"key {place}", "x" * 1_000_000)
    except redis.ResponseError as error:
        common.say("refused", why=str(error), kept=store.get("key 0") is not None)
        store.delete("key 0")
    else:
        common.say("took all", kept=store.get("key 0") is not None)
    store.set("answer 1", "done")
    store.blpop("nothing", timeout=60)
"""
LITTLE = RedisSettings(max_memory_mb=8)
EVICTS = RedisSettings(max_memory_mb=8, eviction="allkeys-lru")


@pytest.mark.parametrize("own", [True, False], ids=["own", "shared"])
@pytest.mark.parametrize(
    ("asked", "events"),
    [(None, ("took all", True)), (LITTLE, ("refused", True)), (EVICTS, ("took all", False))],
    ids=["as it comes", "little", "evicts"],
)
def test_an_incident_chooses_how_its_redis_is_set_up(
    asked: RedisSettings | None,
    events: tuple[str, bool],
    own: bool,
    book: Book,
    processes: Processes,
    tmp_path: Path,
) -> None:
    names = ("redis",)
    told = replace(
        incident(Workload((Task("one", ("done",)),), 1, 10.0)),
        redis=asked,
        roles=(Role("api"), Role("worker")),
        own=names if own else (),
        services=() if own else names,
    )
    seen = run(Trial(step_of_parts(book, tmp_path, worker=SET_UP), told, 7), processes)
    assert seen.done == 1
    said = [each.fields for each in seen.logs if each.source == "worker-1" and each.fields]
    assert (said[1]["event"], said[1]["kept"]) == events


COUNTS = """
import os

import redis
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

import common


async def ready(request):
    return JSONResponse({})


async def do(request):
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as store:
        return JSONResponse({"text": "counted", "number": store.incr("number")})


def main():
    common.begin()
    port = int(os.environ["AGENT_LISTEN__PORT"])
    routes = [Route("/health/ready", ready), Route("/v1/tasks", do, methods=["POST"])]
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="critical")
"""


@pytest.mark.parametrize("kept", [True, False], ids=["written down", "in memory"])
def test_an_own_redis_that_writes_down_each_change_comes_back_with_what_it_had(
    kept: bool, book: Book, processes: Processes, tmp_path: Path
) -> None:
    told = replace(
        incident(tasks("a", 20, 4.0)),
        own=("redis",),
        redis=RedisSettings(append_only=kept),
        roles=(Role("api"),),
        strikes=(
            Strike("it dies", "SIGKILL", to="redis", at_s=1.5),
            Strike("it is back", "restart", to="redis", at_s=1.6),
        ),
    )
    seen = run(Trial(step_of_parts(book, tmp_path, service=COUNTS), told, 7), processes)
    in_order = sorted(seen.outcomes, key=lambda outcome: outcome.began_s)
    numbers = [int(str(each.answer["number"])) for each in in_order if each.text]
    assert len(numbers) > 5
    assert (numbers == sorted(set(numbers))) is kept


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


COMMAND = """
import signal, sys, tempfile

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from many_parts import step_of_parts
from test_parts_of_trials import BOTH, ROLES, tasks
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
        [sys.executable, "-c", COMMAND, str(Path(__file__).parent), str(scratch), str(folder)],
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
