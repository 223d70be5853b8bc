"""Green results are kept until something that decides them changes, and never a red one.

A result is kept under what is known to decide it (see ``deciding``). Test files that were seen to
read more than that, or that start programs, are kept only for the whole tree as it is, and for the
servers and the kind of user of this run (see ``machine``). A unit with
skipped tests is not kept: what the machine lacks today it may have tomorrow. A thorough run looks
elsewhere each time, so that it neither takes from here nor leaves anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from book.chain.chain import Book
from book.chain.kept import Kept
from book.testing import machine
from book.testing.deciding import Tree
from book.testing.report import Report
from book.testing.units import Unit

FILE = Path(".cache") / "tests.json"
LINT = "lint and format"


@dataclass
class Known:
    """Tests that are known to pass, by file; ``complete``: and there are no others."""

    files: dict[str, int] = field(default_factory=dict)
    complete: bool = False

    @property
    def passed(self) -> int:
        return sum(self.files.values())


class Green:
    """Kept results of one command. With ``everything`` none is taken, but new ones are kept."""

    def __init__(self, book: Book, examples: int | None, *, everything: bool = False) -> None:
        self.book = book
        self.examples = examples
        self.everything = everything
        self.tree = Tree(book, examples)
        self.kept = Kept(book.root / FILE)
        self.units = {unit.name: unit for unit in self.tree.units}

    def known(self, report: Report) -> Known:
        """What of a report need not be run again."""
        if self.everything or self.examples is None:
            return Known()
        for key in self._keys(self.tree, report):
            with suppress(KeyError, ValueError, TypeError, AttributeError):  # a foreign file
                head, *rows = self.kept.get(key) or []
                files = {row["file"]: int(row["passed"]) for row in rows}
                return Known(files, head["complete"] == "yes")
        return Known()

    def covered(self, unit: Unit) -> frozenset[str]:
        """What its tests may read and still be kept under their own files."""
        return self.tree.deciding(unit)

    def keep(self, report: Report) -> bool:
        """If all of it is green and nothing was edited since the command began; whether so."""
        if self.examples is None or report.failed or report.skipped or not report.passed:
            return False
        if report.what == "pytest":
            ran = report.files
            passed = report.kept_files | {name: file.passed for name, file in ran.items()}
            beyond = {name for name, file in ran.items() if file.beyond}
        else:
            passed = {report.what: report.passed}
            beyond = {report.what} if any(each.beyond for each in report.outcomes) else set()
        narrow = {name: count for name, count in passed.items() if name not in beyond}
        now = Tree(self.book, self.examples)
        keys = zip(
            self._keys(self.tree, report),
            self._keys(now, report),
            (passed, narrow),
            strict=True,
        )
        kept: set[str] = set()
        for before, after, files in keys:
            # What the whole tree decides has one key for both, and all of it is known for that.
            if before == after and files and before not in kept:
                self.kept.put(before, _rows(files, complete=files == passed))
                kept.add(before)
        return bool(kept)

    def save(self) -> str:
        """Why it could not be written, if so: the next run then does all of it again."""
        try:
            self.kept.save()
        except OSError as error:
            return f"results are not kept: {error.strerror or error}"
        return ""

    def _keys(self, tree: Tree, report: Report) -> tuple[str, str]:
        """For the whole tree, and for what is known to decide; ruff decides by code alone."""
        if report.unit == LINT:
            names = frozenset(name for name in tree.names if name.endswith((".py", ".toml")))
        else:
            names = tree.deciding(self.units[report.unit])
        of = f"{report.unit} {report.of}"
        whole = f"{of} {self.machine}" if report.what == "pytest" else of
        return tree.key(report.what, whole, tree.names), tree.key(report.what, of, names)

    @cached_property
    def machine(self) -> str:
        return "\n".join([machine.who(), *machine.servers()])


def _rows(files: Mapping[str, int], *, complete: bool) -> list[dict[str, str]]:
    head = {"complete": "yes" if complete else "no"}
    return [head, *({"file": name, "passed": str(count)} for name, count in files.items())]
