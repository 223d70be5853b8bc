"""What pytest collected beside what stands on disk: a test that is missing, or was left out.

Prevents a test that is there for the reader only: deselected, hidden by a decorator, without a
case, or skipped for a reason that nobody listed. A unit may run in parts; they are joined first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from book.chain import checklist
from book.chain.chain import Book
from book.chain.checklist import Wrong
from book.testing import exceptions, standing
from book.testing.exceptions import Exceptions
from book.testing.standing import Definition
from book.testing.units import Unit

EMPTY = "got empty parameter set"
HIDDEN = "look for a decorator, a condition around it, __test__ or a conftest that hides it"


class Case(NamedTuple):
    """A collected test, or one case of it. ``outcome`` is empty where it did not run.

    ``id`` is pytest's; ``path`` its file's, and ``name`` its name in there without the case;
    ``defined`` is ``FILE::Class::name`` of the function, which may stand elsewhere. ``why`` is the
    reason of a skip.
    """

    id: str
    path: str
    name: str
    defined: str
    line: int
    outcome: str = ""
    why: str = ""


class Seen(NamedTuple):
    """What one pytest saw; ``broken`` where a file could not be collected."""

    cases: tuple[Case, ...] = ()
    broken: bool = False


def joined(parts: Sequence[Seen]) -> Seen:
    """One unit's parts: a case was collected if one part did, and ended as where it ran."""
    cases: dict[str, Case] = {}
    for case in (each for part in parts for each in part.cases):
        if case.id not in cases or case.outcome:
            cases[case.id] = case
    return Seen(tuple(cases.values()), any(part.broken for part in parts))


def problems(
    book: Book,
    unit: Unit,
    seen: Seen,
    *,
    read_too: bool = True,
    known: Collection[str] = (),
) -> list[Wrong]:
    """What is wrong with what pytest saw of a unit; empty where a file could not be collected,
    which pytest says itself, with the place.

    Without ``read_too``, what text alone shows is left to whoever reads it. ``known`` are files,
    from the root, that were green before and were not run again.
    """
    if seen.broken:
        return []
    folders = [unit.path / each for each in unit.tests]
    sources = standing.sources(book, folders)
    sources = [each for each in sources if each.name not in known]
    on_disk = list(standing.all_definitions(book, sources))
    listed = exceptions.read(book)
    return [
        *missing([e for e in on_disk if read_too or not e.lost], seen.cases, book.root),
        *twice(seen.cases, book.root),
        *left_out(seen.cases, listed, book.root),
        *unheld(checklist.named(book), on_disk, seen.cases, listed, book.root),
    ]


def missing(on_disk: Iterable[Definition], cases: Iterable[Case], root: Path) -> Iterator[Wrong]:
    """Tests on disk that pytest did not collect."""
    known = {key for case in cases for key in _keys(case, root)}
    for each in on_disk:
        if each.key not in known:
            what = f"{each.name} never runs: pytest does not collect it"
            if each.lost:
                what = f"{each.name} never runs: it {each.lost}"
            yield Wrong(what, each.where, each.mend or HIDDEN)


def twice(cases: Iterable[Case], root: Path) -> Iterator[Wrong]:
    """Functions that pytest collected from two files: an import of a test collects it again."""
    places: dict[str, dict[str, int]] = {}
    for case in cases:
        if case.defined.count("::") == 1:
            places.setdefault(case.defined, {}).setdefault(case.path, case.line)
    for defined, paths in places.items():
        if len(paths) > 1:
            file, name = defined.split("::")
            other = next(path for path in paths if path != file)
            what = f"{name} runs twice: {_short(other, root)} collects it again"
            mend = "import no test; share what it does as a helper"
            yield Wrong(what, f"{_short(file, root)}:{paths.get(file, 1)}", mend)


def left_out(cases: Iterable[Case], listed: Exceptions, root: Path) -> Iterator[Wrong]:
    """Tests that did not run, or were expected to fail, for a reason that is not listed."""
    for case in cases:
        if case.outcome not in ("skipped", "xfailed") or listed.allows_skip(case.why):
            continue
        what = f"{case.name or 'the whole file'} was {case.outcome}: {case.why or 'no reason'}"
        mend = f"let it run; or list exactly this reason in {exceptions.FILE}"
        if case.why.startswith(EMPTY):
            what, mend = f"{case.name} has no case: {case.why}", "give it a case, or remove it"
        yield Wrong(what, f"{_short(case.path, root)}:{case.line}", mend)


def unheld(
    named: Iterable[checklist.Named],
    on_disk: Sequence[Definition],
    cases: Sequence[Case],
    listed: Exceptions,
    root: Path,
) -> Iterator[Wrong]:
    """Tests that a checklist names, and of which no case ran and passed."""
    if not any(case.outcome in ("passed", "failed") for case in cases):
        return  # they were only collected
    files = {each.source.path.resolve() for each in on_disk}
    found = [(case, list(_keys(case, root))) for case in cases]
    lines = {each.key: each.line for each in on_disk}
    for each in named:
        path = each.path.resolve()
        if path not in files:
            continue  # another unit's
        key = f"{_short(str(path), root)}::{each.name}"
        own = [
            case
            for case, keys in found
            if any(known == key or known.startswith(f"{key}::") for known in keys)
        ]
        allowed = any(case.outcome == "skipped" and listed.allows_skip(case.why) for case in own)
        if allowed or any(case.outcome in ("passed", "failed") for case in own):
            continue  # a failure is told as one
        how = f"was {own[0].outcome or 'not run'}" if own else "was not collected"
        line = lines.get(key, own[0].line if own else 1)
        what = f"{each.name} is said to hold: {each.says} But it {how}"
        yield Wrong(what, f"{_short(str(path), root)}:{line}", "let it run, or name another test")


def _keys(case: Case, root: Path) -> Iterator[str]:
    yield f"{_short(case.path, root)}::{case.name}"
    if case.defined:
        file, _, name = case.defined.partition("::")
        yield f"{_short(file, root)}::{name}"


def _short(path: str, root: Path) -> str:
    full, whole = Path(path).resolve(), root.resolve()
    return full.relative_to(whole).as_posix() if full.is_relative_to(whole) else path
