"""Results that are kept by the content they depend on, so that a second run is quick."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from book.chain.chain import Book, Step
from book.chain.files import OWN, on_disk, texts

JSON = list[dict[str, str]]


class Kept:
    """Results by key, in a file; a broken or foreign file counts as empty."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.used: set[str] = set()
        self.results: dict[str, JSON] = {}
        with contextlib.suppress(OSError, ValueError, TypeError):
            self.results = dict(json.loads(path.read_text(encoding="utf-8")))

    def get(self, key: str) -> JSON | None:
        self.used.add(key)
        return self.results.get(key)

    def put(self, key: str, found: JSON) -> None:
        self.used.add(key)
        self.results[key] = found

    def save(self) -> None:
        """Write what was asked for or added; the rest is of no use any more."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        shown = {k: v for k, v in self.results.items() if k in self.used}
        partial = self.path.with_suffix(".part")
        partial.write_text(json.dumps(shown), encoding="utf-8")
        os.replace(partial, self.path)


def digest(parts: Iterator[bytes] | Sequence[bytes]) -> str:
    """One hash of all parts, in their order."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()


def shared(book: Book) -> list[Path]:
    """Code that every run depends on: packages, simulator, harness, dependencies."""
    steps = {step.path for step in book.steps}
    return [
        path
        for path in texts(book)
        if path.suffix in (".py", ".toml", ".lock")
        and path.parent not in steps
        and not {"tests", "incidents"} & set(path.parts)
    ]


def folder_key(step: Step) -> bytes:
    """What a step's folder holds, without what belongs to it alone."""
    return b"".join(
        name.encode() + b"\0" + (step.path / name).read_bytes()
        for name in on_disk(step.path)
        if name not in OWN
    )
