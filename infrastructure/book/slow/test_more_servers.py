"""Servers of trials: other programs that are found here, and PostgreSQL, do the same.

The commit draws one of each kind; every night all are tried.
"""

import os
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from drawn import drawn
from servers_of_each_kind import (
    AT_ONCE,
    OfEachServer,
    all_programs,
    further_programs,
    read,
    run_sql,
    url_of,
    write,
)

from book.stage.services import postgres_programs
from book.stage.services.servers import Servers

pytestmark = pytest.mark.skipif(os.name != "posix", reason="servers need Linux, macOS or WSL")


class TestFurtherRedis(OfEachServer):
    name = "redis"

    @pytest.fixture(params=drawn("further Redis", further_programs("redis")))
    def program(self, request: pytest.FixtureRequest) -> Any:
        return request.param


class TestPostgres(OfEachServer):
    name = "postgres"

    @pytest.fixture(params=drawn("PostgreSQL", all_programs("postgres")))
    def program(self, request: pytest.FixtureRequest) -> Any:
        return request.param


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
