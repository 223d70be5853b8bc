"""Statements to a PostgreSQL server through its own ``psql``: no driver, no password in a list of
processes or in a message."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from book.stage.services.errors import ServiceError
from book.stage.services.supervised import ENVIRONMENT

ANSWER_S = 30.0


@dataclass(frozen=True)
class Psql:
    """Runs statements at ``url``, whose scheme may name a driver (``postgresql+asyncpg``)."""

    program: Path
    url: str

    def run(self, statements: str) -> str:
        """What they return, a row a line. ServiceError with what the server said."""
        parts = urlsplit(self.url)
        password = unquote(parts.password or "")
        try:
            ran = subprocess.run(
                [self.program, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", _open(parts)],
                input=statements,
                env={**ENVIRONMENT, "PGCONNECT_TIMEOUT": "5"}
                | ({"PGPASSWORD": password} if password else {}),
                capture_output=True,
                text=True,
                timeout=ANSWER_S,
                check=False,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            raise ServiceError(f"postgres at {shown(self.url)} does not answer") from None
        if ran.returncode != 0:
            said = " ".join(ran.stderr.split())
            said = said.replace(password, "***") if password else said
            raise ServiceError(f"postgres at {shown(self.url)} refuses: {said[-500:]}")
        return ran.stdout.strip()


def with_database(url: str, name: str) -> str:
    """The same address with another database."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def shown(url: str) -> str:
    """An address for messages: without user, password and options."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'localhost'}:{parts.port or ''}{parts.path}".replace(":/", "/")


def _open(parts: SplitResult) -> str:
    """The address as psql takes it, without the password and a driver's name."""
    user, _, where = parts.netloc.rpartition("@")
    netloc = f"{user.split(':')[0]}@{where}" if user else where
    return parts._replace(scheme=re.sub(r"\+.*", "", parts.scheme), netloc=netloc).geturl()
