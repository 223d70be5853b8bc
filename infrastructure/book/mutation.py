"""Changes a chapter's package in small ways, one at a time, and counts what its tests notice.

    python mutation.py chapter-02 [--module retries]... [--least 85] [--show]

Prevents tests that run the code and would pass without it. mutmut makes the changes ("mutants"):
a comparison turned round, a number plus one, an argument left out. A mutant is killed when a test
fails on it; a timeout counts as killed too, because nobody would overlook it. Everything else
survives, also a mutant that no test reaches.

A module is tested by its own test files, in a temporary copy: nothing is left here. mutmut runs
the tests in forks, where a simulator, threads and `python -c` work as ever. What a test runs as a
file would find the package as it is here: `test_liveness_of_a_real_loop.py` is left out.

Exit status: 0 enough are killed in all modules together, 1 too few, 2 cannot run, 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from book.chain.chain import Book, ChainError, Chapter

# The tests of a module, where they are not tests/test_MODULE.py.
TESTS = {
    "after_cancel": "test_timeouts.py",
    "circuit_breaker": "test_circuit_*.py",
    "circuit_window": "test_circuit_*.py",
    "retries": "test_retr*.py",
}
KILLED = ("killed", "timeout")
# mutmut waits multiplier * (what the tests take + constant) seconds: enough on a busy machine too.
PATIENCE = {"timeout_multiplier": 4.0, "timeout_constant": 2.0}
# A busy machine must not fail the tests before anything is changed. (`book test` says it, too.)
NO_LIMITS = """

import hypothesis

hypothesis.settings.register_profile("mutation", deadline=None, derandomize=True)
hypothesis.settings.load_profile("mutation")
"""
DONE = re.compile(r"(\d+)/(\d+)  ")  # in mutmut's line of progress


class CannotRunError(Exception):
    """The mutants could not be tested. The text says why."""


def prepare(folder: Path, book: Book, chapter: Chapter, module: str) -> None:
    """Copy the package and the module's tests into `folder`, and tell mutmut what they are."""
    tests = sorted((chapter.path / "tests").glob(TESTS.get(module, f"test_{module}.py")))
    if not tests:
        raise CannotRunError(f"{module}: it has no tests/test_{module}.py")
    package, unwanted = chapter.package, shutil.ignore_patterns("__pycache__")
    shutil.copytree(chapter.path / package, folder / package, ignore=unwanted)
    (folder / "tests").mkdir()
    shared = [path for path in tests[0].parent.glob("*.py") if not path.name.startswith("test_")]
    for file in (*tests, *shared):
        shutil.copy(file, folder / "tests")
    with (folder / "tests" / "conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write(NO_LIMITS)
    project = tomllib.loads((book.root / "pyproject.toml").read_text(encoding="utf-8"))
    mutmut = {
        "source_paths": [package],
        "only_mutate": [f"{package}/{module}.py"],
        "pytest_add_cli_args_test_selection": ["tests"],
        "pytest_add_cli_args": ["-p", "no:cacheprovider", "--hypothesis-seed=0"],
        "use_git_change_detection": False,
        **PATIENCE,
    }
    tables = {"pytest.ini_options": project["tool"]["pytest"]["ini_options"], "mutmut": mutmut}
    lines: list[str] = []
    for table, entries in tables.items():
        # Texts, numbers and lists of them look the same in JSON and in TOML.
        lines += [f"[tool.{table}]", *(f"{key} = {json.dumps(entries[key])}" for key in entries)]
    (folder / "pyproject.toml").write_text("\n".join(lines), encoding="utf-8")


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start mutmut in `folder`; what it prints comes in one stream."""
    command = [str(Path(sys.executable).with_name("mutmut")), *arguments]
    pipe, both = subprocess.PIPE, subprocess.STDOUT
    return subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=both, text=True)  # noqa: S603


def ask(folder: Path, *arguments: str) -> str:
    """What a command of mutmut prints."""
    with start(folder, *arguments) as process:
        printed, _ = process.communicate()
    if process.returncode:
        raise CannotRunError(f"mutmut {arguments[0]} failed:\n{printed[-2000:]}")
    return printed


def run_mutants(folder: Path, workers: int, on_progress: Callable[..., None]) -> None:
    """Test all of them; raises CannotRunError when the tests fail without any."""
    printed: list[str] = []
    with start(folder, "run", f"--max-children={workers}") as process:
        try:
            for line in process.stdout or ():  # a carriage return ends a line as well
                if found := DONE.search(line):
                    on_progress(completed=int(found[1]), total=int(found[2]))
                elif line.strip():
                    printed.append(line)
        except KeyboardInterrupt:  # it has heard of it too, and ends its forks
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            raise
    if process.returncode:
        raise CannotRunError("mutmut failed:\n" + "".join(printed[-40:]))


def results(folder: Path) -> dict[str, str]:
    """The status of each mutant, by its name."""
    listed = ask(folder, "results", "--all", "true")
    pairs = (line.strip().rpartition(": ") for line in listed.splitlines())
    found = {name: status for name, colon, status in pairs if colon}
    if not found:
        raise CannotRunError(f"mutmut lists no mutants:\n{listed}")
    return found


def percent(counts: Mapping[str, int]) -> float:
    """The share of mutants that were killed."""
    return 100 * sum(counts[status] for status in KILLED) / sum(counts.values())


def line_of(name: str, counts: Counter[str]) -> str:
    """`retries   killed 180, survived 7, timeout 3   96.3 %`; rare statuses only where they are."""
    shown = ["killed", "survived", "timeout"]
    shown += sorted(status for status in counts if status not in shown)
    text = ", ".join(f"{status} {counts[status]}" for status in shown)
    return f"{name:<18}{text:<50}{percent(counts):6.1f} %\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Test the modules one by one; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("chapter", help="for example chapter-02")
    parser.add_argument("--module", action="append", help="only this one; may be repeated")
    parser.add_argument("--least", type=float, default=85.0, help="percent (default: %(default)s)")
    parser.add_argument("--show", action="store_true", help="show what survived, as diffs")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="at once")
    options = parser.parse_args(arguments)
    if sys.platform == "win32":
        parser.error("mutmut forks, which Windows cannot: run this in WSL")
    if find_spec("mutmut") is None:
        parser.error("mutmut is not installed: uv sync --all-packages --group mutation")
    try:
        book = Book.find()
        return run(book, book.chapter(options.chapter), options)
    except (ChainError, CannotRunError) as problem:
        sys.stderr.write(f"mutation: {problem}\n")
        return 2
    except KeyboardInterrupt:
        return 130


def run(book: Book, chapter: Chapter, options: argparse.Namespace) -> int:
    """Print a line for each module and one for all; returns the exit status."""
    known = sorted(path.stem for path in (chapter.path / chapter.package).glob("[!_]*.py"))
    if unknown := set(options.module or ()) - set(known):
        valid = ", ".join(known)
        raise CannotRunError(f"there is no module {', '.join(sorted(unknown))}. Valid: {valid}")
    total, failed = Counter[str](), 0
    for module in options.module or known:
        try:
            counts, diffs = judge(book, chapter, module, options)
        except CannotRunError as problem:  # the others can be judged all the same
            sys.stderr.write(f"mutation: {module}: {problem}\n")
            failed += 1
            continue
        sys.stdout.write("".join([line_of(module, counts), *diffs]))
        sys.stdout.flush()
        total += counts
    if failed:
        sys.stderr.write(f"mutation: {failed} of the modules could not be judged\n")
        return 2
    is_met = percent(total) >= options.least
    sys.stdout.write(line_of("all", total))
    sys.stdout.write(f"at least {options.least:g} %: {'met' if is_met else 'MISSED'}\n")
    return 0 if is_met else 1


def judge(
    book: Book, chapter: Chapter, module: str, options: argparse.Namespace
) -> tuple[Counter[str], list[str]]:
    """The statuses of a module's mutants, and the diffs of those that survived if asked for."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        folder = Path(name)
        prepare(folder, book, chapter, module)
        with Progress(console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task(module, total=None)
            run_mutants(folder, options.workers, partial(progress.update, bar))
        found = results(folder)
        survivors = [name for name, status in found.items() if status not in KILLED]
        diffs = [ask(folder, "show", name) for name in survivors] if options.show else []
        return Counter(found.values()), diffs


if __name__ == "__main__":
    sys.exit(main())
