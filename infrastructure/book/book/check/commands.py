"""README blocks marked ``console check`` are run: a command prints what stands there.

Prevents a README whose command was never run.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from book.chain.chain import Book
from book.chain.deciding import Deciding
from book.chain.files import texts
from book.check.finding import Finding
from book.check.jobs import Job
from book.check.texts import CONSOLE
from book.stage.processes import Processes

NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*")


def command_jobs(book: Book, processes: Processes) -> Iterator[Job]:
    """README blocks marked ``console check``: the commands run, and print what stands there."""
    for path in texts(book):
        if path.name != "README.md":
            continue
        text = path.read_text(encoding="utf-8")
        for block in CONSOLE.finditer(text):
            if block["mark"].strip() == "check":
                line = text[: block.start()].count("\n") + 1
                where = f"{path.relative_to(book.root).as_posix()}:{line}"
                body = block["body"]
                yield Job(
                    f"the commands in {where}",
                    partial(Deciding.command, where=where, body=body),
                    partial(commands_print, book, processes, body, where),
                )


def commands_print(book: Book, processes: Processes, body: str, where: str) -> list[Finding]:
    """Run each ``$ command`` at the root and compare what it prints, figures set aside."""
    found = []
    for command, expected in re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n?)*)", body, re.MULTILINE):
        environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "100"}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        with tempfile.TemporaryDirectory(dir=processes.scratch) as scratch:
            # Notes of a demonstration belong to nobody's folder.
            environment["AGENT_NOTES_FILE"] = str(Path(scratch) / "notes.jsonl")
            done = processes.run(shlex.split(command), book.root, environment)
        if normalised(done.stdout) != normalised(expected):
            shown = done.stdout.strip()[-300:]
            mend = "correct the block, or what the command does"
            found.append(Finding(f"`{command}` now prints something else: {shown}", where, mend))
    return found


def normalised(text: str) -> str:
    """Output with every figure replaced and white space folded."""
    return " ".join(NUMBER.sub("N", text).split())
