"""README blocks marked ``console check`` are run: a command prints what stands there.

Prevents a README whose command was never run, or whose figures were true once.
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
from book.chain.files import replace
from book.check import figures
from book.check.figures import Block, differs
from book.check.finding import Finding
from book.check.jobs import Job
from book.stage.processes import Processes

COMMAND = re.compile(r"^\$ (.+)\n((?:(?!\$ ).*\n?)*)", re.MULTILINE)


def command_jobs(book: Book, processes: Processes) -> Iterator[Job]:
    """README blocks marked ``console check``: the commands run, and print what stands there."""
    for block in figures.blocks(book):
        where = f"{block.file}:{block.line}"
        said = f"{block.measured is not None} {block.body}"
        yield Job(
            f"the commands in {where}",
            partial(Deciding.command, where=where, body=said),
            partial(commands_print, book, processes, block, where),
        )


def commands_print(book: Book, processes: Processes, block: Block, where: str) -> list[Finding]:
    """Run each ``$ command`` at the root and compare what it prints: exactly, but what is marked
    as measured.
    """
    found = []
    for command, expected in COMMAND.findall(block.body):
        printed = _printed(book, processes, command)
        what = differs(expected, printed, measured=block.measured is not None)
        if what is not None:
            mend = "correct the block, or what the command does"
            if block.measured is not None:
                mend += f"; {figures.WRITE} writes what it measures now"
            found.append(Finding(f"`{command}`: {what}", where, mend))
    return found


def measure(book: Book, processes: Processes) -> list[Path]:
    """Run the blocks of measured figures and write down what they print, with the digest of the
    code; the files that changed.
    """
    written = []
    for block in figures.blocks(book):
        if block.measured is None:
            continue
        path = book.root / block.file
        text = path.read_text(encoding="utf-8")
        body = "".join(
            f"$ {command}\n{_printed(book, processes, command).rstrip()}\n"
            for command, _ in COMMAND.findall(block.body)
        )
        mark = f"```console {figures.CHECK} {figures.MEASURED}"
        old = rf"{re.escape(mark)}(?:=\S*)?\n{re.escape(block.body)}"
        found = re.search(old, text)
        assert found is not None, old  # the block was read from this text
        new = f"{mark}={figures.code_key(book, block.body)}\n{body}"
        fresh = text[: found.start()] + new + text[found.end() :]
        if fresh != text:
            replace(path, fresh.encode())
            written.append(path)
    return written


def _printed(book: Book, processes: Processes, command: str) -> str:
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "100"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory(dir=processes.scratch) as scratch:
        # Notes of a demonstration belong to nobody's folder.
        environment["AGENT_NOTES_FILE"] = str(Path(scratch) / "notes.jsonl")
        return processes.run(shlex.split(command), book.root, environment).stdout
