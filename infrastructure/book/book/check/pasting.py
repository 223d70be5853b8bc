"""Pastes the console blocks of the READMEs into a shell, on a copy that only ran `make chapter-02`.

Prevents a README that was written on a machine where more was installed: what a reader copies runs
as it stands, ends with 0, prints what the block shows, and leaves nothing running. Blocks marked
``live`` or ``uv`` are left out. So that it takes no more than three minutes, the long commands are
narrowed (``NARROWED``), of incidents named one by one the first is replayed, and what measures all
of them or fetches other sources is left out; a caller may ask for the ``whole``.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from book.chain import files
from book.chain.chain import Book
from book.check.figures import ASIDE, CHECK, differs
from book.check.names import CONSOLE

FIRST = "make chapter-02 INCIDENT=trickled-response"
# What takes minutes does one part of it.
NARROWED = {
    "make chapter-02": FIRST,
    "make test": "make test-reference-agent",
    "make scoreboard": "make scoreboard INCIDENT=trickled-response",
}
LEFT_OUT = {
    "make chapter-01": "measures every incident",
    "make sdk-suite": "fetches other sources",
}
ONE_BY_ONE = re.compile(r"make chapter-\d\d INCIDENT=[\w-]+")
UNJUDGED = 3  # a busy machine allowed no verdict: that is no fault of the README
COMMAND = re.compile(r"^\$ (.+(?:(?<=\\)\n.+)*)\n((?:(?!\$ ).*\n?)*)", re.MULTILINE)
FOLDER = "Bücher und Code"  # a reader's folder may be called so
LONGEST_S = 600
MARK = re.compile(r"\x01(\d+)\n")


@dataclass
class Pasted:
    """What was found: ``wrong`` in words, the number of commands, and what was left out."""

    wrong: list[str] = field(default_factory=list)
    commands: int = 0
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Command:
    where: str
    text: str  # as it stands there
    shown: str
    exact: bool
    run: str


@contextlib.contextmanager
def fresh_copy(book: Book, python: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """What a clone would hold, in a folder of its own, and the variables of a reader whose
    ``python3`` is ``python``.
    """
    with tempfile.TemporaryDirectory(prefix="book-paste-") as scratch:
        copy, programs = Path(scratch, FOLDER), Path(scratch, "programs")
        for name in files.on_disk(book.root):
            copy.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(book.root / name, copy / name)
        programs.mkdir()
        for name in ("python3", "python"):
            program = programs / name
            program.write_text(f'#!/bin/sh\nexec "{python}" "$@"\n', encoding="utf-8")
            program.chmod(0o755)
        yield copy, _environment(programs)


def _environment(programs: Path) -> dict[str, str]:
    """Without what the running command, or its reader's own settings, put there."""
    ours = ("AGENT_", "ANTHROPIC_", "BOOK_", "MAKE", "PYTHON", "PYTEST", "VIRTUAL_ENV", "MFLAGS")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    own = Path(sys.executable).parent
    path = [each for each in kept.get("PATH", "").split(os.pathsep) if Path(each) != own]
    return {**kept, "PATH": os.pathsep.join([str(programs), *path]), "TERM": "dumb"}


def paste(book: Book, copy: Path, environment: dict[str, str], *, whole: bool = False) -> Pasted:
    """Run the first command, then each README's blocks in a shell of their own, in their order.

    A command that stands in several places runs once; with ``whole`` each as it stands.
    """
    found, seen, replayed = Pasted(), set[str](), False
    begun = _run(copy, environment, [FIRST])
    if begun.codes != [0]:
        found.wrong.append(f"`{FIRST}` ended with {begun.codes}: {begun.printed[-600:]}")
        return found
    for name in files.on_disk(book.root):
        if not name.endswith("README.md"):
            continue
        commands = []
        for command in _commands(name, (book.root / name).read_text(encoding="utf-8"), found):
            if whole:
                commands.append(replace(command, run=command.text))
                continue
            one = ONE_BY_ONE.fullmatch(command.text) is not None
            why = LEFT_OUT.get(command.text) or ("another incident" if one and replayed else "")
            if why:
                found.left_out.append(f"{command.where}: {command.text}: {why}")
            elif command.run not in seen or "%" in command.run:
                commands.append(command)
            replayed |= one
            seen.add(command.run)
        if commands:
            found.commands += len(commands)
            found.wrong += _judged(commands, _run(copy, environment, [c.run for c in commands]))
    return found


def _commands(name: str, text: str, found: Pasted) -> Iterator[Command]:
    for block in CONSOLE.finditer(text):
        mark = block["mark"].split()[:1]
        where = f"{name}:{text[: block.start()].count(chr(10)) + 1}"
        if mark and mark[0] in ASIDE:
            found.left_out.append(f"{where}: marked {mark[0]}")
            continue
        for command, shown in COMMAND.findall(block["body"]):
            run = NARROWED.get(command, command)
            yield Command(where, command, shown, mark == [CHECK], run)


@dataclass(frozen=True)
class _Ran:
    codes: list[int]
    parts: list[str]  # what each command printed
    left: bool  # something goes on after the last

    @property
    def printed(self) -> str:
        return "".join(self.parts)


def _run(copy: Path, environment: dict[str, str], commands: list[str]) -> _Ran:
    """All of them in one shell at the copy's top, as one pastes them, with nothing to read."""
    lines = [f"{command}\nprintf '\\001%d\\n' $?" for command in commands]
    shell = subprocess.Popen(
        ["bash", "-c", "\n".join([*lines, "wait"])],
        cwd=copy,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    left = False
    try:
        printed, _ = shell.communicate(timeout=LONGEST_S)
    except subprocess.TimeoutExpired:
        left, printed = True, ""
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
            left = True
    if not printed:
        printed, _ = shell.communicate()
    told = MARK.split(printed)  # text, code, text, code, ..., what came after the last
    return _Ran([int(code) for code in told[1::2]], told[0::2], left)


def _judged(commands: list[Command], ran: _Ran) -> Iterator[str]:
    for number, command in enumerate(commands):
        what = f"{command.where}: `{command.text}`"
        code = ran.codes[number] if number < len(ran.codes) else None
        printed = ran.parts[number] if number < len(ran.parts) else ""
        if code == UNJUDGED and command.run.startswith("make "):
            continue
        if code != 0:
            yield f"{what} ended with {code}: {printed.strip()[-600:]}"
        elif command.exact:
            other = differs(command.shown, printed, measured=False)
            if other is not None:
                yield f"{what}: {other}"
        else:
            missing = [line for line in command.shown.splitlines() if line not in ran.printed]
            if missing:
                yield f"{what} does not print {missing}"
    if ran.left:
        yield f"{commands[0].where}: something still runs after the last command of this README"
