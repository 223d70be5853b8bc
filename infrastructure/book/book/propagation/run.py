"""``book propagate``: an edit of an early step flows down the chain.

Prevents drift: sixty copies of the agent of which one was forgotten. The rule: a three-way merge
per file and step (base: the earlier step as committed; ours: the later step; theirs: the earlier
step now), that stops with a list where a person must decide and goes on behind it. Git alone
undoes all of it: ``git restore`` for what was changed, ``git clean`` for what is new.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from book.chain import files
from book.chain.chain import Book, ChainError, Step
from book.propagation import unfinished
from book.propagation.committed import Committed
from book.propagation.declared import to_adjust
from book.propagation.flow import Flow, Planner, Write
from book.propagation.meeting import Files, inherited
from book.propagation.merge import MergeError
from book.propagation.unfinished import Record, Unfinished, digest

AGAIN = "then run book propagate again"


def run(
    book: Book,
    start: str | None,
    *,
    dry_run: bool,
    out: Console,
    verify: Callable[[Sequence[Step]], bool],
) -> bool:
    """Carry all uncommitted edits of inherited files down the chain, or those from ``start`` on.

    Returns whether all was carried and ``verify``, called with the edited and the changed steps,
    said yes. A dry run writes nothing and returns whether there would be no conflict. Raises
    ChainError where there is nothing to measure against, where uncommitted work would be lost and
    where conflict markers are left; then nothing was written.
    """
    chosen = book.step(start) if start is not None else None
    committed = Committed(book)
    place = committed.git_path(unfinished.FILE)
    old = _unfinished(book, place, committed.head, dry_run=dry_run, out=out)
    now = {step.name: inherited(step) for step in book.steps}
    edited = [step for step in book.steps if now[step.name] != committed.files(step)]
    first = _first(book, edited, chosen, old)
    if first is None:
        out.print("Nothing to carry: every inherited file is as in the last commit.")
        out.print("An edit is carried before it is committed; git reset --soft HEAD~1 goes back.")
        return True
    try:
        flow = Planner(book, committed, now, old).plan(first)
    except MergeError as error:
        raise ChainError(f"git could not merge: {error}") from None
    if dry_run:
        out.print("Dry run: nothing is written.")
    _tell(out, book, first, flow, now)
    if dry_run:
        return not flow.conflicts
    idle = not flow.writes and not flow.conflicts
    if idle and (old is None or not flow.touched):
        place.unlink(missing_ok=True)
        return True
    state = Unfinished(
        head=committed.head,
        start=first.name,
        chosen=chosen is not None or (old is not None and old.chosen),
        stopped=flow.conflicts[0][0].name if flow.conflicts else None,
        written=False,
        records={**(old.records if old else {}), **flow.records},
    )
    try:
        unfinished.save(place, state)  # before the files: whatever is cut off is known as ours
        _write(flow.writes)
        state = state.model_copy(update={"written": True})
        unfinished.save(place, state)
    except OSError as error:
        todo = "Mend that, then run book propagate again: it goes on from there"
        raise ChainError(f"{error.filename}: {error.strerror}. {todo}") from error
    if flow.conflicts:
        return False
    if verify(flow.touched):
        place.unlink(missing_ok=True)
        return True
    unfinished.save(place, _as_verified(book.root, state, flow))
    out.print(f"Carried, but not in order: mend what is named above, {AGAIN}.")
    return False


def _unfinished(
    book: Book, place: Path, head: str, *, dry_run: bool, out: Console
) -> Unfinished | None:
    """What an earlier run left, unless a commit has made it void."""
    old = unfinished.load(place)
    if old is None or (old.head == head and old.start in [step.name for step in book.steps]):
        return old
    where = old.stopped or old.start
    out.print(
        f"An unfinished propagate from {old.start} is void: HEAD or the chain is another now. "
        f"If {where} holds an edit that the steps behind it lack: git reset --soft {old.head}, "
        f"then book propagate {where}.",
        soft_wrap=True,
    )
    if not dry_run:
        place.unlink()
    return None


def _first(
    book: Book, edited: Sequence[Step], chosen: Step | None, old: Unfinished | None
) -> Step | None:
    """Where the flow begins; None if nothing is edited."""
    index = book.steps.index
    if chosen is not None:
        if old and old.stopped and index(chosen) > index(book.step(old.stopped)):
            raise ChainError(
                f"a propagate from {old.start} waits at {old.stopped}; {chosen.name} is behind it. "
                "Mend that and run book propagate; or give it up with git restore there"
            )
        return chosen
    began = book.step(old.start) if old else None
    if old and old.chosen:
        return began
    return min((*edited, *((began,) if began else ())), key=index, default=None)


def _tell(out: Console, book: Book, first: Step, flow: Flow, now: Mapping[str, Files]) -> None:
    """A line per file, the conflicts with their places, what to declare, and the sum."""
    for step, name, how in flow.told:
        out.print(f"{step.name:<32} {escape(name):<16} {escape(how)}", soft_wrap=True)
    if flow.conflicts:
        stopped = flow.conflicts[0][0]
        out.print(f"\n[red]Stopped at {stopped.name}:[/] a person must decide")
        for step, conflict in flow.conflicts:
            path = (step.path / conflict.name).relative_to(book.root).as_posix()
            spot = path if conflict.line is None else f"{path}:{conflict.line}"
            out.print(f"  {escape(spot)}: {escape(conflict.reason)}", soft_wrap=True)
        out.print(f"Nothing behind {stopped.name} is touched. Mend these, {AGAIN}.", soft_wrap=True)
        if any(conflict.line is None for _, conflict in flow.conflicts):
            out.print("Where no line is named, what lies there at the next run is your decision.")
        return
    if flow.writes:
        steps = {write.step.name for write in flow.writes}
        out.print(f"{_count(len(flow.writes), 'file')} in {_count(len(steps), 'later step')}")
    elif flow.names:
        out.print("Nothing to carry: the later steps have it already.")
    elif len(flow.folders) == 1:
        out.print(f"Nothing to carry: {first.name} is the last step.")
    else:
        out.print(f"Nothing to carry: from {first.name} on, all is as in the last commit.")
    for line in to_adjust(book, flow, now):
        out.print(f"adjust {escape(line)}", soft_wrap=True)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _write(writes: Sequence[Write]) -> None:
    """Deletions come first: where letter case does not count, a rename may be both."""
    for write in writes:
        if write.content is None:
            write.path.unlink(missing_ok=True)
            folder = write.path.parent
            with contextlib.suppress(OSError):  # other files live there
                while folder != write.step.path:
                    folder.rmdir()
                    folder = folder.parent
    for write in writes:
        if write.content is not None:
            files.replace(write.path, write.content, write.mode)


def _as_verified(root: Path, state: Unfinished, flow: Flow) -> Unfinished:
    """Formatting belongs to the run: what ``verify`` made of the results is ours, too."""
    records = dict(state.records)
    for folder in flow.folders.values():
        for name, content in folder.then.items():
            key = folder.key(name)
            record = records.get(key)
            now = folder.step.path / name
            if record and digest(content) in record.results and now.is_file():
                results = (*record.results, digest(now.read_bytes()))
                records[key] = Record(
                    sources=record.sources, results=results, conflict=record.conflict
                )
    return state.model_copy(update={"records": records})
