"""A repository of six steps over two chapters, small enough to see through, with real git."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from book.chain.chain import Book, Step
from book.propagation import run as propagate

STEPS = (
    "reference-agent",
    "chapter-02/first",
    "chapter-02/second",
    "chapter-02/complete",
    "chapter-03/fourth",
    "chapter-03/fifth",
)
ALONE = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}
CHAPTER = """\
# What this chapter teaches, in order.
title = "{title}"
package = "{package}"
"""
STEP = """
[[step]]
name = "{name}"
lesson = "One thing."
changes = {changes}
"""
LINES = 40


def agent(step: int) -> str:
    """Forty lines; every step so far has made one its own (10, 14, 18, ...)."""
    own = {
        6 + 4 * number: f"line {6 + 4 * number} of step {number}" for number in range(1, step + 1)
    }
    return "".join(f"{own.get(n, f'line {n}')}\n" for n in range(1, LINES + 1))


def tools(step: int) -> str:
    """Ten lines; the step ``second`` changes the first."""
    first = "tools of second" if step >= 2 else "tools"
    return f"{first}\n" + "".join(f"tool {n}\n" for n in range(2, 11))


@dataclass
class Small:
    """The repository and what can be done with it."""

    root: Path
    verified: list[list[str]] = field(default_factory=list)
    in_order: bool = True  # what verification finds
    formatter: Callable[[], None] = lambda: None  # and what it does

    @classmethod
    def make(cls, root: Path) -> Small:
        small = cls(root)
        for number, title in ((2, "Trials"), (3, "Ordeals")):
            names = [name for name in STEPS if name.startswith(f"chapter-{number:02}/")]
            text = CHAPTER.format(title=title, package=title.lower())
            for name in names:
                changes = '["agent.py", "tools.py"]' if name.endswith("/second") else '["agent.py"]'
                text += STEP.format(name=name.rpartition("/")[2], changes=changes)
            small.put(small.folder(names[0]).parent / "steps.toml", text)
        for number, name in enumerate(STEPS):
            small.write(name, "agent.py", agent(number))
            small.write(name, "tools.py", tools(number))
            small.write(name, "config.py", "".join(f"setting {n}\n" for n in range(1, 11)))
            small.write(name, "README.md", f"# {name}\n")
            small.write(name, "test_lesson.py", f"# the lesson of {name}\n")
        small.put(root / ".gitignore", ".env\n")
        small.git("init", "-q", "-b", "main", "--template=")
        small.commit()
        return small

    def copied(self, to: Path) -> Small:
        """The same again, quicker than made anew."""
        shutil.copytree(self.root, to)
        return Small(to)

    @property
    def book(self) -> Book:
        return Book(self.root)

    def folder(self, step: str) -> Path:
        chapter, _, name = step.rpartition("/")
        words = {"": ".", "chapter-02": "chapters/chapter-02-trials"}
        return self.root / words.get(chapter, "chapters/chapter-03-ordeals") / name

    def put(self, path: Path, text: str | bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)

    def write(self, step: str, name: str, text: str | bytes) -> None:
        self.put(self.folder(step) / name, text)

    def read(self, step: str, name: str) -> bytes:
        return (self.folder(step) / name).read_bytes()

    def text(self, step: str, name: str = "agent.py", *, at_head: bool = False) -> str:
        path = (self.folder(step) / name).relative_to(self.root).as_posix()
        return self.git("show", f"HEAD:{path}") if at_head else self.read(step, name).decode()

    def has(self, step: str, name: str) -> bool:
        return (self.folder(step) / name).exists()

    def edit(self, step: str, old: str, new: str, name: str = "agent.py") -> None:
        """Replace a whole line."""
        text = self.text(step, name)
        assert f"{old}\n" in text
        self.write(step, name, text.replace(f"{old}\n", f"{new}\n", 1))

    def rename(self, step: str, old: str, new: str) -> None:
        (self.folder(step) / new).parent.mkdir(parents=True, exist_ok=True)
        (self.folder(step) / old).rename(self.folder(step) / new)

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "a state")

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words],
            cwd=self.root,
            env={**os.environ, **ALONE},
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        return done.stdout

    def changed(self) -> list[str]:
        """What git sees, by its short names: ``M reference-agent/agent.py``."""
        listed = self.git("status", "--porcelain", "--untracked-files=all", "--no-renames")
        short = listed.replace("chapters/chapter-02-trials", "chapter-02")
        short = short.replace("chapters/chapter-03-ordeals", "chapter-03")
        return sorted(line.strip() for line in short.splitlines())

    def everything(self) -> dict[str, bytes]:
        """All files with their contents, git's own included."""
        paths = (path for path in self.root.rglob("*") if path.is_file())
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in paths}

    @property
    def state(self) -> Path:
        return self.root / ".git" / "book-propagate.json"

    def carry(self, start: str | None = None, *, dry_run: bool = False) -> tuple[bool, str]:
        """``book propagate``: what it returns and what it prints."""
        shown = io.StringIO()
        out = Console(file=shown, width=200, highlight=False)
        ok = propagate.run(self.book, start, dry_run=dry_run, out=out, verify=self._verify)
        return ok, shown.getvalue()

    def _verify(self, steps: Sequence[Step]) -> bool:
        self.verified.append([step.name for step in steps])
        self.formatter()
        return self.in_order
