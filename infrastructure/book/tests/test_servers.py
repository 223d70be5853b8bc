"""Servers of trials: each program that is found here, on the PATH or in a wheel, does the same."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis

from book.stage.ports import free_port
from book.stage.processes import Processes
from book.stage.services import postgres, postgres_programs
from book.stage.services import redis as redis_kind
from book.stage.services.alertmanager import AlertmanagerSettings
from book.stage.services.errors import (
    ServiceDied,
    ServiceError,
    ServiceMissing,
    UnknownService,
)
from book.stage.services.programs import Program
from book.stage.services.prometheus import PrometheusSettings
from book.stage.services.psql import Psql
from book.stage.services.servers import KINDS, Servers, check_names, missing
from book.stage.services.starting import on_a_free_port
from book.stage.services.supervised import Supervised, supervise
from book.stage.services.tenant import Tenant
from book.story.parts import RedisSettings

pytestmark = pytest.mark.skipif(os.name != "posix", reason="servers need Linux, macOS or WSL")

GONE_S = 5.0
AT_ONCE = 8
BOTH = ("redis", "postgres")


def all_programs(name: str) -> list[Any]:
    """One parameter for each program that is found; its id says which a test used."""
    found = KINDS[name].programs() if os.name == "posix" else []
    if not found:
        absent = pytest.mark.skip(reason="no program of this server here")
        return [pytest.param(None, id=f"no {name}: {KINDS[name].install}", marks=absent)]
    return [pytest.param(each, id=f"{each.source}-{version(each)}") for each in found]


def version(program: Any) -> str:
    return str(program).split(" (")[0].split(" sha=")[0].replace(" ", "-")


def pairs() -> Iterator[Any]:
    for name in BOTH:
        for each in all_programs(name):
            yield pytest.param(name, *each.values, id=f"{name}-{each.id}", marks=each.marks)


each_program = pytest.mark.parametrize(("name", "program"), list(pairs()))
each_redis = pytest.mark.parametrize("program", all_programs("redis"))


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def pool(scratch: Path) -> Iterator[Callable[..., Servers]]:
    """Makes pools that are closed at the end; the variables of whoever runs this do not count."""
    with contextlib.ExitStack() as stack:

        def make(environ: dict[str, str] | None = None, **programs: object) -> Servers:
            processes = stack.enter_context(Processes([], scratch))
            return stack.enter_context(Servers(processes, scratch, environ or {}, programs))

        yield make


def url_of(tenant: Tenant) -> str:
    (url,) = tenant.environment.values()
    return url


def run_sql(url: str, statements: str) -> str:
    program = next(iter(postgres_programs.programs()))
    return Psql(program.bin / "psql", url).run(statements)


def write(tenant: Tenant, value: str) -> None:
    if tenant.kind == "redis":
        with redis_kind.asking(url_of(tenant)) as client:
            client.set("mine", value)
            client.set(f"only of {value}", value)
    else:
        run_sql(url_of(tenant), f"CREATE TABLE mine (v text); INSERT INTO mine VALUES ('{value}');")


def read(tenant: Tenant) -> list[str]:
    """All that the tenant sees."""
    if tenant.kind == "redis":
        with redis_kind.asking(url_of(tenant)) as client:
            return sorted({str(client.get(key)) for key in client.scan_iter()})
    return run_sql(url_of(tenant), "SELECT v FROM mine;").split()


def port_of(tenant: Tenant) -> int:
    return int(url_of(tenant).rpartition(":")[2].partition("/")[0])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


@each_program
def test_eight_tenants_at_once_are_blind_to_each_other(
    name: str, program: Any, pool: Callable[..., Servers]
) -> None:
    servers = pool(**{name: program})
    with ThreadPoolExecutor(AT_ONCE) as threads:
        tenants = list(threads.map(lambda _: servers.tenant(name), range(AT_ONCE)))
        assert len({port_of(tenant) for tenant in tenants}) == 1, "one server a command"
        assert len({url_of(tenant) for tenant in tenants}) == AT_ONCE
        values = [f"value-{place}" for place in range(AT_ONCE)]
        list(threads.map(write, tenants, values))
        assert list(threads.map(read, tenants)) == [[value] for value in values]
        for tenant in tenants[1:]:
            tenant.drop()
    assert read(tenants[0]) == ["value-0"], "a neighbour's end is none of ours"
    assert servers.used == {name: str(program)}
    servers.close()
    assert not listens(port_of(tenants[0]))


@each_program
def test_two_servers_with_eight_tenants_each_do_not_meet(
    name: str, program: Any, pool: Callable[..., Servers]
) -> None:
    one, other = pool(**{name: program}), pool(**{name: program})
    tenants = [servers.tenant(name) for servers in (one, other) for _ in range(AT_ONCE)]
    for place, tenant in enumerate(tenants):
        write(tenant, f"value-{place}")
    assert [read(tenant) for tenant in tenants] == [[f"value-{n}"] for n in range(2 * AT_ONCE)]
    assert len({port_of(tenant) for tenant in tenants}) == 2


@each_program
def test_a_new_tenant_finds_nothing_of_the_one_before(
    name: str, program: Any, pool: Callable[..., Servers]
) -> None:
    servers = pool(**{name: program})
    with servers.tenant(name) as first:
        write(first, "old")
        address = url_of(first)
    first.drop()
    second = servers.tenant(name)
    write(second, "new")
    assert read(second) == ["new"]
    assert url_of(second) != address
    with pytest.raises(ServiceError, match=r"authentication|WRONGPASS|does not exist|password"):
        read(first)


@each_program
def test_no_tenant_enters_anothers_database(
    name: str, program: Any, pool: Callable[..., Servers]
) -> None:
    servers = pool(**{name: program})
    one, other = servers.tenant(name), servers.tenant(name)
    write(other, "secret")
    foreign = url_of(one).rpartition("/")[0] + "/" + url_of(other).rpartition("/")[2]
    with pytest.raises(ServiceError, match=r"denied for database|access database|'select' command"):
        read(Tenant(name, {"URL": foreign}, None, None, lambda: None))


BEYOND = [
    ["CONFIG", "GET", "*"],
    ["CONFIG", "SET", "maxmemory", "1"],
    ["FLUSHALL"],
    ["SHUTDOWN", "NOSAVE"],
    ["ACL", "LIST"],
    ["CLIENT", "KILL", "TYPE", "normal"],
    ["COPY", "mine", "mine", "DB", "2"],
    ["MOVE", "mine", "2"],
    ["SWAPDB", "1", "2"],
    ["SELECT", "2"],
    ["SCRIPT", "FLUSH"],
    ["PUBLISH", "channel", "crosses databases"],
    ["EVAL", "redis.call('select', 2) return redis.call('set', 'k', 'v')", "0"],
]


@each_redis
def test_a_tenant_of_redis_cannot_reach_beyond_its_database(
    program: Any, pool: Callable[..., Servers]
) -> None:
    def said(client: redis.Redis, command: list[str]) -> str:
        try:
            return repr(client.execute_command(*command))  # type: ignore[no-untyped-call]
        except redis.ResponseError as error:
            return str(error)

    with redis.Redis.from_url(url_of(pool(redis=program).tenant("redis"))) as client:
        client.set("mine", "1")
        denied = re.compile(r"(?i)no permissions|can't run this command")
        assert [each for each in BEYOND if not denied.search(said(client, each))] == []


@each_redis
def test_a_tenant_of_redis_does_what_clients_do(program: Any, pool: Callable[..., Servers]) -> None:
    tenant = pool(redis=program).tenant("redis")
    with redis.Redis.from_url(url_of(tenant), client_name="agent") as client:
        client.set("mine", "1", ex=60)
        assert client.client_getname() in ("agent", b"agent")
        assert client.register_script("return redis.call('get', KEYS[1])")(keys=["mine"]) == b"1"
        assert client.xadd("stream", {"a": "b"})
        assert client.info("server")
        client.flushdb()
        assert client.dbsize() == 0


@each_program
def test_an_own_server_may_be_flushed_killed_and_started_again(
    name: str, program: Any, pool: Callable[..., Servers]
) -> None:
    settings = RedisSettings(append_only=True) if name == "redis" else None
    servers = pool(**{name: program})
    shared, tenant = servers.tenant(name), servers.tenant(name, own=True, settings=settings)
    assert port_of(shared) != port_of(tenant)
    assert tenant.server is not None
    assert tenant.process is not None
    assert shared.server is None
    write(tenant, "kept")
    tenant.process.signal(signal.SIGKILL)
    assert tenant.process.wait(GONE_S)
    assert within(GONE_S, lambda: not listens(port_of(tenant)))
    tenant.check()  # an incident may do that to its own server
    tenant.server.restart()
    assert read(tenant) == ["kept"], "what was answered is on disk"
    tenant.server.flush()
    with contextlib.suppress(ServiceError):  # of PostgreSQL the table is gone
        assert read(tenant) == []
    write(tenant, "new")
    assert read(tenant) == ["new"]
    tenant.drop()
    assert not listens(port_of(tenant))
    shared.check()


@each_program
def test_a_stopped_own_server_answers_again_when_it_goes_on(
    name: str, program: Any, pool: Callable[..., Servers]
) -> None:
    tenant = pool(**{name: program}).tenant(name, own=True)
    assert tenant.server is not None
    write(tenant, "here")
    tenant.server.process.signal(signal.SIGSTOP)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(read, tenant)
        assert not within(0.3, waiting.done)
        tenant.server.process.signal(signal.SIGCONT)
        assert waiting.result(10) == ["here"]


@each_program
def test_a_shared_server_that_is_killed_is_named_and_replaced(
    name: str, program: Any, pool: Callable[..., Servers]
) -> None:
    servers = pool(**{name: program})
    tenant = servers.tenant(name)
    tenant.check()
    assert tenant.process is not None
    os.kill(tenant.process.pid, signal.SIGKILL)
    assert tenant.process.wait(GONE_S)
    with pytest.raises(ServiceDied, match=rf"the {name} server.* ended in the middle of the run"):
        tenant.check()
    tenant.drop()
    again = servers.tenant(name)
    write(again, "new")
    assert read(again) == ["new"]


@each_redis
def test_append_only_and_memory_are_as_asked(program: Any, pool: Callable[..., Servers]) -> None:
    settings = RedisSettings(append_only=True, max_memory_mb=8)
    tenant = pool(redis=program).tenant("redis", own=True, settings=settings)
    with redis_kind.asking(url_of(tenant)) as client:
        held = client.config_get("appendonly") | client.config_get("maxmemory-policy")
        assert held["appendonly"] == "yes"
        assert held["maxmemory-policy"] == "noeviction"
        with pytest.raises(redis.ResponseError, match="maxmemory"):
            [client.set(f"key-{place}", "x" * 1_000_000) for place in range(20)]


COMMAND = """
import json, sys, time
from pathlib import Path
from book.stage.processes import Processes
from book.stage.services.servers import KINDS, Servers
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
scratch, environ, chosen = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
programs = {
    name: next(p for p in KINDS[name].programs() if str(p) == text) for name, text in chosen.items()
}
with Processes([], scratch) as processes, Servers(processes, scratch, environ, programs) as servers:
    tenants = [servers.tenant(name, own=own) for name in sys.argv[4:] for own in (False, True)]
    used = [t.environment[KINDS[t.kind].variable] for t in tenants]
    folders = [str(t.process.output.parent) for t in tenants if t.process]
    print(json.dumps([used, folders]), flush=True)
    time.sleep(600)
"""


@contextlib.contextmanager
def command(
    scratch: Path, environ: dict[str, str], programs: dict[str, str], *names: str
) -> Iterator[tuple[subprocess.Popen[str], list[list[str]]]]:
    """A command that holds a tenant and an own server of each kind; their addresses, folders.

    Its folder is its own, because it goes with the command: others may have servers in ``scratch``.
    """
    folder = scratch / "command"
    folder.mkdir()
    told = [str(folder), json.dumps(environ), json.dumps(programs), *names]
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, *told],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        try:
            assert running.stdout is not None
            yield running, json.loads(running.stdout.readline())
        finally:
            running.kill()


@each_program
@pytest.mark.parametrize("name_of_signal", ["SIGKILL", "SIGINT"])
def test_nothing_is_left_of_a_command_that_is_ended(
    name: str, program: Any, name_of_signal: str, scratch: Path
) -> None:
    with command(scratch, {}, {name: str(program)}, name) as (running, (urls, folders)):
        running.send_signal(signal.Signals[name_of_signal])
        running.wait(GONE_S)
    ports = [int(url.rpartition(":")[2].partition("/")[0]) for url in urls]
    assert len(set(ports)) == 2
    assert within(GONE_S, lambda: not any(map(listens, ports)))
    assert within(GONE_S, lambda: left_below(scratch / "command") == [])
    assert within(GONE_S, lambda: not any(map(os.path.exists, folders)))


def left_below(scratch: Path) -> list[str]:
    """Processes that name the folder, and what lies in it."""
    listed = subprocess.run(["ps", "-axww", "-o", "args="], capture_output=True, text=True)
    named = [line for line in listed.stdout.splitlines() if str(scratch) in line]
    # After kill -9 the folder itself may be gone.
    return named + [str(each) for each in scratch.glob("*")]


@pytest.mark.parametrize("kind", BOTH)
def test_a_killed_command_leaves_nothing_on_a_users_server(
    kind: str, scratch: Path, pool: Callable[..., Servers]
) -> None:
    theirs = pool().tenant(kind, own=True)
    lent = url_of(theirs)
    with command(scratch, {KINDS[kind].variable: lent}, {}, kind) as (running, (urls, _)):
        made = Tenant(kind, {"URL": urls[0]}, None, None, lambda: None)
        write(made, "of-the-trial")
        assert read(made) == ["of-the-trial"]
        running.kill()
    assert within(GONE_S, lambda: data_of_trials(kind, lent) == [])


def data_of_trials(kind: str, url: str) -> list[str]:
    if kind == "redis":
        with redis_kind.asking(url) as client:
            return [str(key) for key in client.scan_iter()]
    return run_sql(url, "SELECT datname FROM pg_database WHERE datname ~ '^book_trial';").split()


def test_tenants_on_a_users_server_are_dropped_after(pool: Callable[..., Servers]) -> None:
    theirs = pool()
    environ = {KINDS[kind].variable: url_of(theirs.tenant(kind, own=True)) for kind in BOTH}
    ours = pool(environ)
    for kind in BOTH:
        with ours.tenant(kind) as tenant:
            write(tenant, "of-the-trial")
            assert read(tenant) == ["of-the-trial"]
            assert tenant.process is None
        assert data_of_trials(kind, environ[KINDS[kind].variable]) == []
        left = ours.tenant(kind)  # dropped by nobody
        write(left, "of-the-trial")
    ours.close()
    assert [data_of_trials(k, environ[KINDS[k].variable]) for k in BOTH] == [[], []]


def test_eight_tenants_of_a_users_postgres_are_blind_to_each_other(
    pool: Callable[..., Servers],
) -> None:
    lent = url_of(pool().tenant("postgres", own=True))
    servers = pool({"DATABASE_URL": lent.replace("postgresql://", "postgresql+asyncpg://")})
    with ThreadPoolExecutor(AT_ONCE) as threads:
        tenants = list(threads.map(lambda _: servers.tenant("postgres"), range(AT_ONCE)))
        list(threads.map(write, tenants, map(str, range(AT_ONCE))))
        assert [read(tenant) for tenant in tenants] == [[str(n)] for n in range(AT_ONCE)]
    assert all(url_of(tenant).startswith("postgresql+asyncpg://") for tenant in tenants)


def test_a_users_redis_that_holds_data_is_left_alone(pool: Callable[..., Servers]) -> None:
    theirs = pool().tenant("redis", own=True)
    write(theirs, "precious")
    servers = pool({"REDIS_URL": url_of(theirs)})
    with pytest.raises(ServiceError, match=r"REDIS_URL: .* holds 2 keys.*empty one.*unset") as told:
        servers.tenant("redis")
    assert url_of(theirs).split("@")[0].split(":")[2] not in str(told.value), "no password"
    servers.close()
    assert read(theirs) == ["precious"]


def test_a_trial_that_waits_for_a_users_redis_ends_with_the_command(
    pool: Callable[..., Servers],
) -> None:
    servers = pool({"REDIS_URL": url_of(pool().tenant("redis", own=True))})
    servers.tenant("redis")
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(servers.tenant, "redis")
        assert not within(0.3, waiting.done)
        servers.close()
        with pytest.raises(InterruptedError):
            waiting.result(10)


def test_one_trial_at_a_time_uses_a_users_redis(pool: Callable[..., Servers]) -> None:
    servers = pool({"REDIS_URL": url_of(pool().tenant("redis", own=True))})
    first = servers.tenant("redis")
    write(first, "first")
    with ThreadPoolExecutor(1) as thread:
        second = thread.submit(servers.tenant, "redis")
        assert not within(0.3, second.done)
        first.drop()
        assert read(second.result(10)) == []
        second.result().drop()


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("redis", "redis://127.0.0.1:1/0"),
        ("redis", "127.0.0.1:6379"),
        ("postgres", "postgresql://me:secret-word@127.0.0.1:1/mine"),  # pragma: allowlist secret
    ],
)
def test_a_users_server_that_is_away_is_named_by_its_variable(
    kind: str, url: str, pool: Callable[..., Servers]
) -> None:
    servers = pool({KINDS[kind].variable: url})
    with pytest.raises(ServiceError, match=rf"(?s)^{KINDS[kind].variable}: .*unset it") as told:
        servers.tenant(kind)
    assert "secret-word" not in str(told.value)


def test_an_unknown_name_is_told_the_valid_ones(pool: Callable[..., Servers]) -> None:
    valid = r"'postgress'. Did you mean 'postgres'\? Valid: alertmanager, postgres, prometheus, re"
    with pytest.raises(UnknownService, match=valid):
        pool().tenant("postgress")
    with pytest.raises(UnknownService, match=r"no service 'kafka'. Valid: "):
        check_names(["redis", "kafka"])
    with pytest.raises(ServiceError, match="'redis' is named twice"):
        check_names(["redis", "redis"])
    check_names(list(KINDS))


def test_what_is_missing_is_named_with_the_line_that_installs_it(
    pool: Callable[..., Servers], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    (absent,) = missing(["prometheus"])
    assert (absent.kind, "apt-get install prometheus" in absent.install) == ("prometheus", True)
    with pytest.raises(ServiceMissing, match=r"alertmanager: .*install prometheus-alertmanager"):
        pool().tenant("alertmanager", settings=AlertmanagerSettings("http://127.0.0.1:1/"))
    assert missing(["redis"], {"REDIS_URL": "redis://127.0.0.1/0"}) == []


def test_a_program_that_fails_to_start_shows_its_last_output(
    pool: Callable[..., Servers], tmp_path: Path
) -> None:
    broken = tmp_path / "redis-server"
    broken.write_text("#!/bin/sh\necho 'Fatal: no such option'\nexit 1\n", encoding="utf-8")
    broken.chmod(0o755)
    servers = pool(redis=Program(broken, "PATH"))
    with pytest.raises(ServiceError, match=r"does not start; it said last:\nFatal: no such option"):
        servers.tenant("redis")


def test_a_broken_cluster_shows_its_last_output(
    pool: Callable[..., Servers], tmp_path: Path
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in postgres_programs.NEEDED:
        (folder / name).write_text('#!/bin/sh\necho "no locale for $2"; exit 1\n', encoding="utf-8")
        (folder / name).chmod(0o755)
    program = postgres_programs.Program(folder, "PATH")
    with pytest.raises(ServiceError, match="initdb does not make a cluster; it said") as told:
        pool(postgres=program).tenant("postgres")
    _, said, data = str(told.value).partition("no locale for ")
    assert said
    assert not Path(data).parent.exists()


@each_program
def test_a_taken_port_is_left_for_another(name: str, program: Any, scratch: Path) -> None:
    server = KINDS[name].make(scratch, program, None)
    launch = server._launch  # type: ignore[attr-defined]
    ready = redis_kind.READY if name == "redis" else postgres.READY
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        server.process.end(keep=True)
        ports = iter([number, number, free_port()])
        process, port = on_a_free_port(launch, ready, lambda: next(ports))
        assert port != number
        assert listens(port)
        process.end(keep=True)
        with pytest.raises(
            ServiceError, match=rf"5 ports in a row were taken, the last .*{number}"
        ):
            on_a_free_port(launch, ready, lambda: number)
    server.end()


def test_a_server_that_cannot_start_is_not_tried_on_another_port(tmp_path: Path) -> None:
    tried: list[int] = []

    def launch(port: int) -> Supervised:
        tried.append(port)
        return supervise("one", ["/bin/sh", "-c", "echo broken"], tmp_path / "output.txt")

    with pytest.raises(ServiceError, match="broken"):
        on_a_free_port(launch, "ready")
    assert len(tried) == 1


@each_program
def test_a_tenant_is_not_dropped_first_where_its_server_ends_with_the_pool(
    name: str, program: Any, pool: Callable[..., Servers]
) -> None:
    servers = pool(**{name: program})
    dropped, kept = servers.tenant(name), servers.tenant(name)
    for tenant in (dropped, kept):
        write(tenant, "here")
    dropped.drop()
    with pytest.raises((ServiceError, redis.ResponseError)):
        read(dropped)
    servers._closed = True
    kept.drop()
    assert read(kept) == ["here"]
    servers.close()
    assert not listens(port_of(kept))


def test_a_closed_pool_starts_nothing(pool: Callable[..., Servers], scratch: Path) -> None:
    servers = pool()
    servers.processes.kill_all()
    with pytest.raises(InterruptedError):
        servers.tenant("redis")
    assert list(scratch.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root needs it")
def test_root_runs_a_copy_of_postgres_where_nobody_cannot_read_it(
    pool: Callable[..., Servers], tmp_path: Path
) -> None:
    wheels = [p for p in postgres_programs.programs() if p.source == postgres_programs.WHEEL]
    if not wheels:
        pytest.skip("no PostgreSQL from a wheel here")
    package = wheels[0].bin.parent.parent
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    shutil.copytree(wheels[0].bin.parent, hidden / package.name / wheels[0].bin.parent.name)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, hidden / libraries.name)
    program = postgres_programs.Program(
        hidden / package.name / wheels[0].bin.parent.name / "bin", postgres_programs.WHEEL
    )
    assert postgres_programs.needs_copy(program)
    tenant = pool(postgres=program).tenant("postgres")
    write(tenant, "here")
    assert read(tenant) == ["here"]
    assert hidden.stat().st_mode & 0o077 == 0, "nobody opened the folder"
    assert tenant.process is not None
    if sys.platform == "linux":
        assert Path(f"/proc/{tenant.process.pid}").stat().st_uid != 0


def test_where_pgvector_is_there_a_tenant_has_it(pool: Callable[..., Servers]) -> None:
    wheels = [p for p in postgres_programs.programs() if p.source == postgres_programs.WHEEL]
    if not wheels:
        pytest.skip("no PostgreSQL from a wheel here")
    tenant = pool(postgres=wheels[0]).tenant("postgres")
    assert run_sql(url_of(tenant), "SELECT '[1,2]'::vector <-> '[1,3]';") == "1"


def test_prometheus_and_alertmanager_start_on_ports_of_their_own(
    pool: Callable[..., Servers],
) -> None:
    if missing(["prometheus", "alertmanager"]):
        pytest.skip("no Prometheus or no Alertmanager here")
    servers = pool()
    hook = AlertmanagerSettings("http://127.0.0.1:1/alerts")
    tenants = [
        servers.tenant(kind, settings=settings)
        for kind, settings in (
            ("alertmanager", hook),
            ("alertmanager", hook),
            ("prometheus", PrometheusSettings({"agent": ("127.0.0.1:1",)})),
        )
    ]
    ports = [port_of(tenant) for tenant in tenants]
    assert len(set(ports)) == 3
    assert all(map(listens, ports))
    servers.close()
    assert not any(map(listens, ports))


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("alertmanager", AlertmanagerSettings(config="route: []"), "does not start; it said last"),
        ("alertmanager", AlertmanagerSettings(), "a webhook or a config"),
        ("prometheus", PrometheusSettings(rules=(Path("absent.yml"),)), "no file of rules absent"),
    ],
)
def test_wrong_settings_are_told_with_the_servers_own_words(
    kind: str, settings: Any, said: str, pool: Callable[..., Servers]
) -> None:
    if missing([kind]):
        pytest.skip("no Prometheus or no Alertmanager here")
    with pytest.raises(ServiceError, match=said):
        pool().tenant(kind, settings=settings)
