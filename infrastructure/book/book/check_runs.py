"""The rules of ``book check`` that run code: lessons on the steps around them, README commands.

A lesson that passes on the step before teaches nothing, and one that fails there by ImportError
proves nothing. Results are kept by the content they depend on, so a second run is quick.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from book.chain import Book, Step
from book.check import CONSOLE, Finding, texts
from book.files import OWN, on_disk
from book.processes import Processes

LESSON = "test_lesson.py"
LIMIT_S = 120.0
BY_ASSERTION = {"AssertionError", "Failed"}
NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*")


@dataclass(frozen=True)
class Job:
    """A check that runs code: its name, the text that decides its result, and what to run."""

    name: str
    key: str
    run: Callable[[], list[Finding]]


def findings(
    book: Book, processes: Processes, kept: Kept, on_job: Callable[[str], None]
) -> list[Finding]:
    """Run what has changed since it was last run, in parallel; all findings in a fixed order."""
    world = digest(path.read_bytes() for path in shared(book))
    jobs = [*lesson_jobs(book, processes, world), *command_jobs(book, processes, world)]

    def result(job: Job) -> list[Finding]:
        known = kept.get(job.key)
        if known is None:
            known = job.run()
            kept.put(job.key, known)
            on_job(job.name)
        return known

    with ThreadPoolExecutor(os.cpu_count() or 2) as pool, processes.killed_on_error():
        return [each for job in pool.map(result, jobs) for each in job]


class Kept:
    """Results by key, in a file; a broken or foreign file counts as empty."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.used: set[str] = set()
        try:
            read = json.loads(path.read_text(encoding="utf-8"))
            self.results = {k: [Finding(**each) for each in v] for k, v in read.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            self.results = {}

    def get(self, key: str) -> list[Finding] | None:
        self.used.add(key)
        return self.results.get(key)

    def put(self, key: str, found: list[Finding]) -> None:
        self.used.add(key)
        self.results[key] = found

    def save(self) -> None:
        """Write what was asked for or added; the rest is of no use any more."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        shown = {k: [asdict(e) for e in v] for k, v in self.results.items() if k in self.used}
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


def lesson_jobs(book: Book, processes: Processes, world: str) -> Iterator[Job]:
    """Rule 2: a lesson fails by assertion before its step, and passes there and ever after."""
    ends = [chapter.steps[-1] for chapter in book.chapters if chapter.steps]
    for step in book.steps[1:]:
        lesson = step.path / LESSON
        if not lesson.is_file():
            continue
        place = book.steps.index(step)
        later = [end for end in ends if book.steps.index(end) > place]
        for other in (book.before(step), step, *later):
            key = digest([world.encode(), lesson.read_bytes(), folder_key(other)])
            yield Job(
                f"{step.name}'s lesson on {other.name}",
                f"lesson {step.name} {other.name} {key}",
                partial(lesson_on, book, processes, step, other),
            )


def lesson_on(book: Book, processes: Processes, step: Step, other: Step) -> list[Finding]:
    """Run ``step``'s lesson on ``other``'s agent, in a copy of its folder."""
    before = other is book.before(step)
    where = (step.path / LESSON).relative_to(book.root).as_posix()
    with tempfile.TemporaryDirectory(prefix="book-") as scratch:
        for name in on_disk(other.path):
            if name not in OWN:
                target = Path(scratch) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(other.path / name, target)
        shutil.copy2(step.path / LESSON, scratch)
        config = book.root / "pyproject.toml"
        with processes.child("lesson", run_lesson, Path(scratch), config) as child:
            if not child.pipe.poll(LIMIT_S):
                return [Finding(f"it did not end within {LIMIT_S:.0f} s", where, "mend the test")]
            try:
                passed, failures = child.pipe.recv()
            except (EOFError, ConnectionError):
                said = child.printed(500)
                return [Finding(f"it could not run on {other.name}: {said}", where, "mend it")]
    return list(judged(step, other, where, passed, failures, before))


def judged(
    step: Step, other: Step, where: str, passed: int, failures: dict[str, str], before: bool
) -> Iterator[Finding]:
    """What is wrong with a lesson that ended like this on ``other``, the step ``before`` or not.

    ``failures`` are the exceptions' names by test.
    """
    if not before:
        if failures or not passed:
            names = ", ".join(failures) or "no test ran"
            mend = f"book test {step.name}" if other is step else f"mend {other.name}"
            yield Finding(f"{step.name}'s lesson must pass on {other.name}: {names}", where, mend)
        return
    wrong = {name: kind for name, kind in failures.items() if kind not in BY_ASSERTION}
    if wrong:
        shown = ", ".join(f"{name} ({kind})" for name, kind in wrong.items())
        yield Finding(
            f"on {other.name} the lesson fails, but not by assertion: {shown}",
            where,
            "let it run on the step before and assert what that step lacks",
        )
    elif not failures:
        yield Finding(
            f"the lesson passes on {other.name} already, so it shows nothing",
            where,
            f"assert what {step.name} adds; book diff {step.name}",
        )


class _Failures:
    """A pytest plugin: which tests failed, and by which exception."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.passed += report.passed and report.when == "call"

    def pytest_exception_interact(
        self,
        node: pytest.Item | pytest.Collector,
        call: pytest.CallInfo[object],
        report: pytest.CollectReport | pytest.TestReport,
    ) -> None:
        if report.failed and call.excinfo is not None:
            in_test = isinstance(report, pytest.TestReport) and report.when == "call"
            kind = call.excinfo.typename
            self.failed[node.name] = kind if in_test else f"{kind} outside the test"


def run_lesson(pipe: Connection, folder: Path, config: Path) -> None:
    """In a child: pytest over the lesson alone, beside the agent it is tried on."""
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    seen = _Failures()
    options = ["-q", "-p", "no:cacheprovider", "-c", str(config), "--rootdir", str(folder)]
    code = pytest.main([*options, LESSON], plugins=[seen])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and not seen.failed:
        seen.failed[LESSON] = code.name if isinstance(code, pytest.ExitCode) else str(code)
    pipe.send((seen.passed, seen.failed))


def command_jobs(book: Book, processes: Processes, world: str) -> Iterator[Job]:
    """README blocks marked ``console check``: the commands run, and print what stands there."""
    steps = digest([folder_key(step) for step in book.steps])
    for path in texts(book):
        if path.name != "README.md":
            continue
        text = path.read_text(encoding="utf-8")
        for block in CONSOLE.finditer(text):
            if block["mark"].strip() == "check":
                line = text[: block.start()].count("\n") + 1
                where = f"{path.relative_to(book.root).as_posix()}:{line}"
                body = block["body"]
                key = digest([world.encode(), steps.encode(), body.encode(), where.encode()])
                yield Job(
                    f"the commands in {where}",
                    f"commands {key}",
                    partial(commands_print, book, processes, body, where),
                )


def commands_print(book: Book, processes: Processes, body: str, where: str) -> list[Finding]:
    """Run each ``$ command`` at the root and compare what it prints, figures set aside."""
    found = []
    for command, expected in re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n?)*)", body, re.MULTILINE):
        environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "100"}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        with tempfile.TemporaryDirectory(prefix="book-") as scratch:
            # Notes of a demonstration belong to nobody's folder.
            environment["AGENT_NOTES_FILE"] = str(Path(scratch) / "notes.jsonl")
            done = processes.run(shlex.split(command), book.root, environment)
        if normalised(done.stdout) != normalised(expected):
            shown = done.stdout.strip()[-300:]
            mend = "correct the block, or what the command does"
            found.append(Finding(f"`{command}` now prints something else: {shown}", where, mend))
    return found


def normalised(text: str) -> str:
    """Output with every figure replaced and white space folded."""
    return " ".join(NUMBER.sub("N", text).split())
