"""A copy of this repository that tests damage; made once, and git undoes each damage."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from book.chain.chain import Book
from book.chain.files import listed
from book.chain.sources import Sources, sources
from book.check.finding import Finding, Rule

GIT = {
    **os.environ,
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
}
Damage = Callable[[Path], None]


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=folder, env=GIT, capture_output=True, text=True, check=True
    )
    return done.stdout


class Copy:
    """The repository's files in a folder of their own, under git."""

    def __init__(self, root: Path) -> None:
        self.root = root
        source = Book.find().root
        for name in listed(source):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, root / name)
        git(root, "init", "-q")
        git(root, "add", "-A", "-f")
        git(root, "commit", "-qm", "as it is")
        self.base = git(root, "rev-parse", "HEAD").strip()
        self.known = Sources(root)

    def restore(self) -> None:
        """As if nothing had happened."""
        git(self.root, "reset", "-q", "--hard", self.base)
        git(self.root, "clean", "-qfd")

    def found(self, rule: Rule, damage: Damage) -> list[Finding]:
        """What the rule finds in the damaged copy."""
        damage(self.root)
        return list(rule(self.book()))

    def book(self) -> Book:
        """The copy as it is now, read anew."""
        book = Book(self.root)
        sources(book, like=self.known)
        return book


def edit(path: Path, old: str, new: str) -> None:
    """Replace ``old``, which must be there, at its first place."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path.name} has no {old!r}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def edits(name: str, old: str, new: str) -> Damage:
    return lambda root: edit(root / name, old, new)


def everywhere(name: str, old: str, new: str) -> Damage:
    """Replace ``old`` at each of its places."""

    def damage(root: Path) -> None:
        while old in (root / name).read_text(encoding="utf-8"):
            edit(root / name, old, new)

    return damage


def adds(name: str, text: str) -> Damage:
    """Add a text at the end of a file, which is made if there is none."""

    def damage(root: Path) -> None:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        old = path.read_text(encoding="utf-8") if path.is_file() else ""
        path.write_text(old + text, encoding="utf-8")

    return damage


def removes(name: str) -> Damage:
    return lambda root: (root / name).unlink()


def both(*damages: Damage) -> Damage:
    def damage(root: Path) -> None:
        for each in damages:
            each(root)

    return damage


def caught(copy: Copy, rule: Rule, damage: Damage, where: str, mend: str) -> None:
    """Fails unless the rule finds the damage, in a place that begins so, with such a mend."""
    found = copy.found(rule, damage)
    assert any(each.where.startswith(where) and mend in each.mend for each in found), found
    assert all(re.fullmatch(r"[\w./-]+(:\d+)?", each.where) for each in found)
