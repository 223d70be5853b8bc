"""Trials whose Redis an incident sets up, and those whose servers are a user's own."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from many_parts import BOTH, began, environment, step_of_parts, tasks
from throw_away import incident

from book.chain.chain import Book
from book.stage import trial as trials
from book.stage.around import servers_of
from book.stage.processes import Processes
from book.stage.services import redis as redis_kind
from book.stage.services.servers import Servers, missing
from book.stage.trial import Trial
from book.story.incident import RedisSettings, Role, Run, Strike, Task, Workload

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="servers need Linux, macOS or WSL"),
    pytest.mark.skipif(
        bool(missing(["redis", "postgres"])), reason="no program of this server here"
    ),
]


def run(trial: Trial, processes: Processes) -> Run:
    return trials.run(trial, processes, lambda ok: None)


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
