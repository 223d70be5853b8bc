"""What HEAD holds of every step, and the situations in which nothing may be carried.

Prevents an edit that is measured against the wrong version, and a merge begun in the middle of
another. The rule: the base is the last commit, in the form that git would check it out (line
endings included), and git must be at rest.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from book.chain.chain import Book, ChainError, Step
from book.chain.files import OWN

UNDER_WAY = {
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
}
UNMERGED = ("DD", "AU", "UD", "UA", "DU", "AA", "UU")  # git status


class Committed:
    """The inherited files of every step at HEAD.

    Raises ChainError where there is no repository or no commit, where the reference agent is not
    in it, and while a merge, a rebase or the like is unfinished.
    """

    def __init__(self, book: Book) -> None:
        self.book = book
        self._prefix = _prefix(book.root)
        self.head = _head(book.root)
        self._status = self._read_status()
        self._refuse_while_git_is_busy()
        self._files = self._read()
        if not self._files[book.steps[0].name]:
            raise ChainError(f"{book.steps[0].name} is not in git's last commit: commit it first")

    def files(self, step: Step) -> Mapping[str, bytes]:
        """Name to content at HEAD.

        A step that is not committed yet is a copy of the one before it, so that one is its base.
        """
        place = self.book.steps.index(step)
        while not self._files[self.book.steps[place].name]:
            place -= 1
        return self._files[self.book.steps[place].name]

    def holds(self, step: Step, name: str) -> bool:
        """Whether git can bring back this very file."""
        return name in self._files[step.name]

    def git_path(self, name: str) -> Path:
        """Where git keeps the file of this name for this working tree."""
        return self._git_paths(name)[0]

    def _read_status(self) -> dict[str, str]:
        """What differs from HEAD: git's two letters by path from the book's root."""
        words = ("-z", "--no-renames", "--untracked-files=no", "--ignore-submodules=all")
        listed = _git(self.book.root, "status", "--porcelain=v1", *words, "--", ".").split("\0")
        return {line[3:].removeprefix(self._prefix): line[:2] for line in listed if line}

    def _git_paths(self, *names: str) -> list[Path]:
        words = [word for name in names for word in ("--git-path", name)]
        found = _git(self.book.root, "rev-parse", *words)
        return [self.book.root / line for line in found.splitlines()]

    def _refuse_while_git_is_busy(self) -> None:
        for path, what in zip(self._git_paths(*UNDER_WAY), UNDER_WAY.values(), strict=True):
            if path.exists():
                raise ChainError(f"{what} is under way: finish or abort it first (see git status)")
        unmerged = [path for path, code in self._status.items() if code in UNMERGED]
        if unmerged:
            names = ", ".join(unmerged)
            raise ChainError(f"git has unmerged files: {names}. Resolve them and git add them")

    def _read(self) -> dict[str, dict[str, bytes]]:
        root = self.book.root
        folders = [step.path.relative_to(root).as_posix() for step in self.book.steps]
        with tempfile.TemporaryDirectory(prefix="book-head-") as scratch:
            index = {"GIT_INDEX_FILE": str(Path(scratch, "index"))}  # the real one stays as it is
            _git(root, "-c", "core.splitIndex=false", "read-tree", "HEAD", **index)
            listed = _git(root, "ls-files", "-z", "--", *folders, **index)
            prefix = f"--prefix={Path(scratch, 'files').as_posix()}/"
            _git(root, "checkout-index", "-z", "--stdin", prefix, given=listed, **index)
            below = Path(scratch, "files", self._prefix)
            found: dict[str, dict[str, bytes]] = {}
            for step, folder in zip(self.book.steps, folders, strict=True):
                found[step.name] = {}
                for path in filter(None, listed.split("\0")):
                    name = path.removeprefix(f"{folder}/")
                    if name != path and name not in OWN:
                        # git calls it unchanged: then its bytes are HEAD's, whatever its line ends
                        same = path not in self._status and (root / path).is_file()
                        found[step.name][name] = (
                            (root if same else below).joinpath(path).read_bytes()
                        )
        return found


def _prefix(root: Path) -> str:
    """Where the book lies in its repository: mostly the empty text."""
    try:
        inside = _run(root, ("rev-parse", "--is-inside-work-tree", "--show-prefix"))
    except FileNotFoundError:
        raise ChainError("this needs git, and there is none on the PATH") from None
    answer, _, prefix = inside.stdout.partition("\n")
    if inside.returncode or answer != "true":
        why = inside.stderr.strip().partition("\n")[0]
        raise ChainError(f"{root} is no git repository, and edits are measured against git: {why}")
    return prefix.removesuffix("\n")


def _head(root: Path) -> str:
    found = _run(root, ("rev-parse", "--verify", "--quiet", "HEAD^{commit}"))
    if found.returncode:
        raise ChainError("there is no commit yet to measure edits against: commit first")
    return found.stdout.strip()


def _git(root: Path, *words: str, given: str = "", **variables: str) -> str:
    done = _run(root, words, given, **variables)
    if done.returncode:
        raise ChainError(f"git {words[0]} failed: {done.stderr.strip()}")
    return done.stdout


def _run(
    root: Path, words: tuple[str, ...], given: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    # Without optional locks git does not rewrite its index for having looked at it.
    return subprocess.run(
        ["git", *words],
        cwd=root,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", **variables},
        input=given,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )
