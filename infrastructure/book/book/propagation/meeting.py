"""Whether an edit may change a later step's files, or somebody has dealt with it already.

Prevents that uncommitted work is overwritten, and that a decision is asked for twice. The rule: a
file may change only where git has it (it is as HEAD has it) or propagate wrote it. What a person
made of a conflict stands as long as the edit that caused it is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from book.chain import files
from book.chain.chain import ChainError, Step
from book.propagation.carry import Edit, Outcome
from book.propagation.merge import left_markers
from book.propagation.unfinished import Record, Unfinished, digest

Files = dict[str, bytes]
Verdict = Literal["in place", "kept", "decided", "marked", "lost", "to do"]


@dataclass
class Folder:
    """A step's inherited files: at ``head``, on ``disk``, and as they will be (``then``)."""

    step: Step
    root: Path
    head: Mapping[str, bytes]
    disk: Files
    then: Files
    modes: dict[str, int] = field(default_factory=dict)  # of files that are not there yet

    @classmethod
    def of(cls, step: Step, root: Path, head: Mapping[str, bytes], disk: Files) -> Folder:
        return cls(step, root, head, disk, dict(disk))

    def key(self, name: str) -> str:
        return (self.step.path / name).relative_to(self.root).as_posix()

    def there(self, name: str) -> bytes | None:
        """On disk now, even if git ignores it."""
        path = self.step.path / name
        if name in self.disk:
            return self.disk[name]
        if path.is_symlink() or path.is_dir():
            raise ChainError(f"{self.key(name)}: a link or a folder is in the way of a file")
        return path.read_bytes() if path.is_file() else None

    def mode(self, name: str) -> int | None:
        path = self.step.path / name
        return self.modes.get(name) or (path.stat().st_mode if path.is_file() else None)

    def will(self, changes: Mapping[str, bytes | None]) -> None:
        """These are the contents when all is written; None: no such file."""
        for name, content in changes.items():
            if content is None:
                self.then.pop(name, None)
            else:
                self.then[name] = content


def inherited(step: Step) -> Files:
    """The files in a step's folder that later steps inherit. Raises ChainError for a link."""
    found = {}
    for name in files.on_disk(step.path):
        if name in files.OWN or name.endswith(files.UNFINISHED):
            continue
        if (step.path / name).is_symlink():
            raise ChainError(f"{step.path / name}: a link; a step's files are plain files")
        found[name] = (step.path / name).read_bytes()
    return found


def stale(later: Folder, old: Unfinished | None) -> set[str]:
    """Files that hold what an earlier run wrote; without an edit they go back to HEAD's."""
    found = set()
    for key, record in (old.records if old else {}).items():
        name = key.removeprefix(later.key("") + "/")
        if name != key and record.conflict != "decided":
            there = later.there(name)
            if there != later.head.get(name) and digest(there) in record.results:
                found.add(name)
    return found


@dataclass(frozen=True)
class Meeting:
    """One edit, what it would make of a later step's files, and what an earlier run left there."""

    edit: Edit
    outcome: Outcome
    folder: Folder
    old: Unfinished | None

    @property
    def there(self) -> dict[str, bytes | None]:
        return {name: self.folder.there(name) for name in self.outcome.files}

    @property
    def records(self) -> dict[str, Record]:
        known = self.old.records if self.old else {}
        keys = {name: self.folder.key(name) for name in self.outcome.files}
        return {name: known[key] for name, key in keys.items() if key in known}

    @property
    def clean(self) -> set[str]:
        """As HEAD has them."""
        return {name for name, now in self.there.items() if now == self.folder.head.get(name)}

    @property
    def own(self) -> set[str]:
        """As propagate wrote them."""
        there, records = self.there, self.records
        return {name for name, record in records.items() if digest(there[name]) in record.results}

    @property
    def foreign(self) -> set[str]:
        return self.there.keys() - self.clean - self.own

    @property
    def left(self) -> list[str]:
        """Places of conflict markers that wait for a person."""
        head = self.folder.head
        known = [self.edit.base or b"", self.edit.theirs or b""]
        known += [head.get(name, b"") for name in (*self.outcome.files, self.edit.old or "")]
        return [
            f"{self.folder.key(name)}:{line}"
            for name, content in self.there.items()
            for line in left_markers(content or b"", known)
        ]

    def verdict(self, *, restored: bool) -> Verdict:
        """What is to be done. ``restored``: the earlier step's file was taken back meanwhile.

        An open conflict without markers is decided, even if the file is as HEAD has it: a person
        may take the later step's version. Not so after ``git restore`` over several steps.
        """
        if not self.outcome.conflicts and self.there == self.outcome.files:
            return "in place"
        records = self.records
        waiting = {record.conflict for record in records.values()}
        same = bool(records) and all(
            name in records and self.edit.digest in records[name].sources
            for name in self.outcome.files
        )
        if same and "open" in waiting:
            if self.left:
                return "marked"
            started_over = restored and self.clean == self.there.keys()
            written = self.old is not None and self.old.written
            return "decided" if written and not started_over else "to do"
        if same and ("decided" in waiting or not self.clean - self.own):
            return "kept"
        return "lost" if self.foreign else "to do"
