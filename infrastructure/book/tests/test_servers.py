"""Servers of trials, tried with the first program that is found here, on the PATH or in a wheel."""

import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
from servers_of_each_kind import (
    OfEachServer,
    all_programs,
    listens,
    port_of,
    read,
    url_of,
    within,
    write,
)

from book.stage.services import postgres_programs
from book.stage.services import redis as redis_kind
from book.stage.services.alertmanager import AlertmanagerSettings
from book.stage.services.errors import (
    ServiceError,
    ServiceMissing,
    UnknownService,
)
from book.stage.services.programs import Program
from book.stage.services.prometheus import PrometheusSettings
from book.stage.services.servers import KINDS, Servers, check_names, missing
from book.stage.services.starting import on_a_free_port
from book.stage.services.supervised import Supervised, supervise
from book.story.parts import RedisSettings

pytestmark = pytest.mark.skipif(os.name != "posix", reason="servers need Linux, macOS or WSL")

each_redis = pytest.mark.parametrize("program", all_programs("redis"))


class TestRedis(OfEachServer):
    name = "redis"

    @pytest.fixture(params=all_programs("redis")[:1])
    def program(self, request: pytest.FixtureRequest) -> Any:
        return request.param


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


def test_a_server_that_cannot_start_is_not_tried_on_another_port(tmp_path: Path) -> None:
    tried: list[int] = []

    def launch(port: int) -> Supervised:
        tried.append(port)
        return supervise("one", ["/bin/sh", "-c", "echo broken"], tmp_path / "output.txt")

    with pytest.raises(ServiceError, match="broken"):
        on_a_free_port(launch, "ready")
    assert len(tried) == 1


def test_a_closed_pool_starts_nothing(pool: Callable[..., Servers], scratch: Path) -> None:
    servers = pool()
    servers.processes.kill_all()
    with pytest.raises(InterruptedError):
        servers.tenant("redis")
    assert list(scratch.iterdir()) == []


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
