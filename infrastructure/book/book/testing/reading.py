"""Which files of the repository a process reads beyond those that are known to decide its result.

Without this a kept result could outlive a change of something that its tests read in silence.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

# Caches and installed programs decide nothing here: uv.lock and the Python version stand for them.
ASIDE = {".venv", ".uv", ".git", ".cache", "__pycache__", ".hypothesis", ".mypy_cache"}
STARTS = {"subprocess.Popen", "os.posix_spawn", "os.exec", "os.system", "os.fork"}
LISTS = {"os.listdir", "os.scandir"}


@dataclass
class Reading:
    """``beyond``: by reader (a test file, set by who knows), the first thing it should not read."""

    root: str
    covered: frozenset[str]
    reader: str = ""
    beyond: dict[str, str] = field(default_factory=dict)

    def see(self, event: str, arguments: tuple[object, ...]) -> None:
        """An audit event of Python. A program may read anything, but git where it is another's."""
        if event in STARTS:
            if not self._is_git_elsewhere(event, arguments):
                self.beyond.setdefault(self.reader, "starts a program")
        elif (event == "open" or event in LISTS) and arguments:
            path = arguments[0]
            if isinstance(path, bytes):
                path = os.fsdecode(path)
            if not isinstance(path, (str, os.PathLike)):
                return
            name = self._name(os.fspath(path))
            if name is not None and not self._known(name, event):
                self.beyond.setdefault(self.reader, name)

    def _is_git_elsewhere(self, event: str, arguments: tuple[object, ...]) -> bool:
        """Whether git is started in a folder that is none of this repository, and told no other."""
        if event != "subprocess.Popen" or len(arguments) < 3:
            return False
        words, cwd = arguments[1], arguments[2]
        if not isinstance(words, (list, tuple)) or not all(isinstance(w, str) for w in words):
            return False
        if not isinstance(cwd, (str, os.PathLike)) or list(words[:1]) != ["git"]:
            return False
        folder = os.path.abspath(os.fspath(cwd))
        inside = folder == self.root or folder.startswith(self.root + os.sep)
        return not inside and not any(self.root in word for word in words)

    def _name(self, path: str) -> str | None:
        """From the top of the repository; None for what lies elsewhere or decides nothing."""
        path = os.path.abspath(path)
        if not path.startswith(self.root + os.sep):
            return "." if path == self.root else None
        name = Path(path[len(self.root) + 1 :])
        return None if ASIDE.intersection(name.parts) else name.as_posix()

    def _known(self, name: str, event: str) -> bool:
        if event == "open":
            return name in self.covered
        # The import system lists each folder of the path; what it then imports is seen by itself.
        if os.path.join(self.root, name) in sys.path or name == ".":
            return True
        return any(file.startswith(f"{name}/") for file in self.covered)


def watch(root: Path, covered: frozenset[str]) -> Reading:
    """From now on, and for as long as this process lives."""
    reading = Reading(str(root), covered)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        reading.see(event, arguments)

    sys.addaudithook(hook)
    return reading
