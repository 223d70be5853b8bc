"""What each unit's pytest collects, beside the tests that stand on disk; nothing of it runs.

Prevents a test that reads as if it ran: what hides it is seen only as pytest collects.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from book.chain.chain import Book
from book.chain.deciding import Deciding
from book.check.finding import Finding
from book.check.jobs import Job
from book.stage.processes import Processes
from book.testing import collected
from book.testing.units import Unit, slow_units, units

LIMIT_S = 120.0


def collecting_jobs(book: Book, processes: Processes) -> Iterator[Job]:
    """One for each unit; it is asked again when its tests or any code have changed."""
    for unit in (*units(book), *slow_units(book)):
        if any((unit.path / each).is_dir() for each in unit.tests):
            yield Job(
                f"what {unit.name} collects",
                partial(Deciding.collection, name=unit.name, folder=unit.path),
                partial(collects, book, processes, unit),
            )


def collects(book: Book, processes: Processes, unit: Unit) -> list[Finding]:
    """Collect a unit's tests in a child and compare."""
    from book.testing.watching import collect  # the child's; it imports pytest

    where = unit.path.relative_to(book.root).as_posix()
    again = f"book test {unit.name} shows it"
    with processes.child("collecting", collect, unit.path, unit.tests) as child:
        if not child.pipe.poll(LIMIT_S):
            return [Finding(f"pytest did not collect within {LIMIT_S:.0f} s", where, again)]
        try:
            seen = child.pipe.recv()
        except (EOFError, ConnectionError):
            said = child.printed(500)
            return [Finding(f"pytest could not collect {unit.name}: {said}", where, again)]
        if seen.broken:
            said = child.printed(500)
            return [Finding(f"pytest could not collect {unit.name}: {said}", where, again)]
    return [Finding(*each) for each in collected.problems(book, unit, seen, read_too=False)]
