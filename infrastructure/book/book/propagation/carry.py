"""One edit of an earlier step, carried into one later step.

Prevents a fix, a rename or a removal that arrives in half of the copies. The rule: the later
step's own lines stay; what it has unchanged it takes over; where both changed the same thing a
person decides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from book.propagation.merge import Labels, Merged, clash, is_binary, merge, renames, whole


@dataclass(frozen=True)
class Edit:
    """What happened to one file: ``old`` and ``base`` at HEAD, ``new`` and ``theirs`` now.

    A new file has no ``old``, a deleted one no ``new``; a renamed one has two names.
    """

    old: str | None
    new: str | None
    base: bytes | None
    theirs: bytes | None

    @property
    def renamed(self) -> bool:
        return self.old is not None and self.new is not None and self.old != self.new

    @property
    def digest(self) -> str:
        parts = (self.old, self.new, self.base, self.theirs)
        return hashlib.sha256(repr(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Conflict:
    """``line`` is None where no marker could be written."""

    name: str
    line: int | None
    reason: str


@dataclass(frozen=True)
class Outcome:
    """The later step's files after one edit (None: gone), and how they came about."""

    files: Mapping[str, bytes | None]
    how: str
    conflicts: tuple[Conflict, ...] = ()


def edits(
    head: Mapping[str, bytes], now: Mapping[str, bytes], known: Mapping[str, str]
) -> list[Edit]:
    """What differs between a step at HEAD and now.

    ``known`` are renames that the step took over from the one before: a heavily edited file keeps
    its identity even where git would not recognise it any more.
    """
    gone = {name: content for name, content in head.items() if name not in now}
    new = {name: content for name, content in now.items() if name not in head}
    moved = {old: to for old, to in known.items() if old in gone and to in new}
    moved |= renames(
        {name: content for name, content in gone.items() if name not in moved},
        {name: content for name, content in new.items() if name not in moved.values()},
    )
    found = [Edit(old, to, head[old], now[to]) for old, to in moved.items()]
    found += [Edit(name, None, head[name], None) for name in gone if name not in moved]
    found += [Edit(None, name, None, now[name]) for name in new if name not in moved.values()]
    both = head.keys() & now.keys()
    found += [Edit(n, n, head[n], now[n]) for n in both if head[n] != now[n]]
    return sorted(found, key=lambda edit: edit.new or edit.old or "")


def counterpart(old: str, earlier: Mapping[str, bytes], later: Mapping[str, bytes]) -> str | None:
    """The later step's name for a file of the earlier one; None if its lesson removed the file."""
    if old in later:
        return old
    gone = {name: content for name, content in earlier.items() if name not in later}
    new = {name: content for name, content in later.items() if name not in earlier}
    return renames(gone, new).get(old)


def carry(edit: Edit, later: Mapping[str, bytes], target: str | None, labels: Labels) -> Outcome:
    """What ``edit`` makes of the later step's files. ``target`` is its counterpart of the file."""
    if edit.old is None or edit.base is None:
        return _added(edit, later, labels)
    if target is None and edit.renamed and edit.new in later:
        target = edit.new  # the later step has the new name already
    if target is None:
        return Outcome({}, f"not carried: {labels.ours} has no {edit.old}" if edit.new else "")
    if edit.new is None or edit.theirs is None:
        return _deleted(edit, later[target], target, labels)
    return _edited(edit, later, target, labels)


def _added(edit: Edit, later: Mapping[str, bytes], labels: Labels) -> Outcome:
    assert edit.new is not None
    assert edit.theirs is not None
    there = later.get(edit.new)
    if there is None or there == edit.theirs:
        return Outcome({edit.new: edit.theirs}, "added")
    return _two_for(
        edit.new, there, edit.theirs, f"a different file than {labels.theirs}'s", labels
    )


def _deleted(edit: Edit, ours: bytes, target: str, labels: Labels) -> Outcome:
    if ours == edit.base and target == edit.old:
        return Outcome({target: None}, "deleted")
    reason = f"deleted in {labels.theirs}, but {labels.ours} has its own version"
    if is_binary(ours):
        return _undecided({target: ours}, target, reason)
    # Without markers nobody could tell a decision to keep the file from not having decided.
    named = Labels(labels.ours, f"{labels.theirs} (deleted)")
    return _marked({}, target, whole(ours, b"", named), reason)


def _edited(edit: Edit, later: Mapping[str, bytes], target: str, labels: Labels) -> Outcome:
    assert edit.new is not None
    assert edit.base is not None
    assert edit.theirs is not None
    ours, moves = later[target], edit.renamed and target == edit.old
    name = edit.new if moves else target
    files: dict[str, bytes | None] = {target: None} if moves else {}
    if ours in (edit.base, edit.theirs):
        merged, how = Merged(edit.theirs), "copied"
    elif is_binary(ours, edit.base, edit.theirs):
        reason = f"edited in {labels.theirs}, but {labels.ours} has its own version"
        return _undecided({**files, name: ours}, name, reason)
    else:
        merged, how = merge(ours, edit.base, edit.theirs, labels), "merged"
    if moves:
        how = f"renamed from {target}" + (", merged" if how == "merged" else "")
        there = later.get(name)
        if there is not None and there != merged.content:
            reason = f"in the way of {target}, which is renamed to it"
            if is_binary(there, merged.content):
                return _undecided({target: ours, name: there}, name, reason)
            return _marked(files, name, clash(there, merged.content, labels), reason)
    elif target != edit.old:
        how += f" ({labels.theirs} calls it {edit.new})"
    if merged.conflicts:
        return _marked(files, name, merged, "both changed these lines")
    return Outcome({**files, name: merged.content}, how)


def _two_for(name: str, ours: bytes, theirs: bytes, reason: str, labels: Labels) -> Outcome:
    if is_binary(ours, theirs):
        return _undecided({name: ours}, name, reason)
    return _marked({}, name, clash(ours, theirs, labels), reason)


def _marked(files: Mapping[str, bytes | None], name: str, merged: Merged, reason: str) -> Outcome:
    places = tuple(Conflict(name, line, reason) for line in merged.conflicts)
    return Outcome({**files, name: merged.content}, "conflict", places)


def _undecided(files: Mapping[str, bytes | None], name: str, reason: str) -> Outcome:
    return Outcome(files, "conflict", (Conflict(name, None, f"binary, never merged: {reason}"),))
