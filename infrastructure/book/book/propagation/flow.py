"""What a propagate would do, worked out in memory before one byte is written.

Prevents a run that finds out halfway that it must not. The rule: an edit goes from step to step
down the chain, nothing is carried beyond a conflict, and what cannot be carried is refused with
names and the way out.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Literal

from book.chain.chain import Book, ChainError, Step
from book.propagation.carry import Conflict, Edit, carry, counterpart, edits
from book.propagation.committed import Committed
from book.propagation.meeting import Files, Folder, Meeting, stale
from book.propagation.merge import Labels, left_markers
from book.propagation.unfinished import Record, Unfinished, digest

STEPS_FILE = "agent.py"  # without it a folder is no step


@dataclass(frozen=True)
class Write:
    """``content`` None deletes; ``mode`` are a new file's permission bits."""

    step: Step
    name: str
    content: bytes | None
    mode: int | None

    @property
    def path(self) -> Path:
        return self.step.path / self.name


@dataclass
class Flow:
    """``told``: step, file, how. ``names``: all files that edits met. ``touched``: the steps that
    differ from HEAD afterwards, the edited ones included."""

    folders: dict[str, Folder] = field(default_factory=dict)  # by name of the step
    told: list[tuple[Step, str, str]] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    records: dict[str, Record] = field(default_factory=dict)
    conflicts: list[tuple[Step, Conflict]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    touched: list[Step] = field(default_factory=list)


class Planner:
    """Walks down the chain from a step.

    ``now`` are the steps' files on disk, by step name; ``old`` is what an unfinished run has left.
    """

    def __init__(
        self,
        book: Book,
        committed: Committed,
        now: Mapping[str, Files],
        old: Unfinished | None,
    ) -> None:
        self.book = book
        self.committed = committed
        self.now = now
        self.old = old
        self.flow = Flow()
        self.lost: dict[str, tuple[Step, str]] = {}
        self.marked: list[str] = []

    def plan(self, first: Step) -> Flow:
        """Raises ChainError where uncommitted work would be lost or a conflict is not mended."""
        steps = self.book.steps[self.book.steps.index(first) :]
        folders = self.flow.folders
        folders[first.name] = self._folder(first)
        renamed: dict[str, str] = {}
        for earlier, later in pairwise(steps):
            folders[later.name] = self._folder(later)
            renamed = self._carry(folders[earlier.name], folders[later.name], renamed)
            if self.marked:
                break
            if self.flow.conflicts:
                self._look_ahead(steps[steps.index(later) + 1 :])
                break
        self._refuse()
        self.flow.touched = [each.step for each in folders.values() if each.then != each.head]
        return self.flow

    def _folder(self, step: Step) -> Folder:
        return Folder.of(step, self.book.root, self.committed.files(step), self.now[step.name])

    def _carry(self, earlier: Folder, later: Folder, known: Mapping[str, str]) -> dict[str, str]:
        """One pair of neighbours. Returns the renames that the later step takes over."""
        view = Folder(later.step, later.root, later.head, {}, dict(later.head))
        taken: dict[str, str] = {}
        met: set[str] = set()
        for edit in edits(earlier.head, earlier.then, known):
            self._check(edit, earlier)
            target = counterpart(edit.old, earlier.head, later.head) if edit.old else None
            labels = Labels(later.step.name, earlier.step.name)
            meeting = Meeting(edit, carry(edit, view.then, target, labels), later, self.old)
            view.will(meeting.outcome.files)
            self._meet(meeting, earlier)
            met |= meeting.outcome.files.keys()
            self.flow.names |= {name for name in (edit.old, edit.new) if name is not None}
            if edit.old and edit.new and edit.renamed and target == edit.old:
                taken[edit.old] = edit.new
        for name in stale(later, self.old) - met:
            later.will({name: later.head.get(name)})
            self.flow.told.append((later.step, name, "taken back: nothing is carried here now"))
            met.add(name)
        self.flow.names |= met
        self.flow.writes += self._writes(later, met)
        return taken

    def _check(self, edit: Edit, earlier: Folder) -> None:
        if edit.old == STEPS_FILE and edit.new != STEPS_FILE:
            where = earlier.key(STEPS_FILE)
            raise ChainError(
                f"{where}: a step's folder keeps its {STEPS_FILE}; git restore {where}"
            )
        if edit.new is not None and edit.theirs is not None:
            lines = left_markers(edit.theirs, [edit.base or b""], middle=False)
            self.marked += [f"{earlier.key(edit.new)}:{line}" for line in lines]

    def _meet(self, meeting: Meeting, earlier: Folder) -> None:
        """Note what becomes of the later step's files."""
        edit, outcome, later = meeting.edit, meeting.outcome, meeting.folder
        shown = edit.new or edit.old or ""
        restored = edit.new is not None and earlier.disk.get(edit.new) != edit.theirs
        match meeting.verdict(restored=restored):
            case "to do":
                later.will(outcome.files)
                mode = later.mode(edit.old) if edit.old else earlier.mode(edit.new or "")
                later.modes |= {n: mode for n in outcome.files if mode and n not in later.disk}
                self._note(meeting, "open" if outcome.conflicts else "none", outcome.files)
                self.flow.conflicts += [(later.step, each) for each in outcome.conflicts]
                self.flow.told.append((later.step, shown, outcome.how))
            case "in place":
                later.will(outcome.files)
                self._note(meeting, "none")
                if outcome.how and not outcome.files:
                    self.flow.told.append((later.step, shown, outcome.how))
            case "decided":
                self._note(meeting, "decided")
                self.flow.told.append((later.step, shown, "mended by hand"))
            case "kept":
                waiting = {record.conflict for record in meeting.records.values()}
                self._note(meeting, "decided" if "decided" in waiting else "none")
            case "marked":
                self.marked += meeting.left
            case "lost":
                self.lost |= {later.key(n): (later.step, n) for n in sorted(meeting.foreign)}
                if not outcome.conflicts:
                    later.will(outcome.files)  # so that further on, too, all losses are named

    def _note(
        self,
        meeting: Meeting,
        conflict: Literal["none", "open", "decided"],
        results: Mapping[str, bytes | None] | None = None,
    ) -> None:
        for name in meeting.outcome.files:
            key = meeting.folder.key(name)
            noted, before = self.flow.records.get(key), meeting.records.get(name)
            sources = (*(noted.sources if noted else ()), meeting.edit.digest)
            known = before.results if before else ()
            known += noted.results if noted else ()
            known += (digest(results[name]),) if results else ()
            self.flow.records[key] = Record(
                sources=sources, results=tuple(dict.fromkeys(known)), conflict=conflict
            )

    def _writes(self, later: Folder, names: Iterable[str]) -> list[Write]:
        writes = []
        for name in sorted(names):
            content = later.then.get(name)
            if content == later.there(name):
                continue
            for folder in map(str, PurePosixPath(name).parents):
                if content is not None and folder in later.then:
                    key = later.key(folder)
                    raise ChainError(f"{key}: this file is in the way of {later.key(name)}")
            mode = None if name in later.disk else later.mode(name)
            writes.append(Write(later.step, name, content, mode))
        return writes

    def _look_ahead(self, steps: Iterable[Step]) -> None:
        """Name now the work that would stop the flow later: it is still easy to put aside."""
        for step in steps:
            folder = self._folder(step)
            for name in sorted(self.flow.names):
                there, key = folder.there(name), folder.key(name)
                record = self.old.records.get(key) if self.old else None
                own = record is not None and digest(there) in record.results
                if there != folder.head.get(name) and not own:
                    self.lost[key] = step, name

    def _refuse(self) -> None:
        if self.marked:
            places = "\n  ".join(dict.fromkeys(self.marked))
            raise ChainError(
                f"conflict markers are left:\n  {places}\nmend these, then run book propagate again"
            )
        if self.lost:
            names = "\n  ".join(self.lost)
            first, _ = next(iter(self.lost.values()))
            raise ChainError(
                f"these hold uncommitted work that would be lost:\n  {names}\n"
                "Put it aside with git stash. If it is an edit of its own, carry it first: "
                f"book propagate {first.name}, then commit the steps from there on. If an earlier "
                f"propagate wrote it, git takes it back: {self._way_back()}"
            )

    def _way_back(self) -> str:
        known = [key for key, place in self.lost.items() if self.committed.holds(*place)]
        new = [key for key in self.lost if key not in known]
        commands = (("git restore --", known), ("git clean -f --", new))
        return "; ".join(f"{words} {shlex.join(keys)}" for words, keys in commands if keys)
