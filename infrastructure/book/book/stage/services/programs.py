"""Where the servers' programs are: on the PATH first, else inside installed wheels.

This prevents a Python helper of a wheel from running: only the files in it are used, and nothing
of it is imported.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Program:
    """A server's program, and where it comes from: "PATH" or the wheel's name."""

    path: Path
    source: str

    @property
    def version(self) -> str:
        """What it says itself, on one line; "unknown" where it does not run."""
        try:
            asked = subprocess.run(
                [self.path, "--version"], capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return "unknown"
        said = (asked.stdout or asked.stderr).strip()
        return said.splitlines()[0] if said else "unknown"

    def __str__(self) -> str:
        where = f"{self.path} on the PATH" if self.source == "PATH" else f"wheel {self.source}"
        return f"{self.version} ({where})"


def on_path(*names: str) -> Iterator[Program]:
    """The first program on the PATH of each name."""
    for name in names:
        if found := shutil.which(name):
            yield Program(Path(found), "PATH")


def in_wheel(wheel: str, *patterns: str) -> Iterator[Program]:
    """Programs inside an installed wheel, by patterns below its package's folder."""
    spec = importlib.util.find_spec(wheel.replace("-", "_"))
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        for pattern in patterns:
            for path in sorted(Path(folder).glob(pattern)):
                if path.is_file() and os.access(path, os.X_OK):
                    yield Program(path, wheel)


def distinct(programs: Iterable[Program]) -> list[Program]:
    """Without those that are the same file; the first one stays."""
    found: dict[Path, Program] = {}
    for each in programs:
        found.setdefault(each.path.resolve(), each)
    return list(found.values())


def is_root() -> bool:
    """Whether we run as root, which some servers refuse to."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
