"""An exported step in a clean environment.

Installing takes half a minute, so `make test` leaves this out:
`make test-slow` runs it, and so does CI.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from drawn import drawn

from book.chain.chain import Book
from book.lessons.export import export

STEPS = ["chapter-02/with-retries", "chapter-02/complete"]


def run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """In ``folder``, without the variables that point to this repository's environment."""
    ours = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT_ENVIRONMENT", "PYTEST_ADDOPTS")
    return subprocess.run(
        command,
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name not in ours},
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=240,
    )


@pytest.mark.parametrize("step", drawn("exports", STEPS))
def test_an_export_passes_its_tests_in_a_clean_environment(tmp_path: Path, step: str) -> None:
    book = Book.find()
    target = export(book, book.step(step), tmp_path / "out")
    programs = target / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    assert run(sys.executable, "-m", "venv", ".venv", folder=target).returncode == 0
    pip = (str(programs / "python"), "-m", "pip", "install", "--quiet")
    uv = shutil.which("uv") or shutil.which("uv", path=book.root / ".uv" / "bin")
    if uv is not None:
        installed = run(uv, "sync", "--quiet", folder=target)
    else:
        installed = run(*pip, ".[test]", folder=target)
    assert installed.returncode == 0, installed.stderr
    tested = run(str(programs / "pytest"), "-q", folder=target)
    assert tested.returncode == 0, tested.stdout[-4000:]
    places = "import agent, reliability as r; print(agent.__file__, r.__file__, sep='\\n')"
    told = run(str(programs / "python"), "-c", places, folder=target).stdout.splitlines()
    assert told == [str(target / "agent.py"), str(target / "reliability" / "__init__.py")]
