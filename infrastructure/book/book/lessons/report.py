"""``book report``: what a person pastes where they report a problem, and nothing that is private.

Prevents three questions before the first answer: which commit, which versions, which system. Paths,
names of people and machines, variables and keys are left out.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("anthropic", "httpx", "pydantic", "tenacity", "starlette", "uvicorn", "pytest", "mypy")
PROGRAMS = ("uv", "make", "git")
LIMIT_S = 10.0
NUMBER = re.compile(r"\d+(?:\.\d+)+")


def lines(root: Path) -> Iterator[str]:
    """The report, line by line."""
    told = {
        "commit": _commit(root),
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processors": str(os.cpu_count() or "unknown"),
        "output": f"{sys.stdout.encoding}, {'a' if sys.stdout.isatty() else 'no'} terminal",
        **{name: _program(name, root) for name in PROGRAMS},
        **{name: _package(name) for name in PACKAGES},
    }
    wide = max(map(len, told))
    return (f"{name:<{wide}}  {said}" for name, said in told.items())


def _commit(root: Path) -> str:
    """The commit with its day and printing, and whether something was changed since."""
    shown = _asked(["git", "log", "-1", "--format=%h of %cs"], root)
    if not shown:
        return "unknown: no git here, or no clone"
    tags = _asked(["git", "tag", "--points-at", "HEAD", "--list", "edition-*"], root)
    changed = _asked(["git", "status", "--porcelain"], root)
    edition = f", {', '.join(tags.split())}" if tags else ""
    return f"{shown}{edition}{', with changes of your own' if changed else ''}"


def _program(name: str, root: Path) -> str:
    beside = root / ".uv" / ("Scripts" if os.name == "nt" else "bin")
    found = shutil.which(name) or (shutil.which(name, path=beside) if name == "uv" else None)
    if found is None:
        return "not found"
    number = NUMBER.search(_asked([found, "--version"], root))
    return number[0] if number else "there, of unknown version"


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _asked(command: list[str], root: Path) -> str:
    """What a program prints; nothing where it fails, hangs or is not there."""
    try:
        done = subprocess.run(
            command,
            cwd=root,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
