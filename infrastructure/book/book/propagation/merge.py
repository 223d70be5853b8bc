"""Three versions of one file made into one, by git and byte for byte.

Prevents the fix that is ported by hand into twenty copies and is wrong in one of them. The rule:
git decides what merges and what is a rename; where two steps disagree both versions stay in the
file between markers that name the steps; a binary file is never merged.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

BINARY_WITHIN = 8000  # bytes in which git looks for a NUL
FAILED = 128  # git merge-file: below it the exit code counts conflicts
_MARKER = re.compile(rb"(<<<<<<<|>>>>>>>) .*|=======")


class MergeError(RuntimeError):
    """git could not merge or compare; the text is git's own."""


@dataclass(frozen=True)
class Labels:
    """How the two sides are called in conflict markers."""

    ours: str
    theirs: str


@dataclass(frozen=True)
class Merged:
    """``conflicts`` are the lines (from 1) on which a conflict begins."""

    content: bytes
    conflicts: tuple[int, ...] = ()


def is_binary(*contents: bytes | None) -> bool:
    """Whether git takes one of these for binary: a NUL in its first 8000 bytes."""
    return any(content is not None and b"\0" in content[:BINARY_WITHIN] for content in contents)


def merge(ours: bytes, base: bytes, theirs: bytes, labels: Labels) -> Merged:
    """``git merge-file`` on text. Raises MergeError where git refuses."""
    with tempfile.TemporaryDirectory(prefix="book-merge-") as scratch:
        for name, content in (("ours", ours), ("base", base), ("theirs", theirs)):
            (Path(scratch) / name).write_bytes(content)
        command = ["git", "-c", "merge.conflictStyle=merge", "merge-file", "-p", "-q"]
        for label in (labels.ours, "base", labels.theirs):
            command += ["-L", label]
        done = subprocess.run(
            [*command, "ours", "base", "theirs"], cwd=scratch, capture_output=True, check=False
        )
    if not 0 <= done.returncode < FAILED:
        raise MergeError(done.stderr.decode("utf-8", "replace").strip() or "git merge-file failed")
    if done.returncode == 0:
        return Merged(done.stdout)
    opening = f"<<<<<<< {labels.ours}".encode()
    return Merged(done.stdout, tuple(n for n, line in _lines(done.stdout) if line == opening))


def clash(ours: bytes, theirs: bytes, labels: Labels) -> Merged:
    """Two different files that want the same name: always a conflict, as small as git makes it."""
    merged = merge(ours, b"", theirs, labels)
    return merged if merged.conflicts else whole(ours, theirs, labels)


def whole(ours: bytes, theirs: bytes, labels: Labels) -> Merged:
    """Both versions in full between markers, for what has no lines in common to merge."""
    end = b"\r\n" if b"\r\n" in ours + theirs else b"\n"
    parts = [f"<<<<<<< {labels.ours}".encode(), end, _ended(ours, end), b"=======", end]
    parts += [_ended(theirs, end), f">>>>>>> {labels.theirs}".encode(), end]
    return Merged(b"".join(parts), (1,))


def _ended(content: bytes, end: bytes) -> bytes:
    return content if not content or content.endswith(b"\n") else content + end


def left_markers(content: bytes, known: Iterable[bytes], *, middle: bool = True) -> list[int]:
    """Lines (from 1) with a conflict marker that stands in none of the ``known`` versions.

    ``middle=False`` leaves ``=======`` out, which is also how some texts underline a title.
    """
    if is_binary(content):
        return []
    legitimate = {line for each in known for _, line in _lines(each)}
    return [
        number
        for number, line in _lines(content)
        if _MARKER.fullmatch(line)
        and line not in legitimate
        and (middle or not line.startswith(b"="))
    ]


def _lines(content: bytes) -> list[tuple[int, bytes]]:
    return [(n, line.rstrip(b"\r")) for n, line in enumerate(content.split(b"\n"), 1)]


def renames(gone: Mapping[str, bytes], new: Mapping[str, bytes]) -> dict[str, str]:
    """Which of the files that are gone git finds again under a new name: old name to new."""
    if not (gone and new):
        return {}
    with tempfile.TemporaryDirectory(prefix="book-renames-") as scratch:
        for side, files in (("before", gone), ("after", new)):
            for name, content in files.items():
                path = Path(scratch, side, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        command = ["git", "diff", "--no-index", "--no-ext-diff", "-M", "--name-status", "-z"]
        done = subprocess.run(
            [*command, "--", "before", "after"], cwd=scratch, capture_output=True, check=False
        )
    if done.returncode not in (0, 1):
        raise MergeError(done.stderr.decode("utf-8", "replace").strip() or "git diff failed")
    found: dict[str, str] = {}
    fields = iter(done.stdout.decode("utf-8").split("\0"))
    for status in fields:
        if status.startswith("R"):
            old, renamed = next(fields), next(fields)
            found[old.removeprefix("before/")] = renamed.removeprefix("after/")
        elif status:
            next(fields)
    return found
