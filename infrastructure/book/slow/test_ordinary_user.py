"""Servers and their supervisor do the same for an ordinary user, when root runs the tests."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from book.stage.services.postgres_programs import NOBODY

HERE = Path(__file__).parent
TESTS = HERE.parent / "tests"
FILES = (
    TESTS / "test_supervisor.py",
    TESTS / "test_servers.py",
    HERE / "test_more_servers.py",
)
# One test of each thing that a user's rights decide; the rest is the same code.
CHOSEN = "kill_9 or eight_tenants_at_once or flushed_killed or SIGKILL or taken_port"
TIMEOUT_S = 600


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="these tests run as one already"
)
def test_the_same_tests_pass_as_an_ordinary_user() -> None:
    become = next(filter(can_run, ways()), None)
    if become is None:
        pytest.skip("an ordinary user can run no Python here")
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="book-ordinary-") as folder:
        shutil.chown(folder, NOBODY)
        options = ["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-k", CHOSEN]
        options += ["--basetemp", f"{folder}/tests", *map(str, FILES)]
        ran = run(become, options, TMPDIR=folder)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-1000:]
    assert " passed" in ran.stdout


def ways() -> Iterator[list[str]]:
    """How to run a command as an ordinary user; where our Python lies in root's home, one that
    may read everything, and is ordinary in all else."""
    become = ["setpriv", "--reuid", NOBODY, "--regid", str(group()), "--clear-groups"]
    if shutil.which("setpriv"):
        yield become
        yield [*become, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]


def group() -> int:
    import pwd

    return pwd.getpwnam(NOBODY).pw_gid


def run(become: list[str], options: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": "/", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [*become, sys.executable, *options],
        env=environment | more,
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def can_run(become: list[str]) -> bool:
    code = "import sys, pytest, redis; sys.exit(sys.version != sys.argv[1])"
    return run(become, ["-c", code, sys.version]).returncode == 0
