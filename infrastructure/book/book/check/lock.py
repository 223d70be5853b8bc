"""The lock file is what the projects ask for: uv says so, where there is one.

Prevents a dependency that is in a pyproject and not in the lock, which a clean clone then lacks.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial

from book.chain.chain import Book
from book.chain.deciding import Deciding
from book.check.finding import Finding
from book.check.jobs import Job
from book.check.projects import projects
from book.stage.processes import Processes

LOCK = "uv.lock"


def lock_jobs(book: Book, processes: Processes, left_out: Callable[[str], None]) -> Iterator[Job]:
    """`uv lock --check`; without uv it is named as left out."""
    if not (book.root / LOCK).is_file():
        return
    beside = book.root / ".uv" / ("Scripts" if os.name == "nt" else "bin")
    program = shutil.which("uv") or shutil.which("uv", path=beside)
    if program is None:
        left_out("no uv lock --check: there is no uv here; `make check` installs one")
        return
    files = [f"{each.folder}/pyproject.toml".lstrip("/") for each in projects(book)]
    yield Job(
        "uv lock --check",
        partial(Deciding.files, name="lock", files=(LOCK, *files)),
        partial(_agrees, book, processes, program),
    )


def _agrees(book: Book, processes: Processes, program: str) -> list[Finding]:
    # Offline: what the lock lacks is a finding, no matter what an index would answer. By this
    # Python: none on the PATH may be one that uv takes.
    command = [program, "lock", "--check", "--offline", "--python", sys.executable]
    done = processes.run(command, book.root, {**os.environ, "NO_COLOR": "1"})
    if done.returncode == 0:
        return []
    said = " ".join(done.stdout.split())[-200:]
    return [Finding(f"{LOCK} is not what the pyproject files ask for: {said}", LOCK, "uv lock")]
