"""Runs the SDK's own tests for messages, batches and models against the lenient profile.

This prevents the simulator from agreeing only with tests of its own. The tests come from the
source distribution of the very anthropic version that is installed; they check that every answer
has the shape of the SDK's types. They, and what they need, live in a folder of their own, which
after the first run needs no network. Exit code: 0 all passed, 1 some failed, 2 could not run.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

from mock_claude import Simulator, paths
from mock_claude.background import in_background
from mock_claude.offline import without_proxies

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "sdk-suite"
TESTS = (
    "tests/api_resources/test_messages.py",
    "tests/api_resources/test_models.py",
    "tests/api_resources/messages/test_batches.py",
    "tests/api_resources/beta/test_messages.py",
    "tests/api_resources/beta/test_models.py",
    "tests/api_resources/beta/messages/test_batches.py",
)
LEFT_OUT = "files, skills, user profiles, organization, and what is beta only"
_NEEDED = (
    *("pytest", "pytest-asyncio", "pytest-xdist", "respx", "time-machine", "dirty-equals"),
    *("inline-snapshot", "http-snapshot", "httpx", "rich"),
)
_LONGEST_S = 900


class CannotRunError(Exception):
    """Something that the suite needs is missing. The text says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for tests and tools")
    parser.add_argument("--verbose", action="store_true", help="show pytest's own output")
    options = parser.parse_args(arguments)
    release = version("anthropic")
    try:
        python, source = prepare(options.cache / release, release)
        with in_background(Simulator()) as simulator:
            counts, failed = run(python, source, simulator.url + paths.LENIENT, options.verbose)
    except CannotRunError as problem:
        sys.stderr.write(f"sdk-suite: {problem}\n")
        return 2
    sys.stdout.writelines(f"failed: {name}\n" for name in failed)
    sys.stdout.write(
        f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped "
        f"(anthropic {release}, messages, count_tokens, batches and models, stable and beta)\n"
        f"left out: {LEFT_OUT}\n"
    )
    return 1 if failed else 0


def prepare(folder: Path, release: str) -> tuple[Path, Path]:
    """The Python that has what the tests need, and the folder that has the tests."""
    binaries = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python = binaries / ("python.exe" if os.name == "nt" else "python")
    source, stamp = folder / f"anthropic-{release}", folder / "ready"
    if stamp.exists():
        return python, source
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    sys.stderr.write(f"sdk-suite: fetching the tests of anthropic {release} (once)\n")
    uv = shutil.which("uv")
    venv = folder / "venv"
    if uv is None:
        _call([sys.executable, "-m", "venv", str(venv)], folder)
        install = [str(python), "-m", "pip", "install", "--quiet"]
    else:
        _call([uv, "venv", "--quiet", "--seed", "--python", sys.executable, str(venv)], folder)
        install = [uv, "pip", "install", "--quiet", "--python", str(python)]
    fetch = [str(python), "-m", "pip", "download", "--quiet", "--no-deps"]
    _call([*fetch, "--no-binary", "anthropic", f"anthropic=={release}"], folder)
    with tarfile.open(folder / f"anthropic-{release}.tar.gz") as archive:
        if hasattr(tarfile, "data_filter"):  # Python 3.11.4 and later
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(folder)  # noqa: S202 - the SDK's own release, by version
    lock = (source / "requirements-dev.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^([\w.-]+==\S+)", lock, re.MULTILINE)
    wanted = [pin for pin in pins if pin.split("==")[0] in _NEEDED]
    _call([*install, f"anthropic[aiohttp]=={release}", *wanted], folder)
    stamp.touch()
    return python, source


def run(python: Path, source: Path, url: str, verbose: bool) -> tuple[Counter[str], list[str]]:
    """How many tests passed, failed, were skipped; and the names of those that failed."""
    report = source.parent / "report.xml"
    report.unlink(missing_ok=True)
    options = ["-n", "0", "-p", "no:cacheprovider", "-q", f"--junitxml={report}"]
    subprocess.run(  # noqa: S603 - our own command line
        [str(python), "-m", "pytest", *options, *TESTS],
        cwd=source,
        env={**without_proxies(os.environ), "TEST_API_BASE_URL": url},
        stdout=None if verbose else subprocess.DEVNULL,
        timeout=_LONGEST_S,
        check=False,
    )
    if not report.exists():
        raise CannotRunError("pytest wrote no report; --verbose shows what it says")
    counts, failed = Counter[str](), list[str]()
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - pytest's own file
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "passed"
        outcome = "skipped" if "skipped" in kinds else outcome
        counts[outcome] += 1
        if outcome == "failed":
            failed.append(f"{case.get('classname')}::{case.get('name')}")
    return counts, failed


def _call(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(  # noqa: S603 - our own command line
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=_LONGEST_S
        )
    except (OSError, subprocess.SubprocessError) as cause:
        detail = getattr(cause, "stderr", None) or str(cause)
        raise CannotRunError(
            f"could not get what the tests need; the first run needs a package index.\n"
            f"{' '.join(command)}\n{detail.strip()[-500:]}"
        ) from cause


if __name__ == "__main__":
    sys.exit(main())
