"""Servers that the user has: tenants are made there, and dropped even if we are killed.

This prevents a run that empties a database somebody uses, or leaves databases behind. What has to
be dropped is told to a process of its own over a pipe; it drops what is left when the pipe closes.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from book.stage.services import postgres, postgres_programs, redis
from book.stage.services.errors import ServiceError, ServiceMissing
from book.stage.services.programs import on_path
from book.stage.services.psql import Psql, shown, with_database

TURN_S = 600.0
SWEEP_S = 60.0


class Sweeper:
    """The process that drops. Started when first needed; ends when we do, or are killed."""

    def __init__(self) -> None:
        self.ended = False
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def owe(self, what: dict[str, str]) -> Callable[[], None]:
        """Remember what is to be dropped, before it is made; the result drops it now.

        ServiceError from the result if the server refuses.
        """
        key = secrets.token_hex(8)
        with self._lock:
            if self.ended:
                raise InterruptedError("stopping")
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "book.stage.services.sweeping"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    encoding="utf-8",
                    start_new_session=True,  # a Ctrl-C on the terminal is the command's to handle
                )
            self._tell({"key": key, **what})

        def drop() -> None:
            with self._lock:
                if self._process is not None and (refused := self._tell({"drop": key})):
                    raise ServiceError(refused)

        return drop

    def end(self) -> None:
        """Drop all that is still owed. Safe to call twice."""
        self.ended = True
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=SWEEP_S)

    def _tell(self, line: dict[str, str]) -> str:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        return str(json.loads(answer)) if answer else "what drops tenants has ended; see above"


class LentRedis:
    """The one database that REDIS_URL names, if it is empty: one tenant at a time."""

    def __init__(self, url: str, sweeper: Sweeper) -> None:
        self.url, self._sweeper = url, sweeper
        self._turn = threading.Lock()

    def tenant(self) -> tuple[dict[str, str], Callable[[], None]]:
        until = time.monotonic() + TURN_S
        while not self._turn.acquire(timeout=0.1):
            if self._sweeper.ended:
                raise InterruptedError("stopping")
            if time.monotonic() < until:
                continue
            raise ServiceError(
                f"{redis.VARIABLE} names one database and another trial has used it for "
                f"{TURN_S:.0f} s; unset it, and each trial gets its own"
            )
        try:
            keys = self._keys()
            if keys:
                raise ServiceError(
                    f"{redis.VARIABLE}: the database at {shown(self.url)} holds {keys} keys, and a "
                    "trial would empty it; name an empty one (such as …/15) or unset the variable"
                )
            drop = self._sweeper.owe({"kind": redis.KIND, "url": self.url})
        except BaseException:
            self._turn.release()
            raise

        def dropped() -> None:
            try:
                drop()
            finally:
                self._turn.release()

        return {redis.VARIABLE: self.url}, dropped

    def _keys(self) -> int:
        with _asking(redis.VARIABLE, self.url), redis.asking(self.url) as client:
            return int(client.dbsize())


class LentPostgres:
    """The server that DATABASE_URL names: each tenant is a new database on it."""

    def __init__(self, url: str, sweeper: Sweeper) -> None:
        self.url, self._sweeper = url, sweeper
        self._lock = threading.Lock()

    def tenant(self) -> tuple[dict[str, str], Callable[[], None]]:
        name = f"book_trial_{secrets.token_hex(6)}"
        with _asking(postgres.VARIABLE, self.url), self._lock:
            psql = Psql(client_program(), self.url)
            what = {"kind": postgres.KIND, "url": self.url, "name": name}
            drop = self._sweeper.owe(what)
            tenant = with_database(self.url, name)
            try:
                psql.run(f"CREATE DATABASE {name};")
                Psql(psql.program, tenant).run(postgres.WITH_VECTOR)
            except BaseException:
                with contextlib.suppress(ServiceError):  # what refused to make it is told
                    drop()
                raise
        return {postgres.VARIABLE: tenant}, drop


def client_program() -> Path:
    """A psql: from the PATH, else that of the first PostgreSQL found here."""
    for found in on_path("psql"):
        return found.path
    for program in postgres_programs.programs():
        return program.bin / "psql"
    raise ServiceMissing(postgres.KIND, "there is no psql to ask with", postgres_programs.INSTALL)


@contextlib.contextmanager
def _asking(variable: str, url: str) -> Iterator[None]:
    """Say which variable names a server that cannot be used."""
    if not urlsplit(url).scheme:
        raise ServiceError(f"{variable}: {shown(url)} is no address; unset it or give a whole one")
    try:
        yield
    except ServiceMissing:
        raise
    except (ServiceError, OSError, ValueError) as error:
        raise ServiceError(f"{variable}: {error}; start that server, or unset it") from error
