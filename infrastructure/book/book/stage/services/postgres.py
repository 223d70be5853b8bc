"""PostgreSQL: a database and a role of its own for each trial, made from one template.

This prevents a trial that reads another's tables, and a server that refuses to run because we are
root: then it runs as ``nobody``, from a copy where that user cannot read its files.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from book.stage.services.errors import ServiceError
from book.stage.services.postgres_programs import NOBODY, Program, copied_for, needs_copy
from book.stage.services.programs import is_root
from book.stage.services.psql import Psql
from book.stage.services.starting import folder_for, on_a_free_port
from book.stage.services.supervised import Supervised, supervise

KIND, VARIABLE = "postgres", "DATABASE_URL"
READY = "database system is ready to accept connections"
INITDB_S = 60.0
TEMPLATE = "book_template"
# A killed server loses nothing by fsync=off; only a machine that loses power would.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "300",
    "shared_buffers": "32MB",
    "fsync": "off",
    "full_page_writes": "off",
    "logging_collector": "off",
    "log_timezone": "UTC",
}
# Where pgvector is there a tenant could not create it: it takes a superuser.
WITH_VECTOR = """
DO $$ BEGIN CREATE EXTENSION IF NOT EXISTS vector;
EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN NULL;
END $$;
"""
MAKE_TEMPLATE = f"""
CREATE DATABASE {TEMPLATE};
\\connect {TEMPLATE}
{WITH_VECTOR}
\\connect postgres
ALTER DATABASE {TEMPLATE} IS_TEMPLATE true ALLOW_CONNECTIONS false;
REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;
"""


class PostgresServer:
    """A server that listens on 127.0.0.1 alone; its superuser has a random password."""

    def __init__(self, scratch: Path, program: Program, settings: None = None) -> None:
        self._password = secrets.token_urlsafe(18)
        self._lock = threading.Lock()
        self._user = NOBODY if is_root() else None
        self._folder = _folder(scratch, self._user)
        try:
            self._bin = program.bin
            if self._user and needs_copy(program):
                self._bin = copied_for(self._user, program, self._folder / "program")
            self._data = self._folder / "data"
            self._make_cluster()
            self.process, self.port = on_a_free_port(self._launch, READY)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._psql = Psql(self._bin / "psql", self.url("postgres", "postgres", self._password))
        try:
            self._run(MAKE_TEMPLATE)
        except BaseException:
            self.end()
            raise

    def url(self, user: str, database: str, password: str) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def tenant(self, *, whole: bool) -> tuple[dict[str, str], Callable[[], None]]:
        name, password = f"trial_{secrets.token_hex(6)}", secrets.token_urlsafe(18)
        rights = "SUPERUSER" if whole else "NOSUPERUSER"
        with self._lock:
            self._run(
                f"CREATE ROLE {name} LOGIN {rights} PASSWORD '{password}';"
                f"CREATE DATABASE {name} OWNER {name} TEMPLATE {TEMPLATE};"
                f"REVOKE ALL ON DATABASE {name} FROM PUBLIC;"
            )
        drop = self.end if whole else lambda: self._drop(name)
        return {VARIABLE: self.url(name, name, password)}, drop

    def flush(self) -> None:
        """Empty the databases of all tenants."""
        names = self._run("SELECT datname FROM pg_database WHERE datname LIKE 'trial\\_%';")
        for name in names.split():
            self._run(
                f"DROP DATABASE {name} WITH (FORCE);"
                f"CREATE DATABASE {name} OWNER {name} TEMPLATE {TEMPLATE};"
                f"REVOKE ALL ON DATABASE {name} FROM PUBLIC;"
            )

    def restart(self) -> None:
        self.process.end(keep=True)
        self.process, _ = on_a_free_port(self._launch, READY, lambda: self.port)

    def end(self) -> None:
        self.process.end()

    def _run(self, statements: str) -> str:
        try:
            return self._psql.run(statements)
        except ServiceError as error:
            if self.process.wait(1.0):
                raise self.process.died() from error
            raise

    def _drop(self, name: str) -> None:
        with self._lock, contextlib.suppress(ServiceError):
            if self.process.runs:
                self._run(f"DROP DATABASE {name} WITH (FORCE); DROP ROLE {name};")

    def _make_cluster(self) -> None:
        secret = self._folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(self._password, encoding="utf-8")
        if self._user:
            shutil.chown(secret, self._user)
        command: list[str | Path] = [
            *(self._bin / "initdb", "-D", self._data, "-U", "postgres", "--pwfile", secret),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
            *("--no-sync", "--no-instructions"),
        ]
        output = self._folder / "initdb.txt"
        making = supervise(
            f"{KIND} (initdb)", command, output, user=self._user, remove=[self._folder]
        )
        try:
            ended = making.wait(INITDB_S)
        except BaseException:
            making.end()
            raise
        making.end(keep=True)
        if not ended or not (self._data / "PG_VERSION").is_file():
            raise ServiceError(f"{KIND}: initdb does not make a cluster; {making.last_words()}")
        lines = [f"{name} = '{value}'\n" for name, value in SETTINGS.items()]
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as config:
            config.writelines(lines)

    def _launch(self, port: int) -> Supervised:
        return supervise(
            f"the {KIND} server",
            [self._bin / "postgres", "-D", self._data, "-p", str(port)],
            self._folder / "output.txt",
            user=self._user,
            quit_signal=signal.SIGQUIT,  # it ends its children, and frees its shared memory
            remove=[self._folder],
        )


def _folder(scratch: Path, user: str | None) -> Path:
    """A folder for one server. Nobody else may enter our scratch folder, ``nobody`` neither: then
    it is one beside it that this user owns."""
    if user is None:
        return folder_for(scratch, KIND)
    for parent in (scratch, Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):  # noqa: S108
        if all(each.stat().st_mode & 0o001 for each in (parent, *parent.resolve().parents)):
            folder = Path(tempfile.mkdtemp(prefix=f"book-{KIND}-", dir=parent))
            shutil.chown(folder, user)
            return folder
    raise ServiceError(
        f"{KIND}: as root its server runs as {user}, who can enter no folder for temporary files; "
        "set TMPDIR to one that everybody can enter, or run this as an ordinary user"
    )
