"""What a server of trials must do, whatever its kind: heirs of ``OfEachServer`` say which.

Redis answers at once: the first program is tried with all other tests. Other programs, and
PostgreSQL, which takes a second for each cluster, are tried among the slow ones.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest
import redis
from forking import IMPORTS

from book.stage.ports import free_port
from book.stage.processes import Processes
from book.stage.services import postgres, postgres_programs
from book.stage.services import redis as redis_kind
from book.stage.services.errors import (
    ServiceDied,
    ServiceError,
)
from book.stage.services.psql import Psql
from book.stage.services.servers import KINDS, Servers
from book.stage.services.starting import on_a_free_port
from book.stage.services.tenant import Tenant
from book.story.parts import RedisSettings

GONE_S = 5.0
AT_ONCE = 8


def all_programs(name: str) -> list[Any]:
    """One parameter for each program that is found; its id says which a test used."""
    found = KINDS[name].programs() if os.name == "posix" else []
    if not found:
        absent = pytest.mark.skip(reason="no program of this server here")
        return [pytest.param(None, id=f"no {name}: {KINDS[name].install}", marks=absent)]
    return [pytest.param(each, id=f"{each.source}-{version(each)}") for each in found]


def further_programs(name: str) -> list[Any]:
    """All but the first."""
    absent = pytest.mark.skip(reason="no program of this server here")
    return all_programs(name)[1:] or [pytest.param(None, id=f"no other {name}", marks=absent)]


def version(program: Any) -> str:
    return str(program).split(" (")[0].split(" sha=")[0].replace(" ", "-")


@contextlib.contextmanager
def pools(scratch: Path) -> Iterator[Callable[..., Servers]]:
    """Makes pools that are closed at the end; the variables of whoever runs this do not count."""
    with contextlib.ExitStack() as stack:

        def make(environ: dict[str, str] | None = None, **programs: object) -> Servers:
            processes = stack.enter_context(Processes(IMPORTS, scratch))
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


def left_below(scratch: Path) -> list[str]:
    """Processes that name the folder, and what lies in it."""
    listed = subprocess.run(["ps", "-axww", "-o", "args="], capture_output=True, text=True)
    named = [line for line in listed.stdout.splitlines() if str(scratch) in line]
    # After kill -9 the folder itself may be gone.
    return named + [str(each) for each in scratch.glob("*")]


def data_of_trials(kind: str, url: str) -> list[str]:
    if kind == "redis":
        with redis_kind.asking(url) as client:
            return [str(key) for key in client.scan_iter()]
    return run_sql(url, "SELECT datname FROM pg_database WHERE datname ~ '^book_trial';").split()


class OfEachServer:
    """Tests of one kind of server, with each program that is found here."""

    name: ClassVar[str]

    def test_eight_tenants_at_once_are_blind_to_each_other(
        self, program: Any, pool: Callable[..., Servers]
    ) -> None:
        name = self.name
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

    def test_two_servers_with_eight_tenants_each_do_not_meet(
        self, program: Any, pool: Callable[..., Servers]
    ) -> None:
        name = self.name
        one, other = pool(**{name: program}), pool(**{name: program})
        tenants = [servers.tenant(name) for servers in (one, other) for _ in range(AT_ONCE)]
        for place, tenant in enumerate(tenants):
            write(tenant, f"value-{place}")
        assert [read(tenant) for tenant in tenants] == [[f"value-{n}"] for n in range(2 * AT_ONCE)]
        assert len({port_of(tenant) for tenant in tenants}) == 2

    def test_a_new_tenant_finds_nothing_of_the_one_before(
        self, program: Any, pool: Callable[..., Servers]
    ) -> None:
        name = self.name
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

    def test_no_tenant_enters_anothers_database(
        self, program: Any, pool: Callable[..., Servers]
    ) -> None:
        name = self.name
        servers = pool(**{name: program})
        one, other = servers.tenant(name), servers.tenant(name)
        write(other, "secret")
        foreign = url_of(one).rpartition("/")[0] + "/" + url_of(other).rpartition("/")[2]
        with pytest.raises(
            ServiceError, match=r"denied for database|access database|'select' command"
        ):
            read(Tenant(name, {"URL": foreign}, None, None, lambda: None))

    def test_an_own_server_may_be_flushed_killed_and_started_again(
        self, program: Any, pool: Callable[..., Servers]
    ) -> None:
        name = self.name
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

    def test_a_stopped_own_server_answers_again_when_it_goes_on(
        self, program: Any, pool: Callable[..., Servers]
    ) -> None:
        name = self.name
        tenant = pool(**{name: program}).tenant(name, own=True)
        assert tenant.server is not None
        write(tenant, "here")
        tenant.server.process.signal(signal.SIGSTOP)
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(read, tenant)
            assert not within(0.3, waiting.done)
            tenant.server.process.signal(signal.SIGCONT)
            assert waiting.result(10) == ["here"]

    def test_a_shared_server_that_is_killed_is_named_and_replaced(
        self, program: Any, pool: Callable[..., Servers]
    ) -> None:
        name = self.name
        servers = pool(**{name: program})
        tenant = servers.tenant(name)
        tenant.check()
        assert tenant.process is not None
        os.kill(tenant.process.pid, signal.SIGKILL)
        assert tenant.process.wait(GONE_S)
        with pytest.raises(
            ServiceDied, match=rf"the {name} server.* ended in the middle of the run"
        ):
            tenant.check()
        tenant.drop()
        again = servers.tenant(name)
        write(again, "new")
        assert read(again) == ["new"]

    @pytest.mark.parametrize("name_of_signal", ["SIGKILL", "SIGINT"])
    def test_nothing_is_left_of_a_command_that_is_ended(
        self, program: Any, name_of_signal: str, scratch: Path
    ) -> None:
        name = self.name
        with command(scratch, {}, {name: str(program)}, name) as (running, (urls, folders)):
            running.send_signal(signal.Signals[name_of_signal])
            running.wait(GONE_S)
        ports = [int(url.rpartition(":")[2].partition("/")[0]) for url in urls]
        assert len(set(ports)) == 2
        assert within(GONE_S, lambda: not any(map(listens, ports)))
        assert within(GONE_S, lambda: left_below(scratch / "command") == [])
        assert within(GONE_S, lambda: not any(map(os.path.exists, folders)))

    def test_a_killed_command_leaves_nothing_on_a_users_server(
        self, scratch: Path, pool: Callable[..., Servers]
    ) -> None:
        kind = self.name
        theirs = pool().tenant(kind, own=True)
        lent = url_of(theirs)
        with command(scratch, {KINDS[kind].variable: lent}, {}, kind) as (running, (urls, _)):
            made = Tenant(kind, {"URL": urls[0]}, None, None, lambda: None)
            write(made, "of-the-trial")
            assert read(made) == ["of-the-trial"]
            running.kill()
        assert within(GONE_S, lambda: data_of_trials(kind, lent) == [])

    def test_a_taken_port_is_left_for_another(self, program: Any, scratch: Path) -> None:
        name = self.name
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

    def test_tenants_on_a_users_server_are_dropped_after(
        self, pool: Callable[..., Servers]
    ) -> None:
        lent = url_of(pool().tenant(self.name, own=True))
        ours = pool({KINDS[self.name].variable: lent})
        with ours.tenant(self.name) as tenant:
            write(tenant, "of-the-trial")
            assert read(tenant) == ["of-the-trial"]
            assert tenant.process is None
        assert data_of_trials(self.name, lent) == []
        left = ours.tenant(self.name)  # dropped by nobody
        write(left, "of-the-trial")
        ours.close()
        assert data_of_trials(self.name, lent) == []

    def test_a_tenant_is_not_dropped_first_where_its_server_ends_with_the_pool(
        self, program: Any, pool: Callable[..., Servers]
    ) -> None:
        servers = pool(**{self.name: program})
        dropped, kept = servers.tenant(self.name), servers.tenant(self.name)
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
