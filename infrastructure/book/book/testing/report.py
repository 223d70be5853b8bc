"""What the jobs of a unit found and cost, and the lines that say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape

from book.testing.collected import Seen
from book.testing.collecting import OfFile

SLOWEST = 10


@dataclass
class Outcome:
    """What one job found. ``beyond``: it read more than is known to decide its result."""

    passed: int = 0
    failed: int = 0
    skipped: tuple[str, ...] = ()
    details: str = ""
    began: float = 0.0
    ended: float = 0.0
    cpu_s: float = 0.0
    files: dict[str, OfFile] = field(default_factory=dict)
    tests: dict[str, float] = field(default_factory=dict)
    beyond: bool = False
    seen: Seen | None = None  # of pytest, where it came to its end
    is_guard: bool = False  # about the tests, not of them


@dataclass
class Report:
    """What all jobs of one kind found in a unit. ``details`` are shown only when one failed.

    ``of`` tells apart what has the same name. ``kept`` of ``passed`` were not run; ``files`` are
    the test files that were, ``kept_files`` how many tests passed in the others.
    """

    unit: str
    what: str
    of: str = ""
    kept: int = 0
    kept_files: dict[str, int] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    waiting: int = 0

    def add(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.waiting -= 1

    @property
    def passed(self) -> int:
        return self.kept + sum(outcome.passed for outcome in self.outcomes)

    @property
    def failed(self) -> int:
        return sum(outcome.failed for outcome in self.outcomes)

    @property
    def skipped(self) -> list[str]:
        return [reason for outcome in self.outcomes for reason in outcome.skipped]

    @property
    def details(self) -> str:
        return "\n".join(outcome.details for outcome in self.outcomes if outcome.details)

    @property
    def seconds(self) -> float:
        """From the first start of its jobs to the last end."""
        if not self.outcomes:
            return 0.0
        began = min(outcome.began for outcome in self.outcomes if outcome.began)
        return max(outcome.ended for outcome in self.outcomes) - began

    @property
    def files(self) -> dict[str, OfFile]:
        """Test files that ran, those that were dealt out put together again."""
        whole: dict[str, OfFile] = {}
        for outcome in self.outcomes:
            for name, file in outcome.files.items():
                sums = whole.setdefault(name, OfFile())
                sums.passed += file.passed
                sums.failed += file.failed
                sums.seconds += file.seconds
                sums.beyond = sums.beyond or file.beyond
        return whole


def line(out: Console, report: Report) -> None:
    """One line of progress."""
    verdict = "[red]FAILED[/]" if report.failed else "[green]ok[/]    "
    counts = f"{report.passed} passed" + (f", {report.failed} failed" if report.failed else "")
    if report.kept and report.outcomes:
        counts += f", {report.kept} of them kept"
    took = f"{report.seconds:.1f} s" if report.outcomes else "kept"
    if len(report.outcomes) > 1:
        took += f" in {len(report.outcomes)} parts"
    out.print(f"{verdict} {report.unit:<32} {report.what:<7} {counts} ({took})")


def sums(out: Console, reports: Sequence[Report], folders: int, seconds: float) -> None:
    """What failed, whole; what was skipped; how many results were kept; and the counts."""
    for report in reports:
        if report.failed:
            out.print(f"\n[red]{report.unit}: {report.what}[/]")
            out.print(escape(report.details), soft_wrap=True)
    out.print()
    skipped = [reason for report in reports for reason in report.skipped]
    for reason in sorted(set(skipped)):
        out.print(f"skipped: {escape(reason)}", soft_wrap=True)
    kept = sum(report.kept for report in reports)
    said = f"; {kept} results kept from earlier runs, ALL=1 runs all" if kept else ""
    out.print(f"{folders} folders in {seconds:.0f} s{said}")
    passed = sum(report.passed for report in reports)
    failed = sum(report.failed for report in reports)
    counts = f"{passed} passed, {failed} failed"
    out.print(counts + (f", {len(skipped)} skipped" if skipped else ""))


def servers(out: Console, who: str, lines: Sequence[str]) -> None:
    """Which servers the tests could use, and as whom."""
    out.print(f"\nservers, started by {who}:")
    for each in lines:
        out.print(f"  {escape(each)}", soft_wrap=True)


def times(out: Console, reports: Sequence[Report], seconds: float) -> None:
    """CPU and wall seconds of every job, the longest as a share of the whole, the slowest tests."""
    out.print(f"\n{'':<44} {'CPU':>7} {'wall':>7}")
    longest = 0.0
    for report in sorted(reports, key=lambda report: (report.what, report.unit)):
        for number, outcome in enumerate(report.outcomes, 1):
            wall = outcome.ended - outcome.began
            longest = max(longest, wall)
            part = f" {number}/{len(report.outcomes)}" if len(report.outcomes) > 1 else ""
            name = f"{report.unit} {report.what}{part}"
            out.print(f"{name:<44} {outcome.cpu_s:>5.1f} s {wall:>5.1f} s")
    cpu = sum(outcome.cpu_s for report in reports for outcome in report.outcomes)
    out.print(f"{'all':<44} {cpu:>5.1f} s {seconds:>5.1f} s")
    if longest:
        out.print(f"the longest job took {longest / seconds:.0%} of the whole")
    tests = {name: s for r in reports for o in r.outcomes for name, s in o.tests.items()}
    for name in sorted(tests, key=lambda name: -tests[name])[:SLOWEST]:
        out.print(f"{tests[name]:>5.1f} s {escape(name)}", soft_wrap=True)
