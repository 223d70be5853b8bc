"""Servers, their supervisor and trials of many parts do the same for an ordinary user, when root
runs the tests, and with servers from wheels alone."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from drawn import drawn

from book.stage.services.postgres_programs import NOBODY

HERE = Path(__file__).parent
TESTS = HERE.parent / "tests"
# One test of each thing that a user's rights, or the servers, decide; the rest is the same code.
SERVERS = (
    "kill_9 or eight_tenants or flushed_killed or command_that_is or a_killed_command or taken"
)
TRIALS = "eight_trials or ended_in_the_middle"
FROM_PATH = {TESTS / "test_supervisor.py": SERVERS, TESTS / "test_servers.py": SERVERS}
FROM_PATH |= {HERE / "test_more_servers.py": SERVERS, HERE / "test_many_trials.py": TRIALS}
FROM_WHEELS = {HERE / "test_many_trials.py": TRIALS}  # the others take each program anyway
OF_SERVERS = re.compile(r"(redis|valkey|postgres|pg_|psql|initdb|prometheus|alertmanager).*")
TIMEOUT_S = 900
AS_FOUND, WHEELS = "as found", "wheels alone"


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="these tests run as one already"
)
@pytest.mark.parametrize("way", drawn("ways of a user", [AS_FOUND, WHEELS]))
def test_the_same_tests_pass_as_an_ordinary_user(way: str) -> None:
    wheels = way == WHEELS
    become = next(filter(can_run, ways()), None)
    if become is None:
        pytest.skip("an ordinary user can run no Python here")
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="book-ordinary-") as folder:
        shutil.chown(folder, NOBODY)
        path = without_servers(Path(folder)) if wheels else os.environ["PATH"]
        for name, chosen in (FROM_WHEELS if wheels else FROM_PATH).items():
            options = ["-m", "pytest", "-v", "-rs", "-p", "no:cacheprovider", "-k", chosen]
            options += ["--basetemp", f"{folder}/tests", str(name)]
            more = {"TMPDIR": folder, "HYPOTHESIS_STORAGE_DIRECTORY": f"{folder}/hypothesis"}
            ran = run(become, options, PATH=path, **more)
            assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-1000:]
            assert " passed" in ran.stdout
            assert not (wheels and "-PATH-" in ran.stdout), "a server from the PATH was used"


def without_servers(folder: Path) -> str:
    """A PATH with all that is on ours but servers."""
    links = folder / "bin"
    links.mkdir()
    for each in os.environ["PATH"].split(os.pathsep):
        for file in Path(each).iterdir() if Path(each).is_dir() else ():
            if not OF_SERVERS.fullmatch(file.name) and not (links / file.name).is_symlink():
                (links / file.name).symlink_to(file)
    return str(links)


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
