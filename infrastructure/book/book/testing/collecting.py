"""In a child process: pytest over one folder or a part of it, and what that took and read.

The folder's modules come first on the path. What the tests read is written down, because a result
may be kept only as long as nothing that they read has changed (see ``keeping``).
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import hypothesis
import pytest

from book.stage.processes import end_fork_server
from book.stage.programs import cpu_s
from book.testing.collected import Seen
from book.testing.parts import Share
from book.testing.reading import Reading, watch
from book.testing.watching import Watching


@dataclass(frozen=True)
class Part:
    """What one pytest collects: ``tests`` below ``folder``, without the files in ``others``.

    ``shares`` are the files of which only some tests belong here. Files are named from ``root``,
    the top of the repository. ``covered`` are those that decide the result anyway; reading another
    one is reported. ``examples`` bounds what Hypothesis generates for a test that asks for no
    number of its own, and makes it the same in every run; without it, each run looks elsewhere.
    ``trusts`` says whether the tests may speak to others over TLS, which slow ones do.
    """

    root: Path
    folder: Path
    tests: tuple[str, ...]
    others: frozenset[str]
    shares: tuple[Share, ...]
    covered: frozenset[str]
    examples: int | None
    scratch: Path
    trusts: bool = False


@dataclass
class OfFile:
    """What the tests of one file did. ``beyond`` is what they read that is not ``covered``."""

    passed: int = 0
    failed: int = 0
    seconds: float = 0.0
    beyond: str = ""


@dataclass
class Ran:
    """What one pytest found. ``failed`` takes in files that could not be collected."""

    code: int = 0
    skipped: list[str] = field(default_factory=list)
    files: dict[str, OfFile] = field(default_factory=lambda: defaultdict(OfFile))
    tests: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    cpu_s: float = 0.0
    seen: Seen = field(default_factory=Seen)

    @property
    def passed(self) -> int:
        return sum(file.passed for file in self.files.values())

    @property
    def failed(self) -> int:
        return sum(file.failed for file in self.files.values())


class _Plugin:
    """Counts as pytest's own summary does, and says over the pipe what begins."""

    def __init__(self, part: Part, pipe: Connection, reading: Reading) -> None:
        self.others = {part.root / name for name in part.others}
        self.shares: dict[str, list[Share]] = defaultdict(list)
        for share in part.shares:
            self.shares[share.file].append(share)
        self.pipe = pipe
        self.reading = reading
        self.ran = Ran()

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        return True if collection_path in self.others else None

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        for file, shares in self.shares.items():
            names = sorted(item.nodeid for item in items if _file(item.nodeid) == file)
            mine = {name for share in shares for name in names[share.number :: share.of]}
            dropped = [i for i in items if _file(i.nodeid) == file and i.nodeid not in mine]
            items[:] = [item for item in items if item not in dropped]
            config.hook.pytest_deselected(items=dropped)

    def pytest_collectstart(self, collector: pytest.Collector) -> None:
        self._begins(collector.nodeid)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._begins(nodeid)

    def _begins(self, nodeid: str) -> None:
        self.reading.reader = _file(nodeid)
        self.pipe.send(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file = self.ran.files[_file(report.nodeid)]
        file.seconds += report.duration
        self.ran.tests[report.nodeid] += report.duration
        if report.failed:
            file.failed += 1
        elif report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "expected"
            self.ran.skipped.append(f"{report.nodeid}: {reason}")
        elif report.when == "call":
            file.passed += 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.ran.files[_file(report.nodeid)].failed += 1


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def collect_and_run(pipe: Connection, part: Part) -> None:
    """Run it; over ``pipe`` go the names of what begins, and at last a ``Ran``."""
    gc.freeze()  # what the server imported is no garbage: pytest need not look through it twice
    if part.examples is not None:
        hypothesis.settings.register_profile(
            "book", max_examples=part.examples, deadline=None, derandomize=True
        )
        hypothesis.settings.load_profile("book")
    _keep_to(part.scratch)
    if not part.trusts:
        _trust_nobody(part.scratch)
    os.chdir(part.folder)
    sys.path.insert(0, str(part.folder))
    reading = watch(part.root, part.covered)
    plugin = _Plugin(part, pipe, reading)
    options = ["-q", "-p", "no:cacheprovider", "--color=no", f"--rootdir={part.root}"]
    # Hundreds of copies of a repository: each is removed when its test ends, not all at the end.
    options += [f"--basetemp={part.scratch / 'tmp'}", "-o", "tmp_path_retention_policy=none"]
    ran = plugin.ran
    watching = Watching()
    ran.code = int(pytest.main([*options, *part.tests], plugins=[plugin, watching]))
    ran.seen = watching.seen
    sys.stdout.flush()
    for name, what in reading.beyond.items():
        for file in [ran.files[name]] if name in ran.files else ran.files.values():
            file.beyond = file.beyond or what
    end_fork_server()  # that of tests which start one: what it took counts, too
    ran.cpu_s = cpu_s()
    ran.files, ran.tests = dict(ran.files), dict(ran.tests)
    pipe.send(ran)


def _keep_to(scratch: Path) -> None:
    """What tests leave behind goes with the command."""
    scratch.mkdir(parents=True, exist_ok=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)


def _trust_nobody(scratch: Path) -> None:
    """No certificate is read.

    Each client that is made would read all authorities of the machine, half of what the tests of a
    step cost, though nothing here speaks TLS: from an empty folder it reads none.
    """
    certificates = scratch / "no-certificates"
    certificates.mkdir(parents=True)
    os.environ.pop("SSL_CERT_FILE", None)
    os.environ["SSL_CERT_DIR"] = str(certificates)
