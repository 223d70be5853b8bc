"""The Makefile on a bare machine: what is missing is named in one line, with exit code 2."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("sh", "make", "ls", "cut", "head", "tr", "basename", "rm", "touch", "env")

pytestmark = pytest.mark.skipif(
    os.name != "posix" or shutil.which("make") is None, reason="make and a POSIX shell are needed"
)


@pytest.fixture
def make(tmp_path: Path) -> "Make":
    return Make(tmp_path)


class Make:
    """Runs this repository's Makefile in an empty copy, where only NEEDED and ``python3`` exist."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "bin"
        self.programs.mkdir()
        for name in NEEDED:
            self.programs.joinpath(name).symlink_to(shutil.which(name) or "/bin/false")
        self.copy = folder / "copy"
        (self.copy / "chapters" / "chapter-02-words").mkdir(parents=True)
        for name in ("Makefile", "pyproject.toml", "uv.lock"):
            shutil.copy2(ROOT / name, self.copy)

    def python(self, script: str) -> None:
        python = self.programs / "python3"
        python.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        python.chmod(0o755)

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.programs / "make"), *words],
            cwd=self.copy,
            env={"PATH": str(self.programs), "HOME": str(self.copy)},
            capture_output=True,
            text=True,
            check=False,
        )


def test_without_venv_the_line_that_installs_it_is_printed(make: Make) -> None:
    make.python(f'case "$*" in *ensurepip*) exit 1;; esac\nexec {sys.executable} "$@"')
    done = make("chapter-02")
    assert done.returncode == 2
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"sudo apt-get install python{version}-venv" in done.stderr
    assert not (make.copy / ".venv").exists()


def test_with_an_old_python_the_version_needed_is_named(make: Make) -> None:
    make.python("exit 1")
    done = make("test")
    assert done.returncode == 2
    assert "Python 3.11 or newer" in done.stderr


def test_an_unknown_chapter_is_answered_with_the_valid_ones(make: Make) -> None:
    make.python(f'exec {sys.executable} "$@"')
    uv = make.programs / "uv"
    uv.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    uv.chmod(0o755)
    done = make("chapter-77")
    assert done.returncode == 2
    assert "chapter-02" in done.stderr


def test_help_names_the_commands_of_the_readme(make: Make) -> None:
    make.python("exit 1")
    done = make("help")
    assert done.returncode == 0
    for command in ("make chapter-02", "make test", "make agent", "make diff-02", "make check"):
        assert command in done.stdout
